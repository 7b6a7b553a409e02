/* Tests of the small things everything stands on. */
#include "check.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/num.h"
#include "base/secret.h"
#include "base/table.h"
#include "base/time.h"

static void test_str_compare(void **state)
{
	(void)state;
	check(str_eq(STR("a"), STR("a")));
	check(!str_eq(STR("a"), STR("A")));
	check(str_ieq(STR("EHLO"), STR("ehlo")));
	check(str_cmp(STR("a"), STR("ab")) < 0);
	check(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
	check(str_iends(STR("x.EML"), STR(".eml")));
	check_int_eq(str_ifind(STR("Content-Type"), STR("TYPE")), 8);
	check_int_eq(str_find(STR("abc"), STR("d")), STR_NPOS);
	check_str_eq(str_trim(STR(" \t a b\r\n")), STR("a b"));
}

static void test_str_utf8(void **state)
{
	static const struct {
		const char *name;
		str in;
		bool ok;
	} cases[] = {
		{ "ascii", STR_INIT("abc"), true },
		{ "two bytes", STR_INIT("\xc3\xb1"), true },
		{ "overlong", STR_INIT("\xc0\xaf"), false },
		{ "surrogate", STR_INIT("\xed\xa0\x80"), false },
		{ "last code point", STR_INIT("\xf4\x8f\xbf\xbf"), true },
		{ "above the last", STR_INIT("\xf4\x90\x80\x80"), false },
		{ "cut short", STR_INIT("\xe2\x82"), false },
		{ "lone continuation", STR_INIT("\x80"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].name, str_is_utf8(cases[i].in) == cases[i].ok);
}

static void test_take(void **state)
{
	str line = STR("MAIL FROM:<a@b>  SIZE=1"), verb, rest;

	(void)state;
	check_int_eq(take_word(&line, 3, &verb), -1);
	check_int_eq(take_word(&line, 16, &verb), 0);
	check_str_eq(verb, STR("MAIL"));
	check_int_eq(take_space(&line), 0);
	check_int_eq(take_ilit(&line, STR("from:")), 0);
	check_int_eq(take_until(&line, '>', 100, &rest), 0);
	check_str_eq(rest, STR("<a@b"));
	check_int_eq(take_char(&line, '>'), 0);
	check_int_eq(take_space(&line), 0);
	check_int_eq(take_rest(&line, 100, &rest), 0);
	check_str_eq(rest, STR("SIZE=1"));
	check_int_eq(take_char(&line, 'x'), -1);
}

static void test_split(void **state)
{
	str rest = STR("a,,b"), part;

	(void)state;
	check(str_split(&rest, ',', &part));
	check_str_eq(part, STR("a"));
	check(str_split(&rest, ',', &part));
	check_str_eq(part, STR(""));
	check(str_split(&rest, ',', &part));
	check_str_eq(part, STR("b"));
	check(!str_split(&rest, ',', &part));
}

static void test_buf_ceiling(void **state)
{
	AUTO_BUF b = BUF_INIT(4);

	(void)state;
	buf_add(&b, STR("abc"));
	check(buf_ok(&b));
	buf_add(&b, STR("d"));
	check(buf_ok(&b));
	buf_add(&b, STR("e"));
	check(!buf_ok(&b));
	check_str_eq(buf_str(&b), STR("abcd"));
	buf_reset(&b);
	buf_addu(&b, 1234);
	check(buf_ok(&b));
	check_str_eq(buf_str(&b), STR("1234"));
}

static void test_varints(void **state)
{
	static const uint64_t cases[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF b = BUF_INIT(16);
		uint64_t back = 1;
		buf_add_varint(&b, cases[i]);
		str in = buf_str(&b), cut = str_sub(in, 0, in.len - 1);
		check_int_eq(take_varint(&cut, &back), -1);
		check_int_eq(take_varint(&in, &back), 0);
		check(back == cases[i] && in.len == 0);
	}
	str too_long = STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
	uint64_t n;
	check_int_eq(take_varint(&too_long, &n), -1);
}

static void test_numbers(void **state)
{
	uint32_t n = 7;
	uint64_t size;

	(void)state;
	check_int_eq(num_parse_u32(STR("4294967295"), UINT32_MAX, &n), 0);
	check(n == UINT32_MAX);
	check_int_eq(num_parse_u32(STR("4294967296"), UINT32_MAX, &n), -1);
	check_int_eq(num_parse_u32(STR("+1"), 10, &n), -1);
	check_int_eq(num_parse_u32(STR(""), 10, &n), -1);
	check_int_eq(num_parse_u32(STR("11"), 10, &n), -1);
	check_int_eq(num_parse_size(STR("50 MiB"), UINT64_MAX, &size), 0);
	check(size == 50u * 1024 * 1024);
	check_int_eq(num_parse_size(STR("5x"), UINT64_MAX, &size), -1);
	check_int_eq(num_parse_duration(STR("5d"), UINT64_MAX, &size), 0);
	check(size == 432000);
}

static void test_table(void **state)
{
	struct table *t = table_new();
	int values[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		check(table_set_id(t, (uint64_t)i, &values[i]) == NULL);
	for (int i = 0; i < 1000; i += 2)
		check(table_remove_id(t, (uint64_t)i) == &values[i]);
	check_int_eq(table_count(t), 500);
	for (int i = 0; i < 1000; i++)
		check(table_get_id(t, (uint64_t)i) == (i % 2 ? &values[i] : NULL));
	check(table_set(t, STR("k"), values) == NULL);
	check(table_set(t, STR("k"), values + 1) == values);
	size_t at = 0, seen = 0;
	str key;
	void *value;
	while (table_next(t, &at, &key, &value))
		seen++;
	check_int_eq(seen, 501);
	table_free(t);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

static void test_arena(void **state)
{
	int count = 0;
	struct arena *a = arena_new(NULL, "test", 1 << 20);
	struct arena *child = arena_new(a, "child", 1000);

	(void)state;
	arena_defer(child, count_up, &count);
	check(arena_try_alloc(child, 2000) == NULL);
	check_str_eq(arena_strf(a, "%d-%s", 5, "x"), STR("5-x"));
	arena_reset(a);
	check_int_eq(count, 1);
	uint32_t *numbers = NULL;
	size_t n = 0, cap = 0;
	for (uint32_t i = 0; i < 100; i++)
		*(uint32_t *)arena_push(a, &numbers, &n, &cap, sizeof(*numbers)) = i;
	check_int_eq(numbers[99], 99);
	arena_free(a);
}

static void test_err(void **state)
{
	struct err err = { 0 };

	(void)state;
	check_int_eq(err_set(&err, ERR_RETRY, "no space on '%s'", "disk"), -1);
	err_wrap(&err, "storing message %d", 5);
	check_str_eq(str_c(err.text), STR("storing message 5: no space on 'disk'"));
	check_int_eq(err.kind, ERR_RETRY);
}

static void test_calendar(void **state)
{
	static const struct {
		int64_t at;
		const char *iso;
		int weekday;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z", 4 },
		{ -1, "1969-12-31T23:59:59Z", 3 },
		{ 951782400, "2000-02-29T00:00:00Z", 2 },
		{ 2147483648, "2038-01-19T03:14:08Z", 2 },
		{ 4294967296, "2106-02-07T06:28:16Z", 0 },
		{ 253402300799, "9999-12-31T23:59:59Z", 5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char iso[TIME_ISO_BYTES];
		struct civil c = time_utc(cases[i].at);
		time_iso(cases[i].at, iso);
		check_case_str(cases[i].iso, str_c(iso), str_c(cases[i].iso));
		check_case(cases[i].iso, c.weekday == cases[i].weekday);
		check_case(cases[i].iso, time_from_civil(&c) == cases[i].at);
	}
}

static void test_secret(void **state)
{
	(void)state;
	check(secret_eq(STR("abc"), STR("abc")));
	check(!secret_eq(STR("abc"), STR("abd")));
	check(!secret_eq(STR("abc"), STR("ab")));
	check(random_u64() != random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str_compare),
		cmocka_unit_test(test_str_utf8),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_buf_ceiling),
		cmocka_unit_test(test_varints),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
