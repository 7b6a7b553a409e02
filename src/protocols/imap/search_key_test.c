/* Search programs as trees, printed back in a plain form. */
#include "check.h"

#include "protocols/imap/search_key.h"

static void print_key(struct buf *b, const struct imap_search_key *k);

static void print_list(struct buf *b, const char *name, const struct imap_search_key *k)
{
	buf_addf(b, "%s(", name);
	for (; k; k = k->next) {
		print_key(b, k);
		if (k->next)
			buf_addc(b, ' ');
	}
	buf_addc(b, ')');
}

static void print_set(struct buf *b, const struct imap_set *set)
{
	if (set->saved)
		buf_addc(b, '$');
	for (size_t i = 0; i < set->count; i++)
		buf_addf(b, "%s%u:%u", i ? "," : "", set->ranges[i].first, set->ranges[i].last);
}

static void print_key(struct buf *b, const struct imap_search_key *k)
{
	static const char *const names[] = { "all", "none", "and", "or", "not", "flag", "keyword",
		"recent", "seq", "uid", "larger", "smaller", "modseq", "before", "on", "since",
		"older", "younger", "address", "subject", "header", "body", "text" };

	switch (k->op) {
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
		print_list(b, names[k->op], k->children);
		return;
	default:
		break;
	}
	buf_addz(b, names[k->op]);
	if (k->which)
		buf_addf(b, "/%u", k->which);
	if (k->field.len)
		buf_addf(b, " " STR_FMT, STR_ARG(k->field));
	if (k->text.len)
		buf_addf(b, " '" STR_FMT "'", STR_ARG(k->text));
	if (k->number)
		buf_addf(b, " %llu", (unsigned long long)k->number);
	if (k->date)
		buf_addf(b, " %lld", (long long)k->date);
	if (k->op == SEARCH_SEQUENCE || k->op == SEARCH_UID) {
		buf_addc(b, ' ');
		print_set(b, &k->set);
	}
}

static int parse(str text, struct arena *a, struct imap_search *out, struct err *err)
{
	struct imap_lexer l;

	imap_lexer_init(&l, text, a);
	if (imap_search_parse(&l, out, err) < 0)
		return -1;
	return imap_take_end(&l, err);
}

