#include "protocols/dmarc/dmarc.h"

enum {
	ARENA_MAX = 32 << 20, /* far above what the limits allow */
	NODES_MAX = (DMARC_IDENTIFIERS_MAX + 1) * DMARC_WALK_MAX,
};

/* One name of a walk; walks share them. */
struct node {
	str domain;
	struct dns_question q;
	bool is_given, is_answered;
	enum dns_status status;
	bool has_record;
	struct dmarc_record record;
};

struct dmarc {
	struct arena *arena;
	struct dmarc_result result;
	str author, spf;
	str dkim[DMARC_IDENTIFIERS_MAX];
	size_t dkim_count;
	struct node nodes[NODES_MAX];
	size_t node_count, next_given, pending;
	struct dns_question existence; /* of the author domain, for np= */
	enum dns_status existence_status;
	bool existence_wanted, existence_given, existence_answered;
	enum { AUTHOR_WALK, IDENTIFIER_WALKS, DONE } phase;
	str *steps;
	size_t step_cap;
};

enum { EXISTENCE_ID = NODES_MAX };

static void note(struct dmarc *d, str text)
{
	if (d->result.step_count == DMARC_STEPS_MAX)
		return;
	str *step =
	    arena_push(d->arena, &d->steps, &d->result.step_count, &d->step_cap, sizeof(*step));
	*step = text;
	d->result.steps = d->steps;
}

static void finish(struct dmarc *d, enum dmarc_status status, str reason)
{
	d->phase = DONE;
	d->result.status = status;
	d->result.reason = reason;
	note(d, arena_strf(d->arena, "%s: " STR_FMT, dmarc_status_name(status), STR_ARG(reason)));
}

/* --- walks: RFC 9989 §4.10 --- */

/* The names that are asked for a domain, longest first. */
static size_t walk_names(str domain, str out[DMARC_WALK_MAX])
{
	size_t labels = dns_name_labels(domain), count = 0;

	out[count++] = domain;
	size_t next = labels <= DMARC_WALK_MAX ? labels - 1 : DMARC_WALK_MAX - 1;
	for (; next > 0; next--)
		out[count++] = dns_name_last(domain, next);
	return count;
}

static struct node *find_node(struct dmarc *d, str domain)
{
	for (size_t i = 0; i < d->node_count; i++) {
		if (dns_name_eq(d->nodes[i].domain, domain))
			return &d->nodes[i];
	}
	return NULL;
}

static void ask(struct dmarc *d, str domain)
{
	if (find_node(d, domain))
		return;
	struct node *n = &d->nodes[d->node_count];
	str name = arena_strf(d->arena, "_dmarc." STR_FMT, STR_ARG(domain));
	*n = (struct node){ .domain = domain, .q = { (uint32_t)d->node_count, DNS_TXT, name } };
	d->node_count++;
	if (dns_name_is_valid(name)) {
		d->pending++;
		return;
	}
	/* Too long to be asked for: nobody can publish there. */
	n->is_given = n->is_answered = true;
	n->status = DNS_NXDOMAIN;
}

static void ask_walk(struct dmarc *d, str domain)
{
	str names[DMARC_WALK_MAX];
	size_t count = walk_names(domain, names);

	for (size_t i = 0; i < count; i++)
		ask(d, names[i]);
}

struct walk {
	bool has_failed; /* the DNS did, at a name that matters */
	str organizational;
	const struct node *start, *first,
	    *psd; /* records at the domain itself, at the organizational domain, psd=y */
};

/* RFC 9989 §4.10.2. All names have been answered. */
static struct walk evaluate_walk(struct dmarc *d, str domain)
{
	str names[DMARC_WALK_MAX];
	size_t count = walk_names(domain, names);
	struct walk w = { .organizational = domain };

	for (size_t i = 0; i < count; i++) {
		const struct node *n = find_node(d, names[i]);
		w.has_failed = w.has_failed || dns_is_failure(n->status);
		if (!n->has_record)
			continue;
		if (i == 0)
			w.start = n;
		if (i > 0 && n->record.psd == 'y') {
			w.psd = n;
			w.organizational = dns_name_last(domain, dns_name_labels(n->domain) + 1);
			w.first = find_node(d, w.organizational);
			w.first = w.first && w.first->has_record ? w.first : NULL;
			break;
		}
		w.organizational = n->domain;
		w.first = n;
		if (n->record.psd != 'u')
			break;
	}
	return w;
}

/* --- alignment: RFC 9989 §4.4 --- */

static bool may_align(const struct dmarc *d, str domain, bool is_strict)
{
	return domain.len && !is_strict &&
	       dns_name_is_within(domain, d->result.organizational_domain);
}

