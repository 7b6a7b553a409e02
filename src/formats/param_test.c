/* Tests of Content-Type and Content-Disposition values. */
#include "check.h"

#include "formats/param.h"

static void describe(const struct param_value *value, struct buf *out)
{
	buf_add(out, value->main);
	for (size_t i = 0; i < value->count; i++) {
		const struct param *p = &value->params[i];
		buf_addc(out, '|');
		buf_add(out, p->name);
		buf_addz(out, p->extended ? "*=" : "=");
		buf_add(out, p->value);
	}
}

/* clang-format off */
static const struct {
	const char *name;
	str in, want;
} cases[] = {
	{ "empty", STR_INIT(""), STR_INIT("") },
	{ "type", STR_INIT(" Text/Plain"), STR_INIT("text/plain") },
	{ "no subtype", STR_INIT("text"), STR_INIT("text") },
	{ "RFC 2045 section 5.1", STR_INIT("text/plain; charset=us-ascii (Plain text)"), STR_INIT("text/plain|charset=us-ascii") },
	{ "RFC 2045 quoted", STR_INIT("text/plain; charset=\"us-ascii\""), STR_INIT("text/plain|charset=us-ascii") },
	{ "folded", STR_INIT("multipart/mixed;\r\n\tboundary=\"a b\""), STR_INIT("multipart/mixed|boundary=a b") },
	{ "comments all over", STR_INIT("(x)text(y)/(z)plain(;a=b); (c) charset (d) = (e) utf-8 (f)"), STR_INIT("text/plain|charset=utf-8") },
	{ "escapes", STR_INIT("a/b; name=\"x\\\"y\\\\z\""), STR_INIT("a/b|name=x\"y\\z") },
	{ "folded in quotes", STR_INIT("a/b; name=\"x\r\n y\""), STR_INIT("a/b|name=x y") },
	{ "no end quote", STR_INIT("a/b; name=\"x; y=z"), STR_INIT("a/b|name=x; y=z") },
	{ "blanks without quotes", STR_INIT("a/b; name=my file.txt; x=y"), STR_INIT("a/b|name=my file.txt|x=y") },
	{ "no semicolon", STR_INIT("a/b name=x y=z"), STR_INIT("a/b|name=x|y=z") },
	{ "junk between", STR_INIT("a/b;; ;foo; =x; c=d"), STR_INIT("a/b|c=d") },
	{ "8-bit", STR_INIT("a/b; name=\"\xc3\xa4\""), STR_INIT("a/b|name=\xc3\xa4") },
	{ "slash and equals in value", STR_INIT("a/b; boundary=--=_x/y=z"), STR_INIT("a/b|boundary=--=_x/y=z") },
	/* RFC 2231 §3, §4, §4.1 */
	{ "continuation", STR_INIT("message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\""),
	  STR_INIT("message/external-body|access-type=URL|url=ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar") },
	{ "charset", STR_INIT("application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"),
	  STR_INIT("application/x-stuff|title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A") },
	{ "both", STR_INIT("application/x-stuff\r\n ;title*0*=us-ascii'en'This%20is%20even%20more%20\r\n ;title*1*=%2A%2A%2Afun%2A%2A%2A%20\r\n ;title*2=\"isn't it!\""),
	  STR_INIT("application/x-stuff|title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!") },
	{ "out of order", STR_INIT("a/b; n*2=c; n*0=a; n*1=b"), STR_INIT("a/b|n=abc") },
	{ "a gap ends it", STR_INIT("a/b; n*0=a; n*2=c"), STR_INIT("a/b|n=a") },
	{ "asterisk that is none", STR_INIT("a/b; n*x=a; *=b"), STR_INIT("a/b|n*x=a|*=b") },
};
/* clang-format on */

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF text = BUF_INIT(4096);
		struct param_value value;
		param_parse(cases[i].in, a, &value);
		describe(&value, &text);
		check_case_str(cases[i].name, buf_str(&text), cases[i].want);
	}
}

static void test_find_prefers_extended(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct param_value value;

	(void)state;
	param_parse(STR("attachment; filename=x; filename*=utf-8''y; size=1"), a, &value);
	check_str_eq(value.main, STR("attachment"));
	check(param_find(&value, STR("filename"))->extended);
	check_str_eq(param_find(&value, STR("size"))->value, STR("1"));
	check(!param_find(&value, STR("none")));
}

static void test_split_extended(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	str charset, bytes;

	(void)state;
	check(param_split_extended(STR("utf-8'de'%c3%A4%2'%zz"), a, &charset, &bytes));
	check_str_eq(charset, STR("utf-8"));
	check_str_eq(bytes, STR("\xc3\xa4%2'%zz"));
	check(!param_split_extended(STR("utf-8'x"), a, &charset, &bytes));
}

static void test_limits(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 8 << 20);
	AUTO_BUF text = BUF_INIT(1 << 20);
	struct param_value value;

	(void)state;
	buf_add(&text, STR("a/b"));
	for (int i = 0; i < PARAM_MAX + 1; i++)
		buf_addf(&text, "; n%d=v", i);
	param_parse(buf_str(&text), a, &value);
	check_int_eq(value.count, PARAM_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_find_prefers_extended),
		cmocka_unit_test(test_split_extended),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
