#include "check.h"

#include "protocols/dns/dns_zone.h"
#include "services/route/mx.h"
#include "services/route/special.h"

/* What DNSSEC vouches for, in these tests: all names but those below "insecure.example". */
static struct dns_answer ask(struct arena *a, str zone, const struct dns_question *q)
{
	struct dns_answer answer = dns_zone_answer(a, zone, q);

	answer.is_secure = !dns_name_is_within(q->name, STR("insecure.example"));
	return answer;
}

static const struct mx_result *run(struct arena *a, const struct mx_options *o, str zone,
    bool is_backwards, unsigned *out_questions)
{
	struct mx *m = mx_start(a, o);
	const struct mx_result *r;

	*out_questions = 0;
	while (!(r = mx_result(m))) {
		struct dns_question q[MX_HOSTS_MAX * 2 + 1];
		size_t count = 0;
		while (count < COUNT(q) && mx_next_question(m, &q[count]))
			count++;
		check(count > 0);
		*out_questions += (unsigned)count;
		for (size_t i = 0; i < count; i++) {
			const struct dns_question *at = &q[is_backwards ? count - 1 - i : i];
			struct dns_answer answer = ask(a, zone, at);
			mx_answer(m, at->id, &answer);
			mx_answer(m, at->id, &answer); /* the second is passed over */
		}
	}
	return r;
}

static void print(const struct mx_result *r, struct buf *out)
{
	if (r->status != MX_OK)
		enhanced_status_print(r->enhanced, out);
	for (size_t i = 0; i < r->count; i++) {
		const struct mx_target *t = &r->targets[i];
		buf_addf(out, "%s%u " STR_FMT " ", i ? ", " : "", (unsigned)t->preference,
		    STR_ARG(t->host));
		ip_print(&t->ip, out);
		buf_addz(out, t->is_secure ? "+" : "");
	}
}

