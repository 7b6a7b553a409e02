/* What FETCH may ask for, and how its sections are named in the answer. */
#include "check.h"

#include "protocols/imap/fetch_att.h"

static int parse(str text, struct arena *a, struct imap_fetch_atts *out, struct err *err)
{
	struct imap_lexer l;

	imap_lexer_init(&l, text, a);
	if (imap_fetch_atts_parse(&l, out, err) < 0)
		return -1;
	return imap_take_end(&l, err);
}

static void test_simple(void **state)
{
	static const struct {
		str text;
		uint32_t simple;
	} cases[] = {
		{ STR_INIT("ALL"), ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE },
		{ STR_INIT("fast"), ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE },
		{ STR_INIT("FULL"),
		    ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE | ATT_BODY },
		{ STR_INIT("flags"), ATT_FLAGS },
		{ STR_INIT("(UID)"), ATT_UID },
		{ STR_INIT("(UID FLAGS MODSEQ)"), ATT_UID | ATT_FLAGS | ATT_MODSEQ },
		{ STR_INIT("(BODY BODYSTRUCTURE)"), ATT_BODY | ATT_BODYSTRUCTURE },
		{ STR_INIT("BODY"), ATT_BODY },
		{ STR_INIT("(PREVIEW SAVEDATE)"), ATT_PREVIEW | ATT_SAVEDATE },
		{ STR_INIT("(PREVIEW (LAZY) UID)"), ATT_PREVIEW | ATT_UID },
		{ STR_INIT("(RFC822.SIZE ENVELOPE)"), ATT_SIZE | ATT_ENVELOPE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_fetch_atts atts;
		struct err err;
		check_case(cases[i].text.ptr, parse(cases[i].text, a, &atts, &err) == 0);
		check_case(cases[i].text.ptr, atts.simple == cases[i].simple);
		check_case(cases[i].text.ptr, !atts.section_count && !atts.sets_seen);
	}
}

static void test_sections(void **state)
{
	static const struct {
		str text, label;
		enum imap_section_text kind;
		size_t depth, fields;
		bool seen;
	} cases[] = {
		{ STR_INIT("BODY[]"), STR_INIT("BODY[]"), SECTION_WHOLE, 0, 0, true },
		{ STR_INIT("body.peek[]"), STR_INIT("BODY[]"), SECTION_WHOLE, 0, 0, false },
		{ STR_INIT("BODY[TEXT]"), STR_INIT("BODY[TEXT]"), SECTION_TEXT, 0, 0, true },
		{ STR_INIT("BODY[1]"), STR_INIT("BODY[1]"), SECTION_WHOLE, 1, 0, true },
		{ STR_INIT("BODY[1.2.3.MIME]"), STR_INIT("BODY[1.2.3.MIME]"), SECTION_MIME, 3, 0,
		    true },
		{ STR_INIT("BODY.PEEK[2.header]"), STR_INIT("BODY[2.HEADER]"), SECTION_HEADER, 1, 0,
		    false },
		{ STR_INIT("BODY.PEEK[HEADER.FIELDS (From \"To\")]"),
		    STR_INIT("BODY[HEADER.FIELDS (From To)]"), SECTION_FIELDS, 0, 2, false },
		{ STR_INIT("BODY.PEEK[HEADER.FIELDS (\"a b\")]"),
		    STR_INIT("BODY[HEADER.FIELDS (\"a b\")]"), SECTION_FIELDS, 0, 1, false },
		{ STR_INIT("BODY[4.HEADER.FIELDS.NOT (x)]<5.10>"),
		    STR_INIT("BODY[4.HEADER.FIELDS.NOT (x)]<5>"), SECTION_FIELDS_NOT, 1, 1, true },
		{ STR_INIT("BINARY[1.2]<0.7>"), STR_INIT("BINARY[1.2]<0>"), SECTION_WHOLE, 2, 0,
		    true },
		{ STR_INIT("BINARY.PEEK[]"), STR_INIT("BINARY[]"), SECTION_WHOLE, 0, 0, false },
		{ STR_INIT("BINARY.SIZE[3]"), STR_INIT("BINARY.SIZE[3]"), SECTION_WHOLE, 1, 0,
		    false },
		{ STR_INIT("RFC822"), STR_INIT("RFC822"), SECTION_WHOLE, 0, 0, true },
		{ STR_INIT("RFC822.HEADER"), STR_INIT("RFC822.HEADER"), SECTION_HEADER, 0, 0,
		    false },
		{ STR_INIT("RFC822.TEXT"), STR_INIT("RFC822.TEXT"), SECTION_TEXT, 0, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_fetch_atts atts;
		struct err err;
		const char *name = cases[i].text.ptr;
		check_case(name, parse(cases[i].text, a, &atts, &err) == 0);
		check_case(name, atts.section_count == 1 && !atts.simple);
		check_case_str(name, atts.sections[0].label, cases[i].label);
		check_case(name, atts.sections[0].text == cases[i].kind);
		check_case(name, atts.sections[0].depth == cases[i].depth);
		check_case(name, atts.sections[0].field_count == cases[i].fields);
		check_case(name, atts.sets_seen == cases[i].seen);
	}
}

static void test_refused(void **state)
{
	static const str cases[] = {
		STR_INIT(""),
		STR_INIT("()"),
		STR_INIT("(FLAGS"),
		STR_INIT("(FLAGS  UID)"),
		STR_INIT("(FLAGS ALL)"),
		STR_INIT("FLAGS UID"),
		STR_INIT("BODY[MIME]"),
		STR_INIT("BODY[1.]"),
		STR_INIT("BODY[.1]"),
		STR_INIT("BODY[0]"),
		STR_INIT("BODY[1TEXT]"),
		STR_INIT("BODY[1..2]"),
		STR_INIT("BODY[HEADER.FIELDS]"),
		STR_INIT("BODY[HEADER.FIELDS ()]"),
		STR_INIT("BODY[HEADER.FIELDS (a) b]"),
		STR_INIT("BODY[4294967296]"),
		STR_INIT("BODY[]<0.0>"),
		STR_INIT("BODY[]<0>"),
		STR_INIT("BODY[]<-1.5>"),
		STR_INIT("BINARY[TEXT]"),
		STR_INIT("BINARY[1.MIME]"),
		STR_INIT("BINARY.SIZE[1]<0.1>"),
		STR_INIT("FLAGS[]"),
		STR_INIT("BODY.PEEK"),
		STR_INIT("RFC822.PEEK"),
		STR_INIT("(PREVIEW (EAGER))"),
		STR_INIT("X"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_fetch_atts atts;
		struct err err = { 0 };
		check_case(cases[i].ptr, parse(cases[i], a, &atts, &err) < 0);
		check_case(cases[i].ptr, err.kind == ERR_INPUT);
	}
}

static int parse_path(size_t depth)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF text = BUF_INIT(4096);
	struct imap_fetch_atts atts;
	struct err err = { 0 };

	buf_addz(&text, "BODY[1");
	for (size_t i = 1; i < depth; i++)
		buf_addz(&text, ".1");
	buf_addz(&text, "]");
	return parse(buf_str(&text), a, &atts, &err) < 0 ? (int)err.kind : 0;
}

static int parse_many(size_t sections)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF text = BUF_INIT(1 << 16);
	struct imap_fetch_atts atts;
	struct err err = { 0 };

	buf_addz(&text, "(RFC822");
	for (size_t i = 1; i < sections; i++)
		buf_addz(&text, " RFC822");
	buf_addz(&text, ")");
	return parse(buf_str(&text), a, &atts, &err) < 0 ? (int)err.kind : 0;
}

static void test_limits(void **state)
{
	(void)state;
	check_int_eq(parse_path(IMAP_PART_DEPTH_MAX), 0);
	check_int_eq(parse_path(IMAP_PART_DEPTH_MAX + 1), ERR_LIMIT);
	check_int_eq(parse_many(IMAP_SECTIONS_MAX), 0);
	check_int_eq(parse_many(IMAP_SECTIONS_MAX + 1), ERR_LIMIT);
}

static void test_modifiers(void **state)
{
	static const struct {
		str text;
		bool ok, since, vanished;
		uint64_t modseq;
	} cases[] = {
		{ STR_INIT(""), true, false, false, 0 },
		{ STR_INIT(" (CHANGEDSINCE 12345)"), true, true, false, 12345 },
		{ STR_INIT(" (changedsince 0)"), true, true, false, 0 },
		{ STR_INIT(" (CHANGEDSINCE 9223372036854775807 VANISHED)"), true, true, true,
		    INT64_MAX },
		{ STR_INIT(" (VANISHED CHANGEDSINCE 1)"), true, true, true, 1 },
		{ STR_INIT(" ()"), false, false, false, 0 },
		{ STR_INIT(" (CHANGEDSINCE)"), false, false, false, 0 },
		{ STR_INIT(" (CHANGEDSINCE -1)"), false, false, false, 0 },
		{ STR_INIT(" (CHANGEDSINCE 9223372036854775808)"), false, false, false, 0 },
		{ STR_INIT(" (OTHER 1)"), false, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct imap_fetch_modifiers m = { 0 };
		struct imap_lexer l;
		struct err err;
		imap_lexer_init(&l, cases[i].text, a);
		check_case(cases[i].text.ptr,
		    (imap_fetch_modifiers_parse(&l, &m, &err) == 0) == cases[i].ok);
		check_case(cases[i].text.ptr, m.has_changed_since == cases[i].since);
		check_case(cases[i].text.ptr, m.vanished == cases[i].vanished);
		check_case(cases[i].text.ptr, m.changed_since == cases[i].modseq);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_modifiers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
