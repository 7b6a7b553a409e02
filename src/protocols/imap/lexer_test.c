/* Tests of the lexer. */
#include "check.h"

#include "protocols/imap/lexer.h"

static struct imap_lexer lexer(str text, struct arena *a)
{
	struct imap_lexer l;

	imap_lexer_init(&l, text, a);
	return l;
}

typedef int take_fn(struct imap_lexer *l, str *out, struct err *err);

static const struct string_case {
	const char *name;
	take_fn *take;
	str in;
	str out, rest; /* out.ptr NULL: refused */
	bool utf8;
} strings[] = {
	{ "atom", imap_take_atom, STR_INIT("FETCH 1"), STR_INIT("FETCH"), STR_INIT(" 1"), false },
	{ "atom with bracket", imap_take_atom, STR_INIT("BODY[1]"), STR_INIT("BODY[1"),
	    STR_INIT("]"), false },
	{ "atom of nothing", imap_take_atom, STR_INIT(" x"), { NULL, 0 }, STR_INIT(" x"), false },
	{ "atom is not a list", imap_take_atom, STR_INIT("(x"), { NULL, 0 }, STR_INIT("(x"),
	    false },
	{ "tag", imap_take_tag, STR_INIT("a]1 X"), STR_INIT("a]1"), STR_INIT(" X"), false },
	{ "tag without plus", imap_take_tag, STR_INIT("+ X"), { NULL, 0 }, STR_INIT("+ X"), false },
	{ "tag without star", imap_take_tag, STR_INIT("* X"), { NULL, 0 }, STR_INIT("* X"), false },
	{ "quoted", imap_take_string, STR_INIT("\"a b\" c"), STR_INIT("a b"), STR_INIT(" c"),
	    false },
	{ "quoted, empty", imap_take_string, STR_INIT("\"\""), STR_INIT(""), STR_INIT(""), false },
	{ "quoted, escaped", imap_take_string, STR_INIT("\"a\\\"b\\\\c\""), STR_INIT("a\"b\\c"),
	    STR_INIT(""), false },
	{ "quoted, wrong escape", imap_take_string, STR_INIT("\"a\\b\""), { NULL, 0 },
	    STR_INIT("\"a\\b\""), false },
	{ "quoted, open", imap_take_string, STR_INIT("\"ab"), { NULL, 0 }, STR_INIT("\"ab"),
	    false },
	{ "quoted, open after escape", imap_take_string, STR_INIT("\"ab\\\""), { NULL, 0 },
	    STR_INIT("\"ab\\\""), false },
	{ "quoted, UTF-8", imap_take_string, STR_INIT("\"\xc3\xb1\""), STR_INIT("\xc3\xb1"),
	    STR_INIT(""), false },
	{ "quoted, not UTF-8", imap_take_string, STR_INIT("\"\xf1\""), { NULL, 0 },
	    STR_INIT("\"\xf1\""), false },
	{ "quoted, CR", imap_take_string, STR_INIT("\"a\rb\""), { NULL, 0 }, STR_INIT("\"a\rb\""),
	    false },
	{ "literal", imap_take_string, STR_INIT("{3}\r\nabc d"), STR_INIT("abc"), STR_INIT(" d"),
	    false },
	{ "literal plus", imap_take_string, STR_INIT("{3+}\r\nabc"), STR_INIT("abc"), STR_INIT(""),
	    false },
	{ "literal, cut short", imap_take_string, STR_INIT("{4}\r\nabc"), { NULL, 0 },
	    STR_INIT("{4}\r\nabc"), false },
	{ "literal with NUL", imap_take_string, STR_INIT("{1}\r\n\0"), { NULL, 0 },
	    STR_INIT("{1}\r\n\0"), false },
	{ "literal8 is no string", imap_take_string, STR_INIT("~{1}\r\na"), { NULL, 0 },
	    STR_INIT("~{1}\r\na"), false },
	{ "astring", imap_take_astring, STR_INIT("a]b c"), STR_INIT("a]b"), STR_INIT(" c"), false },
	{ "astring, quoted", imap_take_astring, STR_INIT("\"x\""), STR_INIT("x"), STR_INIT(""),
	    false },
	{ "mailbox", imap_take_mailbox, STR_INIT("Sent x"), STR_INIT("Sent"), STR_INIT(" x"),
	    false },
	{ "inbox", imap_take_mailbox, STR_INIT("inBOX"), STR_INIT("INBOX"), STR_INIT(""), false },
	{ "inbox, quoted", imap_take_mailbox, STR_INIT("\"inbox\""), STR_INIT("INBOX"),
	    STR_INIT(""), false },
	{ "below inbox", imap_take_mailbox, STR_INIT("inbox/a"), STR_INIT("INBOX/a"), STR_INIT(""),
	    false },
	{ "trailing separator", imap_take_mailbox, STR_INIT("a/b/"), STR_INIT("a/b"), STR_INIT(""),
	    false },
	{ "UTF-7", imap_take_mailbox, STR_INIT("Entw&APw-rfe"), STR_INIT("Entw\xc3\xbcrfe"),
	    STR_INIT(""), false },
	{ "wrong UTF-7", imap_take_mailbox, STR_INIT("a&b"), { NULL, 0 }, STR_INIT("a&b"), false },
	{ "ampersand once UTF-8 is on", imap_take_mailbox, STR_INIT("a&b"), STR_INIT("a&b"),
	    STR_INIT(""), true },
	{ "UTF-8 in quotes", imap_take_mailbox, STR_INIT("\"\xc3\xb1\""), STR_INIT("\xc3\xb1"),
	    STR_INIT(""), true },
	{ "NFC", imap_take_mailbox, STR_INIT("\"n\xcc\x83\""), STR_INIT("\xc3\xb1"), STR_INIT(""),
	    true },
	{ "name of nothing", imap_take_mailbox, STR_INIT("\"\""), { NULL, 0 }, STR_INIT("\"\""),
	    false },
	{ "empty component", imap_take_mailbox, STR_INIT("a//b"), { NULL, 0 }, STR_INIT("a//b"),
	    false },
	{ "pattern", imap_take_list_mailbox, STR_INIT("a/%* x"), STR_INIT("a/%*"), STR_INIT(" x"),
	    false },
	{ "pattern, quoted", imap_take_list_mailbox, STR_INIT("\"*\""), STR_INIT("*"), STR_INIT(""),
	    false },
	{ "pattern of nothing", imap_take_list_mailbox, STR_INIT("\"\""), STR_INIT(""),
	    STR_INIT(""), false },
	{ "pattern in UTF-7", imap_take_list_mailbox, STR_INIT("&APE-%"), STR_INIT("\xc3\xb1%"),
	    STR_INIT(""), false },
};

