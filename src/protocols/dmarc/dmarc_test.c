#include "check.h"

#include "protocols/dmarc/dmarc.h"
#include "protocols/dns/dns_zone.h"

struct seen {
	enum dmarc_status status;
	enum dmarc_policy policy, disposition;
	char tag[4], policy_domain[256], organizational[256], steps[8192];
	bool is_spf_aligned, is_dkim_aligned;
	unsigned questions, rounds;
};

static void keep(char *out, size_t size, str text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	if (n)
		memcpy(out, text.ptr, n);
	out[n] = '\0';
}

static struct seen run(
    const char *zone, const char *author, const char *spf, const char *dkim, bool is_backwards)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str dkim_domains[1] = { str_c(dkim) };
	struct dmarc_options o = { .author_domain = str_c(author),
		.spf_domain = str_c(spf),
		.dkim_domains = dkim_domains,
		.dkim_count = dkim[0] ? 1 : 0 };
	struct dmarc *d = dmarc_start(a, &o);
	struct seen seen = { 0 };
	const struct dmarc_result *r;

	while (!(r = dmarc_result(d))) {
		struct dns_question q[128];
		size_t count = 0;
		while (count < COUNT(q) && dmarc_next_question(d, &q[count]))
			count++;
		assert_true(count > 0);
		seen.rounds++;
		seen.questions += (unsigned)count;
		for (size_t i = 0; i < count; i++) {
			size_t k = is_backwards ? count - 1 - i : i;
			struct dns_answer answer = dns_zone_answer(a, str_c(zone), &q[k]);
			dmarc_answer(d, q[k].id, &answer);
			dmarc_answer(d, q[k].id, &answer); /* the second is passed over */
		}
	}
	AUTO_BUF steps = BUF_INIT(65536);
	for (size_t i = 0; i < r->step_count; i++)
		buf_addf(&steps, STR_FMT "\n", STR_ARG(r->steps[i]));
	seen.status = r->status;
	seen.policy = r->policy;
	seen.disposition = r->disposition;
	seen.is_spf_aligned = r->is_spf_aligned;
	seen.is_dkim_aligned = r->is_dkim_aligned;
	keep(seen.tag, sizeof(seen.tag), r->policy_tag);
	keep(seen.policy_domain, sizeof(seen.policy_domain), r->policy_domain);
	keep(seen.organizational, sizeof(seen.organizational), r->organizational_domain);
	keep(seen.steps, sizeof(seen.steps), buf_str(&steps));
	check(r->reason.len > 0);
	return seen;
}

static struct seen evaluate(const char *zone, const char *author, const char *spf, const char *dkim)
{
	struct seen first = run(zone, author, spf, dkim, false),
	            second = run(zone, author, spf, dkim, true);

	check(first.status == second.status && first.disposition == second.disposition);
	assert_string_equal(first.organizational, second.organizational);
	return first;
}

