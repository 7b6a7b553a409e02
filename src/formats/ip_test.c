#include "check.h"

#include "formats/ip.h"

static struct ip parse(const char *text)
{
	struct ip ip = { 0 };

	ip_parse(str_c(text), &ip);
	return ip;
}

static void test_parse_and_print(void **state)
{
	static const struct {
		const char *text, *printed, *reverse;
	} cases[] = {
		/* clang-format off */
		{ "192.0.2.1", "192.0.2.1", "1.2.0.192.in-addr.arpa" },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0.in-addr.arpa" },
		{ "2001:DB8:0:0::1", "2001:db8::1",
		  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
		{ "::", "::",
		  "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa" },
		{ "192.0.2", NULL, NULL },
		{ "192.0.2.256", NULL, NULL },
		{ "192.0.2.01", NULL, NULL },
		{ "192.0.2.1/24", NULL, NULL },
		{ " 192.0.2.1", NULL, NULL },
		{ "fe80::1%eth0", NULL, NULL },
		{ "1::2::3", NULL, NULL },
		{ "", NULL, NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", NULL, NULL },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF printed = BUF_INIT(256);
		AUTO_BUF reverse = BUF_INIT(256);
		struct ip ip;
		check_case(cases[i].text,
		    (ip_parse(str_c(cases[i].text), &ip) == 0) == !!cases[i].printed);
		if (!cases[i].printed)
			continue;
		ip_print(&ip, &printed);
		ip_reverse_name(&ip, &reverse);
		check_case_str(cases[i].text, buf_str(&printed), str_c(cases[i].printed));
		check_case_str(cases[i].text, buf_str(&reverse), str_c(cases[i].reverse));
	}
	struct ip unchanged = { .version = 9 };
	check(ip_parse(STR("a\0b"), &unchanged) < 0 && unchanged.version == 9);
}

static void test_network(void **state)
{
	static const struct {
		const char *ip, *network;
		unsigned bits;
		bool is_in;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", 32, true },
		{ "192.0.2.1", "192.0.2.0", 32, false },
		{ "192.0.2.1", "192.0.2.0", 31, true },
		{ "192.0.2.2", "192.0.2.0", 31, false },
		{ "192.0.2.130", "192.0.2.0", 24, true },
		{ "192.0.2.130", "192.0.2.0", 25, false },
		{ "10.0.0.1", "192.0.2.0", 0, true },
		{ "10.0.0.1", "10.0.0.1", 33, false },
		{ "10.0.0.1", "::", 0, false },
		{ "2001:db8::1", "2001:db8::", 127, true },
		{ "2001:db8::1", "2001:db8::", 128, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip = parse(cases[i].ip), network = parse(cases[i].network);
		check_case(
		    cases[i].ip, ip_in_network(&ip, &network, cases[i].bits) == cases[i].is_in);
	}
}

static void test_unmapped(void **state)
{
	struct ip mapped = parse("::ffff:192.0.2.1"), plain = parse("192.0.2.1");
	struct ip six = parse("2001:db8::1");
	struct ip from_mapped = ip_unmapped(&mapped), from_six = ip_unmapped(&six);

	(void)state;
	check(ip_eq(&from_mapped, &plain));
	check(ip_eq(&from_six, &six));
	check(!ip_eq(&mapped, &plain));
	check_int_eq(ip_bits(&(struct ip){ 0 }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_print),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_unmapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
