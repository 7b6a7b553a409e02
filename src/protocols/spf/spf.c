/* check_host(): RFC 7208 §4 to §6. One question batch at a time; everything else runs straight. */
#include "protocols/spf/spf.h"

#include "protocols/spf/internal.h"

enum {
	ARENA_MAX = 32 << 20, /* far above what the limits in spf.h allow */
	FRAMES_MAX = SPF_LOOKUPS_MAX + 1,
	NAME_EXPANDED_MAX = 8192,
};

struct frame {
	str domain;
	struct spf_record record;
	size_t at;
	bool must_exist; /* by include or redirect: no record is an error */
};

/* A host of an MX or a name of a PTR, its addresses asked for. */
struct host {
	str name;
	enum dns_status status;
	bool is_ours; /* the peer's address is one of them */
};

typedef void answer_fn(struct spf *s, size_t host, const struct dns_answer *answer);
typedef void after_fn(struct spf *s);

struct spf {
	struct arena *arena;
	struct spf_macro_values values;
	struct spf_result result;
	bool is_done;

	struct frame frames[FRAMES_MAX];
	size_t depth; /* frames in use */

	struct question {
		struct dns_question q;
		bool is_given, is_answered;
	} asked[SPF_HOSTS_MAX];
	size_t asked_count, pending, given;
	uint32_t next_id;
	answer_fn *on_answer;

	struct host hosts[SPF_HOSTS_MAX];
	size_t host_count;
	after_fn *after_hosts;

	bool is_validated; /* the names of the peer have been looked for */
	str names[SPF_HOSTS_MAX];
	size_t name_count;
	after_fn *after_names;

	struct spf_step *steps;
	size_t step_cap;
};

static void run(struct spf *s);

/* --- trace and end --- */

static void note(struct spf *s, enum spf_step_kind kind, str text)
{
	if (s->result.step_count == SPF_STEPS_MAX)
		return;
	struct spf_step *step =
	    arena_push(s->arena, &s->steps, &s->result.step_count, &s->step_cap, sizeof(*step));
	*step = (struct spf_step){ kind, s->depth ? (unsigned)s->depth - 1 : 0, text };
}

static struct frame *top(struct spf *s)
{
	return &s->frames[s->depth - 1];
}

static struct spf_term *current_term(struct spf *s)
{
	return &top(s)->record.terms[top(s)->at];
}

static void finish(struct spf *s, enum spf_status status, str reason)
{
	s->is_done = true;
	s->result.status = status;
	s->result.reason = reason;
	note(s, SPF_STEP_END,
	    arena_strf(s->arena, "%s: " STR_FMT, spf_status_name(status), STR_ARG(reason)));
	s->result.steps = s->steps;
}

static void finish_dns(struct spf *s, const char *what, str name, const struct dns_answer *answer)
{
	finish(s, SPF_TEMPERROR,
	    arena_strf(s->arena, "the DNS gave no answer for %s " STR_FMT " (%s)", what,
	        STR_ARG(name), dns_status_name(answer->status)));
}

/* --- questions --- */

static void ask(struct spf *s, enum dns_type type, str name, answer_fn *on_answer)
{
	struct question *q = &s->asked[s->asked_count++];

	*q = (struct question){ .q = { ++s->next_id, type, dns_name_copy(s->arena, name) } };
	s->pending++;
	s->on_answer = on_answer;
}

/* RFC 7208 §4.6.4: the term asks; false when that was one too many. */
static bool count_lookup(struct spf *s)
{
	if (s->result.lookups == SPF_LOOKUPS_MAX) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the record of " STR_FMT " needs more than %d DNS look-ups",
		        STR_ARG(top(s)->domain), SPF_LOOKUPS_MAX));
		return false;
	}
	s->result.lookups++;
	return true;
}

static bool count_void(struct spf *s, enum dns_status status)
{
	if (status != DNS_NODATA && status != DNS_NXDOMAIN)
		return true;
	if (s->result.voids == SPF_VOIDS_MAX) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the record of " STR_FMT
		        " names more than %d things that are not in the DNS",
		        STR_ARG(top(s)->domain), SPF_VOIDS_MAX));
		return false;
	}
	s->result.voids++;
	return true;
}

static bool has_peer(const struct spf *s, const struct dns_answer *answer, unsigned bits)
{
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++) {
		if (ip_in_network(&s->values.ip, &answer->records[i].ip, bits))
			return true;
	}
	return false;
}

