/* Whole judgements against a DNS in memory: results, field, forged fields, time that is up, records. */
#include "check.h"

#include "protocols/dns/dns_zone.h"
#include "services/judge/judge.h"

static const char zone[] = "1.113.0.203.in-addr.arpa PTR mx.sender.example\n"
                           "mx.sender.example A 203.0.113.1\n"
                           "mx.sender.example TXT v=spf1 a -all\n"
                           "sender.example TXT v=spf1 ip4:203.0.113.1 -all\n"
                           "_dmarc.sender.example TXT v=DMARC1; p=reject\n"
                           "_dmarc.quiet.example TXT v=DMARC1; p=quarantine\n"
                           "quiet.example TXT v=spf1 -all\n"
                           "_dmarc.broken.example TXT v=DMARC1; p=reject\n"
                           "broken.example TEMPORARY\n";

static const struct judge_options usual = {
	.ip = { 4, { 203, 0, 113, 1 } },
	.helo = STR_INIT("mx.sender.example"),
	.mail_from = STR_INIT("a@sender.example"),
	.server = STR_INIT("mx.example.org"),
	.now_s = 1700000000,
};

static const struct judge_result *run(struct arena *a, struct judge_options o, const char *message)
{
	struct dns_question q;

	o.message = str_c(message);
	struct judge *j = judge_start(a, &o);
	while (!judge_result(j)) {
		assert_true(judge_next_question(j, &q));
		struct dns_answer answer = dns_zone_answer(a, str_c(zone), &q);
		judge_answer(j, q.id, &answer);
		judge_answer(j, q.id, &answer); /* the second is passed over */
	}
	return judge_result(j);
}

static void test_results(void **state)
{
	static const struct {
		const char *name, *mail_from, *message;
		enum spf_status spf;
		enum dmarc_status dmarc;
		enum dmarc_policy disposition;
	} cases[] = {
		{ "honest", "a@sender.example", "From: a@sender.example\r\n\r\nx\r\n", SPF_PASS,
		    DMARC_PASS, DMARC_POLICY_NONE },
		{ "another name in From", "a@sender.example", "From: a@quiet.example\r\n\r\n",
		    SPF_PASS, DMARC_FAIL, DMARC_POLICY_QUARANTINE },
		{ "a domain without a policy", "a@sender.example", "From: a@none.example\r\n\r\n",
		    SPF_PASS, DMARC_NONE, DMARC_POLICY_NONE },
		{ "null path: HELO counts", "", "From: x@sender.example\r\n\r\n", SPF_NONE,
		    DMARC_PASS, DMARC_POLICY_NONE },
		{ "SPF cannot be looked up", "a@broken.example", "From: a@broken.example\r\n\r\n",
		    SPF_TEMPERROR, DMARC_TEMPERROR, DMARC_POLICY_NONE },
		{ "of another domain it does not matter", "a@broken.example",
		    "From: a@quiet.example\r\n\r\n", SPF_TEMPERROR, DMARC_FAIL,
		    DMARC_POLICY_QUARANTINE },
		{ "two authors: the wronged one counts", "a@sender.example",
		    "From: a@sender.example, b@quiet.example\r\n\r\n", SPF_PASS, DMARC_FAIL,
		    DMARC_POLICY_QUARANTINE },
		{ "no From", "a@sender.example", "To: a@b.example\r\n\r\n", SPF_PASS,
		    DMARC_PERMERROR, DMARC_POLICY_UNSET },
		{ "two From", "a@sender.example",
		    "From: a@sender.example\r\nFrom: b@quiet.example\r\n\r\n", SPF_PASS,
		    DMARC_PERMERROR, DMARC_POLICY_UNSET },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct judge_options o = usual;
		o.mail_from = str_c(cases[i].mail_from);
		const struct judgement *j = &run(a, o, cases[i].message)->judgement;
		check_case(cases[i].name, j->is_judged && !j->is_late);
		check_case(cases[i].name, j->iprev == IPREV_PASS && j->helo == SPF_PASS);
		check_case(cases[i].name, j->mail_from == cases[i].spf);
		check_case(cases[i].name, j->dmarc == cases[i].dmarc);
		check_case(cases[i].name, j->disposition == cases[i].disposition);
	}
}

static void test_field(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	const struct judge_result *r = run(a, usual, "From: a@sender.example\r\n\r\nx\r\n");
	static const str parts[] = { STR_INIT("Authentication-Results: mx.example.org"),
		STR_INIT("iprev=pass"), STR_INIT("smtp.helo=mx.sender.example"),
		STR_INIT("smtp.mailfrom=a@sender.example"), STR_INIT("dkim=none"),
		STR_INIT("dmarc=pass"), STR_INIT("header.from=sender.example") };

	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++)
		check_case(parts[i].ptr, str_find(r->judgement.field, parts[i]) != STR_NPOS);
	check(str_ends(r->judgement.field, STR("\r\n")));
}

static void test_forged(void **state)
{
	static const char message[] = "Authentication-Results: other.example; dkim=pass\r\n"
	                              "Authentication-Results: mx.example.org; dkim=pass\r\n"
	                              "authentication-results : (hi) MX.Example.ORG "
	                              "1;\r\n\tdmarc=pass header.from=x.example\r\n"
	                              "From: a@sender.example\r\n"
	                              "Authentication-Results: ;;\r\n"
	                              "\r\nAuthentication-Results: mx.example.org; in the body\r\n";
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct judge_options o = usual;

	(void)state;
	o.only_clean = true;
	const struct judgement *j = &run(a, o, message)->judgement;
	check(!j->is_judged && !j->is_overrun && j->field.len == 0);
	/* The two that stand together, and the one whose name cannot be read. */
	check_int_eq(j->cut_count, 2);
	str first = str_sub(str_c(message), (size_t)j->cuts[0].at, (size_t)j->cuts[0].bytes);
	check(str_starts(first, STR("Authentication-Results: mx.example.org")));
	check(str_ends(first, STR("header.from=x.example\r\n")));
	check_str_eq(str_sub(str_c(message), (size_t)j->cuts[1].at, (size_t)j->cuts[1].bytes),
	    STR("Authentication-Results: ;;\r\n"));
}

