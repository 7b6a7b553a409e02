/* What every part of an evaluation needs: the trace, questions, names of the peer, target names. */
#include "protocols/spf/internal.h"

enum { NAME_EXPANDED_MAX = 8192 };

/* --- trace and end --- */

void spf_note(struct spf *s, enum spf_step_kind kind, str text)
{
	if (s->result.step_count == SPF_STEPS_MAX)
		return;
	struct spf_step *step =
	    arena_push(s->arena, &s->steps, &s->result.step_count, &s->step_cap, sizeof(*step));
	*step = (struct spf_step){ kind, s->depth ? (unsigned)s->depth - 1 : 0, text };
}

struct spf_frame *spf_top(struct spf *s)
{
	return &s->frames[s->depth - 1];
}

struct spf_term *spf_current_term(struct spf *s)
{
	return &spf_top(s)->record.terms[spf_top(s)->at];
}

void spf_finish(struct spf *s, enum spf_status status, str reason)
{
	s->is_done = true;
	s->result.status = status;
	s->result.reason = reason;
	spf_note(s, SPF_STEP_END,
	    arena_strf(s->arena, "%s: " STR_FMT, spf_status_name(status), STR_ARG(reason)));
	s->result.steps = s->steps;
}

void spf_finish_dns(struct spf *s, const char *what, str name, const struct dns_answer *answer)
{
	spf_finish(s, SPF_TEMPERROR,
	    arena_strf(s->arena, "the DNS gave no answer for %s " STR_FMT " (%s)", what,
	        STR_ARG(name), dns_status_name(answer->status)));
}

/* --- questions --- */

void spf_ask(struct spf *s, enum dns_type type, str name, spf_answer_fn *on_answer)
{
	struct spf_question *q = &s->asked[s->asked_count++];

	*q = (struct spf_question){ .q = { ++s->next_id, type, dns_name_copy(s->arena, name) } };
	s->pending++;
	s->on_answer = on_answer;
}

/* RFC 7208 §4.6.4: the term asks; false when that was one too many. */
bool spf_count_lookup(struct spf *s)
{
	if (s->result.lookups == SPF_LOOKUPS_MAX) {
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the record of " STR_FMT " needs more than %d DNS look-ups",
		        STR_ARG(spf_top(s)->domain), SPF_LOOKUPS_MAX));
		return false;
	}
	s->result.lookups++;
	return true;
}

bool spf_count_void(struct spf *s, enum dns_status status)
{
	if (status != DNS_NODATA && status != DNS_NXDOMAIN)
		return true;
	if (s->result.voids == SPF_VOIDS_MAX) {
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the record of " STR_FMT
		        " names more than %d things that are not in the DNS",
		        STR_ARG(spf_top(s)->domain), SPF_VOIDS_MAX));
		return false;
	}
	s->result.voids++;
	return true;
}

bool spf_has_peer(const struct spf *s, const struct dns_answer *answer, unsigned bits)
{
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++) {
		if (ip_in_network(&s->values.ip, &answer->records[i].ip, bits))
			return true;
	}
	return false;
}

enum dns_type spf_address_type(const struct spf *s)
{
	return s->values.ip.version == 4 ? DNS_A : DNS_AAAA;
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

static void name_addresses(struct spf *s, size_t i, const struct dns_answer *answer)
{
	s->hosts[i].is_ours = spf_has_peer(s, answer, ip_bits(&s->values.ip));
	if (s->pending == 0)
		hosts_are_names(s);
}

void spf_take_hosts(struct spf *s, const struct dns_answer *answer)
{
	s->host_count = 0;
	for (size_t i = 0; i < answer->count && s->host_count < SPF_HOSTS_MAX; i++) {
		str name = answer->records[i].name;
		if (dns_name_is_valid(name))
			s->hosts[s->host_count++] =
			    (struct spf_host){ .name = arena_str(s->arena, name) };
	}
}

static void ptr_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	/* RFC 7208 §4.6.4: names above the limit are passed over. A failure is "no names". */
	spf_take_hosts(s, answer);
	spf_ask_hosts(s, name_addresses, hosts_are_names);
}

void spf_find_names(struct spf *s, spf_after_fn *after)
{
	AUTO_BUF name = BUF_INIT(DNS_NAME_MAX);

	s->after_names = after;
	if (s->is_validated) {
		after(s);
		return;
	}
	ip_reverse_name(&s->values.ip, &name);
	spf_ask(s, DNS_PTR, buf_str(&name), ptr_answered);
}

void spf_ask_hosts(struct spf *s, spf_answer_fn *on_answer, spf_after_fn *after)
{
	for (size_t i = 0; i < s->host_count; i++)
		spf_ask(s, spf_address_type(s), s->hosts[i].name, on_answer);
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

str spf_expand(struct spf *s, str text, size_t max)
{
	AUTO_BUF out = BUF_INIT(max);

	s->values.domain = spf_top(s)->domain;
	s->values.validated = best_name(s, spf_top(s)->domain);
	spf_macro_expand(text, &s->values, &out);
	return buf_ok(&out) ? arena_str(s->arena, buf_str(&out)) : STR_NONE;
}

/* The target name: false when it cannot be asked for. */
bool spf_expand_name(struct spf *s, str spec, unsigned uses, str *out)
{
	str name = spec.len ? spf_expand(s, spec, NAME_EXPANDED_MAX) : spf_top(s)->domain;

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