static enum dns_type address_type(const struct spf *s)
{
	return s->values.ip.version == 4 ? DNS_A : DNS_AAAA;
}

static unsigned term_bits(struct spf *s)
{
	return s->values.ip.version == 4 ? current_term(s)->bits4 : current_term(s)->bits6;
}

/* --- names of the peer: RFC 7208 §5.5, for ptr and %{p} --- */

static void names_known(struct spf *s)
{
	s->is_validated = true;
	s->after_names(s);
}

static void hosts_are_names(struct spf *s)
{
	for (size_t i = 0; i < s->host_count; i++) {
		if (s->hosts[i].is_ours)
			s->names[s->name_count++] = s->hosts[i].name;
	}
	names_known(s);
}

static void ask_hosts(struct spf *s, answer_fn *on_answer, after_fn *after);

static void name_addresses(struct spf *s, size_t i, const struct dns_answer *answer)
{
	s->hosts[i].is_ours = has_peer(s, answer, ip_bits(&s->values.ip));
	if (s->pending == 0)
		hosts_are_names(s);
}

static void take_hosts(struct spf *s, const struct dns_answer *answer)
{
	s->host_count = 0;
	for (size_t i = 0; i < answer->count && s->host_count < SPF_HOSTS_MAX; i++) {
		str name = answer->records[i].name;
		if (dns_name_is_valid(name))
			s->hosts[s->host_count++] =
			    (struct host){ .name = arena_str(s->arena, name) };
	}
}

static void ptr_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	/* RFC 7208 §4.6.4: names above the limit are passed over. A failure is "no names". */
	take_hosts(s, answer);
	ask_hosts(s, name_addresses, hosts_are_names);
}

static void find_names(struct spf *s, after_fn *after)
{
	AUTO_BUF name = BUF_INIT(DNS_NAME_MAX);

	s->after_names = after;
	if (s->is_validated) {
		after(s);
		return;
	}
	ip_reverse_name(&s->values.ip, &name);
	ask(s, DNS_PTR, buf_str(&name), ptr_answered);
}

static void ask_hosts(struct spf *s, answer_fn *on_answer, after_fn *after)
{
	for (size_t i = 0; i < s->host_count; i++)
		ask(s, address_type(s), s->hosts[i].name, on_answer);
	if (s->host_count == 0)
		after(s);
}

/* RFC 7208 §7.3: the domain itself, or a name below it, or any, or "unknown". */
static str best_name(struct spf *s, str domain)
{
	for (size_t i = 0; i < s->name_count; i++) {
		if (dns_name_eq(s->names[i], domain))
			return s->names[i];
	}
	for (size_t i = 0; i < s->name_count; i++) {
		if (dns_name_is_within(s->names[i], domain))
			return s->names[i];
	}
	return s->name_count ? s->names[0] : STR("unknown");
}

/* --- macros --- */

static str expand(struct spf *s, str text, size_t max)
{
	AUTO_BUF out = BUF_INIT(max);

	s->values.domain = top(s)->domain;
	s->values.validated = best_name(s, top(s)->domain);
	spf_macro_expand(text, &s->values, &out);
	return buf_ok(&out) ? arena_str(s->arena, buf_str(&out)) : STR_NONE;
}

/* The target name: false when it cannot be asked for. */
static bool expand_name(struct spf *s, str spec, unsigned uses, str *out)
{
	str name = spec.len ? expand(s, spec, NAME_EXPANDED_MAX) : top(s)->domain;

	/* RFC 8616 §4: what would hold a local part outside ASCII does not match. */
	if ((uses & SPF_USES_LOCAL) && !str_is_ascii(s->values.local))
		return false;
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	/* RFC 7208 §7.3: labels go on the left until it fits. */
	while (name.len > DNS_NAME_MAX) {
		size_t dot = str_chr(name, '.');
		name = dot == STR_NPOS ? STR_NONE : str_skip(name, dot + 1);
	}
	*out = name;
	return dns_name_is_valid(name);
}

/* --- the end of a record --- */

static void check_domain(struct spf *s, str domain, bool must_exist);

static void explanation_answered(struct spf *s, size_t i, const struct dns_answer *answer);

static void default_fail(struct spf *s)
{
	finish(s, SPF_FAIL,
	    arena_strf(s->arena, "the domain " STR_FMT " does not allow this host to send its mail",
	        STR_ARG(top(s)->domain)));
}

