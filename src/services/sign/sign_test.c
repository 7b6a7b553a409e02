/* Who is signed for, with which keys, how often role keys is asked, and what happens when it does not answer. */
#include "check.h"

#include "services/sign/sign.h"
#include "services/sign/state.h"
#include "services/store/fixture.h"

static struct fixture f;
static struct {
	int asked;
	bool is_down;
	char last[300];
} keys;

static int play_keys(
    void *owner, str name, uint16_t scheme, str digest, struct buf *out, struct err *err)
{
	(void)owner;
	keys.asked++;
	check(digest.len == 32 && (scheme == 0x0401 || scheme == 0x0807));
	snprintf(keys.last, sizeof(keys.last), STR_FMT, STR_ARG(name));
	if (keys.is_down)
		return err_set(err, ERR_SYSTEM, "role keys does not answer");
	buf_add(out, STR("signature"));
	return 0;
}

static int setup(void **state)
{
	(void)state;
	fixture_begin(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end(&f);
	return 0;
}

static int add_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_dkim_add(t, arg, err);
}

static int remove_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct store_dkim_key *k = arg;

	return txn_dkim_remove(t, k->domain, k->selector, err);
}

static int activate_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct store_dkim_key *k = arg;

	return txn_dkim_activate(t, k->domain, k->selector, k->active_from, err);
}

static struct store_dkim_key key(const char *selector, const char *algorithm, int64_t from)
{
	return (struct store_dkim_key){ STR("example.org"), str_c(selector), str_c(algorithm),
		STR("AAAA"), 0, from };
}

static void change(store_job_fn *job, struct store_dkim_key k)
{
	fixture_must(&f, store_write(f.store, job, &k, &f.err));
}

static const struct log quiet = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 };

static int sign(struct signer *g, const char *message, unsigned char id, int64_t now, str *out)
{
	unsigned char sha256[32] = { id };

	return signer_sign(
	    g, &(struct signer_mail){ str_c(message), sha256, 1000 }, now, f.arena, out, &f.err);
}

#define MESSAGE(from) "From: " from "\r\nSubject: s\r\n\r\nbody\r\n"

static struct signer *fresh(void)
{
	keys.asked = 0;
	keys.is_down = false;
	return signer_new(f.store, &quiet, &(struct signer_env){ .sign = play_keys });
}

static void test_who(void **state)
{
	static const struct {
		const char *name, *message;
		int asked;
	} cases[] = {
		{ "ours", MESSAGE("ana@example.org"), 2 },
		{ "ours, in capitals, with a name", MESSAGE("Ana <ana@EXAMPLE.org>"), 2 },
		{ "ours first of two", MESSAGE("ana@example.org, x@other.example"), 2 },
		{ "another's", MESSAGE("ana@other.example"), 0 },
		{ "below ours", MESSAGE("ana@sub.example.org"), 0 },
		{ "above ours", MESSAGE("ana@org"), 0 },
		{ "nobody's", "Subject: s\r\n\r\nbody\r\n", 0 },
		{ "a broken one", MESSAGE("ana@@"), 0 },
		{ "nothing", "", 0 },
	};
	struct signer *g = fresh();
	str out;

	(void)state;
	change(add_job, key("r1", "rsa", 500));
	change(add_job, key("e1", "ed25519", 500));
	for (size_t i = 0; i < COUNT(cases); i++) {
		keys.asked = 0;
		check_case(
		    cases[i].name, sign(g, cases[i].message, (unsigned char)i, 2000, &out) == 0);
		check_case(cases[i].name, keys.asked == cases[i].asked);
		check_case(cases[i].name, (out.len > 0) == (cases[i].asked > 0));
	}
	signer_free(g);
}

