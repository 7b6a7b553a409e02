#include "check.h"

#include "formats/charset.h"

static int set_up(void **state)
{
	(void)state;
	charset_init();
	return 0;
}

#define FFFD "\xef\xbf\xbd"

static void test_convert(void **state)
{
	static const struct {
		const char *name, *charset;
		str in, out;
	} cases[] = {
		{ "ascii", "us-ascii", STR_INIT("abc"), STR_INIT("abc") },
		{ "ascii that is utf-8", "US-ASCII", STR_INIT("\xc3\xa9"), STR_INIT("\xc3\xa9") },
		{ "ascii that is latin1", "ascii", STR_INIT("\xe9"), STR_INIT("\xc3\xa9") },
		{ "utf-8", "UTF-8", STR_INIT("\xe2\x82\xac"), STR_INIT("\xe2\x82\xac") },
		{ "utf-8, NUL", "utf8", STR_INIT("a\0b"), STR_INIT("a" FFFD "b") },
		{ "utf-8, lone", "utf-8",
		    STR_INIT("a\xe9"
		             "b"),
		    STR_INIT("a" FFFD "b") },
		{ "utf-8, cut", "utf-8", STR_INIT("\xf0\x9f\x98"), STR_INIT(FFFD) },
		{ "utf-8, overlong", "utf-8", STR_INIT("\xc0\xaf"), STR_INIT(FFFD FFFD) },
		{ "utf-8, surrogate", "utf-8", STR_INIT("\xed\xa0\x80"), STR_INIT(FFFD FFFD FFFD) },
		{ "utf-8, beginning then text", "utf-8",
		    STR_INIT("\xe2\x82"
		             "A"),
		    STR_INIT(FFFD "A") },
		{ "latin1", "iso-8859-1", STR_INIT("caf\xe9"), STR_INIT("caf\xc3\xa9") },
		{ "latin1 that is 1252", "ISO_8859-1", STR_INIT("\x93\x80\x94"),
		    STR_INIT("\xe2\x80\x9c\xe2\x82\xac\xe2\x80\x9d") },
		{ "1252, gap", "windows-1252", STR_INIT("\x81"), STR_INIT(FFFD) },
		{ "latin2", "iso-8859-2", STR_INIT("\xb3"), STR_INIT("\xc5\x82") },
		{ "koi8-r", "KOI8-R", STR_INIT("\xf0"), STR_INIT("\xd0\x9f") },
		{ "1251", "cp1251", STR_INIT("\xcf"), STR_INIT("\xd0\x9f") },
		{ "1255", "windows-1255", STR_INIT("\xf9"), STR_INIT("\xd7\xa9") },
		{ "1258", "windows-1258", STR_INIT("a"), STR_INIT("a") },
		{ "hebrew", "iso-8859-8-i", STR_INIT("\xf9"), STR_INIT("\xd7\xa9") },
		{ "shift_jis", "Shift_JIS", STR_INIT("\x93\xfa\x96\x7b"),
		    STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
		{ "euc-jp", "euc-jp", STR_INIT("\xc6\xfc\xcb\xdc"),
		    STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
		{ "iso-2022-jp", "ISO-2022-JP", STR_INIT("\x1b$BF|K\\\x1b(B!"),
		    STR_INIT("\xe6\x97\xa5\xe6\x9c\xac!") },
		{ "iso-2022-jp, broken", "iso-2022-jp",
		    STR_INIT("a\xff"
		             "b"),
		    STR_INIT("a" FFFD "b") },
		{ "gb2312", "gb2312", STR_INIT("\xd6\xd0\xce\xc4"),
		    STR_INIT("\xe4\xb8\xad\xe6\x96\x87") },
		{ "gb, cut", "gbk", STR_INIT("a\xd6"), STR_INIT("a" FFFD) },
		{ "big5", "big5", STR_INIT("\xa4\xa4\xa4\xe5"),
		    STR_INIT("\xe4\xb8\xad\xe6\x96\x87") },
		{ "euc-kr", "ks_c_5601-1987", STR_INIT("\xc7\xd1"), STR_INIT("\xed\x95\x9c") },
		{ "utf-7", "utf-7", STR_INIT("caf+AOk-"), STR_INIT("caf\xc3\xa9") },
		{ "utf-16", "utf-16", STR_INIT("\xfe\xff\0A"), STR_INIT("A") },
		{ "utf-16le", "utf-16le", STR_INIT("A\0"), STR_INIT("A") },
		{ "unknown, utf-8", "x-nobody-knows", STR_INIT("\xc3\xa9"), STR_INIT("\xc3\xa9") },
		{ "unknown, latin1", "x-nobody-knows", STR_INIT("\xe9"), STR_INIT("\xc3\xa9") },
		{ "no name", "", STR_INIT("\xe9"), STR_INIT("\xc3\xa9") },
		{ "name with language", "utf-8*en", STR_INIT("x"), STR_INIT("x") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		charset_to_utf8(str_c(cases[i].charset), cases[i].in, 1000, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
		check_case(cases[i].name, buf_ok(&out));
	}
}

static void test_all_load(void **state)
{
	static const char *const names[] = { "iso-8859-2", "iso-8859-16", "windows-1250", "koi8-u",
		"macintosh", "cp866", "iso-2022-jp", "euc-jp", "shift_jis", "gb18030", "big5",
		"euc-tw", "euc-kr", "iso-2022-kr", "iso-2022-cn", "johab", "utf-7", "utf-16",
		"utf-32", "windows-874", "tis-620" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		check_case(names[i], charset_known(str_c(names[i])));
	check(!charset_known(STR("ebcdic")) && !charset_known(STR("")));
	check(!charset_known(STR("../../etc/passwd")));
}

/* The limit cuts between characters, at every size. */
static void test_limit(void **state)
{
	static const char *const charsets[] = { "utf-8", "iso-8859-1", "iso-8859-2", "euc-jp" };
	static const str texts[] = { STR_INIT("a\xe2\x82\xac\xc3\xa9"
		                              "b"),
		STR_INIT("a\xe9\x80"
		         "b"),
		STR_INIT("a\xb3\xb3"
		         "b"),
		STR_INIT("a\xc6\xfc\xcb\xdc") };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (size_t max = 0; max < 12; max++) {
			AUTO_BUF out = BUF_INIT(max);
			charset_to_utf8(str_c(charsets[i]), texts[i], max, &out);
			check_case(charsets[i], buf_ok(&out) && out.len <= max);
			check_case(charsets[i], str_is_utf8(buf_str(&out)));
			check_case(charsets[i], max < 1 || out.len >= 1);
		}
	}
}

static void test_long_multibyte(void **state)
{
	AUTO_BUF in = BUF_INIT(100000);
	AUTO_BUF out = BUF_INIT(200000);

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_add(&in, STR("\x93\xfa\x96\x7b"));
	charset_to_utf8(STR("shift_jis"), buf_str(&in), 200000, &out);
	check_int_eq(out.len, 60000);
	check(str_find(buf_str(&out), STR(FFFD)) == STR_NPOS);
}

static void test_fold(void **state)
{
	static const struct {
		const char *name;
		str a, b;
		bool same;
	} cases[] = {
		{ "ascii", STR_INIT("Hello World"), STR_INIT("hELLO wORLD"), true },
		{ "accents", STR_INIT("\xc3\x89t\xc3\xa9"), STR_INIT("\xc3\xa9T\xc3\x89"), true },
		{ "composed", STR_INIT("e\xcc\x81"), STR_INIT("\xc3\xa9"), true },
		{ "accent matters", STR_INIT("e"), STR_INIT("\xc3\xa9"), false },
		{ "sharp s",
		    STR_INIT("stra\xc3\x9f"
		             "e"),
		    STR_INIT("STRASSE"), true },
		{ "full width", STR_INIT("\xef\xbc\xa1"), STR_INIT("a"), true },
		{ "ligature", STR_INIT("\xef\xac\x81x"), STR_INIT("FIX"), true },
		{ "greek sigma", STR_INIT("\xce\xa3"), STR_INIT("\xcf\x82"), true },
		{ "cyrillic", STR_INIT("\xd0\x9f"), STR_INIT("\xd0\xbf"), true },
		{ "broken", STR_INIT("a\xff"), STR_INIT("A" FFFD), true },
		{ "empty", STR_INIT(""), STR_INIT(""), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF a = BUF_INIT(1000);
		AUTO_BUF b = BUF_INIT(1000);
		text_fold(cases[i].a, &a);
		text_fold(cases[i].b, &b);
		check_case(cases[i].name, str_eq(buf_str(&a), buf_str(&b)) == cases[i].same);
	}
}

/* Pieces fold as the whole: a combining mark right at the border of a piece. */
static void test_fold_pieces(void **state)
{
	(void)state;
	for (size_t pad = 4090; pad < 4100; pad++) {
		AUTO_BUF in = BUF_INIT(10000);
		AUTO_BUF out = BUF_INIT(10000);
		for (size_t i = 0; i < pad; i++)
			buf_addc(&in, 'X');
		buf_add(&in, STR("e\xcc\x81 tail"));
		text_fold(buf_str(&in), &out);
		check_str_eq(str_skip(buf_str(&out), pad), STR("\xc3\xa9 tail"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_all_load),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_long_multibyte),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_fold_pieces),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