/* One range below, at and above the limit. */
static void test_forged_limit(void **state)
{
	(void)state;
	for (size_t count = JUDGEMENT_CUTS_MAX - 1; count <= JUDGEMENT_CUTS_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		AUTO_BUF message = BUF_INIT(1 << 16);
		struct judge_options o = usual;
		o.only_clean = true;
		for (size_t i = 0; i < count; i++)
			buf_addz(
			    &message, "Authentication-Results: mx.example.org; none\r\nX: y\r\n");
		buf_addc(&message, '\0');
		const struct judgement *j = &run(a, o, message.ptr)->judgement;
		check_int_eq(j->is_overrun, count > JUDGEMENT_CUTS_MAX);
	}
}

/* At any moment the time may be up: the rest is a temporary error, and nobody is refused for it. */
static void test_expiry(void **state)
{
	(void)state;
	for (unsigned after = 0; after < 8; after++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct judge_options o = usual;
		struct dns_question q;
		o.message = STR("From: a@sender.example\r\n\r\n");
		o.with_trace = true;
		struct judge *j = judge_start(a, &o);
		for (unsigned i = 0; i < after && judge_next_question(j, &q); i++) {
			struct dns_answer answer = dns_zone_answer(a, str_c(zone), &q);
			judge_answer(j, q.id, &answer);
		}
		judge_expire(j, "the time is up");
		const struct judge_result *r = judge_result(j);
		check(r != NULL);
		check(r->judgement.dmarc == DMARC_TEMPERROR || r->judgement.dmarc == DMARC_PASS);
		check_int_eq(r->judgement.disposition, DMARC_POLICY_NONE);
	}
}

static void test_records(void **state)
{
	static const char message[] = "Authentication-Results: mx.example.org; none\r\n"
	                              "DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; "
	                              "s=k; h=from; bh=YQ==; b=YQ==\r\n"
	                              "From: a@sender.example\r\n\r\nx\r\n";
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	AUTO_BUF packed = BUF_INIT(JUDGEMENT_MAX), again = BUF_INIT(JUDGEMENT_MAX);
	AUTO_BUF detail = BUF_INIT(8192);
	const struct judgement *j = &run(a, usual, message)->judgement;
	struct judgement back;
	struct err err;

	(void)state;
	judgement_pack(j, &packed);
	check_int_eq(judgement_unpack(buf_str(&packed), sizeof(message), a, &back, &err), 0);
	check_int_eq(back.signature_count, 1);
	check_int_eq(back.cut_count, 1);
	check_str_eq(back.signatures[0].domain, STR("sender.example"));
	check_str_eq(back.field, j->field);
	judgement_pack(&back, &again);
	check_str_eq(buf_str(&packed), buf_str(&again));
	judgement_describe(&back, &detail);
	check(str_find(buf_str(&detail), STR("dmarc=pass sender.example")) != STR_NPOS);
	check(str_find(buf_str(&detail), STR("forged=1\n")) != STR_NPOS);
	for (size_t i = 0; i < packed.len; i++)
		check(judgement_unpack(
		          str_sub(buf_str(&packed), 0, i), sizeof(message), a, &back, &err) < 0);
	/* A cut beyond the header would take what is not the sender's to lose. */
	check(judgement_unpack(buf_str(&packed), 10, a, &back, &err) < 0);
	judgement_unavailable(STR("mx.example.org"), STR("no worker is there"), a, &back);
	buf_reset(&again);
	judgement_pack(&back, &again);
	check_int_eq(judgement_unpack(buf_str(&again), 0, a, &back, &err), 0);
	check_int_eq(back.dmarc, DMARC_TEMPERROR);
}

static void test_foreign_fields(void **state)
{
	static const str fields[] = {
		STR_INIT("X: y\r\n"),
		STR_INIT("Authentication-Results: a; none"),
		STR_INIT("Authentication-Results: a; none\r\nX: y\r\n"),
		STR_INIT("Authentication-Results: a; none\r\n\r\n"),
		STR_INIT("Authentication-Results: a;\n none\r\n"),
		STR_INIT("Authentication-Results: a;\r none\r\n"),
		STR_INIT(""),
	};
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		AUTO_BUF packed = BUF_INIT(JUDGEMENT_MAX);
		struct judgement j = { .is_judged = true, .field = fields[i] }, back;
		judgement_pack(&j, &packed);
		check(judgement_unpack(buf_str(&packed), 0, a, &back, NULL) < 0);
	}
}

static void test_private(void **state)
{
	static const struct {
		const char *address;
		bool is_private;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "::1", true },
		{ "10.1.2.3", true },
		{ "172.15.0.1", false },
		{ "172.16.0.1", true },
		{ "172.31.255.255", true },
		{ "172.32.0.1", false },
		{ "192.168.0.1", true },
		{ "192.0.2.1", false },
		{ "169.254.1.1", true },
		{ "100.64.0.1", true },
		{ "100.128.0.1", false },
		{ "fd00::1", true },
		{ "fe80::1", true },
		{ "2001:db8::1", false },
		{ "::ffff:127.0.0.1", true },
		{ "::2", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip;
		check_int_eq(ip_parse(str_c(cases[i].address), &ip), 0);
		check_case(cases[i].address, judge_is_private(&ip) == cases[i].is_private);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_forged_limit),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_foreign_fields),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
