#include "check.h"

#include "protocols/dns/dns_zone.h"
#include "protocols/iprev/iprev.h"

static void test_results(void **state)
{
	static const struct {
		const char *title, *ip, *zone;
		enum iprev_status status;
		const char *name;
		unsigned questions;
	} cases[] = {
		/* clang-format off */
		{ "confirmed", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR MX.example.org\nmx.example.org A 192.0.2.1\n",
		  IPREV_PASS, "mx.example.org", 2 },
		{ "mapped", "::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa PTR mx.example.org\nmx.example.org A 192.0.2.1\n",
		  IPREV_PASS, "mx.example.org", 2 },
		{ "ipv6", "2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR a.example\n"
		  "a.example AAAA 2001:db8::1\n", IPREV_PASS, "a.example", 2 },
		{ "second of two", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR a.example\n1.2.0.192.in-addr.arpa PTR b.example\n"
		  "a.example TEMPORARY\nb.example A 192.0.2.1\n", IPREV_PASS, "b.example", 3 },
		{ "forged", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR mx.example.org\nmx.example.org A 192.0.2.2\n", IPREV_FAIL, "", 2 },
		{ "dangling", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR mx.example.org\n", IPREV_FAIL, "", 2 },
		{ "no name", "192.0.2.1", "", IPREV_PERMERROR, "", 1 },
		{ "root as a name", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR .\n", IPREV_PERMERROR, "", 1 },
		{ "reverse fails", "192.0.2.1", "1.2.0.192.in-addr.arpa TEMPORARY\n", IPREV_TEMPERROR, "", 1 },
		{ "name fails", "192.0.2.1", "1.2.0.192.in-addr.arpa PTR a.example\na.example BOGUS\n", IPREV_TEMPERROR, "", 2 },
		{ "no address", "x", "", IPREV_PERMERROR, "", 0 },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct ip ip = { 0 };
		struct dns_question q;
		unsigned questions = 0;
		ip_parse(str_c(cases[i].ip), &ip);
		struct iprev *p = iprev_start(a, &ip);
		while (!iprev_result(p)) {
			assert_true(iprev_next_question(p, &q));
			struct dns_answer answer = dns_zone_answer(a, str_c(cases[i].zone), &q);
			iprev_answer(p, q.id, &answer);
			iprev_answer(p, q.id, &answer); /* the second is passed over */
			questions++;
		}
		const struct iprev_result *r = iprev_result(p);
		check_case(cases[i].title, r->status == cases[i].status && r->reason.len);
		check_case(cases[i].title, questions == cases[i].questions);
		check_case_str(cases[i].title, r->name, str_c(cases[i].name));
	}
}

static void test_limit(void **state)
{
	(void)state;
	for (unsigned count = IPREV_NAMES_MAX - 1; count <= IPREV_NAMES_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF zone = BUF_INIT(4096);
		struct dns_question q;
		struct ip ip;
		unsigned together = 0;
		for (unsigned i = 0; i < count; i++)
			buf_addf(&zone, "1.2.0.192.in-addr.arpa PTR n%u.example\n", i);
		ip_parse(STR("192.0.2.1"), &ip);
		struct iprev *p = iprev_start(a, &ip);
		assert_true(iprev_next_question(p, &q));
		assert_false(iprev_next_question(p, &q));
		struct dns_answer answer = dns_zone_answer(a, buf_str(&zone), &q);
		iprev_answer(p, q.id, &answer);
		while (iprev_next_question(p, &q))
			together++;
		check_int_eq(together, count < IPREV_NAMES_MAX ? count : IPREV_NAMES_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
