/* Tests of the rules: one below, at and one above each limit. */
#include "check.h"

#include "services/policy/policy.h"

static void test_hops(void **state)
{
	struct config config = { .limits = { .hops = 50 } };
	AUTO_ARENA a = arena_new(NULL, "test", 4096);

	(void)state;
	for (uint32_t received = 49; received <= 51; received++) {
		struct message_index index = { .received_count = received };
		struct policy_verdict v;
		policy_decide(&(struct policy_facts){ .config = &config, .index = &index }, a, &v);
		check_int_eq(v.action, received <= 50 ? POLICY_ACCEPT : POLICY_REJECT);
		if (received > 50)
			check_int_eq(v.code, 554);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hops) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
