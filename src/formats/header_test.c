/* Tests of the header walk. */
#include "check.h"

#include "formats/header.h"

static void test_block_ends(void **state)
{
	static const struct {
		const char *name;
		str in;
		size_t bytes;
	} cases[] = {
		{ "empty", STR_INIT(""), 0 },
		{ "CRLF", STR_INIT("A: b\r\n\r\nbody"), 8 },
		{ "bare LF", STR_INIT("A: b\n\nbody"), 6 },
		{ "mixed", STR_INIT("A: b\n\r\nbody"), 7 },
		{ "no body", STR_INIT("A: b\r\n"), 6 },
		{ "no line end", STR_INIT("A: b"), 4 },
		{ "body only", STR_INIT("\r\nbody"), 2 },
		{ "a blank line is folding", STR_INIT("A: b\r\n \r\n\r\nx"), 11 },
		{ "CR alone ends nothing", STR_INIT("A: b\r\r\nC: d\r\n\r\n"), 15 },
		{ "without colon", STR_INIT("hello\r\nA: b\r\n\r\n"), 15 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].name, header_block(cases[i].in).len == cases[i].bytes);
}

static void test_fields(void **state)
{
	static const struct {
		const char *name;
		str in, field, value, unfolded;
	} cases[] = {
		{ "plain", STR_INIT("A: b\r\n"), STR_INIT("A"), STR_INIT(" b"), STR_INIT("b") },
		{ "no blank", STR_INIT("A:b\r\n"), STR_INIT("A"), STR_INIT("b"), STR_INIT("b") },
		{ "blank before colon", STR_INIT("A \t: b\r\n"), STR_INIT("A"), STR_INIT(" b"),
		    STR_INIT("b") },
		{ "empty value", STR_INIT("A:\r\n"), STR_INIT("A"), STR_INIT(""), STR_INIT("") },
		{ "folded", STR_INIT("A: b\r\n\tc\r\n d\r\n"), STR_INIT("A"),
		    STR_INIT(" b\r\n\tc\r\n d"), STR_INIT("b\tc d") },
		{ "folded by LF", STR_INIT("A: b\n c"), STR_INIT("A"), STR_INIT(" b\n c"),
		    STR_INIT("b c") },
		{ "second colon", STR_INIT("A: b: c\r\n"), STR_INIT("A"), STR_INIT(" b: c"),
		    STR_INIT("b: c") },
		{ "no colon", STR_INIT("hello\r\n x: y\r\n"), STR_INIT(""), STR_INIT(""),
		    STR_INIT("") },
		{ "colon in a continuation", STR_INIT("hello\r\n : y\r\n"), STR_INIT(""),
		    STR_INIT(""), STR_INIT("") },
		{ "mbox line", STR_INIT("From a@b Mon 10:00\r\n"), STR_INIT(""), STR_INIT(""),
		    STR_INIT("") },
		{ "8-bit name", STR_INIT("\xc3\xa4: b\r\n"), STR_INIT(""), STR_INIT(""),
		    STR_INIT("") },
		{ "8-bit value", STR_INIT("A: \xff\r\n"), STR_INIT("A"), STR_INIT(" \xff"),
		    STR_INIT("\xff") },
		{ "NUL in the value", STR_INIT("A: b\0c\r\n"), STR_INIT("A"), STR_INIT(" b\0c"),
		    STR_INIT("bc") },
		{ "only a colon", STR_INIT(": b\r\n"), STR_INIT(""), STR_INIT(""), STR_INIT("") },
		{ "starts with a blank", STR_INIT(" A: b\r\n"), STR_INIT(""), STR_INIT(""),
		    STR_INIT("") },
	};
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct header_field field;
		str rest = cases[i].in;
		check_case(cases[i].name, header_next(&rest, &field));
		check_case(cases[i].name, rest.len == 0);
		check_case_str(cases[i].name, field.name, cases[i].field);
		check_case_str(cases[i].name, field.value, cases[i].value);
		check_case_str(cases[i].name, field.whole, cases[i].in);
		check_case_str(cases[i].name, header_unfold(field.value, a), cases[i].unfolded);
	}
}

static void test_find(void **state)
{
	struct header_field field;
	str block = STR("A: 1\r\nb: 2\r\nB: 3\r\n\r\nC: 4\r\n");

	(void)state;
	check(header_find(block, STR("B"), &field));
	check_str_eq(field.value, STR(" 2"));
	check(!header_find(block, STR("C"), &field));
}

/* One line below, at and above the ceilings. */
static void test_limits(void **state)
{
	AUTO_BUF text = BUF_INIT(HEADER_MAX_BYTES + 4096);
	struct header_field field;

	(void)state;
	buf_add(&text, STR("A: "));
	while (text.len < HEADER_MAX_BYTES - 2)
		buf_addc(&text, 'x');
	buf_add(&text, STR("\r\n"));
	check_int_eq(header_block(buf_str(&text)).len, HEADER_MAX_BYTES);
	buf_add(&text, STR("B: c\r\n"));
	check_int_eq(header_block(buf_str(&text)).len, HEADER_MAX_BYTES);
	str rest = buf_str(&text);
	check(header_next(&rest, &field));
	check_int_eq(field.value.len, HEADER_FIELD_MAX_BYTES);
	check_str_eq(rest, STR("B: c\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_ends),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
