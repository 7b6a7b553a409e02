#include "check.h"

#include "formats/xtext.h"

static void test_xtext(void **state)
{
	static const struct {
		const char *name;
		str in;
		const char *out; /* NULL: refused */
	} cases[] = {
		{ "plain", STR_INIT("abc@example.org"), "abc@example.org" },
		{ "plus", STR_INIT("a+2Bb+3Dc"), "a+b=c" },
		{ "space", STR_INIT("a+20b"), "a b" },
		{ "lower-case hex", STR_INIT("a+2bb"), NULL },
		{ "cut", STR_INIT("a+2"), NULL },
		{ "line break", STR_INIT("a+0D+0Ab"), NULL },
		{ "NUL", STR_INIT("a+00"), NULL },
		{ "raw space", STR_INIT("a b"), NULL },
		{ "raw equals", STR_INIT("a=b"), NULL },
		{ "8 bit", STR_INIT("\xc3\xa9"), NULL },
		{ "empty", STR_INIT(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(100);
		int result = xtext_decode(cases[i].in, &out, NULL);
		check_case(cases[i].name, result == (cases[i].out ? 0 : -1));
		check_case_str(cases[i].name, buf_str(&out), str_c(cases[i].out));
	}
}

static void test_utf8(void **state)
{
	static const struct {
		const char *name;
		str in;
		bool utf8;
		const char *out;
	} cases[] = {
		{ "plain", STR_INIT("a@b"), false, "a@b" },
		{ "escaped", STR_INIT("jos\\x{E9}@b"), false, "jos\xc3\xa9@b" },
		{ "four bytes", STR_INIT("\\x{1F600}"), false, "\xf0\x9f\x98\x80" },
		{ "plus", STR_INIT("a\\x{2B}b"), false, "a+b" },
		{ "backslash", STR_INIT("a\\x{5C}b"), false, "a\\b" },
		{ "raw", STR_INIT("jos\xc3\xa9"), true, "jos\xc3\xa9" },
		{ "raw not allowed", STR_INIT("jos\xc3\xa9"), false, NULL },
		{ "raw broken", STR_INIT("jos\xc3"), true, NULL },
		{ "ASCII escaped", STR_INIT("\\x{41}"), false, NULL },
		{ "line feed", STR_INIT("\\x{0A}"), false, NULL },
		{ "surrogate", STR_INIT("\\x{D800}"), false, NULL },
		{ "too high", STR_INIT("\\x{110000}"), false, NULL },
		{ "leading zero", STR_INIT("\\x{0E9}"), false, NULL },
		{ "lower case", STR_INIT("\\x{e9}"), false, NULL },
		{ "no end", STR_INIT("\\x{E9"), false, NULL },
		{ "lone backslash", STR_INIT("a\\b"), false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(100);
		int result = xtext_utf8_decode(cases[i].in, cases[i].utf8, &out, NULL);
		check_case(cases[i].name, result == (cases[i].out ? 0 : -1));
		check_case_str(cases[i].name, buf_str(&out), str_c(cases[i].out));
	}
}

static void test_encode(void **state)
{
	AUTO_BUF out = BUF_INIT(100);

	(void)state;
	xtext_encode(STR("a+b=c d"), &out);
	check_str_eq(buf_str(&out), STR("a+2Bb+3Dc+20d"));
	buf_reset(&out);
	xtext_utf8_encode(STR("jos\xc3\xa9+\\"), false, &out);
	check_str_eq(buf_str(&out), STR("jos\\x{E9}\\x{2B}\\x{5C}"));
	buf_reset(&out);
	xtext_utf8_encode(STR("jos\xc3\xa9+"), true, &out);
	check_str_eq(buf_str(&out), STR("jos\xc3\xa9\\x{2B}"));
}

static void test_limit(void **state)
{
	(void)state;
	for (size_t max = 2; max <= 4; max++) {
		AUTO_BUF out = BUF_INIT(max);
		struct err err = { 0 };
		check_int_eq(xtext_decode(STR("abc"), &out, &err), max < 3 ? -1 : 0);
		check(max >= 3 || err.kind == ERR_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
