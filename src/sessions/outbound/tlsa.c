/* DANE for SMTP: RFC 7672 §2. */
#include <stdio.h>

#include "sessions/outbound/internal.h"

enum { USAGE_TA = 2, USAGE_EE = 3, SELECTORS = 2, TLSA_RECORDS_MAX = 50 };

static void ask(struct outbound_job *j, const struct mx_target *t);

/* RFC 6698 §2.1, RFC 7672 §3.1: what can be compared with a certificate. */
bool outbound_tlsa_is_usable(const struct tls_tlsa *r)
{
	static const size_t lengths[] = { 0, 32, 64 }; /* 0: the thing itself */

	return (r->usage == USAGE_TA || r->usage == USAGE_EE) && r->selector < SELECTORS &&
	       r->matching < sizeof(lengths) / sizeof(lengths[0]) && r->data.len > 0 &&
	       (!lengths[r->matching] || r->data.len == lengths[r->matching]);
}

static void take_records(struct outbound_job *j, const struct dns_answer *answer)
{
	size_t count = answer->count < TLSA_RECORDS_MAX ? answer->count : TLSA_RECORDS_MAX;

	j->tlsa = TLSA_THERE;
	j->tlsa_records = arena_array(j->arena, struct tls_tlsa, count);
	j->tlsa_count = count;
	for (size_t i = 0; i < count; i++) {
		const struct dns_record *r = &answer->records[i];
		j->tlsa_records[i] = (struct tls_tlsa){ r->usage, r->selector, r->matching,
			arena_str(j->arena, r->data) };
		j->is_tlsa_usable |= outbound_tlsa_is_usable(&j->tlsa_records[i]);
	}
}

static void fail(struct outbound_job *j, const struct mx_target *t, str reason)
{
	static const struct outbound_own own = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 7, 5 }, "TLSA" };
	str text =
	    arena_strf(j->arena, "whether DANE protects the host cannot be found out now: " STR_FMT,
	        STR_ARG(reason.len ? reason : STR("the DNS did not answer")));

	j->tlsa = TLSA_FAILED;
	outbound_trace(j, t->host, STR_NONE, text);
	outbound_report_own(j, &own, text);
}

/* RFC 7672 §2.1.1, §2.2: records and their absence count only when DNSSEC vouches for them; a host for which it
 * cannot be found out is not used, else whoever can drop answers could switch DANE off. */
static void on_answer(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct outbound_question *q = arg;
	struct outbound_job *j = q->job;
	const struct mx_target *t = &j->targets[j->at];

	(void)id;
	q->query = NULL;
	if (dns_is_failure(answer->status)) {
		fail(j, t, answer->reason);
	} else if (answer->status == DNS_OK && answer->is_secure) {
		take_records(j, answer);
	} else if (j->is_tlsa_alias) {
		j->is_tlsa_alias = false;
		ask(j, t);
		return;
	}
	outbound_job_connect(j);
}

static void ask(struct outbound_job *j, const struct mx_target *t)
{
	str base = j->is_tlsa_alias ? t->canonical : t->host;
	struct dns_question question = { .type = DNS_TLSA,
		.name =
		    arena_strf(j->arena, "_%u._tcp." STR_FMT, (unsigned)j->f.port, STR_ARG(base)) };

	j->questions[0].job = j;
	j->questions[0].query =
	    j->outbound->dns.ask(j->outbound->dns.dns, &question, on_answer, &j->questions[0]);
}

bool outbound_tlsa_ask(struct outbound_job *j, const struct mx_target *t)
{
	if (str_eq(j->tlsa_host, t->host))
		return true;
	j->tlsa_host = t->host;
	j->tlsa = TLSA_NONE;
	j->tlsa_count = 0;
	j->is_tlsa_usable = false;
	if (!t->is_secure || j->f.way == RELAY_LMTP || j->f.tls == RELAY_TLS_NEVER)
		return true;
	/* RFC 7672 §2.2.3: the name behind the aliases first, then the one they start from. */
	j->is_tlsa_alias = t->canonical.len > 0 && !dns_name_eq(t->canonical, t->host);
	ask(j, t);
	return false;
}
