#include "check.h"

#include "formats/tag_list.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int result;
		size_t count;
		const char *name, *value;
	} cases[] = {
		/* clang-format off */
		{ "v=1; a=rsa-sha256; d=example.org", 0, 3, "a", "rsa-sha256" },
		{ "v=1;a=b;", 0, 2, "a", "b" },
		{ " v = 1 ;\r\n\ta=\r\n b c \r\n ;", 0, 2, "a", "b c" },
		{ "", 0, 0, "a", "" },
		{ " ;; ; ", 0, 0, "a", "" },
		{ "p=", 0, 1, "p", "" },
		{ "p=ab==; q=1", 0, 2, "p", "ab==" },
		{ "A=1; a=2", 0, 2, "a", "2" },
		{ "adkim=s; np-x=1", 0, 2, "adkim", "s" },
		{ "d=b\xc3\xbc" "cher.example", 0, 1, "d", "b\xc3\xbc" "cher.example" },
		{ "a=1; a=2", -1, 0, NULL, NULL },
		{ "a", -1, 0, NULL, NULL },
		{ "a=1; b", -1, 0, NULL, NULL },
		{ "=1", -1, 0, NULL, NULL },
		{ "1a=1", -1, 0, NULL, NULL },
		{ "a b=1", -1, 0, NULL, NULL },
		{ "a=\x01", -1, 0, NULL, NULL },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tag_list list;
		struct err err = { 0 };
		check_case(cases[i].text,
		    tag_list_parse(str_c(cases[i].text), &list, &err) == cases[i].result);
		check_case(cases[i].text, (err.text[0] != 0) == (cases[i].result < 0));
		if (cases[i].result < 0)
			continue;
		check_case(cases[i].text, list.count == cases[i].count);
		check_case_str(cases[i].text, tag_list_value(&list, str_c(cases[i].name)),
		    str_c(cases[i].value));
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (int count = TAG_LIST_MAX - 1; count <= TAG_LIST_MAX + 1; count++) {
		AUTO_BUF text = BUF_INIT(4096);
		struct tag_list list;
		struct err err;
		for (int i = 0; i < count; i++)
			buf_addf(&text, "t%d=x;", i);
		check_int_eq(
		    tag_list_parse(buf_str(&text), &list, &err), count <= TAG_LIST_MAX ? 0 : -1);
	}
}

static void test_values(void **state)
{
	AUTO_BUF out = BUF_INIT(64);
	str rest = STR("from : To:\r\n\tsubject"), one;

	(void)state;
	check(tag_value_next(&rest, ':', &one));
	check_str_eq(one, STR("from"));
	check(tag_value_next(&rest, ':', &one) && tag_value_next(&rest, ':', &one));
	check_str_eq(one, STR("subject"));
	check(!tag_value_next(&rest, ':', &one));
	check(tag_value_has(STR("sha1 : SHA256"), ':', STR("sha256")));
	check(!tag_value_has(STR("sha1:sha2567"), ':', STR("sha256")));
	tag_value_squeeze(STR(" ab\r\n\tc d="), &out);
	check_str_eq(buf_str(&out), STR("abcd="));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
