#include "check.h"

#include "formats/base64.h"

/* RFC 4648 §10 */
static const struct {
	const char *name;
	str raw, text;
} vectors[] = {
	{ "empty", STR_INIT(""), STR_INIT("") },
	{ "f", STR_INIT("f"), STR_INIT("Zg==") },
	{ "fo", STR_INIT("fo"), STR_INIT("Zm8=") },
	{ "foo", STR_INIT("foo"), STR_INIT("Zm9v") },
	{ "foob", STR_INIT("foob"), STR_INIT("Zm9vYg==") },
	{ "fooba", STR_INIT("fooba"), STR_INIT("Zm9vYmE=") },
	{ "foobar", STR_INIT("foobar"), STR_INIT("Zm9vYmFy") },
	{ "NUL", STR_INIT("\0\0\0"), STR_INIT("AAAA") },
	{ "high", STR_INIT("\xfb\xff\xfe"), STR_INIT("+//+") },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		AUTO_BUF encoded = BUF_INIT(100);
		AUTO_BUF decoded = BUF_INIT(100);
		base64_encode(vectors[i].raw, &encoded);
		check_case_str(vectors[i].name, buf_str(&encoded), vectors[i].text);
		check_case(vectors[i].name, base64_decode(vectors[i].text, &decoded, NULL) == 0);
		check_case_str(vectors[i].name, buf_str(&decoded), vectors[i].raw);
	}
}

static void test_strict_refuses(void **state)
{
	static const struct {
		const char *name;
		str in;
	} cases[] = {
		{ "no padding", STR_INIT("Zg") },
		{ "half padding", STR_INIT("Zg=") },
		{ "padding alone", STR_INIT("====") },
		{ "three pads", STR_INIT("Z===") },
		{ "padding inside", STR_INIT("Zg==Zg==") },
		{ "padding in front", STR_INIT("=AAA") },
		{ "space", STR_INIT("Zm9v Zm9v") },
		{ "line break", STR_INIT("Zm9v\r\n") },
		{ "unused bits", STR_INIT("Zh==") },
		{ "unused bits of two", STR_INIT("Zm9=") },
		{ "url alphabet", STR_INIT("-__-") },
		{ "NUL", STR_INIT("Zm9\0") },
		{ "above ascii", STR_INIT("Zm9\xc3") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(100);
		struct err err = { 0 };
		buf_addc(&out, 'x');
		check_case(cases[i].name, base64_decode(cases[i].in, &out, &err) == -1);
		check_case(cases[i].name, err.kind == ERR_INPUT);
		check_case_str(cases[i].name, buf_str(&out), STR("x"));
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (size_t max = 5; max <= 7; max++) {
		AUTO_BUF out = BUF_INIT(max);
		struct err err = { 0 };
		int result = base64_decode(STR("Zm9vYmFy"), &out, &err);
		check_int_eq(result, max < 6 ? -1 : 0);
		check(max >= 6 || err.kind == ERR_LIMIT);
	}
}

static void test_url(void **state)
{
	AUTO_BUF out = BUF_INIT(100);
	AUTO_BUF back = BUF_INIT(100);

	(void)state;
	base64url_encode(STR("\xfb\xff\xfe\xff"), &out);
	check_str_eq(buf_str(&out), STR("-__-_w"));
	check_int_eq(base64url_decode(buf_str(&out), &back, NULL), 0);
	check_str_eq(buf_str(&back), STR("\xfb\xff\xfe\xff"));
	check_int_eq(base64url_decode(STR("+//+"), &back, NULL), -1);
	check_int_eq(base64url_decode(STR("Zg=="), &back, NULL), -1);
}

static void test_stream(void **state)
{
	static const struct {
		const char *name;
		str in, out;
		bool damaged;
	} cases[] = {
		{ "plain", STR_INIT("Zm9vYmFy"), STR_INIT("foobar"), false },
		{ "lines", STR_INIT("Zm9v\r\nYmFy\r\n"), STR_INIT("foobar"), false },
		{ "line inside a group", STR_INIT("Zm\r\n9vY\nmFy"), STR_INIT("foobar"), false },
		{ "no padding", STR_INIT("Zm9vYg"), STR_INIT("foob"), false },
		{ "joined bodies", STR_INIT("Zg==\r\nZm8=\r\n"), STR_INIT("ffo"), false },
		{ "noise", STR_INIT("Zm*9v-Ym!Fy"), STR_INIT("foobar"), true },
		{ "lone digit", STR_INIT("Zm9vY"), STR_INIT("foo"), true },
		{ "nothing", STR_INIT("\r\n\r\n"), STR_INIT(""), false },
		{ "footer in plain text", STR_INIT("Zm9v\r\n=\r\n"), STR_INIT("foo"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len; step++) {
			AUTO_BUF out = BUF_INIT(1000);
			struct base64_stream s = { 0 };
			for (str in = cases[i].in; in.len; in = str_skip(in, step))
				base64_stream_feed(&s, str_sub(in, 0, step), &out);
			base64_stream_end(&s, &out);
			check_case_str(cases[i].name, buf_str(&out), cases[i].out);
			check_case(cases[i].name, s.damaged == cases[i].damaged);
		}
	}
}

static void test_lines(void **state)
{
	AUTO_BUF raw = BUF_INIT(200);
	AUTO_BUF out = BUF_INIT(400);

	(void)state;
	for (int i = 0; i < 58; i++)
		buf_addc(&raw, 'a');
	base64_encode_lines(buf_str(&raw), &out);
	check_int_eq(str_find(buf_str(&out), STR("\r\n")), 76);
	check_str_eq(str_skip(buf_str(&out), 78), STR("YQ==\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_strict_refuses),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
