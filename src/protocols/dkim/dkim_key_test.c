#include "check.h"

#include "protocols/dkim/key.h"

static void test_records(void **state)
{
	static const struct {
		const char *text;
		enum dkim_reason reason;
		const char *bytes; /* decoded p= */
		const char *flags; /* e: Ed25519, y, s: t=, H: no SHA-256, S: not for mail */
	} cases[] = {
		/* clang-format off */
		{ "v=DKIM1; k=rsa; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; p=YWJj", DKIM_OK, "abc", "" },
		{ "p=YWJj", DKIM_OK, "abc", "" },
		{ "k=ed25519;p=YWJj;", DKIM_OK, "abc", "e" },
		{ "v=dkim1; k=RSA; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; p=YW Jj\t\r\n", DKIM_OK, "abc", "" },
		{ "v=DKIM1; p=YWI", DKIM_OK, "ab", "" },
		{ "v=DKIM1\\; k=rsa\\; p=YWJj", DKIM_OK, "abc", "" },
		{ "\"v=DKIM1; k=rsa; p=YW\" \"Jj\"", DKIM_OK, "abc", "" },
		{ "v=DKIM1; g=*; n=some words; x-foo=1; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; t=y; p=YWJj", DKIM_OK, "abc", "y" },
		{ "v=DKIM1; t=y:s; p=YWJj", DKIM_OK, "abc", "ys" },
		{ "v=DKIM1; t=S; p=YWJj", DKIM_OK, "abc", "s" },
		{ "v=DKIM1; h=sha1; p=YWJj", DKIM_OK, "abc", "H" },
		{ "v=DKIM1; h=sha1:sha256; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; s=email; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; s=tlsrpt : *; p=YWJj", DKIM_OK, "abc", "" },
		{ "v=DKIM1; s=tlsrpt; p=YWJj", DKIM_OK, "abc", "S" },
		{ "v=DKIM1; p=", DKIM_KEY_REVOKED, NULL, NULL },
		{ "v=DKIM1; k=rsa; p=;", DKIM_KEY_REVOKED, NULL, NULL },
		{ "p=", DKIM_KEY_REVOKED, NULL, NULL },
		{ "v=DKIM1; k=ed25519-sha256; p=YWJj", DKIM_KEY_TYPE, NULL, NULL },
		{ "v=DKIM1; p=!!!!", DKIM_KEY_SYNTAX, NULL, NULL },
		{ "v=DKIM1; p=YWJj; p=YWJj", DKIM_KEY_SYNTAX, NULL, NULL },
		{ "v=DKIM1; k=rsa", DKIM_KEY_SYNTAX, NULL, NULL },
		{ "v=DKIM1: k=rsa; p=YWJj", DKIM_KEY_SYNTAX, NULL, NULL },
		{ "k=rsa; v=DKIM1; p=YWJj", DKIM_KEY_MISSING, NULL, NULL },
		{ "v=DKIM2; p=YWJj", DKIM_KEY_SYNTAX, NULL, NULL },
		{ "v=spf1 -all", DKIM_KEY_MISSING, NULL, NULL },
		{ "google-site-verification=abc", DKIM_KEY_MISSING, NULL, NULL },
		{ "", DKIM_KEY_MISSING, NULL, NULL },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct dkim_key key;
		enum dkim_reason reason = dkim_key_parse(str_c(cases[i].text), a, &key);
		check_case(cases[i].text, reason == cases[i].reason);
		if (reason != DKIM_OK)
			continue;
		str flags = str_c(cases[i].flags);
		check_case_str(cases[i].text, key.bytes, str_c(cases[i].bytes));
		check_case(cases[i].text, key.is_ed25519 == (str_chr(flags, 'e') != STR_NPOS));
		check_case(cases[i].text, key.is_testing == (str_chr(flags, 'y') != STR_NPOS));
		check_case(cases[i].text, key.is_strict == (str_chr(flags, 's') != STR_NPOS));
		check_case(cases[i].text, key.allows_sha256 == (str_chr(flags, 'H') == STR_NPOS));
		check_case(cases[i].text, key.allows_mail == (str_chr(flags, 'S') == STR_NPOS));
	}
}

static void test_size(void **state)
{
	(void)state;
	for (size_t len = DKIM_KEY_RECORD_MAX - 1; len <= DKIM_KEY_RECORD_MAX + 1; len++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF text = BUF_INIT(DKIM_KEY_RECORD_MAX + 1);
		struct dkim_key key;
		buf_addz(&text, "v=DKIM1; p=YWJj; n=");
		while (text.len < len)
			buf_addc(&text, 'x');
		check_int_eq(dkim_key_parse(buf_str(&text), a, &key),
		    len <= DKIM_KEY_RECORD_MAX ? DKIM_OK : DKIM_KEY_SYNTAX);
	}
}

static void test_write(void **state)
{
	AUTO_BUF out = BUF_INIT(256);
	AUTO_BUF testing = BUF_INIT(256);

	(void)state;
	dkim_key_write(&(struct dkim_key){ .is_ed25519 = true, .bytes = STR("abc") }, &out);
	check_str_eq(buf_str(&out), STR("v=DKIM1; k=ed25519; p=YWJj"));
	dkim_key_write(&(struct dkim_key){ .is_testing = true, .bytes = STR("abc") }, &testing);
	check_str_eq(buf_str(&testing), STR("v=DKIM1; k=rsa; t=y; p=YWJj"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