static void explain_name(struct spf *s)
{
	str name;
	const struct spf_modifier *exp = &top(s)->record.exp;

	if (expand_name(s, exp->domain, exp->uses, &name))
		ask(s, DNS_TXT, name, explanation_answered);
	else
		default_fail(s);
}

static void explain_text(struct spf *s)
{
	str text = expand(s, s->result.explanation, SPF_EXPLANATION_MAX);

	s->result.explanation = str_is_printable(text) ? text : STR_NONE;
	default_fail(s);
}

/* RFC 7208 §6.2: anything but one correct text of ASCII is as if there were no exp. */
static void explanation_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	unsigned uses = 0;

	(void)i;
	if (answer->status != DNS_OK || answer->count != 1 ||
	    answer->records[0].data.len > SPF_RECORD_MAX ||
	    spf_macro_check(answer->records[0].data, true, &uses) < 0) {
		default_fail(s);
		return;
	}
	s->result.explanation = arena_str(s->arena, answer->records[0].data);
	if (uses & SPF_USES_PTR)
		find_names(s, explain_text);
	else
		explain_text(s);
}

static void fail_with_explanation(struct spf *s)
{
	const struct spf_modifier *exp = &top(s)->record.exp;

	if (!exp->is_given)
		default_fail(s);
	else if (exp->uses & SPF_USES_PTR)
		find_names(s, explain_name);
	else
		explain_name(s);
}

static void term_done(struct spf *s, bool is_match);

/* RFC 7208 §5.2: how the record that includes goes on. */
static void include_done(struct spf *s, enum spf_status status)
{
	note(s, SPF_STEP_END, str_c(spf_status_name(status)));
	s->depth--;
	term_done(s, status == SPF_PASS);
}

static void record_done(struct spf *s, enum spf_status status)
{
	str domain = top(s)->domain;

	if (s->depth > 1)
		include_done(s, status);
	else if (status == SPF_FAIL)
		fail_with_explanation(s);
	else if (status == SPF_PASS)
		finish(s, status,
		    arena_strf(s->arena, "the domain " STR_FMT " allows this host to send its mail",
		        STR_ARG(domain)));
	else
		finish(s, status,
		    arena_strf(s->arena,
		        "the domain " STR_FMT " makes %s statement about this host",
		        STR_ARG(domain), status == SPF_SOFTFAIL ? "only a weak" : "no"));
}

static void term_done(struct spf *s, bool is_match)
{
	struct spf_term *t = current_term(s);

	note(s, SPF_STEP_TERM,
	    arena_strf(
	        s->arena, STR_FMT ": %s", STR_ARG(t->text), is_match ? "match" : "no match"));
	s->result.term = STR_NONE;
	s->result.term_domain = STR_NONE;
	if (!is_match) {
		top(s)->at++;
		return;
	}
	s->result.term = t->text;
	s->result.term_domain = top(s)->domain;
	record_done(s, t->match);
}

static void redirect(struct spf *s)
{
	str name;
	struct spf_modifier *m = &top(s)->record.redirect;

	if (!expand_name(s, m->domain, m->uses, &name)) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena, "the redirect of " STR_FMT " names no valid domain",
		        STR_ARG(top(s)->domain)));
		return;
	}
	s->depth--;
	check_domain(s, name, true);
}

/* RFC 7208 §4.7, §6.1 */
static void record_end(struct spf *s)
{
	struct spf_record *r = &top(s)->record;

	if (!r->redirect.is_given || r->has_all)
		record_done(s, SPF_NEUTRAL);
	else if (!count_lookup(s))
		return;
	else if (r->redirect.uses & SPF_USES_PTR)
		find_names(s, redirect);
	else
		redirect(s);
}

/* --- mechanisms: RFC 7208 §5. The target name is known. --- */

static void a_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status))
		finish_dns(s, "the addresses of", top(s)->domain, answer);
	else if (count_void(s, answer->status))
		term_done(s, has_peer(s, answer, term_bits(s)));
}

static void mx_settle(struct spf *s)
{
	for (size_t i = 0; i < s->host_count; i++) {
		struct host *h = &s->hosts[i];
		if (dns_is_failure(h->status)) {
			finish_dns(s, "the addresses of", h->name,
			    &(struct dns_answer){ .status = h->status });
			return;
		}
		if (!count_void(s, h->status))
			return;
		if (h->is_ours) {
			term_done(s, true);
			return;
		}
	}
	term_done(s, false);
}

