#include "check.h"

#include "protocols/dkim/signature.h"

#define GOOD "v=1; a=rsa-sha256; d=example.org; s=sel; h=From:To; bh=YWJj; b=ZGVm"

static enum dkim_reason parse(const char *value, struct arena *a, struct dkim_signature *out)
{
	struct header_field f = { .name = STR("DKIM-Signature"), .value = str_c(value) };

	return dkim_signature_parse(&f, a, out);
}

static void test_reasons(void **state)
{
	static const struct {
		const char *value;
		enum dkim_reason reason;
	} cases[] = {
		/* clang-format off */
		{ GOOD, DKIM_OK },
		{ GOOD ";", DKIM_OK },
		{ GOOD "; c=relaxed", DKIM_OK },
		{ GOOD "; c=Relaxed/SIMPLE", DKIM_OK },
		{ GOOD "; q=dns/txt", DKIM_OK },
		{ GOOD "; q=future : dns/txt", DKIM_OK },
		{ GOOD "; i=a@sub.example.org", DKIM_OK },
		{ GOOD "; i=@EXAMPLE.org", DKIM_OK },
		{ GOOD "; t=1; x=2", DKIM_OK },
		{ GOOD "; x=99999999999999999999", DKIM_OK },
		{ GOOD "; l=0", DKIM_OK },
		{ GOOD "; z=From:a|To:b; unknown=1", DKIM_OK },
		{ "v=1; a=ed25519-sha256; d=example.org; s=a.b; h=to:FROM; bh=YWJj; b=ZG\r\n\tVm", DKIM_OK },
		{ "", DKIM_BAD_SYNTAX },
		{ GOOD "; v=1", DKIM_BAD_SYNTAX },
		{ GOOD "; c=strict", DKIM_BAD_CANON },
		{ GOOD "; c=relaxed/relaxed/relaxed", DKIM_BAD_CANON },
		{ GOOD "; q=http", DKIM_BAD_QUERY },
		{ GOOD "; i=a@example.com", DKIM_BAD_IDENTITY },
		{ GOOD "; i=a@notexample.org", DKIM_BAD_IDENTITY },
		{ GOOD "; i=example.org", DKIM_BAD_SYNTAX },
		{ GOOD "; t=2; x=2", DKIM_BAD_SYNTAX },
		{ GOOD "; t=-2", DKIM_BAD_SYNTAX },
		{ GOOD "; x=1e9", DKIM_BAD_SYNTAX },
		{ GOOD "; l=abc", DKIM_BAD_SYNTAX },
		{ GOOD "; l=99999999999999999999", DKIM_BAD_SYNTAX },
		{ "v=2; a=rsa-sha256; d=example.org; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_VERSION },
		{ "v=1; a=rsa-sha512; d=example.org; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_ALGORITHM },
		{ "v=1; a=rsa-sha1; d=example.org; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_SHA1 },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=To; bh=YWJj; b=ZGVm", DKIM_FROM_NOT_SIGNED },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; bh=YWJj; b=", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; bh=YW*j; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=exa mple.org; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "a=rsa-sha256; d=example.org; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; s=sel; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; h=From; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; bh=YWJj; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; b=ZGVm", DKIM_BAD_SYNTAX },
		{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=From; bh=YWJj", DKIM_BAD_SYNTAX },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct dkim_signature s;
		check_case(cases[i].value, parse(cases[i].value, a, &s) == cases[i].reason);
	}
}

static void test_values(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct dkim_signature s;

	(void)state;
	check_int_eq(parse("v=1; a=ed25519-sha256; c=relaxed/simple; d=B\xc3\xbc"
	                   "cher.example;\r\n s=Sel; l=12;"
	                   "h=From : to\r\n\t:subject; bh=YWJj; b= ZG\r\n Vm ; t=7; x=9",
	                 a, &s),
	    DKIM_OK);
	check_int_eq(s.algorithm, DKIM_ED25519_SHA256);
	check(s.header_canon == DKIM_RELAXED && s.body_canon == DKIM_SIMPLE);
	check_str_eq(s.domain, STR("xn--bcher-kva.example"));
	check_str_eq(s.key_name, STR("sel._domainkey.xn--bcher-kva.example"));
	check_str_eq(s.identity, STR("@xn--bcher-kva.example"));
	check_int_eq(s.name_count, 3);
	check_str_eq(s.names[2], STR("subject"));
	check_str_eq(s.signature, STR("def"));
	check_str_eq(s.signature_text, STR("ZGVm"));
	check_str_eq(s.signature_raw, STR(" ZG\r\n Vm "));
	check(s.body_limit == 12 && s.signed_at == 7 && s.expires_at == 9);
}

static void test_limits(void **state)
{
	(void)state;
	for (int count = DKIM_NAMES_MAX - 1; count <= DKIM_NAMES_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF value = BUF_INIT(8192);
		struct dkim_signature s;
		buf_addz(
		    &value, "v=1; a=rsa-sha256; d=example.org; s=sel; bh=YWJj; b=ZGVm; h=From");
		for (int i = 1; i < count; i++)
			buf_addz(&value, ":x");
		buf_addc(&value, '\0');
		check_int_eq(
		    parse(value.ptr, a, &s), count <= DKIM_NAMES_MAX ? DKIM_OK : DKIM_BAD_SYNTAX);
	}
	for (size_t len = DKIM_SIGNATURE_FIELD_MAX - 1; len <= DKIM_SIGNATURE_FIELD_MAX + 1;
	     len++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF value = BUF_INIT(DKIM_SIGNATURE_FIELD_MAX + 2);
		struct dkim_signature s;
		buf_addz(&value, GOOD "; z=");
		while (value.len < len)
			buf_addc(&value, 'z');
		buf_addc(&value, '\0');
		check_int_eq(parse(value.ptr, a, &s),
		    len <= DKIM_SIGNATURE_FIELD_MAX ? DKIM_OK : DKIM_BAD_SYNTAX);
	}
}

/* What is written can be read, and no line is too long. */
static void test_write(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF out = BUF_INIT(8192);
	AUTO_BUF signature = BUF_INIT(1024);
	struct dkim_signature s = { .algorithm = DKIM_RSA_SHA256,
		.header_canon = DKIM_RELAXED,
		.body_canon = DKIM_RELAXED,
		.domain = STR("mail.example.org"),
		.selector = STR("s2026"),
		.has_signed_at = true,
		.signed_at = 1700000000,
		.has_expires_at = true,
		.expires_at = 1700086400,
		.body_hash = STR("01234567890123456789012345678901"),
		.identity = STR("@mail.example.org") };
	struct dkim_signature back;
	struct header_field f;

	(void)state;
	for (size_t i = 0; i < 30; i++)
		s.names[s.name_count++] = i % 3 ? STR("Content-Transfer-Encoding") : STR("From");
	for (int i = 0; i < 256; i++)
		buf_addc(&signature, (char)i);
	dkim_signature_write(&s, &out);
	dkim_signature_finish(buf_str(&signature), &out);
	str rest = buf_str(&out), line;
	check(header_next(&rest, &f) && rest.len == 0);
	check_int_eq(dkim_signature_parse(&f, a, &back), DKIM_OK);
	check_str_eq(back.signature, buf_str(&signature));
	check_str_eq(back.body_hash, s.body_hash);
	check_int_eq(back.name_count, s.name_count);
	check(back.expires_at == s.expires_at && back.signed_at == s.signed_at);
	for (rest = buf_str(&out); str_split(&rest, '\n', &line);)
		check(line.len <= 79); /* 78 and the CR */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
