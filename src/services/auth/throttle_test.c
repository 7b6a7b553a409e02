/* Tests of the throttle, with a clock of their own. */
#include "check.h"

#include "services/auth/lru.h"
#include "services/auth/throttle.h"

#define ME STR("192.0.2.1")
#define THEM STR("198.51.100.9")
#define ANA STR("ana@example.org")
#define BEA STR("bea@example.org")

static struct throttle *fresh(void)
{
	return throttle_new(&throttle_limits_default);
}

static void test_delay_grows(void **state)
{
	static const uint64_t want[] = { 2000, 4000, 8000, 15000, 15000 };
	struct throttle *t = fresh();
	uint64_t now = 1000000;

	(void)state;
	check_int_eq(throttle_wait(t, ME, ANA, now), 0);
	for (size_t i = 0; i < COUNT(want); i++) {
		uint64_t wait = throttle_failed(t, ME, ANA, 0, now);
		check_int_eq(wait, want[i]);
		check_int_eq(throttle_wait(t, ME, ANA, now), want[i]);
		now += wait;
	}
	check_int_eq(throttle_wait(t, ME, ANA, now), 0);
	throttle_free(t);
}

/* Tries side by side do not share one delay; none waits longer than the longest. */
static void test_side_by_side(void **state)
{
	struct throttle *t = fresh();

	(void)state;
	check_int_eq(throttle_failed(t, ME, ANA, 0, 1), 2000);
	check_int_eq(throttle_failed(t, ME, ANA, 0, 1), 6000);
	check_int_eq(throttle_failed(t, ME, ANA, 0, 1), 14000);
	check_int_eq(throttle_failed(t, ME, ANA, 0, 1), 15000);
	throttle_free(t);
}

static void test_ban(void **state)
{
	struct throttle *t = fresh();
	uint64_t now = 5000000;

	(void)state;
	for (unsigned i = 0; i < throttle_limits_default.failures; i++) {
		check(!throttle_is_banned(t, THEM, BEA, now));
		throttle_failed(t, THEM, i % 2 ? ANA : BEA, 0, now);
		now += 1000;
	}
	check(throttle_is_banned(t, THEM, BEA, now));
	check(throttle_is_banned(t, THEM, STR("other@example.org"), now));
	check(!throttle_is_banned(t, ME, BEA, now));
	check(throttle_is_banned(t, THEM, BEA, now - 1001 + throttle_limits_default.ban_ms));
	check(!throttle_is_banned(t, THEM, BEA, now + throttle_limits_default.ban_ms));
	throttle_free(t);
}

/* A name under attack from many addresses: who signed in before notices nothing. */
static void test_own_budget(void **state)
{
	struct throttle *t = fresh();
	uint64_t now = 7000000;

	(void)state;
	check_int_eq(throttle_passed(t, ME, ANA, now), 0);
	for (unsigned i = 0; i < 200; i++) {
		char address[32];
		snprintf(address, sizeof(address), "203.0.113.%u", i);
		throttle_failed(t, str_c(address), ANA, 0, now);
	}
	check_int_eq(throttle_wait(t, ME, ANA, now), 0);
	check_int_eq(throttle_passed(t, ME, ANA, now), 0);
	/* Somebody new waits, but is not shut out. */
	check_int_eq(throttle_wait(t, STR("192.0.2.77"), ANA, now), 15000);
	check(!throttle_is_banned(t, STR("192.0.2.77"), ANA, now));
	/* The address is shared with a guesser. */
	for (unsigned i = 0; i < 40; i++)
		throttle_failed(t, ME, BEA, 0, now);
	check(throttle_is_banned(t, ME, BEA, now));
	check(!throttle_is_banned(t, ME, ANA, now));
	check_int_eq(throttle_wait(t, ME, ANA, now), 0);
	/* Its own failures count for it alone. */
	check_int_eq(throttle_failed(t, ME, ANA, 0, now), 2000);
	check_int_eq(throttle_wait(t, STR("192.0.2.78"), BEA, now), 15000);
	throttle_free(t);
}

static void test_same_password_again(void **state)
{
	struct throttle *t = fresh();
	uint64_t now = 1;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		check_int_eq(throttle_failed(t, ME, ANA, 42, now), 2000);
		now += 60000;
	}
	check(!throttle_is_banned(t, ME, ANA, now));
	check_int_eq(throttle_failed(t, ME, ANA, 43, now), 4000);
	throttle_free(t);
}

static void test_forgets(void **state)
{
	struct throttle *t = fresh();

	(void)state;
	check_int_eq(throttle_failed(t, ME, ANA, 0, 1), 2000);
	check_int_eq(throttle_failed(t, ME, ANA, 0, throttle_limits_default.forget_ms), 4000);
	check_int_eq(throttle_failed(t, ME, ANA, 0, 3 * throttle_limits_default.forget_ms), 2000);
	throttle_free(t);
}

static void test_ipv6_network(void **state)
{
	struct throttle *t = fresh();

	(void)state;
	for (unsigned i = 0; i < throttle_limits_default.failures; i++) {
		char address[64];
		snprintf(address, sizeof(address), "2001:db8:1:2::%x", i);
		throttle_failed(t, str_c(address), ANA, 0, 1);
	}
	check(throttle_is_banned(t, STR("2001:db8:1:2:ffff::1"), BEA, 2));
	check(!throttle_is_banned(t, STR("2001:db8:1:3::1"), BEA, 2));
	throttle_free(t);
}

static void test_bounded(void **state)
{
	struct lru *l = lru_new(sizeof(int), 2);
	int *a, *b;

	(void)state;
	a = lru_touch(l, STR("a"));
	*a = 1;
	b = lru_touch(l, STR("b"));
	*b = 2;
	a = lru_touch(l, STR("a"));
	check_int_eq(*a, 1);
	lru_touch(l, STR("c"));
	check_int_eq(lru_count(l), 2);
	check(lru_get(l, STR("b")) == NULL);
	a = lru_get(l, STR("a"));
	check(a && *a == 1);
	lru_remove(l, STR("a"));
	lru_remove(l, STR("a"));
	check_int_eq(lru_count(l), 1);
	lru_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay_grows),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_ban),
		cmocka_unit_test(test_own_budget),
		cmocka_unit_test(test_same_password_again),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_ipv6_network),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
