#include "check.h"

#include "formats/sts_policy.h"

#define ID32 "abcdefghijklmnopqrstuvwxyz012345"

static void test_record(void **state)
{
	static const struct {
		const char *text, *id; /* NULL: malformed */
	} cases[] = {
		/* clang-format off */
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
		{ "v=STSv1;id=1", "1" },
		{ "v=STSv1 \t; id=1 ; ", "1" },
		{ "v=STSv1; x=1; id=2", "2" },
		{ "v=STSv1; id=2; a.b-c_d=!~;", "2" },
		{ "v=STSv1; id=1; id=2", "1" },
		{ "v=STSv1; id=" ID32, ID32 },
		{ "v=STSv1; id=" ID32 "6", NULL },
		{ "v=STSv1; id=", NULL },
		{ "v=STSv1; id=a-b", NULL },
		{ "v=STSv1; ID=1", NULL },
		{ "v=STSv1;", NULL },
		{ "v=STSv1", NULL },
		{ "v=STSv1 id=1", NULL },
		{ "v=STSv2; id=1", NULL },
		{ "v=stsv1; id=1", NULL },
		{ " v=STSv1; id=1", NULL },
		{ "id=1; v=STSv1;", NULL },
		{ "v=STSv1;; id=1", NULL },
		{ "v=STSv1; id=1; x", NULL },
		{ "v=STSv1; id=1; x=", NULL },
		{ "v=STSv1; id=1; x=a=b", NULL },
		{ "v=STSv1; id=1; x=a b", NULL },
		{ "v=STSv1; id=1; _x=1", NULL },
		{ "v=STSv1; id=1; x=\xc3\xb1", NULL },
		{ "", NULL },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		str id = STR_NONE;
		int result = sts_record_parse(str_c(cases[i].text), &id, &err);
		check_case(cases[i].text, (result == 0) == (cases[i].id != NULL));
		check_case(cases[i].text, (err.text[0] != 0) == (result < 0));
		check_case_str(cases[i].text, id, str_c(cases[i].id));
	}
	check(sts_record_is(STR("v=STSv1 ; x")));
	check(!sts_record_is(STR("v=spf1 -all")));
}

#define HEAD "version: STSv1\nmode: enforce\n"

static void test_policy(void **state)
{
	static const struct {
		const char *text;
		int result;
		enum sts_mode mode;
		uint32_t age;
		size_t mx;
	} cases[] = {
		/* clang-format off */
		{ "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n",
		    0, STS_ENFORCE, 604800, 2 },
		{ "max_age:1\nmx:a\nmode:testing\nversion:STSv1", 0, STS_TESTING, 1, 1 },
		{ "version: STSv1\nmode: none\nmax_age: 0\n", 0, STS_NONE, 0, 0 },
		{ HEAD "mx: a.b.  \t\r\n\r\nmax_age: 9999999999\n\n", 0, STS_ENFORCE, STS_AGE_MAX_S, 1 },
		{ HEAD "mx: a\nmax_age: 5\nmode: none\nmax_age: x\nversion: 2\n", 0, STS_ENFORCE, 5, 1 },
		{ HEAD "mx: a\nmax_age: 5\nMode: none\nx-1: se\xc3\xb1" "or:\n", 0, STS_ENFORCE, 5, 1 },
		{ HEAD "mx: a\nmax_age: 31557600", 0, STS_ENFORCE, 31557600, 1 },
		{ HEAD "mx: a\nmax_age: 31557601", 0, STS_ENFORCE, 31557600, 1 },
		{ HEAD "mx: a\n", -1, 0, 0, 0 },
		{ HEAD "max_age: 1\n", -1, 0, 0, 0 },
		{ "mode: enforce\nmx: a\nmax_age: 1\n", -1, 0, 0, 0 },
		{ "version: STSv1\nmx: a\nmax_age: 1\n", -1, 0, 0, 0 },
		{ "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1\n", -1, 0, 0, 0 },
		{ "version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age: -1\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age: 00000000001\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age:\n", -1, 0, 0, 0 },
		{ HEAD "mx: a..b\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: *\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: *.\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: a.*.b\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: ma*.b\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: b\xc3\xbc" "cher.example\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: a, b\nmax_age: 1\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age: 1\nnothing here\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age: 1\nx: \x01\n", -1, 0, 0, 0 },
		{ HEAD "mx: a\nmax_age: 1\nx: \xff\n", -1, 0, 0, 0 },
		{ "<html>version: STSv1</html>", -1, 0, 0, 0 },
		{ "", -1, 0, 0, 0 },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "policy", 1 << 20);
		struct sts_policy p = { 0 };
		struct err err = { 0 };
		int result = sts_policy_parse(str_c(cases[i].text), a, &p, &err);
		check_case(cases[i].text, result == cases[i].result);
		check_case(cases[i].text, (err.text[0] != 0) == (result < 0));
		check_case(cases[i].text, p.mode == cases[i].mode);
		check_case(cases[i].text, p.max_age_s == cases[i].age);
		check_case(cases[i].text, p.mx_count == cases[i].mx);
	}
}

static int parse_many(size_t patterns, size_t padding, struct sts_policy *out, struct arena *a)
{
	AUTO_BUF text = BUF_INIT(1 << 20);

	buf_addz(&text, HEAD "max_age: 1\n");
	for (size_t i = 0; i < patterns; i++)
		buf_addf(&text, "mx: m%zu.example\n", i);
	while (text.len < padding)
		buf_addc(&text, '\n');
	return sts_policy_parse(buf_str(&text), a, out, NULL);
}

static void test_limits(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "policy", 1 << 20);
	struct sts_policy p;

	(void)state;
	check_int_eq(parse_many(STS_MX_MAX, 0, &p, a), 0);
	check_int_eq(p.mx_count, STS_MX_MAX);
	check_int_eq(parse_many(STS_MX_MAX + 1, 0, &p, a), -1);
	check_int_eq(parse_many(1, STS_POLICY_BYTES_MAX, &p, a), 0);
	check_int_eq(parse_many(1, STS_POLICY_BYTES_MAX + 1, &p, a), -1);
}

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *host;
		bool matches;
	} cases[] = {
		{ "mail.example.com", "mail.example.com", true },
		{ "mail.example.com", "MAIL.example.COM.", true },
		{ "mail.example.com", "a.mail.example.com", false },
		{ "mail.example.com", "xmail.example.com", false },
		{ "mail.example.com", "example.com", false },
		{ "*.example.com", "mail.example.com", true },
		{ "*.example.com", "Mail.Example.Com", true },
		{ "*.example.com", "example.com", false },
		{ "*.example.com", ".example.com", false },
		{ "*.example.com", "foo.bar.example.com", false },
		{ "*.example.com", "mail.example.com.evil.example", false },
		{ "*.example.com", "mailexample.com", false },
		{ "*.com", "example.com", true },
		{ "*.com", "com", false },
		{ "com", "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		str mx[] = { STR("other.example"), str_c(cases[i].pattern) };
		struct sts_policy p = { STS_ENFORCE, 1, mx, COUNT(mx) };
		check_case(cases[i].host,
		    sts_policy_matches(&p, str_c(cases[i].host)) == cases[i].matches);
	}
	check(!sts_policy_matches(&(struct sts_policy){ 0 }, STR("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_match),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
