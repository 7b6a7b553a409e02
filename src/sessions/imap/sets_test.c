/* Ranges of UIDs: sorting, cutting, printing. */
#include "check.h"

#include "sessions/imap/sets.h"

enum { RANGES_MAX = 16 };

/* "1:3,5" */
static struct ranges read_ranges(struct arena *a, str text)
{
	struct ranges r = { 0 };
	str part, first;

	r.at = arena_array(a, struct store_range, RANGES_MAX);
	while (text.len && str_split(&text, ',', &part)) {
		uint32_t numbers[2] = { 0, 0 };
		for (size_t i = 0; i < 2 && part.len; i++) {
			str_split(&part, ':', &first);
			for (size_t k = 0; k < first.len; k++)
				numbers[i] = numbers[i] * 10 + (uint32_t)(first.ptr[k] - '0');
		}
		if (!numbers[1])
			numbers[1] = numbers[0];
		r.at[r.count++] = (struct store_range){ numbers[0], numbers[1] };
	}
	return r;
}

static void test_sort(void **state)
{
	static const struct {
		str in, out;
	} cases[] = {
		{ STR_INIT("1"), STR_INIT("1") },
		{ STR_INIT("5,1:3"), STR_INIT("1:3,5") },
		{ STR_INIT("1:3,4:5"), STR_INIT("1:5") },
		{ STR_INIT("1:9,3:4"), STR_INIT("1:9") },
		{ STR_INIT("3:7,1:4,10,9"), STR_INIT("1:7,9:10") },
		{ STR_INIT("2,2,2"), STR_INIT("2") },
		{ STR_INIT("4294967294:4294967295,1"), STR_INIT("1,4294967294:4294967295") },
		{ STR_INIT("1:4294967295,7"), STR_INIT("1:4294967295") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct ranges r = read_ranges(a, cases[i].in);
		ranges_sort(&r);
		check_case_str(cases[i].in.ptr, ranges_print(a, r.at, r.count), cases[i].out);
	}
}

static void test_common(void **state)
{
	static const struct {
		str x, y, out;
	} cases[] = {
		{ STR_INIT("1:10"), STR_INIT("5"), STR_INIT("5") },
		{ STR_INIT("1:10"), STR_INIT("5:20"), STR_INIT("5:10") },
		{ STR_INIT("1,3,5"), STR_INIT("2,4"), STR_INIT("") },
		{ STR_INIT("1:3,5:9"), STR_INIT("2:6,8"), STR_INIT("2:3,5:6,8") },
		{ STR_INIT("1:4294967295"), STR_INIT("7,9:4294967295"),
		    STR_INIT("7,9:4294967295") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct ranges x = read_ranges(a, cases[i].x), y = read_ranges(a, cases[i].y);
		struct ranges out = ranges_common(a, x.at, x.count, y.at, y.count);
		struct ranges back = ranges_common(a, y.at, y.count, x.at, x.count);
		check_case_str(cases[i].x.ptr, ranges_print(a, out.at, out.count), cases[i].out);
		check_case_str(cases[i].x.ptr, ranges_print(a, back.at, back.count), cases[i].out);
	}
}

static void test_have(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct ranges r = read_ranges(a, STR("2:4,8,10:11"));
	static const bool in[] = { false, false, true, true, true, false, false, false, true, false,
		true, true, false };

	(void)state;
	for (uint32_t uid = 0; uid < COUNT(in); uid++)
		check(ranges_have(r.at, r.count, uid) == in[uid]);
	check(!ranges_have(NULL, 0, 1));
}

/* Neighbours become one range, so that a million UIDs in a row cost one. */
static void test_add(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct ranges r = { 0 };

	(void)state;
	for (uint32_t uid = 1; uid <= 1000000; uid++)
		ranges_add(a, &r, uid, uid);
	ranges_add(a, &r, 1000002, 1000002);
	check_str_eq(ranges_print(a, r.at, r.count), STR("1:1000000,1000002"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_have),
		cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