static void test_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		const struct string_case *c = &strings[i];
		struct arena *a = arena_new(NULL, "test", 1 << 20);
		struct imap_lexer l = lexer(c->in, a);
		struct err err = { .kind = ERR_NONE };
		str out = STR_NONE;

		l.utf8 = c->utf8;
		int rc = c->take(&l, &out, &err);
		check_case(c->name, (rc == 0) == (c->out.ptr != NULL));
		if (rc == 0)
			check_case_str(c->name, out, c->out);
		else
			check_case(c->name, err.kind == ERR_INPUT || err.kind == ERR_LIMIT);
		check_case_str(c->name, l.in, c->rest);
		arena_free(a);
	}
}

static const struct set_case {
	const char *name;
	str in;
	const char *out; /* NULL: refused */
} sets[] = {
	{ "one", STR_INIT("7"), "7:7" },
	{ "range", STR_INIT("2:4"), "2:4" },
	{ "backwards", STR_INIT("4:2"), "2:4" },
	{ "star", STR_INIT("*"), "4294967295:4294967295" },
	{ "to the last", STR_INIT("5:*"), "5:4294967295" },
	{ "from the last", STR_INIT("*:5"), "5:4294967295" },
	{ "several", STR_INIT("1,3:5,9"), "1:1 3:5 9:9" },
	{ "the highest number is no star", STR_INIT("4294967295"), "4294967294:4294967294" },
	{ "saved", STR_INIT("$"), "$" },
	{ "zero", STR_INIT("0"), NULL },
	{ "too large", STR_INIT("4294967296"), NULL },
	{ "nothing", STR_INIT(""), NULL },
	{ "comma at the end", STR_INIT("1,"), NULL },
	{ "colon at the end", STR_INIT("1:"), NULL },
};

static void test_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sets); i++) {
		struct arena *a = arena_new(NULL, "test", 1 << 20);
		struct imap_lexer l = lexer(sets[i].in, a);
		AUTO_BUF got = BUF_INIT(1000);
		struct imap_set set;
		struct err err;

		int rc = imap_take_set(&l, &set, &err);
		check_case(sets[i].name, (rc == 0) == (sets[i].out != NULL));
		if (rc < 0)
			check_case_str(sets[i].name, l.in, sets[i].in);
		for (size_t r = 0; rc == 0 && r < set.count; r++)
			buf_addf(
			    &got, "%s%u:%u", r ? " " : "", set.ranges[r].first, set.ranges[r].last);
		if (rc == 0 && set.saved)
			buf_addz(&got, "$");
		if (rc == 0)
			check_case_str(sets[i].name, buf_str(&got), str_c(sets[i].out));
		arena_free(a);
	}
}

/* One below, at and above the limit. */
static void test_set_limit(void **state)
{
	(void)state;
	for (unsigned parts = 9999; parts <= 10001; parts++) {
		struct arena *a = arena_new(NULL, "test", 1 << 22);
		AUTO_BUF text = BUF_INIT(1 << 20);
		for (unsigned i = 0; i < parts; i++)
			buf_addz(&text, i ? ",1" : "1");
		struct imap_lexer l = lexer(buf_str(&text), a);
		struct imap_set set;
		struct err err = { .kind = ERR_NONE };
		check_int_eq(imap_take_set(&l, &set, &err), parts <= 10000 ? 0 : -1);
		check(parts <= 10000 || err.kind == ERR_LIMIT);
		arena_free(a);
	}
}

