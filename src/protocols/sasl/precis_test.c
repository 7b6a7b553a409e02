/* Tests of names and passwords in their one form. RFC 8265 §3.3.3, §4.2.2. */
#include "check.h"

#include "protocols/sasl/precis.h"

struct precis_case {
	const char *name;
	str in;
	const char *want; /* NULL: refused */
};

static void run_cases(const struct precis_case *cases, size_t count,
    int (*prepare)(str in, struct buf *out, struct err *err))
{
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF out = BUF_INIT(64);
		AUTO_BUF again = BUF_INIT(64);
		struct err err = { 0 };
		int rc = prepare(cases[i].in, &out, &err);

		check_case(cases[i].name, rc == (cases[i].want ? 0 : -1));
		if (!cases[i].want) {
			check_case(cases[i].name, out.len == 0 && err.kind == ERR_INPUT);
			continue;
		}
		check_case_str(cases[i].name, buf_str(&out), str_c(cases[i].want));
		check_case(cases[i].name, prepare(buf_str(&out), &again, NULL) == 0);
		check_case_str(cases[i].name, buf_str(&again), buf_str(&out));
	}
}

static void test_password(void **state)
{
	static const struct precis_case cases[] = {
		{ "ascii", STR_INIT("correct horse Battery"), "correct horse Battery" },
		{ "case stays", STR_INIT("PassWord"), "PassWord" },
		{ "decomposed", STR_INIT("n\xcc\x83"), "\xc3\xb1" },
		{ "no-break space",
		    STR_INIT("a\xc2\xa0"
		             "b"),
		    "a b" },
		{ "ogham space",
		    STR_INIT("foo\xe1\x9a\x80"
		             "bar"),
		    "foo bar" },
		{ "symbols", STR_INIT("\xe2\x99\xa6"), "\xe2\x99\xa6" },
		{ "roman numeral is not folded", STR_INIT("\xe2\x85\xa8"), "\xe2\x85\xa8" },
		{ "emoji", STR_INIT("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80" },
		{ "empty", STR_INIT(""), NULL },
		{ "tab", STR_INIT("my cat is a \tby"), NULL },
		{ "NUL", STR_INIT("a\0b"), NULL },
		{ "soft hyphen",
		    STR_INIT("a\xc2\xad"
		             "b"),
		    NULL },
		{ "noncharacter", STR_INIT("\xef\xbf\xbf"), NULL },
		{ "not utf-8", STR_INIT("\xc3"), NULL },
	};

	(void)state;
	run_cases(cases, COUNT(cases), precis_password);
}

static void test_username(void **state)
{
	static const struct precis_case cases[] = {
		{ "ascii", STR_INIT("Juliet@Example.com"), "juliet@example.com" },
		{ "punctuation", STR_INIT("o'brien+x=y@a"), "o'brien+x=y@a" },
		{ "umlaut", STR_INIT("\xc3\x9c@a"), "\xc3\xbc@a" },
		{ "decomposed", STR_INIT("N\xcc\x83@a"), "\xc3\xb1@a" },
		{ "fullwidth", STR_INIT("\xef\xbc\xa1\xef\xbd\x82@a"), "ab@a" },
		{ "greek", STR_INIT("\xce\xa3@a"), "\xcf\x83@a" },
		{ "empty", STR_INIT(""), NULL },
		{ "space", STR_INIT("foo bar"), NULL },
		{ "symbol", STR_INIT("\xe2\x99\x9a"), NULL },
		{ "zero width space", STR_INIT("a\xe2\x80\x8b@a"), NULL },
		{ "control", STR_INIT("a\x01"), NULL },
	};

	(void)state;
	run_cases(cases, COUNT(cases), precis_username);
}

static void test_ceiling(void **state)
{
	AUTO_BUF out = BUF_INIT(4);
	struct err err = { 0 };

	(void)state;
	check_int_eq(precis_password(STR("abcd"), &out, &err), 0);
	buf_reset(&out);
	check_int_eq(precis_password(STR("abcde"), &out, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_username),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
