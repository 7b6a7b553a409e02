#include "check.h"

#include "protocols/dkim/sign.h"

#define HEADER \
	"From: Joe <joe@example.org>\r\nReceived: x\r\nSubject: a\r\nSubject: b\r\nX-Own: " \
	"y\r\n\r\n"

static const struct dkim_sign_key keys[] = {
	{ DKIM_RSA_SHA256, STR_INIT("r1") },
	{ DKIM_ED25519_SHA256, STR_INIT("e1") },
	{ DKIM_RSA_SHA256, STR_INIT("r2") },
	{ DKIM_RSA_SHA256, STR_INIT("r3") },
	{ DKIM_RSA_SHA256, STR_INIT("r4") },
};

static struct dkim_sign *start(
    struct arena *a, const char *header, size_t key_count, struct err *err)
{
	struct dkim_sign_options o = { .domain = STR("Example.org"),
		.now_s = 1700000000,
		.keys = keys,
		.key_count = key_count };

	return dkim_sign_start(a, str_c(header), &o, err);
}

static void test_fields(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct err err;
	struct dkim_sign *s = start(a, HEADER, 2, &err);
	struct dkim_sign_question q, unused;

	(void)state;
	assert_non_null(s);
	check(!dkim_sign_next_question(s, &q)); /* not before the body */
	dkim_sign_body(s, STR("Hi.\r\n"));
	dkim_sign_body_end(s);
	check(dkim_sign_next_question(s, &q));
	check(q.scheme == 0x0401 && q.algorithm == DKIM_RSA_SHA256 && q.digest.len == 32);
	check_str_eq(q.selector, STR("r1"));
	dkim_sign_answer(s, 1, STR("too early")); /* not asked yet */
	check(dkim_sign_next_question(s, &q) && q.scheme == 0x0807);
	check(!dkim_sign_next_question(s, &unused));
	dkim_sign_answer(s, 1, STR("two"));
	check(!dkim_sign_result(s));
	dkim_sign_answer(s, 0, STR("one"));
	dkim_sign_answer(s, 0, STR("again"));
	str text = *dkim_sign_result(s);
	check(str_find(text, STR("d=example.org; s=r1;")) != STR_NPOS);
	check(
	    str_find(text, STR("h=From:From:Reply-To:To:Cc:Subject:Subject:Subject:")) != STR_NPOS);
	check(str_find(text, STR("Received")) == STR_NPOS &&
	      str_find(text, STR("X-Own")) == STR_NPOS);
	check(str_find(text, STR("b=b25l\r\n")) != STR_NPOS &&
	      str_find(text, STR("b=dHdv\r\n")) != STR_NPOS);
	check(str_find(text, STR("x=")) == STR_NPOS);
}

static void test_failing_keys(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct err err;
	struct dkim_sign_question q;

	(void)state;
	for (unsigned good = 0; good < 4; good++) {
		struct dkim_sign *s = start(a, HEADER, 2, &err);
		dkim_sign_body_end(s);
		while (dkim_sign_next_question(s, &q))
			dkim_sign_answer(s, q.id, good >> q.id & 1 ? STR("sig") : STR(""));
		str text = *dkim_sign_result(s);
		check((str_find(text, STR("s=r1;")) != STR_NPOS) == (good & 1));
		check((str_find(text, STR("s=e1;")) != STR_NPOS) == (good >> 1));
	}
	struct dkim_sign *none = start(a, HEADER, 0, &err);
	dkim_sign_body_end(none);
	check_int_eq(dkim_sign_result(none)->len, 0);
}

static void test_refusals(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF many = BUF_INIT(1 << 20);
	struct err err;
	struct dkim_sign_options o = { .domain = STR("exa mple.org") };

	(void)state;
	check(!start(a, "To: x@example.org\r\n\r\n", 1, &err) && strstr(err.text, "no From"));
	check(start(a, HEADER, DKIM_SIGN_KEYS_MAX - 1, &err) &&
	      start(a, HEADER, DKIM_SIGN_KEYS_MAX, &err));
	check(!start(a, HEADER, DKIM_SIGN_KEYS_MAX + 1, &err) && err.kind == ERR_LIMIT);
	check(!dkim_sign_start(a, STR(HEADER), &o, &err) && strstr(err.text, "exa mple.org"));
	for (int i = 0; i < 2000; i++)
		buf_addz(&many, "X: y\r\n");
	buf_addz(&many, HEADER);
	buf_addc(&many, '\0');
	check(!start(a, many.ptr, 1, &err) && err.kind == ERR_LIMIT);
	buf_reset(&many);
	for (int i = 0; i < 300; i++)
		buf_addz(&many, "Subject: y\r\n");
	buf_addz(&many, HEADER);
	buf_addc(&many, '\0');
	check(!start(a, many.ptr, 1, &err) && err.kind == ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_failing_keys),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