static void test_trees(void **state)
{
	static const struct {
		str text, tree;
	} cases[] = {
		{ STR_INIT("ALL"), STR_INIT("and(all)") },
		{ STR_INIT("unseen"), STR_INIT("and(not(flag/1))") },
		{ STR_INIT("NEW"), STR_INIT("and(and(recent not(flag/1)))") },
		{ STR_INIT("OLD"), STR_INIT("and(not(recent))") },
		{ STR_INIT("DELETED ANSWERED"), STR_INIT("and(flag/8 flag/2)") },
		{ STR_INIT("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
		    STR_INIT("and(flag/4 since 760060800 not(address 'Smith'))") },
		{ STR_INIT("OR SEEN DRAFT"), STR_INIT("and(or(flag/1 flag/16))") },
		{ STR_INIT("OR SEEN OR DRAFT OR TO a CC b UNDRAFT"),
		    STR_INIT("and(or(flag/1 flag/16 address/1 'a' address/2 'b') not(flag/16))") },
		{ STR_INIT("OR (SEEN DRAFT) 2,4:*"),
		    STR_INIT("and(or(and(flag/1 flag/16) seq 2:2,4:4294967295))") },
		{ STR_INIT("UID 1:5 $"), STR_INIT("and(uid 1:5 seq $)") },
		{ STR_INIT("UID $"), STR_INIT("and(uid $)") },
		{ STR_INIT("HEADER Message-ID <x@y>"), STR_INIT("and(header Message-ID '<x@y>')") },
		{ STR_INIT("HEADER X \"\""), STR_INIT("and(header X)") },
		{ STR_INIT("TEXT {5}\r\nab cd"), STR_INIT("and(text 'ab cd')") },
		{ STR_INIT("LARGER 10 SMALLER 4294967296"),
		    STR_INIT("and(larger 10 smaller 4294967296)") },
		{ STR_INIT("KEYWORD $Junk UNKEYWORD x"),
		    STR_INIT("and(keyword '$Junk' not(keyword 'x'))") },
		{ STR_INIT("SENTON \"1-Jan-1971\" SAVEDBEFORE 1-Jan-1971"),
		    STR_INIT("and(on/1 31536000 before/2 31536000)") },
		{ STR_INIT("MODSEQ \"/flags/\\\\draft\" all 620162338"),
		    STR_INIT("and(modseq 620162338)") },
		{ STR_INIT("MODSEQ 7"), STR_INIT("and(modseq 7)") },
		{ STR_INIT("OLDER 3600 YOUNGER 60"), STR_INIT("and(older 3600 younger 60)") },
		{ STR_INIT("CHARSET UTF-8 BODY x"), STR_INIT("and(body 'x')") },
		{ STR_INIT("((((ALL))))"), STR_INIT("and(and(and(and(and(all)))))") },
		{ STR_INIT("NOT NOT SEEN"), STR_INIT("and(not(not(flag/1)))") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF tree = BUF_INIT(4096);
		struct imap_search search;
		struct err err;
		check_case(cases[i].text.ptr, parse(cases[i].text, a, &search, &err) == 0);
		print_key(&tree, search.key);
		check_case_str(cases[i].text.ptr, buf_str(&tree), cases[i].tree);
	}
}

static void test_options(void **state)
{
	static const struct {
		str text;
		bool extended, charset_known, has_modseq, has_numbers;
		unsigned returns;
	} cases[] = {
		{ STR_INIT("ALL"), false, true, false, false, 0 },
		{ STR_INIT("RETURN () ALL"), true, true, false, false, RETURN_ALL },
		{ STR_INIT("return (min MAX count) 1:5"), true, true, false, true,
		    RETURN_MIN | RETURN_MAX | RETURN_COUNT },
		{ STR_INIT("RETURN (SAVE) CHARSET KOI8-R TEXT x"), true, false, false, false,
		    RETURN_SAVE },
		{ STR_INIT("CHARSET us-ascii MODSEQ 1"), false, true, true, false, 0 },
		{ STR_INIT("RETURN (SAVE ALL) $"), true, true, false, false,
		    RETURN_SAVE | RETURN_ALL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_search s;
		struct err err;
		const char *name = cases[i].text.ptr;
		check_case(name, parse(cases[i].text, a, &s, &err) == 0);
		check_case(name, s.extended == cases[i].extended);
		check_case(name, s.charset_known == cases[i].charset_known);
		check_case(name, s.has_modseq == cases[i].has_modseq);
		check_case(name, s.has_numbers == cases[i].has_numbers);
		check_case(name, s.returns == cases[i].returns);
	}
}

static void test_refused(void **state)
{
	static const str cases[] = {
		STR_INIT(""),
		STR_INIT("()"),
		STR_INIT("(ALL"),
		STR_INIT("ALL)"),
		STR_INIT("ALL "),
		STR_INIT("NOT"),
		STR_INIT("OR SEEN"),
		STR_INIT("OR SEEN OR"),
		STR_INIT("FROM"),
		STR_INIT("HEADER x"),
		STR_INIT("SINCE 1-Foo-2000"),
		STR_INIT("LARGER x"),
		STR_INIT("OLDER 0"),
		STR_INIT("UID"),
		STR_INIT("UID x"),
		STR_INIT("0"),
		STR_INIT("MODSEQ \"/x/y\" all 1"),
		STR_INIT("MODSEQ \"/flags/x\" some 1"),
		STR_INIT("CHARSET UTF-8"),
		STR_INIT("RETURN ALL SEEN"),
		STR_INIT("RETURN (FOO) SEEN"),
		STR_INIT("RETURN (ALL)"),
		STR_INIT("XYZZY"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_search search;
		struct err err = { 0 };
		check_case(cases[i].ptr, parse(cases[i], a, &search, &err) < 0);
		check_case(cases[i].ptr, err.kind == ERR_INPUT);
	}
}

/* before repeated count times, then ALL, then after repeated. */
static int parse_repeated(const char *before, const char *after, size_t count)
{
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	AUTO_BUF text = BUF_INIT(1 << 20);
	struct imap_search search;
	struct err err = { 0 };

	for (size_t i = 0; i < count; i++)
		buf_addz(&text, before);
	buf_addz(&text, "ALL");
	for (size_t i = 0; i < count; i++)
		buf_addz(&text, after);
	return parse(buf_str(&text), a, &search, &err) < 0 ? (int)err.kind : 0;
}

static void test_limits(void **state)
{
	(void)state;
	check_int_eq(parse_repeated("(", ")", IMAP_SEARCH_DEPTH_MAX - 1), 0);
	check_int_eq(parse_repeated("(", ")", IMAP_SEARCH_DEPTH_MAX), ERR_LIMIT);
	check_int_eq(parse_repeated("NOT ", "", IMAP_SEARCH_DEPTH_MAX - 1), 0);
	check_int_eq(parse_repeated("NOT ", "", IMAP_SEARCH_DEPTH_MAX), ERR_LIMIT);
	check_int_eq(parse_repeated("", " ALL", IMAP_SEARCH_KEYS_MAX - 1), 0);
	check_int_eq(parse_repeated("", " ALL", IMAP_SEARCH_KEYS_MAX), ERR_LIMIT);
	/* A chain of OR is not deep. */
	check_int_eq(parse_repeated("OR SEEN ", "", 500), 0);
	check_int_eq(parse_repeated("OR SEEN ", "", IMAP_SEARCH_KEYS_MAX), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