static void mx_addresses(struct spf *s, size_t i, const struct dns_answer *answer)
{
	s->hosts[i].status = answer->status;
	s->hosts[i].is_ours = has_peer(s, answer, term_bits(s));
	if (s->pending == 0)
		mx_settle(s);
}

static void mx_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status)) {
		finish_dns(s, "the mail hosts of", top(s)->domain, answer);
	} else if (answer->count > SPF_HOSTS_MAX) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the term \"" STR_FMT "\" leads to more than %d mail hosts",
		        STR_ARG(current_term(s)->text), SPF_HOSTS_MAX));
	} else if (count_void(s, answer->status)) {
		take_hosts(s, answer);
		ask_hosts(s, mx_addresses, mx_settle);
	}
}

static void exists_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status))
		finish_dns(s, "a name that the record asks for below", top(s)->domain, answer);
	else if (count_void(s, answer->status))
		term_done(s, answer->status == DNS_OK);
}

static void ptr_match(struct spf *s, str target)
{
	for (size_t i = 0; i < s->name_count; i++) {
		if (dns_name_is_within(s->names[i], target)) {
			term_done(s, true);
			return;
		}
	}
	term_done(s, false);
}

static void include_malformed(struct spf *s)
{
	finish(s, SPF_PERMERROR,
	    arena_strf(s->arena, "the term \"" STR_FMT "\" names no valid domain",
	        STR_ARG(current_term(s)->text)));
}

static void look_up(struct spf *s)
{
	struct spf_term *t = current_term(s);
	str name = STR_NONE;
	bool is_valid = expand_name(s, t->domain, t->uses, &name);

	if (t->mechanism == SPF_INCLUDE && is_valid)
		check_domain(s, name, true);
	else if (t->mechanism == SPF_INCLUDE)
		include_malformed(s);
	else if (!is_valid)
		term_done(s, false);
	else if (t->mechanism == SPF_PTR)
		ptr_match(s, name);
	else if (t->mechanism == SPF_A)
		ask(s, address_type(s), name, a_answered);
	else if (t->mechanism == SPF_MX)
		ask(s, DNS_MX, name, mx_answered);
	else
		ask(s, DNS_A, name, exists_answered);
}

static void term_start(struct spf *s)
{
	struct spf_term *t = current_term(s);

	switch (t->mechanism) {
	case SPF_ALL:
		term_done(s, true);
		return;
	case SPF_IP4:
		term_done(s, ip_in_network(&s->values.ip, &t->network, t->bits4));
		return;
	case SPF_IP6:
		term_done(s, ip_in_network(&s->values.ip, &t->network, t->bits6));
		return;
	default:
		break;
	}
	if (!count_lookup(s))
		return;
	if (t->mechanism == SPF_PTR || (t->uses & SPF_USES_PTR))
		find_names(s, look_up);
	else
		look_up(s);
}

/* --- records: RFC 7208 §4.3 to §4.6 --- */

static void no_record(struct spf *s, const char *why)
{
	finish(s, top(s)->must_exist ? SPF_PERMERROR : SPF_NONE,
	    arena_strf(s->arena, "the domain " STR_FMT " %s", STR_ARG(top(s)->domain), why));
}

static void record_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	str terms = STR_NONE, found;
	size_t count = 0;
	struct err err;

	(void)i;
	if (dns_is_failure(answer->status)) {
		finish_dns(s, "the record of", top(s)->domain, answer);
		return;
	}
	for (size_t k = 0; k < answer->count && k < DNS_RECORDS_MAX; k++) {
		if (spf_record_is(answer->records[k].data, &found)) {
			terms = found;
			count++;
		}
	}
	if (count == 0) {
		no_record(s, "publishes no SPF record");
	} else if (count > 1) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the domain " STR_FMT " publishes more than one SPF record",
		        STR_ARG(top(s)->domain)));
	} else if (spf_record_parse(terms, s->arena, &top(s)->record, &err) < 0) {
		finish(s, SPF_PERMERROR,
		    arena_strf(s->arena, "the SPF record of " STR_FMT ": %s",
		        STR_ARG(top(s)->domain), err.text));
	} else {
		note(s, SPF_STEP_RECORD,
		    arena_strf(s->arena, STR_FMT ": v=spf1" STR_FMT, STR_ARG(top(s)->domain),
		        STR_ARG(terms)));
	}
}

