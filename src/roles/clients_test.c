/* Tests of the limits per client: at, below and above each, and who counts whom. */
#include "check.h"

#include "roles/clients.h"

enum { MINUTE_MS = 60 * 1000 };

static const struct config_limits limits = {
	.connections_total = 5, .connections_per_client = 3, .connections_per_minute = 4
};

static const char *take(struct clients *c, const char *address, uint64_t now_ms)
{
	return clients_take(c, str_c(address), &limits, now_ms);
}

static void test_per_client(void **state)
{
	struct clients *c = clients_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		check(!take(c, "192.0.2.1", 0));
	check(strstr(take(c, "192.0.2.1", 0), "close some"));
	check(!take(c, "192.0.2.2", 0)); /* a neighbour is another client */
	clients_left(c, STR("192.0.2.1"));
	check(!take(c, "192.0.2.1", 0));
	clients_left(c, STR("192.0.2.1"));
	check(strstr(take(c, "192.0.2.1", MINUTE_MS - 1), "new connections"));
	check(!take(c, "192.0.2.1", MINUTE_MS));
	clients_free(c);
}

static void test_networks(void **state)
{
	struct clients *c = clients_new();

	(void)state;
	check(!take(c, "2001:db8:0:1::1", 0));
	check(!take(c, "2001:db8:0:1::2", 0));
	check(!take(c, "2001:db8:0:1:ffff::3", 0));
	check(take(c, "2001:db8:0:1::4", 0)); /* the /64 is one client */
	check(!take(c, "2001:db8:0:2::1", 0));
	check_int_eq(clients_known(c), 2);
	clients_free(c);
}

static void test_total(void **state)
{
	static const char *const addresses[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4",
		"192.0.2.5" };
	struct clients *c = clients_new();

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++)
		check(!take(c, addresses[i], 0));
	check(strstr(take(c, "192.0.2.6", 0), "as many connections"));
	check(!clients_take(c, STR("local"), NULL, 0)); /* the machine's own are not refused */
	clients_free(c);
}

static void test_forgetting(void **state)
{
	struct clients *c = clients_new();

	(void)state;
	check(!take(c, "192.0.2.1", 0));
	check(!take(c, "192.0.2.2", 0));
	clients_left(c, STR("192.0.2.2"));
	clients_forget_idle(c);
	check_int_eq(clients_known(c), 1);
	/* One more that leaves than came: nothing goes below zero. */
	clients_left(c, STR("192.0.2.1"));
	clients_left(c, STR("192.0.2.1"));
	for (int i = 0; i < 3; i++)
		check(!take(c, "192.0.2.1", MINUTE_MS));
	check(take(c, "192.0.2.1", MINUTE_MS));
	clients_free(c);
}

static void test_owner(void **state)
{
	unsigned seen[4] = { 0 };
	char address[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "10.0.%u.%u", i / 250, i % 250);
		unsigned owner = clients_owner(str_c(address), 4);
		check(owner < 4);
		check_int_eq(clients_owner(str_c(address), 4), owner);
		check_int_eq(clients_owner(str_c(address), 1), 0);
		seen[owner]++;
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		check(seen[i] > 150 && seen[i] < 350);
	for (unsigned n = 1; n <= 8; n++)
		check_int_eq(
		    clients_owner(STR("2001:db8::1"), n), clients_owner(STR("2001:db8::ffff"), n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_per_client),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_total),
		cmocka_unit_test(test_forgetting),
		cmocka_unit_test(test_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