static bool is_aligned(struct dmarc *d, str domain, bool is_strict, bool *out_failed)
{
	if (domain.len == 0)
		return false;
	if (dns_name_eq(domain, d->author))
		return true;
	if (!may_align(d, domain, is_strict))
		return false;
	struct walk w = evaluate_walk(d, domain);
	*out_failed = *out_failed || w.has_failed;
	return !w.has_failed && dns_name_eq(w.organizational, d->result.organizational_domain);
}

/* --- policy: RFC 9989 §4.10.1 --- */

static enum dmarc_policy weaker(enum dmarc_policy policy)
{
	return policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

static bool is_invalid(const struct dmarc_record *r)
{
	return r->p == DMARC_POLICY_UNSET || r->p == DMARC_POLICY_INVALID ||
	       r->sp == DMARC_POLICY_INVALID || r->np == DMARC_POLICY_INVALID;
}

static void choose_policy(struct dmarc *d)
{
	const struct dmarc_record *r = d->result.record;
	bool is_own = dns_name_eq(d->result.policy_domain, d->author);

	d->result.policy = r->p;
	d->result.policy_tag = STR("p");
	if (!is_own && r->sp != DMARC_POLICY_UNSET) {
		d->result.policy = r->sp;
		d->result.policy_tag = STR("sp");
	}
	d->result.author_missing = d->existence_answered && d->existence_status == DNS_NXDOMAIN;
	if (!is_own && d->result.author_missing && r->np != DMARC_POLICY_UNSET) {
		d->result.policy = r->np;
		d->result.policy_tag = STR("np");
	}
	if (is_invalid(r))
		d->result.policy = DMARC_POLICY_NONE;
}

static void find_aligned(struct dmarc *d, bool *out_failed)
{
	const struct dmarc_record *r = d->result.record;

	d->result.is_spf_aligned = is_aligned(d, d->spf, r->is_spf_strict, out_failed);
	for (size_t i = 0; i < d->dkim_count && !d->result.is_dkim_aligned; i++) {
		if (!is_aligned(d, d->dkim[i], r->is_dkim_strict, out_failed))
			continue;
		d->result.is_dkim_aligned = true;
		d->result.dkim_domain = d->dkim[i];
	}
}

static void conclude(struct dmarc *d)
{
	bool has_failed = false;

	choose_policy(d);
	find_aligned(d, &has_failed);
	d->result.disposition = DMARC_POLICY_NONE;
	if (d->result.is_spf_aligned || d->result.is_dkim_aligned) {
		finish(d, DMARC_PASS,
		    arena_strf(d->arena, "%s shows that the message is from " STR_FMT,
		        d->result.is_dkim_aligned ? "a DKIM signature" : "SPF",
		        STR_ARG(d->author)));
	} else if (has_failed || (d->existence_answered && dns_is_failure(d->existence_status))) {
		finish(d, DMARC_TEMPERROR, STR("the DNS gave no answer for a name that decides"));
	} else {
		d->result.disposition =
		    d->result.record->is_test ? weaker(d->result.policy) : d->result.policy;
		finish(d, DMARC_FAIL,
		    arena_strf(d->arena,
		        "neither SPF nor DKIM shows that the message is from " STR_FMT,
		        STR_ARG(d->author)));
	}
}

static void walk_identifiers(struct dmarc *d)
{
	const struct dmarc_record *r = d->result.record;
	bool is_own = dns_name_eq(d->result.policy_domain, d->author);

	d->phase = IDENTIFIER_WALKS;
	if (may_align(d, d->spf, r->is_spf_strict))
		ask_walk(d, d->spf);
	for (size_t i = 0; i < d->dkim_count; i++) {
		if (may_align(d, d->dkim[i], r->is_dkim_strict))
			ask_walk(d, d->dkim[i]);
	}
	if (!is_own && r->np != DMARC_POLICY_UNSET &&
	    r->np != (r->sp != DMARC_POLICY_UNSET ? r->sp : r->p)) {
		d->existence_wanted = true;
		d->existence = (struct dns_question){ EXISTENCE_ID, DNS_A, d->author };
		d->pending++;
	}
	if (d->pending == 0)
		conclude(d);
}

/* An identifier that is the author domain itself needs no walk (RFC 9989 §4.10.2): with a record there, failing
 * names above it do not matter. */
static bool has_same_identifier(const struct dmarc *d)
{
	bool is_same = dns_name_eq(d->spf, d->author);

	for (size_t i = 0; i < d->dkim_count; i++)
		is_same = is_same || dns_name_eq(d->dkim[i], d->author);
	return is_same;
}

static void author_walked(struct dmarc *d)
{
	struct walk w = evaluate_walk(d, d->author);
	const struct node *policy = w.start ? w.start : w.first ? w.first : w.psd;

	d->result.organizational_domain = w.organizational;
	if (policy) {
		d->result.policy_domain = policy->domain;
		d->result.record = &policy->record;
	}
	if (w.has_failed && !(w.start && has_same_identifier(d))) {
		finish(d, DMARC_TEMPERROR,
		    arena_strf(d->arena, "the DNS gave no answer for the policy of " STR_FMT,
		        STR_ARG(d->author)));
	} else if (!policy) {
		finish(d, DMARC_NONE,
		    arena_strf(d->arena, "the domain " STR_FMT " publishes no DMARC record",
		        STR_ARG(d->author)));
	} else if (is_invalid(&policy->record) && policy->record.rua.count == 0) {
		finish(d, DMARC_PERMERROR,
		    arena_strf(d->arena, "the DMARC record of " STR_FMT " is not correct",
		        STR_ARG(policy->domain)));
	} else {
		walk_identifiers(d);
	}
}

/* --- public --- */

struct dmarc *dmarc_start(struct arena *parent, const struct dmarc_options *options)
{
	struct arena *a = arena_new(parent, "dmarc", ARENA_MAX);
	struct dmarc *d = arena_one(a, struct dmarc);

