/* Tests of what replies are made of. */
#include "check.h"

#include "protocols/imap/writer.h"

static const struct {
	const char *name;
	void (*put)(struct buf *b, str s, bool utf8);
	str in;
	bool utf8;
	str want;
} cases[] = {
	{ "quoted", imap_put_string, STR_INIT("a b"), false, STR_INIT("\"a b\"") },
	{ "escaped", imap_put_string, STR_INIT("a\"b\\"), false, STR_INIT("\"a\\\"b\\\\\"") },
	{ "empty", imap_put_string, STR_INIT(""), false, STR_INIT("\"\"") },
	{ "CRLF", imap_put_string, STR_INIT("a\r\nb"), false, STR_INIT("{4}\r\na\r\nb") },
	{ "NUL", imap_put_string, STR_INIT("a\0b"), false, STR_INIT("~{3}\r\na\0b") },
	{ "8 bit", imap_put_string, STR_INIT("\xc3\xb1"), false, STR_INIT("{2}\r\n\xc3\xb1") },
	{ "UTF-8", imap_put_string, STR_INIT("\xc3\xb1"), true, STR_INIT("\"\xc3\xb1\"") },
	{ "not UTF-8", imap_put_string, STR_INIT("\xf1"), true, STR_INIT("{1}\r\n\xf1") },
	{ "NIL", imap_put_nstring, { NULL, 0 }, false, STR_INIT("NIL") },
	{ "nstring", imap_put_nstring, STR_INIT("NIL"), false, STR_INIT("\"NIL\"") },
	{ "mailbox", imap_put_mailbox, STR_INIT("INBOX/a.b-c_1"), false,
	    STR_INIT("INBOX/a.b-c_1") },
	{ "mailbox with a space", imap_put_mailbox, STR_INIT("Sent Items"), false,
	    STR_INIT("\"Sent Items\"") },
	{ "mailbox NIL", imap_put_mailbox, STR_INIT("nil"), false, STR_INIT("\"nil\"") },
	{ "mailbox in UTF-7", imap_put_mailbox, STR_INIT("\xc3\xb1 &"), false,
	    STR_INIT("\"&APE- &-\"") },
	{ "mailbox in UTF-8", imap_put_mailbox, STR_INIT("\xc3\xb1 &"), true,
	    STR_INIT("\"\xc3\xb1 &\"") },
	{ "text", imap_put_text, STR_INIT("no such mailbox"), false, STR_INIT("no such mailbox") },
	{ "text with a line end", imap_put_text, STR_INIT("a\r\n* BYE"), false,
	    STR_INIT("a??* BYE") },
	{ "text that looks like a code", imap_put_text, STR_INIT("[ALERT] x"), false,
	    STR_INIT("-[ALERT] x") },
	{ "no text", imap_put_text, STR_INIT(""), false, STR_INIT("-") },
	{ "8-bit text", imap_put_text, STR_INIT("\xc3\xb1"), false, STR_INIT("??") },
	{ "UTF-8 text", imap_put_text, STR_INIT("\xc3\xb1"), true, STR_INIT("\xc3\xb1") },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF got = BUF_INIT(1000);
		cases[i].put(&got, cases[i].in, cases[i].utf8);
		check_case_str(cases[i].name, buf_str(&got), cases[i].want);
	}
}

static void test_long_strings(void **state)
{
	(void)state;
	for (size_t len = 3999; len <= 4001; len++) {
		AUTO_BUF text = BUF_INIT(5000);
		AUTO_BUF got = BUF_INIT(10000);
		for (size_t i = 0; i < len; i++)
			buf_addc(&text, 'x');
		imap_put_string(&got, buf_str(&text), false);
		check(got.ptr[0] == (len <= 4000 ? '"' : '{'));
	}
}

static void test_flags(void **state)
{
	static const str names[] = { STR_INIT("$Junk"), STR_INIT("work"), STR_INIT("x") };
	AUTO_BUF got = BUF_INIT(1000);

	(void)state;
	imap_put_flags(&got, 0, false, 0, names, COUNT(names));
	check_str_eq(buf_str(&got), STR("()"));
	buf_reset(&got);
	imap_put_flags(&got, 1 | 8, true, 5, names, COUNT(names));
	check_str_eq(buf_str(&got), STR("(\\Seen \\Deleted \\Recent $Junk x)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