static void test_kept(void **state)
{
	struct signer *g = fresh();
	str first, out;

	(void)state;
	check(sign(g, MESSAGE("ana@example.org"), 1, 2000, &first) == 0);
	check_int_eq(keys.asked, 2);
	check(str_find(first, STR("d=example.org")) != STR_NPOS);
	check(str_find(first, STR("t=1000")) != STR_NPOS);
	check(str_find(first, STR("s=r1")) != STR_NPOS && str_find(first, STR("s=e1")) != STR_NPOS);
	check(str_starts(first, STR("DKIM-Signature:")) && str_ends(first, STR("\r\n")));
	check(sign(g, MESSAGE("ana@example.org"), 1, 2000 + SIGNER_KEPT_S, &out) == 0);
	check_int_eq(keys.asked, 2);
	check(str_eq(first, out));
	/* Made again it is the same. */
	check(sign(g, MESSAGE("ana@example.org"), 1, 2001 + SIGNER_KEPT_S, &out) == 0);
	check_int_eq(keys.asked, 4);
	check(str_eq(first, out));
	signer_free(g);
}

/* Never unsigned while a key is active; and what failed is not kept. */
static void test_keys_down(void **state)
{
	struct signer *g = fresh();
	str out;

	(void)state;
	keys.is_down = true;
	check(sign(g, MESSAGE("ana@example.org"), 1, 2000, &out) < 0);
	check_int_eq(f.err.kind, ERR_RETRY);
	check(strstr(f.err.text, "example.org") && strstr(f.err.text, "does not answer"));
	check(sign(g, MESSAGE("x@other.example"), 2, 2000, &out) == 0);
	keys.is_down = false;
	check(sign(g, MESSAGE("ana@example.org"), 1, 2000, &out) == 0);
	check(out.len > 0);
	signer_free(g);
}

static void test_rotation(void **state)
{
	struct signer *g = fresh();
	struct store_dkim_key r2 = key("r2", "rsa", 0);
	str out;

	(void)state;
	change(add_job, r2);
	check(sign(g, MESSAGE("ana@example.org"), 1, 2000, &out) == 0);
	check(str_find(out, STR("s=r1")) != STR_NPOS && str_find(out, STR("s=r2")) == STR_NPOS);
	r2.active_from = 3000;
	change(activate_job, r2);
	check(sign(g, MESSAGE("ana@example.org"), 2, 2999, &out) == 0);
	check(str_find(out, STR("s=r1")) != STR_NPOS);
	check(sign(g, MESSAGE("ana@example.org"), 3, 3000, &out) == 0);
	check(str_find(out, STR("s=r1")) == STR_NPOS && str_find(out, STR("s=r2")) != STR_NPOS);
	check(str_find(out, STR("s=e1")) != STR_NPOS);
	change(remove_job, key("r1", "rsa", 0));
	change(remove_job, key("r2", "rsa", 0));
	change(remove_job, key("e1", "ed25519", 0));
	check(sign(g, MESSAGE("ana@example.org"), 3, 3000, &out) == 0);
	check_int_eq(out.len, 0);
	signer_free(g);
}

static void test_states(void **state)
{
	const struct store_dkim_key list[] = {
		key("a", "rsa", 100),
		key("b", "rsa", 200),
		key("c", "rsa", 0),
		key("d", "ed25519", 50),
		key("e", "rsa", 200),
		{ STR("example.net"), STR("f"), STR("rsa"), STR("AAAA"), 0, 150 },
	};
	static const struct {
		size_t i;
		int64_t now;
		enum dkim_state state;
		int64_t retired_at;
	} cases[] = {
		{ 0, 99, DKIM_NEW, 0 },
		{ 0, 100, DKIM_ACTIVE, 0 },
		{ 0, 199, DKIM_ACTIVE, 0 },
		{ 0, 200, DKIM_RETIRED, 200 },
		{ 1, 200, DKIM_RETIRED, 200 },
		{ 4, 200, DKIM_ACTIVE, 0 },
		{ 2, 1000, DKIM_NEW, 0 },
		{ 3, 1000, DKIM_ACTIVE, 0 },
		{ 5, 1000, DKIM_ACTIVE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_int_eq(
		    dkim_state_of(list, COUNT(list), cases[i].i, cases[i].now), cases[i].state);
		check_int_eq(dkim_retired_at(list, COUNT(list), cases[i].i, cases[i].now),
		    cases[i].retired_at);
	}
	check(strcmp(dkim_state_name(DKIM_RETIRED), "retired") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_keys_down),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