	*d = (struct dmarc){ .arena = a };
	d->result.policy = d->result.disposition = DMARC_POLICY_NONE;
	if (!dns_name_is_valid(options->author_domain)) {
		finish(d, DMARC_NONE, STR("the author's domain is no domain name"));
		return d;
	}
	d->author = d->result.author_domain = dns_name_copy(a, options->author_domain);
	if (dns_name_is_valid(options->spf_domain))
		d->spf = dns_name_copy(a, options->spf_domain);
	for (size_t i = 0; i < options->dkim_count && d->dkim_count < DMARC_IDENTIFIERS_MAX - 1;
	     i++) {
		if (dns_name_is_valid(options->dkim_domains[i]))
			d->dkim[d->dkim_count++] = dns_name_copy(a, options->dkim_domains[i]);
	}
	ask_walk(d, d->author);
	if (d->pending == 0)
		author_walked(d);
	return d;
}

bool dmarc_next_question(struct dmarc *d, struct dns_question *out)
{
	if (d->phase == DONE)
		return false;
	for (; d->next_given < d->node_count; d->next_given++) {
		struct node *n = &d->nodes[d->next_given];
		if (n->is_given)
			continue;
		n->is_given = true;
		*out = n->q;
		return true;
	}
	if (!d->existence_wanted || d->existence_given)
		return false;
	d->existence_given = true;
	*out = d->existence;
	return true;
}

/* RFC 9989 §4.10 steps 2 and 6: what is no record is passed over, several cancel each other. */
static void read_records(struct dmarc *d, struct node *n, const struct dns_answer *answer)
{
	size_t found = 0;

	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++) {
		struct dmarc_record record;
		if (!dmarc_record_parse(answer->records[i].data, d->arena, &record))
			continue;
		n->record = record;
		/* Above two nothing changes, and every record takes memory. */
		if (++found == 2)
			break;
	}
	n->has_record = found == 1;
	note(d, arena_strf(d->arena, "TXT " STR_FMT ": %s, %s", STR_ARG(n->q.name),
	            dns_status_name(answer->status),
	            found == 0   ? "no record"
	            : found == 1 ? "a record"
	                         : "several records, which do not count"));
}

static bool take_answer(struct dmarc *d, uint32_t id, const struct dns_answer *answer)
{
	if (id == EXISTENCE_ID && d->existence_given && !d->existence_answered) {
		d->existence_answered = true;
		d->existence_status = answer->status;
		note(d, arena_strf(d->arena, "A " STR_FMT ": %s", STR_ARG(d->author),
		            dns_status_name(answer->status)));
		return true;
	}
	if (id >= d->node_count || !d->nodes[id].is_given || d->nodes[id].is_answered)
		return false;
	d->nodes[id].is_answered = true;
	d->nodes[id].status = answer->status;
	read_records(d, &d->nodes[id], answer);
	return true;
}

void dmarc_answer(struct dmarc *d, uint32_t id, const struct dns_answer *answer)
{
	if (d->phase == DONE || !take_answer(d, id, answer) || --d->pending > 0)
		return;
	if (d->phase == AUTHOR_WALK)
		author_walked(d);
	else
		conclude(d);
}

const struct dmarc_result *dmarc_result(const struct dmarc *d)
{
	return d->phase == DONE ? &d->result : NULL;
}

const char *dmarc_status_name(enum dmarc_status status)
{
	static const char *const names[] = {
		[DMARC_NONE] = "none",
		[DMARC_PASS] = "pass",
		[DMARC_FAIL] = "fail",
		[DMARC_TEMPERROR] = "temperror",
		[DMARC_PERMERROR] = "permerror",
	};
	return names[status];
}
