/* Tests of the text form of a story's facts: what is written is read back. */
#include "check.h"

#include "services/story/story.h"

static void test_round_trip(void **state)
{
	static const str values[] = { STR_INIT("plain"), STR_INIT("two\nlines"),
		STR_INIT("back\\slash\\n"), STR_INIT("a=b"), STR_INIT("nul\0byte") };
	AUTO_ARENA a = arena_new(NULL, "test", 65536);
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);
	str name, value;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++)
		story_field(&detail, "value", values[i]);
	story_field(&detail, "empty", STR(""));
	story_field_u(&detail, "number", 42);
	str in = buf_str(&detail);
	for (size_t i = 0; i < COUNT(values); i++) {
		check(story_field_next(&in, a, &name, &value));
		check_str_eq(name, STR("value"));
		check_str_eq(value, values[i]);
	}
	check(story_field_next(&in, a, &name, &value));
	check_str_eq(name, STR("number"));
	check_str_eq(value, STR("42"));
	check(!story_field_next(&in, a, &name, &value));
}

static void test_id(void **state)
{
	static const uint64_t ids[] = { 0, 1, 0x123456789abcdef0, UINT64_MAX };
	static const str bad[] = { STR_INIT(""), STR_INIT("123"), STR_INIT("123456789abcdefg"),
		STR_INIT("123456789abcdef01") };
	char text[STORY_ID_BYTES];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		story_id_print(ids[i], text);
		check_int_eq(story_id_parse(str_c(text), &back), 0);
		check(back == ids[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		check_int_eq(story_id_parse(bad[i], &back), -1);
	check_str_eq(str_c(story_step_name(STORY_REFUSED)), STR("refused"));
	check_str_eq(str_c(story_step_name(99)), STR("unknown"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
