/* buzon dns: the records of a domain, to be pasted into its zone, or compared with what the DNS says. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "formats/mailbox.h"
#include "services/publish/publish.h"
#include "services/resolve/resolve.h"

#define DNS_USAGE "dns DOMAIN [--check]"

enum { DNS_ARENA_MAX = 16 << 20, PEM_BYTES_MAX = 1 << 20, LINE_MAX_BYTES = 16384 };

struct page {
	struct cli *cli;
	struct arena *arena;
	struct publish_facts facts;
	struct publish_key *keys;
	size_t key_cap;
	unsigned char spki[PUBLISH_DIGEST_BYTES];
	struct publish_record *records;
	size_t count;
	/* --check */
	struct loop *loop;
	struct line {
		struct page *page;
		size_t at;
		enum publish_verdict verdict;
		str there;
	} * lines;
	size_t open;
};

static const struct {
	const char *name, *comment;
} kinds[PUBLISH_KINDS] = {
	/* clang-format off */
	[PUBLISH_MX] = { "MX", N_("where mail for the domain goes") },
	[PUBLISH_SPF] = { "SPF", N_("who may send mail as the domain; add your other senders before -all") },
	[PUBLISH_SPF_HOST] = { "SPF", N_("the same for the name by which this server greets others") },
	[PUBLISH_DKIM] = { "DKIM", N_("checks the signature in mail that leaves here (buzon dkim list)") },
	[PUBLISH_DKIM_RETIRED] = { "DKIM", N_("of a retired key; needed for mail under way, until buzon dkim remove") },
	[PUBLISH_DMARC] = { "DMARC", N_("what others do with mail that only claims to be from the domain; begin with p=none when unsure") },
	[PUBLISH_MTA_STS] = { "MTA-STS", N_("announces the policy below: mail comes under TLS to the named servers only; change id with it") },
	[PUBLISH_TLSRPT] = { "TLSRPT", N_("where others report trouble with TLS") },
	[PUBLISH_TLSA] = { "TLSA", N_("DANE: the key of this server's certificate; of use in zones signed with DNSSEC only, and to be changed with the key") },
	[PUBLISH_SRV] = { "SRV", N_("where mail programs find this service") },
	[PUBLISH_AUTOCONFIG] = { "CNAME", N_("where some mail programs ask for their settings by HTTPS; only if something answers there") },
	/* clang-format on */
};

static const char *const verdicts[] = {
	N_("right"),
	N_("missing"),
	N_("different"),
	N_("right, but not signed with DNSSEC"),
	N_("no answer"),
};
static const char *const verdict_names[] = { "right", "missing", "different", "unsigned",
	"unknown" };

/* ---- facts ---- */

static void take_key(void *arg, const json_t *f)
{
	struct page *p = arg;
	struct publish_key *k =
	    arena_push(p->arena, &p->keys, &p->facts.key_count, &p->key_cap, sizeof(*p->keys));

	*k = (struct publish_key){
		.name = arena_str(p->arena, str_c(fact_text(f, "name"))),
		.record = arena_str(p->arena, str_c(fact_text(f, "record"))),
		.is_retired = strcmp(fact_text(f, "state"), "retired") == 0,
	};
	p->facts.keys = p->keys;
}

static int read_certificate(struct page *p, str path)
{
	const char *file = arena_cstr(p->arena, path);
	AUTO_FD fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct err err;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > PEM_BYTES_MAX)
		return cli_fail(EXIT_NO, _("cannot read '%s': %m"), file);
	char *bytes = arena_alloc(p->arena, (size_t)st.st_size + 1);
	if (fd_pread_all(fd, bytes, (size_t)st.st_size, 0) < 0)
		return cli_fail(EXIT_NO, _("cannot read '%s': %m"), file);
	if (publish_spki(str_new(bytes, (size_t)st.st_size), p->spki, &err) < 0)
		return cli_fail_err(&err);
	p->facts.spki = p->spki;
	return 0;
}

/* The certificate of the server's name, else the default one: what other servers get to see. */
static int take_certificate(struct page *p)
{
	const struct config *c = p->cli->config;
	size_t at = 0;

	if (c->tls_count == 0)
		return 0;
	for (size_t i = 0; i < c->tls_count; i++) {
		if (str_ieq(c->tls[i].server_name, c->hostname))
			at = i;
	}
	return read_certificate(p, c->tls[at].certificate);
}

static int take_facts(struct page *p, const char *domain)
{
	AUTO_BUF normal = BUF_INIT(DOMAIN_MAX);
	int status = cli_config(p->cli);

	if (status)
		return status;
	if (domain_normalise(str_c(domain), true, &normal, NULL) < 0)
		return cli_fail(
		    EXIT_WRONG_USE, _("'%s' is no domain name like example.org"), domain);
	p->facts.domain = dns_name_copy(p->arena, buf_str(&normal));
	p->facts.config = p->cli->config;
	status = take_certificate(p);
	if (status)
		return status;
	status = cli_collect(
	    p->cli, json_pack("{ss ss}", "command", "dkim list", "domain", domain), take_key, p);
	if (status == 0)
		p->count = publish_records(&p->facts, p->arena, &p->records);
	return status;
}

/* ---- printing ---- */

static json_t *as_fact(const struct publish_record *r)
{
	AUTO_BUF value = BUF_INIT(LINE_MAX_BYTES);

	publish_value(r, &value);
	return json_pack("{ss ss ss# ss ss# sb}", "kind", "record", "record", kinds[r->kind].name,
	    "name", r->name.ptr, (int)r->name.len, "type", dns_type_name(r->type), "value",
	    value.ptr, (int)value.len, "needed", r->is_needed);
}

