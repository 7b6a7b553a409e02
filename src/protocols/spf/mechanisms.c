/* Mechanisms: RFC 7208 §5. */
#include "protocols/spf/internal.h"

static unsigned term_bits(struct spf *s)
{
	return s->values.ip.version == 4 ? spf_current_term(s)->bits4 : spf_current_term(s)->bits6;
}

static void a_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status))
		spf_finish_dns(s, "the addresses of", spf_top(s)->domain, answer);
	else if (spf_count_void(s, answer->status))
		spf_term_done(s, spf_has_peer(s, answer, term_bits(s)));
}

static void mx_settle(struct spf *s)
{
	for (size_t i = 0; i < s->host_count; i++) {
		struct spf_host *h = &s->hosts[i];
		if (dns_is_failure(h->status)) {
			spf_finish_dns(s, "the addresses of", h->name,
			    &(struct dns_answer){ .status = h->status });
			return;
		}
		if (!spf_count_void(s, h->status))
			return;
		if (h->is_ours) {
			spf_term_done(s, true);
			return;
		}
	}
	spf_term_done(s, false);
}

static void mx_addresses(struct spf *s, size_t i, const struct dns_answer *answer)
{
	s->hosts[i].status = answer->status;
	s->hosts[i].is_ours = spf_has_peer(s, answer, term_bits(s));
	if (s->pending == 0)
		mx_settle(s);
}

static void mx_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status)) {
		spf_finish_dns(s, "the mail hosts of", spf_top(s)->domain, answer);
	} else if (answer->count > SPF_HOSTS_MAX) {
		spf_finish(s, SPF_PERMERROR,
		    arena_strf(s->arena,
		        "the term \"" STR_FMT "\" leads to more than %d mail hosts",
		        STR_ARG(spf_current_term(s)->text), SPF_HOSTS_MAX));
	} else if (spf_count_void(s, answer->status)) {
		spf_take_hosts(s, answer);
		spf_ask_hosts(s, mx_addresses, mx_settle);
	}
}

static void exists_answered(struct spf *s, size_t i, const struct dns_answer *answer)
{
	(void)i;
	if (dns_is_failure(answer->status))
		spf_finish_dns(
		    s, "a name that the record asks for below", spf_top(s)->domain, answer);
	else if (spf_count_void(s, answer->status))
		spf_term_done(s, answer->status == DNS_OK);
}

static void ptr_match(struct spf *s, str target)
{
	for (size_t i = 0; i < s->name_count; i++) {
		if (dns_name_is_within(s->names[i], target)) {
			spf_term_done(s, true);
			return;
		}
	}
	spf_term_done(s, false);
}

static void include_malformed(struct spf *s)
{
	spf_finish(s, SPF_PERMERROR,
	    arena_strf(s->arena, "the term \"" STR_FMT "\" names no valid domain",
	        STR_ARG(spf_current_term(s)->text)));
}

static void look_up(struct spf *s)
{
	struct spf_term *t = spf_current_term(s);
	str name = STR_NONE;
	bool is_valid = spf_expand_name(s, t->domain, t->uses, &name);

	if (t->mechanism == SPF_INCLUDE && is_valid)
		spf_check_domain(s, name, true);
	else if (t->mechanism == SPF_INCLUDE)
		include_malformed(s);
	else if (!is_valid)
		spf_term_done(s, false);
	else if (t->mechanism == SPF_PTR)
		ptr_match(s, name);
	else if (t->mechanism == SPF_A)
		spf_ask(s, spf_address_type(s), name, a_answered);
	else if (t->mechanism == SPF_MX)
		spf_ask(s, DNS_MX, name, mx_answered);
	else
		spf_ask(s, DNS_A, name, exists_answered);
}

void spf_term_start(struct spf *s)
{
	struct spf_term *t = spf_current_term(s);

	switch (t->mechanism) {
	case SPF_ALL:
		spf_term_done(s, true);
		return;
	case SPF_IP4:
		spf_term_done(s, ip_in_network(&s->values.ip, &t->network, t->bits4));
		return;
	case SPF_IP6:
		spf_term_done(s, ip_in_network(&s->values.ip, &t->network, t->bits6));
		return;
	default:
		break;
	}
	if (!spf_count_lookup(s))
		return;
	if (t->mechanism == SPF_PTR || (t->uses & SPF_USES_PTR))
		spf_find_names(s, look_up);
	else
		look_up(s);
}
