#include "check.h"

#include "protocols/dns/dns.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_valid_names(void **state)
{
	static const struct {
		const char *name;
		bool is_valid;
	} cases[] = {
		{ "example.org", true },
		{ "example.org.", true },
		{ "_spf.example.org", true },
		{ "a", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ "a..b", false },
		{ ".a", false },
		{ "a..", false },
		{ LABEL_63 ".org", true },
		{ LABEL_63 "4.org", false },
		/* 253 bytes, 253 and a dot, 254 */
		{ LABEL_63 "." LABEL_63 "." LABEL_63 "."
		           "a234567890123456789012345678901234567890123456789012345678901",
		    true },
		{ LABEL_63 "." LABEL_63 "." LABEL_63 "."
		           "a234567890123456789012345678901234567890123456789012345678901.",
		    true },
		{ LABEL_63 "." LABEL_63 "." LABEL_63 "."
		           "a2345678901234567890123456789012345678901234567890123456789012",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(
		    cases[i].name, dns_name_is_valid(str_c(cases[i].name)) == cases[i].is_valid);
}

static void test_relations(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 4096);

	(void)state;
	check(dns_name_eq(STR("Example.ORG."), STR("example.org")));
	check(!dns_name_eq(STR("example.org"), STR("example.com")));
	check(dns_name_is_within(STR("a.Example.org"), STR("example.org.")));
	check(dns_name_is_within(STR("example.org"), STR("example.org")));
	check(!dns_name_is_within(STR("badexample.org"), STR("example.org")));
	check(!dns_name_is_within(STR("org"), STR("example.org")));
	check(dns_name_is_within(STR("org"), STR("")));
	check_str_eq(dns_name_copy(a, STR("A.Example.Org.")), STR("a.example.org"));
	check_int_eq(dns_name_labels(STR("a.example.org.")), 3);
	check_int_eq(dns_name_labels(STR("")), 0);
	check_str_eq(dns_name_last(STR("a.example.org"), 2), STR("example.org"));
	check_str_eq(dns_name_last(STR("a.example.org"), 1), STR("org"));
	check_str_eq(dns_name_last(STR("example.org"), 5), STR("example.org"));
}

static void test_words(void **state)
{
	enum dns_type type = DNS_A;

	(void)state;
	check_str_eq(str_c(dns_type_name(DNS_TLSA)), STR("TLSA"));
	check(dns_type_name((enum dns_type)99) == NULL);
	check(dns_type_parse(STR("aaaa"), &type) && type == DNS_AAAA);
	check(!dns_type_parse(STR("SPF"), &type) && type == DNS_AAAA);
	check(dns_is_failure(DNS_BOGUS) && dns_is_failure(DNS_TEMPORARY) &&
	      !dns_is_failure(DNS_NXDOMAIN));
	check_str_eq(str_c(dns_status_name(DNS_NXDOMAIN)), STR("no such name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid_names),
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