/* RFC 9989 appendix B.4.1 to B.4.3, §4.10.2. */
static void test_tree_walk_examples(void **state)
{
	static const char simple[] = "_dmarc.example.com TXT v=DMARC1; p=reject\n"
	                             "_dmarc.signing.example.com TXT v=DMARC1; p=none\n";
	static const char bank[] = "_dmarc.bank.example TXT v=DMARC1; p=reject; psd=y\n"
	                           "_dmarc.giant.bank.example TXT v=DMARC1; p=quarantine\n";
	struct seen s = evaluate(simple, "example.com", "example.com", "signing.example.com");

	(void)state;
	check(s.status == DMARC_PASS && s.is_spf_aligned && s.is_dkim_aligned);
	assert_string_equal(s.organizational, "example.com");
	s = evaluate(
	    simple, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com", "signing.example.com");
	check(s.status == DMARC_PASS && s.is_spf_aligned && s.is_dkim_aligned);
	assert_string_equal(s.policy_domain, "example.com");
	s = evaluate(simple, "a.b.c.d.e.f.g.h.i.j.k.example.com", "", "");
	check_int_eq(s.questions, 8);
	check(strstr(s.steps, "TXT _dmarc.g.h.i.j.k.example.com:") &&
	      !strstr(s.steps, "TXT _dmarc.f.g."));
	s = evaluate(
	    bank, "giant.bank.example", "mail.giant.bank.example", "mail.mega.bank.example");
	check(s.status == DMARC_PASS && s.is_spf_aligned && !s.is_dkim_aligned);
	assert_string_equal(s.organizational, "giant.bank.example");
	assert_string_equal(s.policy_domain, "giant.bank.example");
	s = evaluate(bank, "mail.mega.bank.example", "", "");
	check(s.status == DMARC_FAIL && s.disposition == DMARC_POLICY_REJECT);
	assert_string_equal(s.organizational, "mega.bank.example");
	assert_string_equal(s.policy_domain, "bank.example");
	s = evaluate(
	    "_dmarc.mail.example.com TXT v=DMARC1;p=none\n_dmarc.example.com TXT v=DMARC1;p=none\n",
	    "a.mail.example.com", "", "");
	assert_string_equal(s.organizational, "example.com");
	s = evaluate("_dmarc.mail.example.com TXT v=DMARC1;psd=n;p=none\n_dmarc.example.com TXT "
	             "v=DMARC1;p=none\n",
	    "a.mail.example.com", "", "");
	assert_string_equal(s.organizational, "mail.example.com");
	s = evaluate("_dmarc.com TXT v=DMARC1; p=none; psd=y\n", "a.mail.example.com", "", "");
	assert_string_equal(s.organizational, "example.com");
	assert_string_equal(s.policy_domain, "com");
}

static void test_policies(void **state)
{
	static const struct {
		const char *name, *record; /* of example.org */
		const char *author;
		enum dmarc_status status;
		enum dmarc_policy policy, disposition;
		const char *tag;
	} cases[] = {
		/* clang-format off */
		{ "p", "v=DMARC1; p=reject", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "p for a subdomain", "v=DMARC1; p=reject", "a.example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "sp", "v=DMARC1; p=reject; sp=none", "a.example.org", DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "sp" },
		{ "sp is not for itself", "v=DMARC1; p=reject; sp=none", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "np", "v=DMARC1; p=none; np=reject", "missing.example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "np" },
		{ "np is for missing names", "v=DMARC1; p=none; np=reject", "a.example.org", DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "p" },
		{ "np before sp", "v=DMARC1; p=none; sp=quarantine; np=reject", "missing.example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "np" },
		{ "sp for missing names", "v=DMARC1; p=none; sp=quarantine", "missing.example.org", DMARC_FAIL, DMARC_POLICY_QUARANTINE, DMARC_POLICY_QUARANTINE, "sp" },
		{ "t=y reject", "v=DMARC1; p=reject; t=y", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_QUARANTINE, "p" },
		{ "t=y quarantine", "v=DMARC1; p=quarantine; t=y", "example.org", DMARC_FAIL, DMARC_POLICY_QUARANTINE, DMARC_POLICY_NONE, "p" },
		{ "pct=0", "v=DMARC1; p=reject; pct=0", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_QUARANTINE, "p" },
		{ "pct=0 and t=n", "v=DMARC1; p=reject; pct=0; t=n", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "pct=50", "v=DMARC1; p=reject; pct=50; rf=afrf; ri=86400", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "case", "V = DMARC1 ;P=REJECT", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "duplicate, junk", "v=DMARC1; p=reject; p=none; junk; =x; fo=9", "example.org", DMARC_FAIL, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, "p" },
		{ "no p", "v=DMARC1", "example.org", DMARC_PERMERROR, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "no p, rua", "v=DMARC1; rua=mailto:a@example.org", "example.org", DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "p" },
		{ "wrong p, rua", "v=DMARC1; p=maybe; rua=mailto:a@example.org", "example.org", DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "p" },
		{ "wrong p, wrong rua", "v=DMARC1; p=maybe; rua=a@example.org", "example.org", DMARC_PERMERROR, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "wrong sp", "v=DMARC1; p=reject; sp=x; rua=mailto:a@example.org", "example.org", DMARC_FAIL, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "p" },
		{ "wrong version", "v=DMARC2; p=reject", "example.org", DMARC_NONE, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "version in lower case", "v=dmarc1; p=reject", "example.org", DMARC_NONE, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "version not first", "p=reject; v=DMARC1", "example.org", DMARC_NONE, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "another text", "hello", "example.org", DMARC_NONE, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		{ "author is no domain", "v=DMARC1; p=reject", "a..b", DMARC_NONE, DMARC_POLICY_NONE, DMARC_POLICY_NONE, "" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF zone = BUF_INIT(4096);
		buf_addf(&zone, "_dmarc.example.org TXT %s\na.example.org A 192.0.2.1\n",
		    cases[i].record);
		buf_addc(&zone, '\0');
		struct seen s = evaluate(zone.ptr, cases[i].author, "", "example.net");
		check_case(cases[i].name, s.status == cases[i].status);
		check_case(cases[i].name, s.policy == cases[i].policy);
		check_case(cases[i].name, s.disposition == cases[i].disposition);
		check_case_str(cases[i].name, str_c(s.tag), str_c(cases[i].tag));
	}
}

static void test_alignment(void **state)
{
	static const struct {
		const char *name, *tags, *author, *spf, *dkim;
		bool is_spf, is_dkim;
	} cases[] = {
		/* clang-format off */
		{ "same", "", "example.org", "example.org", "example.org", true, true },
		{ "case", "", "Example.ORG", "EXAMPLE.org", "example.Org.", true, true },
		{ "subdomain", "", "example.org", "a.example.org", "b.c.example.org", true, true },
		{ "parent", "", "a.example.org", "example.org", "example.org", true, true },
		{ "siblings", "", "a.example.org", "b.example.org", "c.example.org", true, true },
		{ "strict", "; adkim=s; aspf=s", "example.org", "a.example.org", "a.example.org", false, false },
		{ "strict, same", "; adkim=s; aspf=s", "example.org", "example.org", "example.org", true, true },
		{ "strict DKIM", "; adkim=S", "example.org", "a.example.org", "a.example.org", true, false },
		{ "strict SPF", "; aspf=s", "example.org", "a.example.org", "a.example.org", false, true },
		{ "other", "", "example.org", "example.net", "notexample.org", false, false },
		{ "top", "", "example.org", "org", "org", false, false },
		{ "own organization below", "", "example.org", "own.example.org", "x.own.example.org", false, false },
		{ "none passed", "", "example.org", "", "", false, false },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF zone = BUF_INIT(4096);
		buf_addf(&zone, "_dmarc.example.org TXT v=DMARC1; p=reject%s\n", cases[i].tags);
		buf_addz(&zone, "_dmarc.own.example.org TXT v=DMARC1; p=reject; psd=n\n");
		buf_addc(&zone, '\0');
		struct seen s = evaluate(zone.ptr, cases[i].author, cases[i].spf, cases[i].dkim);
		check_case(cases[i].name, s.is_spf_aligned == cases[i].is_spf);
		check_case(cases[i].name, s.is_dkim_aligned == cases[i].is_dkim);
		check_case(cases[i].name,
		    s.status == (cases[i].is_spf || cases[i].is_dkim ? DMARC_PASS : DMARC_FAIL));
	}
}

static void test_faults(void **state)
{
	static const char record[] = "_dmarc.example.org TXT v=DMARC1; p=reject; np=none\n";
	struct seen s = evaluate("_dmarc.example.org TEMPORARY\n", "example.org", "", "");

	(void)state;
	check_int_eq(s.status, DMARC_TEMPERROR);
	s = evaluate("_dmarc.example.org BOGUS\n", "example.org", "example.org", "");
	check_int_eq(s.status, DMARC_TEMPERROR);
	s = evaluate("_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.org TEMPORARY\n",
	    "example.org", "a.example.org", "");
	check_int_eq(s.status, DMARC_TEMPERROR);
	/* The author domain itself is authenticated: what is above does not matter. */
	s = evaluate("_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.org TEMPORARY\n",
	    "example.org", "example.org", "");
	check_int_eq(s.status, DMARC_PASS);
	/* psd=n ends the walk before the fault. */
	s = evaluate("_dmarc.example.org TXT v=DMARC1; p=reject; psd=n\n_dmarc.org TEMPORARY\n",
	    "example.org", "", "");
	check_int_eq(s.status, DMARC_FAIL);
	s = evaluate("_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.a.example.org TEMPORARY\n",
	    "example.org", "a.example.org", "");
	check_int_eq(s.status, DMARC_TEMPERROR);
	s = evaluate(
	    "_dmarc.example.org TXT v=DMARC1; p=reject\n_dmarc.example.org TXT v=DMARC1; p=none\n",
	    "example.org", "", "");
	check_int_eq(s.status, DMARC_NONE);
	s = evaluate("_dmarc.example.org TXT hello\n_dmarc.example.org TXT v=DMARC1; p=reject\n",
	    "example.org", "", "");
	check_int_eq(s.status, DMARC_FAIL);
	AUTO_BUF zone = BUF_INIT(1024);
	buf_addf(&zone, "%sa.example.org TEMPORARY\n", record);
	buf_addc(&zone, '\0');
	s = evaluate(zone.ptr, "a.example.org", "", "");
	check_int_eq(s.status, DMARC_TEMPERROR);
}

static void test_questions(void **state)
{
	static const char zone[] = "_dmarc.example.org TXT v=DMARC1; p=reject\n";
	struct seen s = evaluate(zone, "example.org", "example.org", "example.org");

	(void)state;
	check(s.questions == 2 && s.rounds == 1);
	s = evaluate(zone, "example.org", "a.example.org",
	    "example.net"); /* the other organization is not asked */
	check(s.questions == 3 && s.rounds == 2);
	s = evaluate("", "a.b.example.org", "x.example.org", "y.example.org");
	check(s.status == DMARC_NONE && s.questions == 4 && s.rounds == 1);
}

static void test_record(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct dmarc_record r;

	(void)state;
	check(dmarc_record_parse(
	    STR("v=DMARC1;p=none;fo=1:d:s; rua=mailto:a@x.org!10m , https://x.org/r,ftp,mailto:@x;"
	        "ruf=mailto:b@x.org"),
	    a, &r));
	check_int_eq(r.failure_options, DMARC_FO_ANY | DMARC_FO_DKIM | DMARC_FO_SPF);
	check_int_eq(r.rua.count, 2);
	check_str_eq(r.rua.items[0], STR("mailto:a@x.org"));
	check_str_eq(r.rua.items[1], STR("https://x.org/r"));
	check_int_eq(r.ruf.count, 1);
	for (int count = DMARC_URIS_MAX - 1; count <= DMARC_URIS_MAX + 1; count++) {
		AUTO_BUF text = BUF_INIT(4096);
		buf_addz(&text, "v=DMARC1; p=none; rua=mailto:a@x.org");
		for (int i = 1; i < count; i++)
			buf_addz(&text, ",mailto:a@x.org");
		check(dmarc_record_parse(buf_str(&text), a, &r));
		check_int_eq(r.rua.count, count < DMARC_URIS_MAX ? count : DMARC_URIS_MAX);
	}
	for (size_t len = DMARC_RECORD_MAX - 1; len <= DMARC_RECORD_MAX + 1; len++) {
		AUTO_BUF text = BUF_INIT(DMARC_RECORD_MAX + 1);
		buf_addz(&text, "v=DMARC1; p=none; x=");
		while (text.len < len)
			buf_addc(&text, 'x');
		check(dmarc_record_parse(buf_str(&text), a, &r) == (len <= DMARC_RECORD_MAX));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_walk_examples),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
