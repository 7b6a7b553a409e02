/* The DATA reader against a naive one, for all short texts of the bytes that matter. */
#include "check.h"

#include "protocols/smtp/smtp_data_naive.h"

static void compare(str in, size_t step)
{
	AUTO_BUF naive = BUF_INIT(65536);
	AUTO_BUF fast = BUF_INIT(65536);
	size_t naive_used = 0, fast_used = 0;
	bool naive_nul, fast_nul;

	enum smtp_data_result want = naive_data(in, &naive, &naive_used, &naive_nul);
	enum smtp_data_result got = stepped_data(in, step, &fast, &fast_used, &fast_nul);
	check_int_eq(got, want);
	if (got == SMTP_DATA_BARE)
		return;
	check_int_eq(fast_used, naive_used);
	check_int_eq(fast_nul, naive_nul);
	check_str_eq(buf_str(&fast), buf_str(&naive));
}

/* Every text of up to nine of CR, LF, dot, a letter and NUL is 2.4 million; of up to seven, cut at
 * three sizes, does as well and takes a second. */
static void test_all_short_texts(void **state)
{
	static const char alphabet[] = { '\r', '\n', '.', 'a', '\0' };
	char text[7];

	(void)state;
	for (size_t len = 1, total = 5; len <= sizeof(text); len++, total *= 5)
		for (size_t n = 0; n < total; n++) {
			size_t rest = n;
			for (size_t i = 0; i < len; i++, rest /= 5)
				text[i] = alphabet[rest % 5];
			for (size_t step = 1; step <= 3; step++)
				compare(str_new(text, len), step);
			compare(str_new(text, len), len);
		}
}

/* Longer ones by a fixed pseudo-random walk that prefers what is well formed. */
static void test_walks(void **state)
{
	static const str parts[] = {
		STR_INIT("\r\n"),
		STR_INIT("\r\n."),
		STR_INIT("\r\n.."),
		STR_INIT("text of some length that is longer than a word"),
		STR_INIT("."),
		STR_INIT("\r\n.\r\n"),
		STR_INIT("\r"),
		STR_INIT("\n"),
	};
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		AUTO_BUF text = BUF_INIT(4096);
		for (int i = 0; i < 20; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			buf_add(&text, parts[seed % 64 < 62 ? seed % 64 % 6 : seed % 8]);
		}
		compare(buf_str(&text), 1 + seed % 40);
		compare(buf_str(&text), text.len);
	}
}

static void test_check(void **state)
{
	static const struct {
		const char *name;
		str a, b;
		bool ok;
	} cases[] = {
		{ "whole lines", STR_INIT("a\r\n"), STR_INIT("b\r\n"), true },
		{ "cut between CR and LF", STR_INIT("a\r"), STR_INIT("\nb"), true },
		{ "CR and no LF", STR_INIT("a\r"), STR_INIT("b"), false },
		{ "LF alone", STR_INIT("a"), STR_INIT("\nb"), false },
		{ "CR at the end", STR_INIT("a"), STR_INIT("b\r"), false },
		{ "dots are nothing", STR_INIT("\r\n.\r"), STR_INIT("\n.\r\n"), true },
		{ "nothing", STR_INIT(""), STR_INIT(""), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct smtp_data d = { 0 };
		bool ok = smtp_data_check(&d, cases[i].a) && smtp_data_check(&d, cases[i].b) &&
		          smtp_data_check_end(&d);
		check_case(cases[i].name, ok == cases[i].ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_short_texts),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
