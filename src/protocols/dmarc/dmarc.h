/* dmarc.h: does what SPF and DKIM found belong to the domain that people see in From? RFC 9989.
 *
 * Purpose    Find the policy of the author domain by the DNS tree walk, find organizational domains, compare
 *            identifiers, say what the domain wants done.
 * Shape      dmarc_start when SPF and DKIM are through, then dmarc_next_question and dmarc_answer until
 *            dmarc_result is not NULL (protocols/dns/dns.h). All names of the author's walk are asked together;
 *            a second round follows only when it is needed.
 * Ownership  All of it lives in an arena of its own, a child of the caller's; options are copied.
 * Threads    One owner at a time.
 * Limits     RFC 9989 §4.10: DMARC_WALK_MAX names for a domain; DMARC_IDENTIFIERS_MAX identifiers.
 * Errors     None: there is always a result.
 * Not here   From fields with several or no addresses (the caller asks once for each domain); what is done
 *            with the message (services/policy); public suffix lists.
 */
#ifndef BUZON_PROTOCOLS_DMARC_DMARC_H
#define BUZON_PROTOCOLS_DMARC_DMARC_H

#include "protocols/dmarc/record.h"
#include "protocols/dns/dns.h"

enum { DMARC_WALK_MAX = 8, DMARC_IDENTIFIERS_MAX = 11, DMARC_STEPS_MAX = 200 };

/* RFC 8601 §2.7.7 and RFC 9989 §9.6 */
enum dmarc_status {
	DMARC_NONE, /* no record: nothing is asked of us */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR,
	DMARC_PERMERROR, /* the record is there, but says nothing usable */
};

struct dmarc_options {
	str author_domain; /* of From; A-labels */
	str spf_domain; /* of MAIL FROM, or of HELO for the null path, when SPF passed; else empty */
	const str *dkim_domains; /* d= of every signature that passed */
	size_t dkim_count;       /* what is above the limit is not looked at */
};

struct dmarc_result {
	enum dmarc_status status;
	enum dmarc_policy policy; /* what the record says for this domain */
	enum dmarc_policy
	    disposition; /* what it asks for: weaker by one step with t=y; NONE unless DMARC_FAIL */
	str policy_tag;  /* "p", "sp" or "np": where policy stands */
	bool is_spf_aligned, is_dkim_aligned;
	str dkim_domain; /* the first one that is aligned */
	str author_domain, policy_domain, organizational_domain;
	bool
	    author_missing; /* the author domain is not in the DNS; looked at only when np= makes a difference */
	const struct dmarc_record *record; /* NULL when there is none */
	str reason;                        /* a sentence for people */
	const str *steps;                  /* "TXT _dmarc.example.org: ok, a record" */
	size_t step_count;
};

struct dmarc;

struct dmarc *dmarc_start(struct arena *parent, const struct dmarc_options *options);
bool dmarc_next_question(struct dmarc *d, struct dns_question *out);
void dmarc_answer(struct dmarc *d, uint32_t id, const struct dns_answer *answer);
const struct dmarc_result *dmarc_result(const struct dmarc *d);

/* "pass", "temperror" */
const char *dmarc_status_name(enum dmarc_status status);

#endif