static void print_fact(json_t *fact)
{
	json_dumpf(fact, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(fact);
}

static void print_policy(const struct page *p)
{
	str rest = publish_policy(&p->facts, p->arena), line;

	printf(_("; the policy, to be served as https://mta-sts.%.*s/.well-known/mta-sts.txt:\n"),
	    STR_ARG(p->facts.domain));
	while (str_split(&rest, '\n', &line)) {
		if (line.len)
			printf(";   " STR_FMT "\n", STR_ARG(line));
	}
}

static void print_zone(const struct page *p)
{
	enum publish_kind last = PUBLISH_KINDS;

	for (size_t i = 0; i < p->count; i++) {
		AUTO_BUF line = BUF_INIT(LINE_MAX_BYTES);
		const struct publish_record *r = &p->records[i];
		if (r->kind != last)
			printf("%s; %s: %s\n", i ? "\n" : "", kinds[r->kind].name,
			    _(kinds[r->kind].comment));
		last = r->kind;
		publish_zone_line(r, &line);
		printf(STR_FMT "\n", STR_ARG(buf_str(&line)));
		if (r->kind == PUBLISH_MTA_STS)
			print_policy(p);
	}
	if (p->facts.key_count == 0)
		printf(_("\n; no DKIM record: make keys with buzon dkim create %.*s\n"),
		    STR_ARG(p->facts.domain));
}

static void print_all(const struct page *p)
{
	if (!p->cli->json) {
		print_zone(p);
		return;
	}
	for (size_t i = 0; i < p->count; i++)
		print_fact(as_fact(&p->records[i]));
	str policy = publish_policy(&p->facts, p->arena);
	print_fact(json_pack("{ss ss#}", "kind", "policy", "text", policy.ptr, (int)policy.len));
}

/* ---- checking ---- */

static void on_checked(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct line *l = arg;
	struct page *p = l->page;

	(void)id;
	l->verdict = publish_judge(&p->records[l->at], answer, p->arena, &l->there);
	if (--p->open == 0)
		loop_stop(p->loop);
}

static void print_line(const struct page *p, const struct line *l)
{
	AUTO_BUF value = BUF_INIT(LINE_MAX_BYTES);
	const struct publish_record *r = &p->records[l->at];

	if (p->cli->json) {
		json_t *fact = as_fact(r);
		json_object_set_new(fact, "check", json_string(verdict_names[l->verdict]));
		json_t *there = json_stringn(l->there.ptr ? l->there.ptr : "", l->there.len);
		json_object_set_new(fact, "there", there ? there : json_string(""));
		print_fact(fact);
		return;
	}
	printf("%-8s %-45.*s %s\n", kinds[r->kind].name, STR_ARG(r->name), _(verdicts[l->verdict]));
	if (l->verdict == PUBLISH_DIFFERENT)
		printf(_("         there is:  %.*s\n"), STR_ARG(l->there));
	if (l->verdict == PUBLISH_UNKNOWN && l->there.len)
		printf("         %.*s\n", STR_ARG(l->there));
	if (l->verdict == PUBLISH_DIFFERENT || l->verdict == PUBLISH_MISSING) {
		publish_value(r, &value);
		printf(_("         should be: %.*s\n"), STR_ARG(buf_str(&value)));
	}
}

static bool is_trouble(const struct page *p, const struct line *l)
{
	return p->records[l->at].is_needed && l->verdict != PUBLISH_RIGHT &&
	       l->verdict != PUBLISH_UNKNOWN;
}

static int report(const struct page *p)
{
	bool is_bad = p->facts.key_count == 0, is_unknown = false;

	for (size_t i = 0; i < p->count; i++) {
		print_line(p, &p->lines[i]);
		is_bad |= is_trouble(p, &p->lines[i]);
		is_unknown |= p->lines[i].verdict == PUBLISH_UNKNOWN;
	}
	if (p->facts.key_count == 0 && !p->cli->json)
		printf(
		    _("DKIM     the domain has no keys: make them with buzon dkim create %.*s\n"),
		    STR_ARG(p->facts.domain));
	return is_bad ? EXIT_NO : is_unknown ? EXIT_TRY_AGAIN : EXIT_FINE;
}

static int check_all(struct page *p)
{
	const struct config *c = p->cli->config;
	struct err err;

	p->loop = loop_new();
	struct resolver *resolver = resolver_new(
	    &(struct resolver_options){
	        .loop = p->loop, .server = c->dns_server, .trust_anchor = c->dns_trust_anchor },
	    &err);
	if (!resolver) {
		loop_free(p->loop);
		return cli_fail_err(&err);
	}
	p->lines = arena_array(p->arena, struct line, p->count);
	for (size_t i = 0; i < p->count; i++) {
		struct dns_question q = { .type = p->records[i].type,
			.name = dns_name_copy(p->arena, p->records[i].name) };
		p->lines[i] = (struct line){ .page = p, .at = i };
		p->open++;
		resolver_ask(resolver, &q, on_checked, &p->lines[i]);
	}
	loop_run(p->loop);
	resolver_free(resolver);
	loop_free(p->loop);
	return report(p);
}

int cli_dns(struct cli *c)
{
	AUTO_ARENA arena = arena_new(NULL, "dns", DNS_ARENA_MAX);
	struct page p = { .cli = c, .arena = arena };
	bool check = cli_flag(c, "check");

	if (cli_no_more_options(c, DNS_USAGE) != 0 || c->argc != 1)
		return cli_usage(DNS_USAGE);
	int status = take_facts(&p, c->argv[0]);
	if (status)
		return status;
	if (check)
		return check_all(&p);
	print_all(&p);
	return EXIT_FINE;
}