static const struct flag_case {
	const char *name;
	str in;
	bool bare;
	const char *out;
} flag_cases[] = {
	{ "none", STR_INIT("()"), false, "0" },
	{ "system", STR_INIT("(\\Seen \\dELETED)"), false, "9" },
	{ "keywords", STR_INIT("($Junk work \\Flagged)"), false, "4 $Junk work" },
	{ "twice", STR_INIT("(a A a)"), false, "0 a" },
	{ "bare", STR_INIT("\\Draft x"), true, "16 x" },
	{ "bare is not always allowed", STR_INIT("\\Draft"), false, NULL },
	{ "recent", STR_INIT("(\\Recent)"), false, NULL },
	{ "unknown", STR_INIT("(\\Foo)"), false, NULL },
	{ "open", STR_INIT("(a"), false, NULL },
	{ "two spaces", STR_INIT("(a  b)"), false, NULL },
};

static void test_flags(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(flag_cases); i++) {
		struct arena *a = arena_new(NULL, "test", 1 << 20);
		struct imap_lexer l = lexer(flag_cases[i].in, a);
		AUTO_BUF got = BUF_INIT(1000);
		struct imap_flags f;
		struct err err;

		int rc = imap_take_flags(&l, flag_cases[i].bare, &f, &err);
		check_case(flag_cases[i].name, (rc == 0) == (flag_cases[i].out != NULL));
		if (rc == 0) {
			buf_addu(&got, f.system);
			for (size_t k = 0; k < f.keyword_count; k++)
				buf_addf(&got, " " STR_FMT, STR_ARG(f.keywords[k]));
			check_case_str(flag_cases[i].name, buf_str(&got), str_c(flag_cases[i].out));
		}
		arena_free(a);
	}
}

static void test_numbers_and_dates(void **state)
{
	struct arena *a = arena_new(NULL, "test", 1 << 20);
	struct imap_lexer l = lexer(STR("42 9223372036854775807 9223372036854775808"), a);
	struct err err;
	uint32_t n;
	uint64_t big;
	int64_t at;

	(void)state;
	check_int_eq(imap_take_u32(&l, &n, &err), 0);
	check_int_eq(n, 42);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_u64(&l, &big, &err), 0);
	check(big == INT64_MAX);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_u64(&l, &big, &err), -1);
	l = lexer(STR("1-Feb-1994 \"1-Feb-1994\" \"17-Jul-1996 02:44:25 -0700\" 1-Foo-1994"), a);
	check_int_eq(imap_take_date(&l, &at, &err), 0);
	check_int_eq(at, 760060800);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_date(&l, &at, &err), 0);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_date_time(&l, &at, &err), 0);
	check_int_eq(at, 837596665);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_date(&l, &at, &err), -1);
	check_str_eq(l.in, STR("1-Foo-1994"));
	check_int_eq(imap_take_date_time(&l, &at, &err), -1);
	arena_free(a);
}

static void test_literal_refs(void **state)
{
	struct imap_streamed aside[] = { { .fd = 9, .length = 5, .at = 10 } };
	struct arena *a = arena_new(NULL, "test", 1 << 20);
	struct imap_lexer l = lexer(STR("{5}\r\n {5}\r\nabcde ~{2+}\r\na\0"), a);
	struct imap_streamed got;
	struct err err;

	(void)state;
	/* The first head stands at 0..5, the second at 6..11: only the place tells them apart. */
	aside[0].at = 5;
	l.streamed = aside;
	l.streamed_count = 1;
	check_int_eq(imap_take_literal_ref(&l, &got, &err), 0);
	check_int_eq(got.fd, 9);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_literal_ref(&l, &got, &err), 0);
	check_int_eq(got.fd, -1);
	check_str_eq(got.bytes, STR("abcde"));
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_literal_ref(&l, &got, &err), 0);
	check(got.binary && got.has_nul && got.length == 2);
	check_int_eq(imap_take_end(&l, &err), 0);
	check_int_eq(imap_take_literal_ref(&l, &got, &err), -1);
	/* What was put aside is no ordinary string. */
	l = lexer(STR("{5}\r\n"), a);
	l.streamed = aside;
	l.streamed_count = 1;
	str s;
	check_int_eq(imap_take_astring(&l, &s, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
	arena_free(a);
}

static void test_nstring(void **state)
{
	struct arena *a = arena_new(NULL, "test", 1 << 20);
	struct imap_lexer l = lexer(STR("nil \"\" NILS"), a);
	struct err err;
	str s = STR("x");

	(void)state;
	check_int_eq(imap_take_nstring(&l, &s, &err), 0);
	check(s.ptr == NULL);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_nstring(&l, &s, &err), 0);
	check(s.ptr != NULL && s.len == 0);
	check_int_eq(imap_take_sp(&l, &err), 0);
	check_int_eq(imap_take_nstring(&l, &s, &err), -1);
	check(imap_try_atom(&l, STR("nils")));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_set_limit),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_numbers_and_dates),
		cmocka_unit_test(test_literal_refs),
		cmocka_unit_test(test_nstring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
