/* MTA-STS for a delivery: RFC 8461 §4, §5. */
#include "sessions/outbound/internal.h"

enum { PREFIX_MAX = 9 /* "_mta-sts." */ };

static void copy_policy(struct outbound_job *j, const struct sts_policy *p)
{
	str *mx = arena_array(j->arena, str, p->mx_count);

	j->policy = *p;
	for (size_t i = 0; i < p->mx_count; i++)
		mx[i] = arena_str(j->arena, p->mx[i]);
	j->policy.mx = mx;
}

static void on_policy(void *arg, const struct sts_answer *answer)
{
	struct outbound_job *j = arg;
	const struct sts_policy *p = answer->policy;

	j->sts_query = NULL;
	if (answer->note.len)
		outbound_trace(j, j->f.host, STR_NONE,
		    arena_strf(j->arena, "the MTA-STS policy cannot be fetched: " STR_FMT "%s",
		        STR_ARG(answer->note), p ? "; the one from before is still good" : ""));
	if (p && p->mode != STS_NONE) {
		copy_policy(j, p);
		outbound_trace(j, j->f.host, STR_NONE,
		    arena_strf(j->arena, "MTA-STS policy, mode %s, id " STR_FMT,
		        sts_mode_name(p->mode), STR_ARG(answer->id)));
	}
	outbound_job_follow(j);
}

/* Smart hosts have what the configuration says (docs/architecture.md), address literals nothing (RFC 8461 §3.4). */
static bool may_have_policy(const struct outbound_job *j)
{
	str host = j->f.host;

	return j->outbound->settings.sts && j->f.way == RELAY_MX && j->f.tls != RELAY_TLS_NEVER &&
	       host.len && host.ptr[0] != '[' && host.len <= DNS_NAME_MAX - PREFIX_MAX &&
	       dns_name_is_valid(host);
}

void outbound_sts_ask(struct outbound_job *j)
{
	if (may_have_policy(j))
		j->sts_query = sts_ask(j->outbound->settings.sts, j->f.host, on_policy, j);
}

/* It may be older than the policy. */
bool outbound_sts_allows_reuse(const struct outbound_job *j, const struct outbound_peer *p)
{
	const struct sts_policy *known =
	    may_have_policy(j) ? sts_known(j->outbound->settings.sts, j->f.host) : NULL;

	return !known || known->mode != STS_ENFORCE || p->verdict == TLS_VERIFIED_DANE ||
	       (p->verdict == TLS_VERIFIED_NAME && sts_policy_matches(known, p->o.host));
}

/* RFC 8461 §2: what DANE says of a host stands; MTA-STS adds nothing to it and takes nothing away. */
static bool is_dane_enough(const struct outbound_job *j)
{
	return j->tlsa == TLSA_THERE && j->is_tlsa_usable;
}

bool outbound_sts_applies(const struct outbound_job *j)
{
	return j->policy.mode == STS_ENFORCE && !is_dane_enough(j);
}

bool outbound_sts_excludes(const struct outbound_job *j, const struct mx_target *t)
{
	return outbound_sts_applies(j) && !sts_policy_matches(&j->policy, t->host);
}

bool outbound_sts_allows(struct outbound_job *j, const struct mx_target *t)
{
	static const struct outbound_own other = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 7, 5 }, "MTA-STS" };

	if (j->policy.mode == STS_NONE || is_dane_enough(j) ||
	    sts_policy_matches(&j->policy, t->host))
		return true;
	if (j->policy.mode == STS_TESTING) {
		outbound_trace(j, t->host, STR_NONE,
		    STR("the MTA-STS policy, which is being tested, does not name this host"));
		return true;
	}
	str text = arena_strf(j->arena,
	    "the MTA-STS policy of " STR_FMT " does not name the mail server " STR_FMT
	    ", which the DNS names: nothing is sent to it",
	    STR_ARG(j->f.host), STR_ARG(t->host));
	outbound_trace(j, t->host, STR_NONE, text);
	outbound_report_own(j, &other, text);
	return false;
}

/* No TLS, or none that is good enough: X.7.5 (RFC 3463 §3.8), X.7.10. */
static bool is_about_tls(const struct smtp_client_result *r)
{
	return r->is_local && r->stage <= SMTP_CLIENT_HANDSHAKE && r->enhanced.subject == 7;
}

str outbound_sts_explain(struct outbound_job *j, const struct smtp_client_result *r, str text)
{
	if (!outbound_sts_applies(j) || !is_about_tls(r))
		return text;
	return arena_strf(j->arena,
	    "the MTA-STS policy of " STR_FMT
	    " asks for TLS with a certificate that is good for the mail server: " STR_FMT,
	    STR_ARG(j->f.host), STR_ARG(text));
}

void outbound_sts_note(struct outbound_job *j, const struct smtp_client_event *e)
{
	const struct outbound_peer *p = j->peer;

	if (j->policy.mode != STS_TESTING || is_dane_enough(j) || !e->results.count ||
	    p->verdict != TLS_UNVERIFIED || (e->results.items[0].stage < SMTP_CLIENT_STARTTLS))
		return;
	outbound_trace(j, p->o.host, p->o.address,
	    p->tls.version[0]
	        ? STR("the MTA-STS policy, which is being tested, asks for a certificate that is "
	              "good for the host; this one is not")
	        : STR("the MTA-STS policy, which is being tested, asks for TLS; there is none"));
}
