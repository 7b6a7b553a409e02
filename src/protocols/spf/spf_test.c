#include "check.h"

#include "protocols/dns/dns_zone.h"
#include "protocols/spf/internal.h"

struct seen {
	enum spf_status status;
	char explanation[256], reason[512], term[128], term_domain[128], steps[4096];
	unsigned lookups, voids, questions, rounds;
	bool is_helo;
};

static void keep(char *out, size_t size, str text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	if (n)
		memcpy(out, text.ptr, n);
	out[n] = '\0';
}

static void keep_result(const struct spf_result *r, struct seen *out)
{
	AUTO_BUF steps = BUF_INIT(65536);

	for (size_t i = 0; i < r->step_count; i++)
		buf_addf(&steps, "%u " STR_FMT "\n", r->steps[i].depth, STR_ARG(r->steps[i].text));
	out->status = r->status;
	out->lookups = r->lookups;
	out->voids = r->voids;
	out->is_helo = r->is_helo;
	keep(out->explanation, sizeof(out->explanation), r->explanation);
	keep(out->reason, sizeof(out->reason), r->reason);
	keep(out->term, sizeof(out->term), r->term);
	keep(out->term_domain, sizeof(out->term_domain), r->term_domain);
	keep(out->steps, sizeof(out->steps), buf_str(&steps));
}

/* Questions of a round are answered last first when is_backwards. */
static struct seen evaluate(str zone, struct spf_options o, bool is_backwards)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct seen seen = { 0 };
	struct spf *s = spf_start(a, &o);
	const struct spf_result *r;

	while (!(r = spf_result(s))) {
		struct dns_question q[64];
		size_t count = 0;
		while (count < COUNT(q) && spf_next_question(s, &q[count]))
			count++;
		assert_true(count > 0);
		seen.rounds++;
		seen.questions += (unsigned)count;
		for (size_t i = 0; i < count; i++) {
			size_t k = is_backwards ? count - 1 - i : i;
			struct dns_answer answer = dns_zone_answer(a, zone, &q[k]);
			spf_answer(s, q[k].id, &answer);
			spf_answer(s, q[k].id, &answer); /* the second is passed over */
		}
	}
	assert_false(spf_next_question(s, &(struct dns_question){ 0 }));
	keep_result(r, &seen);
	return seen;
}

static struct seen simple(const char *zone, const char *ip, const char *from)
{
	struct spf_options o = { .helo = STR("mail.example.net"), .mail_from = str_c(from) };
	struct seen first;

	ip_parse(str_c(ip), &o.ip);
	first = evaluate(str_c(zone), o, false);
	struct seen second = evaluate(str_c(zone), o, true);
	assert_int_equal(first.status, second.status);
	assert_string_equal(first.reason, second.reason);
	return first;
}

static const char zone[] =
    "example.org TXT v=spf1 ip4:192.0.2.0/24 mx a:web.example.org/28 include:inc.example.org -all "
    "exp=why.example.org\n"
    "example.org MX 10 mx1.example.org\n"
    "example.org MX 20 mx2.example.org\n"
    "mx1.example.org A 198.51.100.1\n"
    "mx1.example.org AAAA 2001:db8::1\n"
    "mx2.example.org A 198.51.100.2\n"
    "web.example.org CNAME host.example.org\n"
    "host.example.org A 203.0.113.16\n"
    "inc.example.org TXT v=spf1 ip6:2001:db8:1::/48 ?ip4:10.0.0.0/8\n"
    "why.example.org TXT %{i} may not send for %{s} %%\n"
    "none.example.org TXT google-site-verification=1\n"
    "two.example.org TXT v=spf1 -all\n"
    "two.example.org TXT v=SPF1 +all\n"
    "v10.example.org TXT v=spf10 -all\n"
    "fail.example.org TEMPORARY\n"
    "bogus.example.org BOGUS\n"
    "soft.example.org TXT v=spf1 ~all\n"
    "redir.example.org TXT v=spf1 redirect=soft.example.org\n"
    "redirnone.example.org TXT v=spf1 redirect=none.example.org\n"
    "redirall.example.org TXT v=spf1 redirect=none.example.org ?all\n"
    "incnone.example.org TXT v=spf1 include:none.example.org -all\n"
    "self.example.org TXT v=spf1 include:self.example.org -all\n"
    "utf8.example.org TXT v=spf1 exists:%{l}.example.org -all\n"
    "typo.example.org TXT v=spf1 ipv4:192.0.2.1 -all\n"
    "ptr.example.org TXT v=spf1 ptr -all\n"
    "p.example.org TXT v=spf1 exists:%{p}.ok.example.org -all\n"
    "mx1.ptr.example.org.ok.example.org A 127.0.0.2\n"
    "unknown.ok.example.org A 127.0.0.2\n"
    "1.2.0.192.in-addr.arpa PTR forged.example.com\n"
    "1.2.0.192.in-addr.arpa PTR mx1.ptr.example.org\n"
    "mx1.ptr.example.org A 192.0.2.1\n"
    "forged.example.com A 192.0.2.2\n";

