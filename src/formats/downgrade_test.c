#include "check.h"

#include "formats/charset.h"
#include "formats/downgrade.h"

static int set_up(void **state)
{
	(void)state;
	charset_init();
	return 0;
}

static void test_fields(void **state)
{
	static const struct {
		const char *name;
		str in, out;
	} cases[] = {
		{ "ascii stays", STR_INIT("From: A <a@b>\r\nX:  y\r\n z\r\n\r\n"),
		    STR_INIT("From: A <a@b>\r\nX:  y\r\n z\r\n\r\n") },
		{ "subject", STR_INIT("Subject: caf\xc3\xa9 at five\r\n\r\n"),
		    STR_INIT("Subject: =?UTF-8?Q?caf=C3=A9_at_five?=\r\n\r\n") },
		{ "display name", STR_INIT("From: Jos\xc3\xa9 <jose@example.org>\r\n\r\n"),
		    STR_INIT("From: =?UTF-8?B?Sm9zw6k=?= <jose@example.org>\r\n\r\n") },
		{ "domain",
		    STR_INIT("To: a@b\xc3\xbc"
		             "cher.example\r\n\r\n"),
		    STR_INIT("To: <a@xn--bcher-kva.example>\r\n\r\n") },
		{ "local part", STR_INIT("From: jos\xc3\xa9@example.org\r\n\r\n"),
		    STR_INIT("From: =?UTF-8?Q?jos=C3=A9=40example=2Eorg?=:;\r\n\r\n") },
		{ "two", STR_INIT("To: A <a@b.c>, \xc3\xa9 <e@b.c>\r\n\r\n"),
		    STR_INIT("To: \"A\" <a@b.c>,\r\n =?UTF-8?B?w6k=?= <e@b.c>\r\n\r\n") },
		{ "masked", STR_INIT("Message-ID: <\xc3\xa9@b>\r\n\r\n"),
		    STR_INIT("Message-ID: <?@b>\r\n\r\n") },
		{ "parameter",
		    STR_INIT("Content-Type: text/plain; name=\"\xe2\x82\xac.txt\"\r\n\r\n"),
		    STR_INIT("Content-Type: text/plain; name=\"?.txt\"\r\n\r\n") },
		{ "no end", STR_INIT("Subject: \xc3\xa9"),
		    STR_INIT("Subject: =?UTF-8?B?w6k=?=\r\n") },
		{ "empty", STR_INIT(""), STR_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(10000);
		downgrade_header(cases[i].in, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
		check_case(cases[i].name, str_is_ascii(buf_str(&out)));
	}
}

static void test_strings(void **state)
{
	static const struct {
		const char *name;
		str in, out;
	} cases[] = {
		{ "nothing to do", STR_INIT("(\"text\" NIL {3}\r\na\"b 5)"),
		    STR_INIT("(\"text\" NIL {3}\r\na\"b 5)") },
		{ "file name", STR_INIT("(\"name\" {4}\r\n\xc3\xb1.a)"),
		    STR_INIT("(\"name\" \"=?UTF-8?B?w7EuYQ==?=\")") },
		{ "brace inside quotes", STR_INIT("\"{4}\\\"\" {2}\r\n\xc3\xb1"),
		    STR_INIT("\"{4}\\\"\" \"=?UTF-8?B?w7E=?=\"") },
		{ "not UTF-8 stays", STR_INIT("{1}\r\n\xf1"), STR_INIT("{1}\r\n\xf1") },
		{ "literal cut short", STR_INIT("{9}\r\n\xc3\xb1"), STR_INIT("{9}\r\n\xc3\xb1") },
		{ "quote cut short", STR_INIT("\"a\\"), STR_INIT("\"a\\") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(10000);
		downgrade_strings(cases[i].in, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
