/* Tests of tickets that are good once: the second use, the use after a restart, and forgetting. */
#include "check.h"

#include "services/auth/ticket_once.h"

enum { LIFE_MS = TICKET_ATTACH_S * 1000, START_MS = 1000000 };

static struct ticket made(uint32_t number, int64_t at_ms)
{
	struct ticket t = { .account = 1, .expires_at = at_ms + LIFE_MS };

	memcpy(t.nonce, &number, sizeof(number));
	return t;
}

static int use(struct ticket_once *o, struct ticket t, int64_t now_ms, enum err_kind *out_kind)
{
	struct err err = { 0 };
	int result = ticket_once_use(o, &t, now_ms, &err);

	*out_kind = err.kind;
	return result;
}

static void test_second_use(void **state)
{
	struct ticket_once *o = ticket_once_new(START_MS);
	struct ticket t = made(1, START_MS);
	enum err_kind kind;

	(void)state;
	check_int_eq(use(o, t, START_MS, &kind), 0);
	check_int_eq(use(o, t, START_MS, &kind), -1);
	check_int_eq(kind, ERR_DENIED);
	check_int_eq(use(o, made(2, START_MS), START_MS, &kind), 0);
	/* As long as the ticket itself is good. */
	for (uint32_t i = 0; i < 6; i++)
		check_int_eq(
		    use(o, made(100 + i, START_MS + i * 9999), START_MS + i * 9999, &kind), 0);
	check_int_eq(use(o, t, START_MS + LIFE_MS - 1, &kind), -1);
	ticket_once_free(o);
}

static void test_made_before_start(void **state)
{
	struct ticket_once *o = ticket_once_new(START_MS);
	enum err_kind kind;

	(void)state;
	check_int_eq(use(o, made(1, START_MS - 1), START_MS + 5, &kind), -1);
	check_int_eq(kind, ERR_RETRY);
	check_int_eq(use(o, made(1, START_MS), START_MS + 5, &kind), 0);
	ticket_once_free(o);
}

static void test_limit(void **state)
{
	struct ticket_once *o = ticket_once_new(START_MS);
	enum err_kind kind;

	(void)state;
	for (uint32_t i = 0; i < TICKET_ONCE_MAX; i++)
		check(use(o, made(i, START_MS), START_MS, &kind) == 0);
	check_int_eq(use(o, made(TICKET_ONCE_MAX, START_MS), START_MS, &kind), -1);
	check_int_eq(kind, ERR_RETRY);
	/* The others' lives are over. */
	int64_t later = START_MS + LIFE_MS;
	check_int_eq(use(o, made(TICKET_ONCE_MAX, later), later, &kind), 0);
	ticket_once_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_use),
		cmocka_unit_test(test_made_before_start),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