static void test_results(void **state)
{
	static const struct {
		const char *name, *ip, *from;
		enum spf_status status;
		const char *term;
	} cases[] = {
		/* clang-format off */
		{ "ip4", "192.0.2.9", "a@example.org", SPF_PASS, "ip4:192.0.2.0/24" },
		{ "mapped ip4", "::ffff:192.0.2.9", "a@example.org", SPF_PASS, "ip4:192.0.2.0/24" },
		{ "second mx", "198.51.100.2", "a@example.org", SPF_PASS, "mx" },
		{ "mx ipv6", "2001:db8::1", "a@example.org", SPF_PASS, "mx" },
		{ "a with mask behind an alias", "203.0.113.31", "a@example.org", SPF_PASS, "a:web.example.org/28" },
		{ "include", "2001:db8:1::9", "a@example.org", SPF_PASS, "include:inc.example.org" },
		{ "neutral inside include is no match", "10.0.0.1", "a@example.org", SPF_FAIL, "-all" },
		{ "no record", "192.0.2.1", "a@none.example.org", SPF_NONE, "" },
		{ "no such name", "192.0.2.1", "a@nowhere.example.org", SPF_NONE, "" },
		{ "two records", "192.0.2.1", "a@two.example.org", SPF_PERMERROR, "" },
		{ "v=spf10 is no record", "192.0.2.1", "a@v10.example.org", SPF_NONE, "" },
		{ "DNS fails", "192.0.2.1", "a@fail.example.org", SPF_TEMPERROR, "" },
		{ "DNS is forged", "192.0.2.1", "a@bogus.example.org", SPF_TEMPERROR, "" },
		{ "softfail", "192.0.2.1", "a@soft.example.org", SPF_SOFTFAIL, "~all" },
		{ "redirect", "192.0.2.1", "a@redir.example.org", SPF_SOFTFAIL, "~all" },
		{ "redirect to nothing", "192.0.2.1", "a@redirnone.example.org", SPF_PERMERROR, "" },
		{ "redirect beside all", "192.0.2.1", "a@redirall.example.org", SPF_NEUTRAL, "?all" },
		{ "include of nothing", "192.0.2.1", "a@incnone.example.org", SPF_PERMERROR, "" },
		{ "include of itself", "192.0.2.1", "a@self.example.org", SPF_PERMERROR, "" },
		{ "local part outside ASCII", "192.0.2.1", "\xc3\xa9@utf8.example.org", SPF_FAIL, "-all" },
		{ "unknown mechanism", "192.0.2.1", "a@typo.example.org", SPF_PERMERROR, "" },
		{ "ptr", "192.0.2.1", "a@ptr.example.org", SPF_PASS, "ptr" },
		{ "ptr of another", "192.0.2.7", "a@ptr.example.org", SPF_FAIL, "-all" },
		{ "%{p}", "192.0.2.1", "a@p.example.org", SPF_PASS, "exists:%{p}.ok.example.org" },
		{ "%{p} unknown", "192.0.2.7", "a@p.example.org", SPF_PASS, "exists:%{p}.ok.example.org" },
		{ "one label", "192.0.2.1", "a@localhost", SPF_NONE, "" },
		{ "empty label", "192.0.2.1", "a@example..org", SPF_NONE, "" },
		{ "no domain", "192.0.2.1", "a@", SPF_NONE, "" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct seen s = simple(zone, cases[i].ip, cases[i].from);
		if (s.status != cases[i].status)
			print_error("%s\n", s.steps);
		check_case(cases[i].name, s.status == cases[i].status);
		check_case_str(cases[i].name, str_c(s.term), str_c(cases[i].term));
		check_case(cases[i].name, s.reason[0]);
	}
}

static void test_explanation(void **state)
{
	struct seen s = simple(zone, "10.0.0.1", "strong-bad@example.org");

	(void)state;
	assert_string_equal(s.explanation, "10.0.0.1 may not send for strong-bad@example.org %");
	s = simple("e.org TXT v=spf1 -all exp=w.e.org\nw.e.org TXT caf\\xc3\\xa9\n", "10.0.0.1",
	    "a@e.org");
	assert_string_equal(s.explanation, "");
	s = simple("e.org TXT v=spf1 -all exp=w.e.org\nw.e.org TXT a\nw.e.org TXT b\n", "10.0.0.1",
	    "a@e.org");
	assert_string_equal(s.explanation, "");
	s = simple("e.org TXT v=spf1 -all exp=w.e.org\nw.e.org TXT %{c} %{r} %{t} %{x}\n",
	    "10.0.0.1", "a@e.org");
	assert_string_equal(s.explanation, "");
	s = simple("e.org TXT v=spf1 -all exp=w.e.org\nw.e.org TEMPORARY\n", "10.0.0.1", "a@e.org");
	assert_int_equal(s.status, SPF_FAIL);
	s = simple("e.org TXT v=spf1 -all exp=w.e.org\nw.e.org TXT %{p} %{c} %{r} %{t}\n",
	    "2001:db8::1", "a@e.org");
	assert_string_equal(s.explanation, "unknown 2001:db8::1 unknown 0");
}

static void test_helo(void **state)
{
	struct spf_options o = { .helo = STR("soft.example.org") };
	struct seen s;

	(void)state;
	ip_parse(STR("192.0.2.1"), &o.ip);
	s = evaluate(str_c(zone), o, false);
	check(s.is_helo && s.status == SPF_SOFTFAIL);
	o.mail_from = STR("example.org");
	s = evaluate(str_c(zone), o, false);
	check(!s.is_helo && s.status == SPF_PASS);
}

/* One below, at and above each limit. */
static void test_limits(void **state)
{
	(void)state;
	for (int count = 9; count <= 11; count++) {
		AUTO_BUF z = BUF_INIT(65536);
		buf_addz(&z, "e.org TXT v=spf1");
		for (int i = 0; i < count; i++)
			buf_addf(&z, " exists:x%d.e.org", i);
		buf_addz(&z, " ?all\n");
		for (int i = 0; i < count; i++)
			buf_addf(&z, "x%d.e.org TXT no address\n", i);
		buf_addc(&z, '\0');
		struct seen s = simple(z.ptr, "192.0.2.1", "a@e.org");
		check_int_eq(s.status, SPF_PERMERROR); /* voids come first */
		check_int_eq(s.voids, SPF_VOIDS_MAX);
	}
	for (int count = 9; count <= 11; count++) {
		AUTO_BUF z = BUF_INIT(65536);
		buf_addz(&z, "e.org TXT v=spf1");
		for (int i = 0; i < count; i++)
			buf_addz(&z, " a:x.e.org");
		buf_addz(&z, " ?all\nx.e.org A 10.0.0.1\n");
		buf_addc(&z, '\0');
		struct seen s = simple(z.ptr, "192.0.2.1", "a@e.org");
		check_int_eq(s.status, count <= SPF_LOOKUPS_MAX ? SPF_NEUTRAL : SPF_PERMERROR);
	}
	for (int count = 1; count <= 3; count++) {
		AUTO_BUF z = BUF_INIT(65536);
		buf_addz(&z, "e.org TXT v=spf1");
		for (int i = 0; i < count; i++)
			buf_addf(&z, " a:x%d.e.org", i);
		buf_addc(&z, '\0');
		struct seen s = simple(z.ptr, "192.0.2.1", "a@e.org");
		check_int_eq(s.status, count <= SPF_VOIDS_MAX ? SPF_NEUTRAL : SPF_PERMERROR);
	}
	for (int count = 9; count <= 11; count++) {
		AUTO_BUF z = BUF_INIT(65536);
		buf_addz(&z, "e.org TXT v=spf1 mx ptr ?all\n");
		for (int i = 0; i < count; i++) {
			buf_addf(&z, "e.org MX 10 m%d.e.org\nm%d.e.org A 10.0.0.%d\n", i, i, i);
			buf_addf(&z, "9.2.0.192.in-addr.arpa PTR m%d.e.org\n", i);
		}
		buf_addc(&z, '\0');
		struct seen s = simple(z.ptr, "192.0.2.9", "a@e.org");
		check_int_eq(s.status, count <= SPF_HOSTS_MAX ? SPF_NEUTRAL : SPF_PERMERROR);
		if (s.status == SPF_NEUTRAL) {
			check_int_eq(s.rounds, 5); /* TXT, MX, its hosts, PTR, its names */
			check_int_eq(s.questions, 3 + 2 * (unsigned)count);
		}
	}
}

static enum spf_status status_of(str record)
{
	AUTO_BUF z = BUF_INIT(65536);

	buf_addz(&z, "e.org TXT ");
	buf_add(&z, record);
	buf_addc(&z, '\0');
	return simple(z.ptr, "192.0.2.9", "a@e.org").status;
}

static void test_size_limits(void **state)
{
	AUTO_BUF b = BUF_INIT(65536);

	(void)state;
	for (int count = SPF_TERMS_MAX - 1; count <= SPF_TERMS_MAX + 1; count++) {
		buf_reset(&b);
		buf_addz(&b, "v=spf1");
		for (int i = 0; i < count; i++)
			buf_addz(&b, " ip4:10.0.0.1");
		check_int_eq(
		    status_of(buf_str(&b)), count <= SPF_TERMS_MAX ? SPF_NEUTRAL : SPF_PERMERROR);
	}
	for (size_t len = SPF_RECORD_MAX - 1; len <= SPF_RECORD_MAX + 1; len++) {
		buf_reset(&b);
		buf_addz(&b, "v=spf1 x=");
		while (b.len < len + strlen("v=spf1"))
			buf_addc(&b, 'y');
		check_int_eq(
		    status_of(buf_str(&b)), len <= SPF_RECORD_MAX ? SPF_NEUTRAL : SPF_PERMERROR);
	}
	buf_reset(&b);
	while (b.len < SPF_IDENTITY_MAX)
		buf_addc(&b, 'a');
	struct spf_options o = { .helo = buf_str(&b), .mail_from = STR("a@example.org") };
	struct seen s = evaluate(str_c(zone), o, false);
	check_int_eq(s.status, SPF_NONE);
}

/* RFC 7208 §7.4 */
static void test_macros(void **state)
{
	static const struct {
		const char *ip, *macro, *want;
	} cases[] = {
		/* clang-format off */
		{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
		{ "192.0.2.3", "%{o}", "email.example.com" },
		{ "192.0.2.3", "%{d}", "email.example.com" },
		{ "192.0.2.3", "%{d4}", "email.example.com" },
		{ "192.0.2.3", "%{d3}", "email.example.com" },
		{ "192.0.2.3", "%{d2}", "example.com" },
		{ "192.0.2.3", "%{d1}", "com" },
		{ "192.0.2.3", "%{dr}", "com.example.email" },
		{ "192.0.2.3", "%{d2r}", "example.email" },
		{ "192.0.2.3", "%{l}", "strong-bad" },
		{ "192.0.2.3", "%{l-}", "strong.bad" },
		{ "192.0.2.3", "%{lr}", "strong-bad" },
		{ "192.0.2.3", "%{lr-}", "bad.strong" },
		{ "192.0.2.3", "%{l1r-}", "strong" },
		{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
		  "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
		  "3.2.0.192.in-addr.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net" },
		{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
		  "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com" },
		{ "192.0.2.3", "%{S}", "strong-bad%40email.example.com" },
		{ "192.0.2.3", "%%%_%-", "% %20" },
		{ "192.0.2.3", "%{p}", "mx.example.org" },
		{ "192.0.2.3", "%{d128}", "email.example.com" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(1024);
		unsigned uses;
		struct spf_macro_values v = {
			.sender = STR("strong-bad@email.example.com"),
			.local = STR("strong-bad"),
			.sender_domain = STR("email.example.com"),
			.domain = STR("email.example.com"),
			.validated = STR("mx.example.org"),
		};
		ip_parse(str_c(cases[i].ip), &v.ip);
		check_case(
		    cases[i].macro, spf_macro_check(str_c(cases[i].macro), false, &uses) == 0);
		spf_macro_expand(str_c(cases[i].macro), &v, &out);
		check_case_str(cases[i].macro, buf_str(&out), str_c(cases[i].want));
	}
}

static void test_malformed_specs(void **state)
{
	static const char *const bad[] = { "", "a", "a.b.1", "a.-b", "a.b-", "%", "%{", "%{d",
		"%{}", "%{d0}", "%{x}", "%{c}", "%(d)", "a .b", "\x80.b", "%{d}x", "%{d}.1", "a..",
		"%{d2r2}" };
	static const char *const good[] = { "a.b", "a.b.", "%{d}", "%{d2r.-}", "a%%", "%{d}.b",
		"_x.b-c", "a:b.c/d.e" };
	unsigned uses;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check_case(bad[i], spf_domain_spec_check(str_c(bad[i]), &uses) < 0);
	for (size_t i = 0; i < COUNT(good); i++)
		check_case(good[i], spf_domain_spec_check(str_c(good[i]), &uses) == 0);
}

static void test_trace(void **state)
{
	struct seen s = simple(zone, "10.0.0.1", "a@example.org");

	(void)state;
	check(strstr(s.steps, "0 TXT example.org: ok\n"));
	check(strstr(s.steps, "0 mx: no match\n"));
	check(strstr(s.steps, "1 inc.example.org: v=spf1 ip6:2001:db8:1::/48 ?ip4:10.0.0.0/8\n"));
	check(strstr(s.steps, "1 ?ip4:10.0.0.0/8: match\n"));
	check(strstr(s.steps, "0 include:inc.example.org: no match\n"));
	assert_string_equal(s.term_domain, "example.org");
	check_int_eq(s.lookups, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_explanation),
		cmocka_unit_test(test_helo),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_size_limits),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_malformed_specs),
		cmocka_unit_test(test_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
