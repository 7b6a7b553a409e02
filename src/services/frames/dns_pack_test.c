/* Answers of the DNS survive the trip; what was not packed here is refused. */
#include "check.h"

#include "services/frames/dns_pack.h"

enum { ARENA_MAX = 4 << 20 };

static void check_record(const struct dns_record *a, const struct dns_record *b)
{
	check(ip_eq(&a->ip, &b->ip));
	check_str_eq(a->name, b->name);
	check_str_eq(a->data, b->data);
	check_int_eq(a->priority, b->priority);
	check_int_eq(a->weight, b->weight);
	check_int_eq(a->port, b->port);
	check_int_eq(a->usage, b->usage);
	check_int_eq(a->selector, b->selector);
	check_int_eq(a->matching, b->matching);
}

static void test_round_trip(void **state)
{
	struct dns_record records[] = {
		{ .name = STR("mx.example.org"), .priority = 10 },
		{ .data = STR("v=spf1 \0-all") },
		{ .name = STR("s.example"), .priority = 1, .weight = 2, .port = 65535 },
		{ .data = STR("\x01\x02"), .usage = 3, .selector = 1, .matching = 1 },
		{ .priority = 0 },
		{ .priority = 0 },
	};
	struct dns_answer in = { .status = DNS_OK,
		.is_secure = true,
		.ttl_s = 86400,
		.canonical = STR("other.example"),
		.records = records,
		.count = COUNT(records) };
	AUTO_ARENA a = arena_new(NULL, "test", ARENA_MAX);
	AUTO_BUF packed = BUF_INIT(DNS_PACK_MAX);
	struct dns_answer out;
	struct err err;

	(void)state;
	check_int_eq(ip_parse(STR("192.0.2.1"), &records[4].ip), 0);
	check_int_eq(ip_parse(STR("2001:db8::1"), &records[5].ip), 0);
	dns_answer_pack(&in, &packed);
	check_int_eq(dns_answer_unpack(buf_str(&packed), a, &out, &err), 0);
	check(out.status == DNS_OK && out.is_secure && out.ttl_s == 86400);
	check_str_eq(out.canonical, in.canonical);
	check_int_eq(out.count, COUNT(records));
	for (size_t i = 0; i < out.count; i++)
		check_record(&out.records[i], &records[i]);
	/* Cut anywhere, or with a byte more, it is none. */
	for (size_t i = 0; i < packed.len; i++)
		check(dns_answer_unpack(str_sub(buf_str(&packed), 0, i), a, &out, &err) < 0);
	buf_addc(&packed, 'x');
	check(dns_answer_unpack(buf_str(&packed), a, &out, &err) < 0);
}

static void test_without_records(void **state)
{
	static const enum dns_status statuses[] = { DNS_NODATA, DNS_NXDOMAIN, DNS_TEMPORARY,
		DNS_BOGUS };

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", ARENA_MAX);
		AUTO_BUF packed = BUF_INIT(DNS_PACK_MAX);
		struct dns_answer in = { .status = statuses[i], .reason = STR("why") }, out;
		dns_answer_pack(&in, &packed);
		check_int_eq(dns_answer_unpack(buf_str(&packed), a, &out, NULL), 0);
		check_int_eq(out.status, statuses[i]);
		check_str_eq(out.reason, STR("why"));
	}
}

/* One below, at and above DNS_PACK_MAX: what does not fit is a failure, never half of the answer. */
static void test_limit(void **state)
{
	static char text[DNS_PACK_MAX];
	const size_t around = 1 + 1 + 4 + 1 + 1 + 1 + 1 + 1 + 3 + 9;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t size = DNS_PACK_MAX - 1; size <= DNS_PACK_MAX + 1; size++) {
		AUTO_ARENA a = arena_new(NULL, "test", ARENA_MAX);
		AUTO_BUF packed = BUF_INIT(DNS_PACK_MAX + 100);
		struct dns_record record = { .data = str_new(text, size - around) };
		struct dns_answer in = { .status = DNS_OK, .records = &record, .count = 1 }, out;
		dns_answer_pack(&in, &packed);
		check(packed.len <= DNS_PACK_MAX);
		check_int_eq(dns_answer_unpack(buf_str(&packed), a, &out, NULL), 0);
		check_int_eq(out.status, size <= DNS_PACK_MAX ? DNS_OK : DNS_TEMPORARY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_without_records),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
