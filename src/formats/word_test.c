#include "check.h"

#include "formats/charset.h"
#include "formats/word.h"

static int set_up(void **state)
{
	(void)state;
	charset_init();
	return 0;
}

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		str in, out;
	} cases[] = {
		{ "plain", STR_INIT("Hello"), STR_INIT("Hello") },
		{ "q", STR_INIT("=?ISO-8859-1?Q?caf=E9_x?="), STR_INIT("caf\xc3\xa9 x") },
		{ "b", STR_INIT("=?utf-8?B?Y2Fmw6k=?="), STR_INIT("caf\xc3\xa9") },
		{ "lower-case encoding", STR_INIT("=?utf-8?b?Y2Fmw6k=?="),
		    STR_INIT("caf\xc3\xa9") },
		/* RFC 2047 §8 */
		{ "rfc a", STR_INIT("(=?ISO-8859-1?Q?a?=)"), STR_INIT("(a)") },
		{ "rfc a b", STR_INIT("(=?ISO-8859-1?Q?a?= b)"), STR_INIT("(a b)") },
		{ "rfc ab", STR_INIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"), STR_INIT("(ab)") },
		{ "rfc a   b", STR_INIT("(=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-1?Q?b?=)"),
		    STR_INIT("(ab)") },
		{ "rfc a_b", STR_INIT("(=?ISO-8859-1?Q?a_b?=)"), STR_INIT("(a b)") },
		{ "rfc a= =b", STR_INIT("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"),
		    STR_INIT("(a b)") },
		{ "cut character, b", STR_INIT("=?UTF-8?B?w6nD?= =?UTF-8?B?qQ==?="),
		    STR_INIT("\xc3\xa9\xc3\xa9") },
		{ "cut character, q and b", STR_INIT("=?UTF-8?Q?=C3?=\r\n\t=?utf-8?B?qQ==?="),
		    STR_INIT("\xc3\xa9") },
		{ "no space between", STR_INIT("=?utf-8?q?a?==?utf-8?q?b?="), STR_INIT("ab") },
		{ "text around", STR_INIT("Re: =?utf-8?q?x?= y"), STR_INIT("Re: x y") },
		{ "inside a word", STR_INIT("a=?utf-8?q?x?=b"), STR_INIT("axb") },
		{ "spaces inside", STR_INIT("=?utf-8?Q?Hello my friend?="),
		    STR_INIT("Hello my friend") },
		{ "language", STR_INIT("=?utf-8*en?Q?x?="), STR_INIT("x") },
		{ "empty text",
		    STR_INIT("a =?utf-8?Q?"
		             "?= b"),
		    STR_INIT("a  b") },
		{ "text starts with =", STR_INIT("=?utf-8?Q?=41?="), STR_INIT("A") },
		{ "iso-2022-jp", STR_INIT("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?="),
		    STR_INIT("\xe6\x97\xa5\xe6\x9c\xac") },
		{ "unknown charset", STR_INIT("=?x-what?Q?caf=E9?="), STR_INIT("caf\xc3\xa9") },
		{ "unknown encoding", STR_INIT("=?utf-8?X?abc?="), STR_INIT("=?utf-8?X?abc?=") },
		{ "no end", STR_INIT("=?utf-8?Q?abc"), STR_INIT("=?utf-8?Q?abc") },
		{ "no end, then one", STR_INIT("=?utf-8?Q =?utf-8?Q?a?="),
		    STR_INIT("=?utf-8?Q a") },
		{ "only the start", STR_INIT("a =? b"), STR_INIT("a =? b") },
		{ "at the very end", STR_INIT("a=?"), STR_INIT("a=?") },
		{ "broken q", STR_INIT("=?utf-8?Q?a=4?="), STR_INIT("a=4") },
		{ "line break inside", STR_INIT("=?utf-8?Q?a\r\n b?="),
		    STR_INIT("=?utf-8?Q?a b?=") },
		{ "folding", STR_INIT("a\r\n b\r\n\tc"), STR_INIT("a b\tc") },
		{ "raw utf-8", STR_INIT("caf\xc3\xa9"), STR_INIT("caf\xc3\xa9") },
		{ "raw latin1", STR_INIT("caf\xe9"), STR_INIT("caf\xc3\xa9") },
		{ "header injection", STR_INIT("=?utf-8?Q?a=0D=0ABcc:_x?="),
		    STR_INIT("a  Bcc: x") },
		{ "NUL", STR_INIT("=?utf-8?Q?a=00b?="),
		    STR_INIT("a\xef\xbf\xbd"
		             "b") },
		{ "empty", STR_INIT(""), STR_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		word_decode(cases[i].in, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
	}
}

static void test_encode(void **state)
{
	static const struct {
		const char *name;
		enum word_place place;
		str in, out;
	} cases[] = {
		{ "plain", WORD_TEXT, STR_INIT("Hello, world"), STR_INIT("Hello, world") },
		{ "q", WORD_TEXT, STR_INIT("caf\xc3\xa9 ole"),
		    STR_INIT("=?UTF-8?Q?caf=C3=A9_ole?=") },
		{ "b", WORD_TEXT, STR_INIT("\xe6\x97\xa5\xe6\x9c\xac"),
		    STR_INIT("=?UTF-8?B?5pel5pys?=") },
		{ "phrase", WORD_PHRASE, STR_INIT("A. caf\xc3\xa9 ole"),
		    STR_INIT("=?UTF-8?Q?A=2E_caf=C3=A9_ole?=") },
		{ "looks like a word", WORD_TEXT, STR_INIT("see =?utf-8?q?x?= here now"),
		    STR_INIT("=?UTF-8?Q?see_=3D=3Futf-8=3Fq=3Fx=3F=3D_here_now?=") },
		{ "line break", WORD_TEXT, STR_INIT("abcdef\r\nBcc"),
		    STR_INIT("=?UTF-8?Q?abcdef=0D=0ABcc?=") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1000);
		word_encode(cases[i].in, cases[i].place, 9, &out);
		check_case_str(cases[i].name, buf_str(&out), cases[i].out);
	}
}

static void test_encode_long(void **state)
{
	AUTO_BUF in = BUF_INIT(10000);

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_add(&in, i % 5 ? STR("ab") : STR("\xe2\x82\xac"));
	for (size_t column = 0; column < 80; column += 7) {
		AUTO_BUF out = BUF_INIT(100000);
		AUTO_BUF back = BUF_INIT(10000);
		word_encode(buf_str(&in), WORD_TEXT, column, &out);
		str rest = buf_str(&out), line;
		for (size_t first = column; str_split(&rest, '\n', &line); first = 0)
			check(
			    first + str_trim(line).len <= 76 || (first && str_trim(line).len == 0));
		word_decode(buf_str(&out), &back);
		check_str_eq(str_trim(buf_str(&back)), buf_str(&in));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_long),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
