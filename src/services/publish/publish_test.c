/* The records of a domain, and how what is there is judged. */
#include "check.h"

#include "protocols/dns/dns_zone.h"
#include "services/publish/publish.h"

static struct config_address tcp = { .host = STR_INIT("*"), .port = 993 };
static struct config_address submissions = { .host = STR_INIT("*"), .port = 465 };
static struct config_listen listens[] = {
	{ LISTEN_IMAPS, &tcp, 1 },
	{ LISTEN_SUBMISSIONS, &submissions, 1 },
};
static const struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.listens = listens,
	.listen_count = COUNT(listens),
};
#define KEY "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
static const struct publish_key keys[] = {
	{ STR_INIT("new._domainkey.example.org"), STR_INIT(KEY), false },
	{ STR_INIT("old._domainkey.example.org"), STR_INIT(KEY), true },
};
static const unsigned char spki[PUBLISH_DIGEST_BYTES] = { 0xab, 0x01 };
static const struct publish_facts facts = {
	.domain = STR_INIT("example.org"),
	.config = &config,
	.keys = keys,
	.key_count = COUNT(keys),
	.spki = spki,
};

static void test_zone(void **state)
{
	static const char *const want[] = {
		"example.org. 3600 IN MX 10 mx.example.org.",
		"example.org. 3600 IN TXT \"v=spf1 mx -all\"",
		"mx.example.org. 3600 IN TXT \"v=spf1 a -all\"",
		"new._domainkey.example.org. 3600 IN TXT \"" KEY "\"",
		"old._domainkey.example.org. 3600 IN TXT \"" KEY "\"",
		"_dmarc.example.org. 3600 IN TXT \"v=DMARC1; p=quarantine; "
		"rua=mailto:postmaster@example.org\"",
		NULL, /* MTA-STS: its id is a hash */
		"_smtp._tls.example.org. 3600 IN TXT \"v=TLSRPTv1; "
		"rua=mailto:postmaster@example.org\"",
		"_25._tcp.mx.example.org. 3600 IN TLSA 3 1 1 "
		"ab01000000000000000000000000000000000000000000000000000000000000",
		"_submissions._tcp.example.org. 3600 IN SRV 0 1 465 mx.example.org.",
		"_imaps._tcp.example.org. 3600 IN SRV 0 1 993 mx.example.org.",
		"autoconfig.example.org. 3600 IN CNAME mx.example.org.",
		"autodiscover.example.org. 3600 IN CNAME mx.example.org.",
	};
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct publish_record *list;
	size_t n = publish_records(&facts, a, &list);

	(void)state;
	check_int_eq(n, COUNT(want));
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF line = BUF_INIT(4096);
		publish_zone_line(&list[i], &line);
		if (want[i])
			check_str_eq(buf_str(&line), str_c(want[i]));
	}
	check(str_find(publish_policy(&facts, a), STR("mx: mx.example.org\n")) != STR_NPOS);
}

/* RFC 1035 §3.3: no string of more than 255 octets. */
static void test_long_text(void **state)
{
	static const size_t lengths[] = { 0, 1, 254, 255, 256, 510, 511 };
	static const size_t strings[] = { 1, 1, 1, 1, 2, 2, 3 };
	char text[600];

	(void)state;
	memset(text, 'p', sizeof(text));
	for (size_t i = 0; i < COUNT(lengths); i++) {
		AUTO_BUF out = BUF_INIT(4096);
		struct publish_record r = { .type = DNS_TXT, .text = str_new(text, lengths[i]) };
		publish_value(&r, &out);
		check_int_eq(out.len, lengths[i] + 3 * strings[i] - 1);
	}
}