/* clang-format off */
static const struct {
	const char *title, *destination, *zone, *want;
	unsigned questions;
} cases[] = {
	{ "one", "a.example", "a.example MX 10 mx.a.example\nmx.a.example A 44.0.0.1\n", "10 mx.a.example 44.0.0.1+", 3 },
	{ "capitals and a dot", "A.Example.", "a.example MX 10 MX.a.example.\nmx.a.example A 44.0.0.1\n", "10 mx.a.example 44.0.0.1+", 3 },
	{ "by preference", "a.example", "a.example MX 20 b.example\na.example MX 10 c.example\nb.example A 44.0.0.2\nc.example A 44.0.0.3\n",
	  "10 c.example 44.0.0.3+, 20 b.example 44.0.0.2+", 5 },
	{ "families take turns", "a.example", "a.example MX 1 b.example\nb.example A 44.0.0.2\nb.example AAAA 2a00::2\n",
	  "1 b.example 2a00::2+, 1 b.example 44.0.0.2+", 3 },
	{ "named twice", "a.example", "a.example MX 1 b.example\na.example MX 2 B.example\nb.example A 44.0.0.2\nb.example A 44.0.0.2\n",
	  "1 b.example 44.0.0.2+", 3 },
	{ "implicit", "a.example", "a.example A 44.0.0.1\n", "0 a.example 44.0.0.1+", 3 },
	{ "implicit, of an alias", "a.example", "a.example CNAME b.example\nb.example A 44.0.0.1\n", "0 a.example 44.0.0.1+", 3 },
	{ "null", "a.example", "a.example MX 0 .\na.example A 44.0.0.1\n", "5.1.10", 1 },
	{ "null beside another", "a.example", "a.example MX 0 .\na.example MX 10 b.example\nb.example A 44.0.0.1\n", "10 b.example 44.0.0.1+", 3 },
	{ "two nulls", "a.example", "a.example MX 0 .\na.example MX 1 .\n", "5.4.4", 1 },
	{ "no such domain", "a.example", "", "5.1.2", 1 },
	{ "neither", "a.example", "a.example TXT x\n", "5.1.2", 3 },
	{ "the domain fails", "a.example", "a.example TEMPORARY\n", "4.4.3", 1 },
	{ "bogus", "a.example", "a.example BOGUS\n", "4.4.3", 1 },
	{ "hosts are not there", "a.example", "a.example MX 1 b.example\na.example MX 2 c.example\n", "5.4.4", 5 },
	{ "one host fails", "a.example", "a.example MX 1 b.example\na.example MX 2 c.example\nb.example TEMPORARY\n", "4.4.3", 5 },
	{ "one host fails, one serves", "a.example", "a.example MX 1 b.example\na.example MX 2 c.example\nb.example BOGUS\nc.example A 44.0.0.1\n",
	  "2 c.example 44.0.0.1+", 5 },
	{ "implicit, addresses fail", "a.example", "a.example TXT x\na.example NS y\n", "5.1.2", 3 },
	{ "ourselves first", "a.example", "a.example MX 1 us.example\na.example MX 2 b.example\nb.example A 44.0.0.1\n", "5.4.6", 1 },
	{ "ourselves second", "a.example", "a.example MX 2 US.example.\na.example MX 1 b.example\na.example MX 3 c.example\n"
	  "b.example A 44.0.0.1\nc.example A 44.0.0.3\n", "1 b.example 44.0.0.1+", 3 },
	{ "ourselves among equals", "a.example", "a.example MX 1 us.example\na.example MX 1 b.example\nb.example A 44.0.0.1\n", "5.4.6", 1 },
	{ "ourselves without MX", "us.example", "us.example A 44.0.0.1\n", "5.4.6", 1 },
	{ "private", "a.example", "a.example MX 1 b.example\nb.example A 10.0.0.1\nb.example AAAA ::1\n", "5.4.4", 3 },
	{ "private and public", "a.example", "a.example MX 1 b.example\nb.example A 127.0.0.1\nb.example A 44.0.0.1\n", "1 b.example 44.0.0.1+", 3 },
	{ "private and failing", "a.example", "a.example MX 1 b.example\na.example MX 2 c.example\nb.example A 10.0.0.1\nc.example TEMPORARY\n", "4.4.3", 5 },
	{ "private in IPv6 clothes", "a.example", "a.example AAAA ::ffff:10.0.0.1\n", "5.4.4", 3 },
	{ "insecure host", "a.example", "a.example MX 1 b.insecure.example\nb.insecure.example A 44.0.0.1\n", "1 b.insecure.example 44.0.0.1", 3 },
	{ "insecure domain", "insecure.example", "insecure.example MX 1 b.example\nb.example A 44.0.0.1\n", "1 b.example 44.0.0.1", 3 },
	{ "address as a host", "a.example", "a.example MX 1 44.0.0.1\n", "5.4.4", 3 },
	{ "literal", "[44.0.0.1]", "", "0 [44.0.0.1] 44.0.0.1", 0 },
	{ "literal of version 6", "[ipv6:2a00::1]", "", "0 [ipv6:2a00::1] 2a00::1", 0 },
	{ "private literal", "[127.0.0.1]", "", "5.4.4", 0 },
	{ "broken literal", "[44.0.0]", "", "5.1.2", 0 },
	{ "bare address", "44.0.0.1", "", "5.1.2", 1 },
	{ "empty", "", "", "5.1.2", 0 },
	{ "not a name", "a..example", "", "5.1.2", 0 },
};
/* clang-format on */

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases) * 2; i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF got = BUF_INIT(4096);
		unsigned questions;
		const char *title = cases[i / 2].title;
		struct mx_options o = { .destination = str_c(cases[i / 2].destination),
			.hostname = STR("us.example") };
		const struct mx_result *r = run(a, &o, str_c(cases[i / 2].zone), i % 2, &questions);
		print(r, &got);
		check_case_str(title, buf_str(&got), str_c(cases[i / 2].want));
		check_case(title, (r->status == MX_OK) == (r->count > 0));
		check_case(title, r->status == MX_OK || r->reason.len > 0);
		check_case(title, questions == cases[i / 2].questions);
	}
}

