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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
