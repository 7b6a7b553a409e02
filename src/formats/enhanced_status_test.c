#include "check.h"

#include "formats/enhanced_status.h"

static void test_take(void **state)
{
	static const struct {
		const char *name, *in;
		int result;
		struct enhanced_status want;
		const char *rest;
	} cases[] = {
		{ "plain", "5.1.1 no", 0, { 5, 1, 1 }, " no" },
		{ "alone", "2.0.0", 0, { 2, 0, 0 }, "" },
		{ "long numbers", "4.999.999\tx", 0, { 4, 999, 999 }, "\tx" },
		{ "four digits", "5.1000.1 x", -1, { 0 }, NULL },
		{ "class 3", "3.1.1 x", -1, { 0 }, NULL },
		{ "class 1", "1.1.1 x", -1, { 0 }, NULL },
		{ "two parts", "5.1 x", -1, { 0 }, NULL },
		{ "an address", "5.1.1.1 x", -1, { 0 }, NULL },
		{ "a comma", "5.1.1, x", -1, { 0 }, NULL },
		{ "no digits", "5..1 x", -1, { 0 }, NULL },
		{ "a space before", " 5.1.1 x", -1, { 0 }, NULL },
		{ "a version", "5.1.x", -1, { 0 }, NULL },
		{ "empty", "", -1, { 0 }, NULL },
		{ "cut", "5.1.", -1, { 0 }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		str in = str_c(cases[i].in);
		struct enhanced_status got = { 0 };
		check_case(cases[i].name, take_enhanced_status(&in, &got) == cases[i].result);
		check_case(cases[i].name, enhanced_status_eq(got, cases[i].want));
		check_case_str(
		    cases[i].name, in, str_c(cases[i].rest ? cases[i].rest : cases[i].in));
	}
}

static void test_print(void **state)
{
	AUTO_BUF out = BUF_INIT(100);

	(void)state;
	enhanced_status_print((struct enhanced_status){ 5, 7, 30 }, &out);
	enhanced_status_print((struct enhanced_status){ 0 }, &out);
	check_str_eq(buf_str(&out), STR("5.7.30"));
}

static void test_of_code(void **state)
{
	(void)state;
	check(
	    enhanced_status_eq(enhanced_status_of_code(556), (struct enhanced_status){ 5, 1, 10 }));
	check(
	    enhanced_status_eq(enhanced_status_of_code(250), (struct enhanced_status){ 2, 0, 0 }));
	check(
	    enhanced_status_eq(enhanced_status_of_code(499), (struct enhanced_status){ 4, 0, 0 }));
	check(enhanced_status_of_code(354).class == 0);
	check(enhanced_status_of_code(600).class == 0);
	check(enhanced_status_of_code(0).class == 0);
	for (unsigned code = 200; code < 600; code++)
		check(code / 100 == 3 || enhanced_status_of_code(code).class == code / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_of_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