/* A server that the operator names may be anywhere and is asked for without MX. */
static void test_hosts(void **state)
{
	static const struct {
		const char *title, *destination, *want;
	} hosts[] = {
		{ "name", "us.example", "0 us.example 10.0.0.1+" },
		{ "bare address", "127.0.0.1", "0 127.0.0.1 127.0.0.1" },
		{ "bare address of version 6", "::1", "0 ::1 ::1" },
		{ "literal", "[127.0.0.1]", "0 [127.0.0.1] 127.0.0.1" },
		{ "not there", "b.example", "5.1.2" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF got = BUF_INIT(4096);
		unsigned questions;
		struct mx_options o = { .destination = str_c(hosts[i].destination),
			.hostname = STR("us.example"),
			.is_host = true };
		print(run(a, &o, STR("us.example A 10.0.0.1\nus.example MX 1 b.example\n"), false,
		          &questions),
		    &got);
		check_case_str(hosts[i].title, buf_str(&got), str_c(hosts[i].want));
	}
}

static void test_private_when_allowed(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF got = BUF_INIT(4096);
	unsigned questions;
	struct mx_options o = { .destination = STR("a.example"), .allow_special = true };

	(void)state;
	print(run(a, &o, STR("a.example A 127.0.0.1\n"), false, &questions), &got);
	check_str_eq(buf_str(&got), STR("0 a.example 127.0.0.1+"));
}

static void test_hosts_max(void **state)
{
	(void)state;
	for (unsigned count = MX_HOSTS_MAX - 1; count <= MX_HOSTS_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF zone = BUF_INIT(8192);
		unsigned questions, want = count < MX_HOSTS_MAX ? count : MX_HOSTS_MAX;
		struct mx_options o = { .destination = STR("a.example") };
		for (unsigned i = count; i > 0; i--)
			buf_addf(&zone, "a.example MX %u n%u.example\nn%u.example A 44.0.0.%u\n", i,
			    i, i, i);
		const struct mx_result *r = run(a, &o, buf_str(&zone), false, &questions);
		check_int_eq(r->count, want);
		check_int_eq(questions, 1 + want * 2);
		for (unsigned i = 0; i < want; i++)
			check_int_eq(r->targets[i].preference, i + 1);
	}
}

static void test_addresses_max(void **state)
{
	(void)state;
	for (unsigned hosts = 4; hosts <= 6; hosts++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF zone = BUF_INIT(1 << 16);
		unsigned questions, want = hosts * MX_HOST_ADDRESSES_MAX;
		struct mx_options o = { .destination = STR("a.example") };
		for (unsigned i = 0; i < hosts; i++) {
			buf_addf(&zone, "a.example MX %u n%u.example\n", i, i);
			for (unsigned k = 0; k <= MX_HOST_ADDRESSES_MAX; k++)
				buf_addf(&zone, "n%u.example A 44.0.%u.%u\n", i, i, k);
		}
		const struct mx_result *r = run(a, &o, buf_str(&zone), false, &questions);
		check_int_eq(r->count, want < MX_ADDRESSES_MAX ? want : MX_ADDRESSES_MAX);
	}
}

/* Equals come in an order that the seed decides, each of them first at times. */
static void test_equals(void **state)
{
	unsigned first[3] = { 0 };
	str zone =
	    STR("a.example MX 5 n0.example\na.example MX 5 n1.example\na.example MX 5 n2.example\n"
	        "n0.example A 44.0.0.1\nn1.example A 44.0.0.2\nn2.example A 44.0.0.3\n");

	(void)state;
	for (uint32_t seed = 0; seed < 300; seed++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF one = BUF_INIT(4096);
		AUTO_BUF two = BUF_INIT(4096);
		unsigned questions;
		struct mx_options o = { .destination = STR("a.example"), .seed = seed };
		const struct mx_result *r = run(a, &o, zone, false, &questions);
		check_int_eq(r->count, 3);
		first[r->targets[0].ip.bytes[3] - 1]++;
		print(r, &one);
		print(run(a, &o, zone, true, &questions), &two);
		check_str_eq(buf_str(&one), buf_str(&two));
	}
	for (size_t i = 0; i < 3; i++)
		check(first[i] > 60);
}

static void test_special(void **state)
{
	/* clang-format off */
	static const struct {
		const char *address;
		bool is_special;
	} addresses[] = {
		{ "0.0.0.0", true }, { "1.0.0.1", false }, { "9.255.255.255", false }, { "10.0.0.0", true },
		{ "10.255.255.255", true }, { "11.0.0.0", false }, { "100.63.255.255", false }, { "100.64.0.1", true },
		{ "100.128.0.0", false }, { "126.255.255.255", false }, { "127.0.0.53", true }, { "128.0.0.1", false },
		{ "169.254.169.254", true }, { "172.15.255.255", false }, { "172.16.0.1", true }, { "172.31.255.255", true },
		{ "172.32.0.1", false }, { "192.0.0.8", true }, { "192.0.2.1", true }, { "192.0.3.1", false },
		{ "192.167.1.1", false }, { "192.168.1.1", true }, { "198.18.0.1", true }, { "198.20.0.1", false },
		{ "203.0.113.1", true }, { "223.255.255.255", false }, { "224.0.0.1", true }, { "239.1.1.1", true },
		{ "255.255.255.255", true }, { "::", true }, { "::1", true }, { "::ffff:127.0.0.1", true },
		{ "::ffff:44.0.0.1", false }, { "::127.0.0.1", true }, { "64:ff9b::a00:1", true }, { "64:ff9b::2c00:1", false },
		{ "64:ff9b:1::1", true }, { "100::1", true }, { "2001:0:1::1", true }, { "2001:db8::1", true },
		{ "2001:4860::1", false }, { "2002:2c00:1::1", true }, { "2a00::1", false }, { "3fff:1::", true },
		{ "4000::1", true }, { "fc00::1", true }, { "fdff::1", true }, { "fe80::1", true }, { "fec0::1", true },
		{ "ff02::1", true },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct ip ip;
		check(ip_parse(str_c(addresses[i].address), &ip) == 0);
		check_case(addresses[i].address, !!ip_special_kind(&ip) == addresses[i].is_special);
	}
	check(ip_special_kind(&(struct ip){ 0 }) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_private_when_allowed),
		cmocka_unit_test(test_hosts_max),
		cmocka_unit_test(test_addresses_max),
		cmocka_unit_test(test_equals),
		cmocka_unit_test(test_special),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