static void check_domain(struct spf *s, str domain, bool must_exist)
{
	s->frames[s->depth++] = (struct frame){ .domain = domain, .must_exist = must_exist };
	if (!dns_name_is_valid(domain) || dns_name_labels(domain) < 2)
		no_record(s, "is not a full domain name");
	else
		ask(s, DNS_TXT, domain, record_answered);
}

static void run(struct spf *s)
{
	while (!s->is_done && s->pending == 0) {
		if (top(s)->at < top(s)->record.count)
			term_start(s);
		else
			record_end(s);
	}
}

/* --- public --- */

static void set_identity(struct spf *s, const struct spf_options *o)
{
	bool is_helo = o->mail_from.len == 0;
	size_t at = str_rchr(o->mail_from, '@');
	str domain = is_helo          ? o->helo
	             : at == STR_NPOS ? o->mail_from
	                              : str_skip(o->mail_from, at + 1);
	str local = is_helo || at == STR_NPOS ? STR_NONE : str_sub(o->mail_from, 0, at);

	/* RFC 7208 §4.3 */
	if (local.len == 0)
		local = STR("postmaster");
	s->values.local = arena_str(s->arena, local);
	s->values.sender_domain = arena_str(s->arena, domain);
	s->values.sender =
	    arena_strf(s->arena, STR_FMT "@" STR_FMT, STR_ARG(local), STR_ARG(domain));
	s->result.is_helo = is_helo;
	s->result.domain = s->values.sender_domain;
}

struct spf *spf_start(struct arena *parent, const struct spf_options *options)
{
	struct arena *a = arena_new(parent, "spf", ARENA_MAX);
	struct spf *s = arena_one(a, struct spf);
	bool is_long = options->helo.len > SPF_IDENTITY_MAX / 2 ||
	               options->mail_from.len > SPF_IDENTITY_MAX - 20;

	*s = (struct spf){ .arena = a };
	s->values = (struct spf_macro_values){
		.ip = ip_unmapped(&options->ip),
		.helo = arena_str(a, str_sub(options->helo, 0, SPF_IDENTITY_MAX)),
		.receiver =
		    options->receiver.len ? arena_str(a, options->receiver) : STR("unknown"),
		.now_s = options->now_s,
	};
	if (is_long) {
		finish(s, SPF_NONE,
		    STR("the name or address that was given is too long to be checked"));
		return s;
	}
	set_identity(s, options);
	check_domain(s, s->values.sender_domain, false);
	return s;
}

bool spf_next_question(struct spf *s, struct dns_question *out)
{
	if (s->is_done || s->given == s->asked_count)
		return false;
	s->asked[s->given].is_given = true;
	*out = s->asked[s->given++].q;
	return true;
}

static void note_answer(
    struct spf *s, const struct dns_question *q, const struct dns_answer *answer)
{
	const char *status = dns_status_name(answer->status);

	note(s, SPF_STEP_QUESTION,
	    arena_strf(
	        s->arena, "%s " STR_FMT ": %s", dns_type_name(q->type), STR_ARG(q->name), status));
}

void spf_answer(struct spf *s, uint32_t id, const struct dns_answer *answer)
{
	size_t i = 0;

	while (i < s->asked_count && s->asked[i].q.id != id)
		i++;
	if (s->is_done || i == s->asked_count || !s->asked[i].is_given || s->asked[i].is_answered)
		return;
	s->asked[i].is_answered = true;
	struct dns_answer none = *answer;
	if (answer->status == DNS_OK && answer->count == 0) {
		none.status = DNS_NODATA;
		answer = &none;
	}
	note_answer(s, &s->asked[i].q, answer);
	if (--s->pending == 0)
		s->asked_count = s->given = 0;
	s->on_answer(s, i, answer);
	run(s);
}

const struct spf_result *spf_result(const struct spf *s)
{
	return s->is_done ? &s->result : NULL;
}

const char *spf_status_name(enum spf_status status)
{
	static const char *const names[] = {
		[SPF_NONE] = "none",
		[SPF_NEUTRAL] = "neutral",
		[SPF_PASS] = "pass",
		[SPF_FAIL] = "fail",
		[SPF_SOFTFAIL] = "softfail",
		[SPF_TEMPERROR] = "temperror",
		[SPF_PERMERROR] = "permerror",
	};
	return names[status];
}
