/* check_host(): RFC 7208 §4 and §6. One question batch at a time; everything else runs straight. */
#include "protocols/spf/spf.h"

#include "protocols/spf/internal.h"

enum { ARENA_MAX = 32 << 20 }; /* far above what the limits in spf.h allow */

/* --- the end of a record --- */

static void explanation_answered(struct spf *s, size_t i, const struct dns_answer *answer);

static void default_fail(struct spf *s)
{
	spf_finish(s, SPF_FAIL,
	    arena_strf(s->arena, "the domain " STR_FMT " does not allow this host to send its mail",
	        STR_ARG(spf_top(s)->domain)));
}

static void explain_name(struct spf *s)
{
	str name;
	const struct spf_modifier *exp = &spf_top(s)->record.exp;

	if (spf_expand_name(s, exp->domain, exp->uses, &name))
		spf_ask(s, DNS_TXT, name, explanation_answered);
	else
		default_fail(s);
}

static void explain_text(struct spf *s)
{
	str text = spf_expand(s, s->result.explanation, SPF_EXPLANATION_MAX);

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
		spf_find_names(s, explain_text);
	else
		explain_text(s);
}

static void fail_with_explanation(struct spf *s)
{
	const struct spf_modifier *exp = &spf_top(s)->record.exp;

	if (!exp->is_given)
		default_fail(s);
	else if (exp->uses & SPF_USES_PTR)
		spf_find_names(s, explain_name);
	else
		explain_name(s);
}

/* RFC 7208 §5.2: how the record that includes goes on. */
static void include_done(struct spf *s, enum spf_status status)
{
	spf_note(s, SPF_STEP_END, str_c(spf_status_name(status)));
	s->depth--;
	spf_term_done(s, status == SPF_PASS);
}

static void record_done(struct spf *s, enum spf_status status)
{
	str domain = spf_top(s)->domain;

	if (s->depth > 1)
		include_done(s, status);
	else if (status == SPF_FAIL)
		fail_with_explanation(s);
	else if (status == SPF_PASS)
		spf_finish(s, status,
		    arena_strf(s->arena, "the domain " STR_FMT " allows this host to send its mail",
		        STR_ARG(domain)));
	else
		spf_finish(s, status,
		    arena_strf(s->arena,
		        "the domain " STR_FMT " makes %s statement about this host",
		        STR_ARG(domain), status == SPF_SOFTFAIL ? "only a weak" : "no"));
}

void spf_term_done(struct spf *s, bool is_match)
{
	struct spf_term *t = spf_current_term(s);

	spf_note(s, SPF_STEP_TERM,
	    arena_strf(
	        s->arena, STR_FMT ": %s", STR_ARG(t->text), is_match ? "match" : "no match"));
	s->result.term = STR_NONE;
	s->result.term_domain = STR_NONE;
	if (!is_match) {
		spf_top(s)->at++;
		return;
	}
	s->result.term = t->text;
	s->result.term_domain = spf_top(s)->domain;
	record_done(s, t->match);
}

static void redirect(struct spf *s)
{
	str name;
	struct spf_modifier *m = &spf_top(s)->record.redirect;

	if (!spf_expand_name(s, m->domain, m->uses, &name)) {
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena, "the redirect of " STR_FMT " names no valid domain",
		        STR_ARG(spf_top(s)->domain)));
		return;
	}
	s->depth--;
	spf_check_domain(s, name, true);
}

/* RFC 7208 §4.7, §6.1 */
static void record_end(struct spf *s)
{
	struct spf_record *r = &spf_top(s)->record;

	if (!r->redirect.is_given || r->has_all)
		record_done(s, SPF_NEUTRAL);
	else if (!spf_count_lookup(s))
		return;
	else if (r->redirect.uses & SPF_USES_PTR)
		spf_find_names(s, redirect);
	else
		redirect(s);
}

/* --- records: RFC 7208 §4.3 to §4.6 --- */

static void no_record(struct spf *s, const char *why)
{
	spf_finish(s, spf_top(s)->must_exist ? SPF_PERMERROR : SPF_NONE,
	    arena_strf(s->arena, "the domain " STR_FMT " %s", STR_ARG(spf_top(s)->domain), why));
}

static void record_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	str terms = STR_NONE, found;
	size_t count = 0;
	struct err err;

	(void)i;
	if (dns_is_failure(answer->status)) {
		spf_finish_dns(s, "the record of", spf_top(s)->domain, answer);
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
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the domain " STR_FMT " publishes more than one SPF record",
		        STR_ARG(spf_top(s)->domain)));
	} else if (spf_record_parse(terms, s->arena, &spf_top(s)->record, &err) < 0) {
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena, "the SPF record of " STR_FMT ": %s",
		        STR_ARG(spf_top(s)->domain), err.text));
	} else {
		spf_note(s, SPF_STEP_RECORD,
		    arena_strf(s->arena, STR_FMT ": v=spf1" STR_FMT, STR_ARG(spf_top(s)->domain),
		        STR_ARG(terms)));
	}
}

void spf_check_domain(struct spf *s, str domain, bool must_exist)
{
	s->frames[s->depth++] = (struct spf_frame){ .domain = domain, .must_exist = must_exist };
	if (!dns_name_is_valid(domain) || dns_name_labels(domain) < 2)
		no_record(s, "is not a full domain name");
	else
		spf_ask(s, DNS_TXT, domain, record_answered);
}

static void run(struct spf *s)
{
	while (!s->is_done && s->pending == 0) {
		if (spf_top(s)->at < spf_top(s)->record.count)
			spf_term_start(s);
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
		spf_finish(s, SPF_NONE,
		    STR("the name or address that was given is too long to be checked"));
		return s;
	}
	set_identity(s, options);
	spf_check_domain(s, s->values.sender_domain, false);
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

	spf_note(s, SPF_STEP_QUESTION,
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