static void test_judge(void **state)
{
	static const struct {
		const char *name, *zone; /* zone: dns_zone.h */
		enum publish_kind kind;
		enum publish_verdict verdict;
	} cases[] = {
		{ "mx", "example.org MX 5 MX.example.org", PUBLISH_MX, PUBLISH_RIGHT },
		{ "mx beside another",
		    "example.org MX 5 b.example\nexample.org MX 9 mx.example.org", PUBLISH_MX,
		    PUBLISH_RIGHT },
		{ "mx elsewhere", "example.org MX 5 b.example", PUBLISH_MX, PUBLISH_DIFFERENT },
		{ "no mx", "example.org TXT x", PUBLISH_MX, PUBLISH_MISSING },
		{ "no name", "", PUBLISH_MX, PUBLISH_MISSING },
		{ "no answer", "example.org TEMPORARY", PUBLISH_MX, PUBLISH_UNKNOWN },
		{ "bogus", "example.org BOGUS", PUBLISH_MX, PUBLISH_UNKNOWN },
		{ "spf", "example.org TXT v=spf1 mx -all", PUBLISH_SPF, PUBLISH_RIGHT },
		{ "spf with more", "example.org TXT V=SPF1 ip4:192.0.2.1 +MX ~all", PUBLISH_SPF,
		    PUBLISH_RIGHT },
		{ "spf without us", "example.org TXT v=spf1 include:other.example -all",
		    PUBLISH_SPF, PUBLISH_DIFFERENT },
		{ "two spf", "example.org TXT v=spf1 mx -all\nexample.org TXT v=spf1 mx ~all",
		    PUBLISH_SPF, PUBLISH_DIFFERENT },
		{ "other text only", "example.org TXT site-verification=1", PUBLISH_SPF,
		    PUBLISH_MISSING },
		{ "spf of the host", "mx.example.org TXT v=spf1 a ip4:192.0.2.1 -all",
		    PUBLISH_SPF_HOST, PUBLISH_RIGHT },
		{ "key", "new._domainkey.example.org TXT " KEY, PUBLISH_DKIM, PUBLISH_RIGHT },
		{ "key otherwise written",
		    "new._domainkey.example.org TXT k=ed25519;p= "
		    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPc"
		    "HURo=;t=y",
		    PUBLISH_DKIM, PUBLISH_RIGHT },
		{ "another key",
		    "new._domainkey.example.org TXT v=DKIM1; k=ed25519; "
		    "p=21qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		    PUBLISH_DKIM, PUBLISH_DIFFERENT },
		{ "revoked", "new._domainkey.example.org TXT v=DKIM1; p=", PUBLISH_DKIM,
		    PUBLISH_DIFFERENT },
		{ "no key", "", PUBLISH_DKIM, PUBLISH_MISSING },
		{ "dmarc", "_dmarc.example.org TXT v=DMARC1; p=none", PUBLISH_DMARC,
		    PUBLISH_RIGHT },
		{ "dmarc without policy", "_dmarc.example.org TXT v=DMARC1; rua=mailto:x@y.example",
		    PUBLISH_DMARC, PUBLISH_DIFFERENT },
		{ "mta-sts", "_mta-sts.example.org TXT v=STSv1; id=1", PUBLISH_MTA_STS,
		    PUBLISH_RIGHT },
		{ "tlsrpt", "_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:x@y.example",
		    PUBLISH_TLSRPT, PUBLISH_RIGHT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct publish_record *list;
		size_t n = publish_records(&facts, a, &list), at = 0;
		str there;
		while (at < n && list[at].kind != cases[i].kind)
			at++;
		struct dns_answer answer = dns_zone_answer(a, str_c(cases[i].zone),
		    &(struct dns_question){ .type = list[at].type, .name = list[at].name });
		enum publish_verdict got = publish_judge(&list[at], &answer, a, &there);
		check_case(cases[i].name, got == cases[i].verdict);
		check_case(cases[i].name,
		    (there.len > 0) == (got == PUBLISH_DIFFERENT) || got == PUBLISH_UNKNOWN);
	}
}

static void test_judge_records(void **state)
{
	const struct dns_record srv = { .name = STR("mx.example.org"), .port = 993 },
	                        other_port = { .name = STR("mx.example.org"), .port = 143 };
	const struct dns_record tlsa = {
		.usage = 3, .selector = 1, .matching = 1, .data = str_new(spki, sizeof(spki))
	};
	const struct dns_record full = {
		.usage = 3, .selector = 0, .matching = 1, .data = str_new(spki, sizeof(spki))
	};
	const struct {
		const char *name;
		enum dns_type type;
		const struct dns_record *there;
		bool is_secure;
		enum publish_verdict verdict;
	} cases[] = {
		{ "srv", DNS_SRV, &srv, false, PUBLISH_RIGHT },
		{ "srv, another port", DNS_SRV, &other_port, false, PUBLISH_DIFFERENT },
		{ "cname", DNS_CNAME, &srv, false, PUBLISH_RIGHT },
		{ "tlsa", DNS_TLSA, &tlsa, true, PUBLISH_RIGHT },
		{ "tlsa in an unsigned zone", DNS_TLSA, &tlsa, false, PUBLISH_UNSIGNED },
		{ "tlsa of the certificate", DNS_TLSA, &full, true, PUBLISH_DIFFERENT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		struct publish_record r = { .type = cases[i].type,
			.kind = PUBLISH_SRV,
			.target = STR("mx.example.org"),
			.port = 993,
			.digest = str_new(spki, sizeof(spki)) };
		struct dns_answer answer = { .status = DNS_OK,
			.is_secure = cases[i].is_secure,
			.records = cases[i].there,
			.count = 1 };
		str there;
		check_case(
		    cases[i].name, publish_judge(&r, &answer, a, &there) == cases[i].verdict);
	}
}

static void test_spki(void **state)
{
	unsigned char out[PUBLISH_DIGEST_BYTES];
	struct err err;

	(void)state;
	check(publish_spki(STR("nothing"), out, &err) < 0);
	check(publish_spki(STR_NONE, out, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_judge_records),
		cmocka_unit_test(test_spki),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
