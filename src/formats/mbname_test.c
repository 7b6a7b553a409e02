#include "check.h"

#include "formats/mbname.h"

static void test_utf7(void **state)
{
	static const struct {
		const char *name;
		str utf7, utf8;
	} cases[] = {
		{ "plain", STR_INIT("INBOX/a b"), STR_INIT("INBOX/a b") },
		{ "ampersand", STR_INIT("a&-b"), STR_INIT("a&b") },
		{ "two ampersands", STR_INIT("&-&-"), STR_INIT("&&") },
		/* RFC 3501 §5.1.3 */
		{ "rfc", STR_INIT("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
		    STR_INIT("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		             "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") },
		{ "one", STR_INIT("Entw&APw-rfe"), STR_INIT("Entw\xc3\xbcrfe") },
		{ "surrogates", STR_INIT("&2D3eAA-"), STR_INIT("\xf0\x9f\x98\x80") },
		{ "at the end", STR_INIT("a&AOk-"), STR_INIT("a\xc3\xa9") },
		{ "shift then ampersand", STR_INIT("&AOk-&-"), STR_INIT("\xc3\xa9&") },
		{ "empty", STR_INIT(""), STR_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF utf8 = BUF_INIT(1000);
		AUTO_BUF utf7 = BUF_INIT(1000);
		check_case(cases[i].name, mbname_from_utf7(cases[i].utf7, &utf8, NULL) == 0);
		check_case_str(cases[i].name, buf_str(&utf8), cases[i].utf8);
		mbname_to_utf7(cases[i].utf8, &utf7);
		check_case_str(cases[i].name, buf_str(&utf7), cases[i].utf7);
	}
}

static void test_utf7_refuses(void **state)
{
	static const struct {
		const char *name;
		str in;
	} cases[] = {
		{ "no end", STR_INIT("&AOk") },
		{ "lone ampersand", STR_INIT("a&b") },
		{ "null shift", STR_INIT("&AOk-&AOk-") },
		{ "printable inside", STR_INIT("&AEE-") },
		{ "padding bits", STR_INIT("&AOl-") },
		{ "digit too many", STR_INIT("&AOkA-") },
		{ "high surrogate alone", STR_INIT("&2D0-") },
		{ "low surrogate alone", STR_INIT("&3gA-") },
		{ "slash of plain base64", STR_INIT("&U/BTFw-") },
		{ "8 bit", STR_INIT("\xc3\xa9") },
		{ "control", STR_INIT("a\tb") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		struct err err = { 0 };
		check_case(cases[i].name, mbname_from_utf7(cases[i].in, &out, &err) == -1);
		check_case(cases[i].name, out.len == 0 && err.kind == ERR_INPUT);
	}
}

static void test_normalise(void **state)
{
	static const struct {
		const char *name;
		str in;
		const char *out; /* NULL: refused */
	} cases[] = {
		{ "plain", STR_INIT("Sent"), "Sent" },
		{ "inbox", STR_INIT("inBox"), "INBOX" },
		{ "below inbox", STR_INIT("inbox/Work"), "INBOX/Work" },
		{ "like inbox", STR_INIT("inboxes"), "inboxes" },
		{ "inbox deeper", STR_INIT("a/inbox"), "a/inbox" },
		{ "nfc", STR_INIT("Entwu\xcc\x88rfe"), "Entw\xc3\xbcrfe" },
		{ "leading slash", STR_INIT("/a"), NULL },
		{ "trailing slash", STR_INIT("a/"), NULL },
		{ "two slashes", STR_INIT("a//b"), NULL },
		{ "dot", STR_INIT("a/./b"), NULL },
		{ "dot dot", STR_INIT(".."), NULL },
		{ "dots inside", STR_INIT("a..b"), "a..b" },
		{ "control", STR_INIT("a\nb"), NULL },
		{ "delete", STR_INIT("a\x7f"), NULL },
		{ "C1", STR_INIT("a\xc2\x85"), NULL },
		{ "line separator", STR_INIT("a\xe2\x80\xa8"), NULL },
		{ "noncharacter", STR_INIT("a\xef\xbf\xbf"), NULL },
		{ "not utf-8", STR_INIT("a\xff"), NULL },
		{ "empty", STR_INIT(""), NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(2000);
		buf_add(&out, STR("x"));
		int result = mbname_normalise(cases[i].in, &out, NULL);
		check_case(cases[i].name, result == (cases[i].out ? 0 : -1));
		check_case_str(cases[i].name, str_skip(buf_str(&out), 1), str_c(cases[i].out));
	}
}

static void test_limits(void **state)
{
	(void)state;
	for (size_t len = MBNAME_MAX - 1; len <= MBNAME_MAX + 1; len++) {
		AUTO_BUF in = BUF_INIT(2000);
		AUTO_BUF out = BUF_INIT(2000);
		for (size_t i = 0; i < len; i++)
			buf_addc(&in, 'a');
		check_int_eq(mbname_normalise(buf_str(&in), &out, NULL), len > MBNAME_MAX ? -1 : 0);
	}
	for (size_t depth = MBNAME_DEPTH_MAX - 1; depth <= MBNAME_DEPTH_MAX + 1; depth++) {
		AUTO_BUF in = BUF_INIT(2000);
		AUTO_BUF out = BUF_INIT(2000);
		for (size_t i = 0; i < depth; i++)
			buf_add(&in, i ? STR("/a") : STR("a"));
		check_int_eq(
		    mbname_normalise(buf_str(&in), &out, NULL), depth > MBNAME_DEPTH_MAX ? -1 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf7),
		cmocka_unit_test(test_utf7_refuses),
		cmocka_unit_test(test_normalise),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
