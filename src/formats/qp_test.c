#include "check.h"

#include "formats/qp.h"

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		str in, out;
		bool damaged;
	} cases[] = {
		{ "plain", STR_INIT("abc"), STR_INIT("abc"), false },
		{ "escape", STR_INIT("caf=C3=A9"), STR_INIT("caf\xc3\xa9"), false },
		{ "lower-case hex", STR_INIT("caf=c3=a9"), STR_INIT("caf\xc3\xa9"), false },
		{ "soft break", STR_INIT("a=\r\nb"), STR_INIT("ab"), false },
		{ "soft break with blanks", STR_INIT("a= \t \r\nb"), STR_INIT("ab"), false },
		{ "soft break, bare LF", STR_INIT("a=\nb"), STR_INIT("ab"), false },
		{ "soft break at the end", STR_INIT("a="), STR_INIT("a"), false },
		{ "blanks before a break", STR_INIT("a \t\r\nb"), STR_INIT("a\r\nb"), false },
		{ "blanks before bare LF", STR_INIT("a \nb"), STR_INIT("a\nb"), false },
		{ "blanks at the end", STR_INIT("a  "), STR_INIT("a"), false },
		{ "blanks inside", STR_INIT("a \t b"), STR_INIT("a \t b"), false },
		{ "kept blank", STR_INIT("a=20\r\nb"), STR_INIT("a \r\nb"), false },
		{ "lone CR", STR_INIT("a\rb"), STR_INIT("a\rb"), false },
		{ "two CR", STR_INIT("a\r\r\nb"), STR_INIT("a\r\r\nb"), false },
		{ "CR at the end", STR_INIT("a\r"), STR_INIT("a\r"), false },
		{ "broken escape", STR_INIT("1=1x"), STR_INIT("1=1x"), true },
		{ "no hex", STR_INIT("a=zz"), STR_INIT("a=zz"), true },
		{ "two equals", STR_INIT("a==41"), STR_INIT("a=A"), true },
		{ "equals and text", STR_INIT("a= b"), STR_INIT("a= b"), true },
		{ "broken then escape", STR_INIT("=4=41"), STR_INIT("=4A"), true },
		{ "half escape at the end", STR_INIT("a=4"), STR_INIT("a=4"), true },
		{ "raw 8 bit", STR_INIT("\xe9"), STR_INIT("\xe9"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len; step++) {
			AUTO_BUF out = BUF_INIT(1000);
			struct qp_stream s = { 0 };
			for (str in = cases[i].in; in.len; in = str_skip(in, step))
				qp_stream_feed(&s, str_sub(in, 0, step), &out);
			qp_stream_end(&s, &out);
			check_case_str(cases[i].name, buf_str(&out), cases[i].out);
			check_case(cases[i].name, s.damaged == cases[i].damaged);
		}
	}
}

static void test_long_blanks_are_bounded(void **state)
{
	AUTO_BUF in = BUF_INIT(2000);
	AUTO_BUF out = BUF_INIT(2000);
	struct qp_stream s = { 0 };

	(void)state;
	buf_addc(&in, '=');
	for (int i = 0; i < 1000; i++)
		buf_addc(&in, ' ');
	buf_addc(&in, 'x');
	qp_stream_feed(&s, buf_str(&in), &out);
	qp_stream_end(&s, &out);
	check_str_eq(buf_str(&out), buf_str(&in));
}

static void test_encode(void **state)
{
	static const struct {
		const char *name;
		enum qp_kind kind;
		str in, out;
	} cases[] = {
		{ "plain", QP_TEXT, STR_INIT("abc\r\n"), STR_INIT("abc\r\n") },
		{ "equals", QP_TEXT, STR_INIT("a=b"), STR_INIT("a=3Db") },
		{ "utf-8", QP_TEXT, STR_INIT("\xc3\xa9"), STR_INIT("=C3=A9") },
		{ "blank at line end", QP_TEXT, STR_INIT("a \r\nb\t"), STR_INIT("a=20\r\nb=09") },
		{ "bare LF", QP_TEXT, STR_INIT("a\nb"), STR_INIT("a\r\nb") },
		{ "bare CR", QP_TEXT, STR_INIT("a\rb"), STR_INIT("a=0Db") },
		{ "binary", QP_BINARY, STR_INIT("a\r\nb"), STR_INIT("a=0D=0Ab") },
		{ "dot", QP_TEXT, STR_INIT(".\r\n..\r\na."), STR_INIT("=2E\r\n=2E.\r\na.") },
		{ "From", QP_TEXT, STR_INIT("From x\r\nFromx"), STR_INIT("=46rom x\r\nFromx") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		qp_encode(cases[i].in, cases[i].kind, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
	}
}

static void test_encode_line_length(void **state)
{
	AUTO_BUF in = BUF_INIT(2000);
	AUTO_BUF out = BUF_INIT(8000);

	(void)state;
	for (int i = 0; i < 500; i++)
		buf_addc(&in, i % 7 ? 'a' : '=');
	qp_encode(buf_str(&in), QP_TEXT, &out);
	str rest = buf_str(&out), line;
	while (str_split(&rest, '\n', &line))
		check(line.len <= QP_LINE + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_long_blanks_are_bounded),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_line_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
