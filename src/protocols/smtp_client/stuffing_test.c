/* What stuffing makes, smtp_data undoes. */
#include "check.h"

#include "protocols/smtp/data.h"
#include "protocols/smtp_client/stuffing.h"

static const struct {
	const char *name, *in, *want;
} cases[] = {
	{ "empty", "", ".\r\n" },
	{ "one line", "a\r\n", "a\r\n.\r\n" },
	{ "no line end", "a", "a\r\n.\r\n" },
	{ "CR at the end", "a\r", "a\r\n.\r\n" },
	{ "a dot", ".", "..\r\n.\r\n" },
	{ "a dot line", ".\r\n", "..\r\n.\r\n" },
	{ "dots", "..a\r\n.\r\nb.\r\n", "...a\r\n..\r\nb.\r\n.\r\n" },
	{ "smuggled by LF", "a\n.\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n" },
	{ "smuggled by CR", "a\r.\rMAIL", "a\r\n..\r\nMAIL\r\n.\r\n" },
	{ "smuggled by CR LF . LF", "a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n" },
	{ "CR CR LF", "a\r\r\nb", "a\r\n\r\nb\r\n.\r\n" },
	{ "empty lines", "\r\n\r\n", "\r\n\r\n.\r\n" },
};

static void stuff(str in, size_t step, struct buf *out)
{
	struct stuffing s = { 0 };

	for (; in.len; in = str_skip(in, step))
		stuffing_add(&s, str_sub(in, 0, step), out);
	stuffing_end(&s, out);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step < 12; step++) {
			AUTO_BUF out = BUF_INIT(100);
			stuff(str_c(cases[i].in), step, &out);
			check_case_str(cases[i].name, buf_str(&out), str_c(cases[i].want));
		}
}

/* All texts of six characters out of CR LF, dot, a: the other side sees one message and nothing behind it. */
static void test_is_one_message(void **state)
{
	static const char *const words[] = { "\r\n", ".", "a", "\n", "\r" };

	(void)state;
	for (unsigned n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
		AUTO_BUF in = BUF_INIT(100);
		AUTO_BUF out = BUF_INIT(100);
		bool is_canonical = true;
		for (unsigned k = n, i = 0; i < 6; i++, k /= 5) {
			buf_addz(&in, words[k % 5]);
			is_canonical &= k % 5 < 3;
		}
		stuff(buf_str(&in), 1 + n % 7, &out);
		check(out.len <= 2 * in.len + STUFFING_END);
		AUTO_BUF back = BUF_INIT(100);
		struct smtp_data d = { 0 };
		str rest = buf_str(&out), block;
		enum smtp_data_result r;
		while ((r = smtp_data_next(&d, &rest, &block)) == SMTP_DATA_BLOCK)
			buf_add(&back, block);
		check(r == SMTP_DATA_END && rest.len == 0);
		if (is_canonical && !str_ends(buf_str(&in), STR("\r\n")))
			buf_addz(&in, "\r\n");
		if (is_canonical)
			check_str_eq(buf_str(&back), buf_str(&in));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_is_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
