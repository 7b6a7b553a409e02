/* spf.h: may this host send mail for this domain? RFC 7208.
 *
 * Purpose    check_host() as a state machine that asks DNS questions: HELO and MAIL FROM identities,
 *            all mechanisms and modifiers, macros, the processing limits, explanations; with a trace of
 *            every step for people.
 * Shape      spf_start, then spf_next_question and spf_answer until spf_result is not NULL
 *            (protocols/dns/dns.h shows the loop). Hosts of an MX and names of a PTR are asked together.
 * Ownership  All of it lives in an arena of its own, a child of the caller's. Options are copied.
 * Threads    One owner at a time.
 * Limits     RFC 7208 §4.6.4: SPF_LOOKUPS_MAX terms that ask, SPF_VOIDS_MAX of them in vain,
 *            SPF_HOSTS_MAX hosts of one MX or PTR. SPF_RECORD_MAX bytes and SPF_TERMS_MAX terms of a
 *            record, SPF_IDENTITY_MAX bytes of HELO or MAIL FROM, SPF_STEPS_MAX steps in the trace.
 * Errors     None: whatever is published or said, there is a result after a bounded number of answers.
 * Not here   What to do about a result (services/policy). Time-outs: the caller answers what takes too
 *            long by DNS_TEMPORARY (20 seconds for all of it at least, RFC 7208 §4.6.4).
 */
#ifndef BUZON_PROTOCOLS_SPF_SPF_H
#define BUZON_PROTOCOLS_SPF_SPF_H

#include "protocols/dns/dns.h"

enum {
	SPF_LOOKUPS_MAX = 10,
	SPF_VOIDS_MAX = 2,
	SPF_HOSTS_MAX = 10,
	SPF_RECORD_MAX = 16384,
	SPF_TERMS_MAX = 512,
	SPF_IDENTITY_MAX = 600,
	SPF_STEPS_MAX = 600,
	SPF_EXPLANATION_MAX = 512, /* fits in a reply of a few lines */
};

/* RFC 7208 §2.6 */
enum spf_status {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
};

struct spf_options {
	struct ip ip; /* of the peer; an IPv4-mapped one counts as IPv4 */
	str helo;     /* as said */
	str mail_from; /* without angle brackets, its domain in A-labels; empty: HELO is the identity */
	str receiver;  /* our name, for %{r}; empty: "unknown" */
	int64_t now_s; /* for %{t} */
};

enum spf_step_kind {
	SPF_STEP_RECORD,   /* the record of a domain was found */
	SPF_STEP_QUESTION, /* one was answered */
	SPF_STEP_TERM,     /* a mechanism matched or did not */
	SPF_STEP_END,      /* the result of an included record, or of all */
};

struct spf_step {
	enum spf_step_kind kind;
	unsigned depth; /* 0, or how many includes deep */
	str text;       /* "TXT example.org: ok", "include:_spf.example.org: no match" */
};

struct spf_result {
	enum spf_status status;
	bool is_helo;    /* the identity that was checked */
	str domain;      /* its domain, as it was said */
	str term;        /* the directive that decided, as published; empty when none did */
	str term_domain; /* whose record it stands in */
	str reason;      /* a sentence for people, for every status */
	str explanation; /* for SPF_FAIL: words of the domain's owner, printable ASCII; often empty */
	unsigned lookups, voids; /* used up */
	const struct spf_step *steps;
	size_t step_count;
};

struct spf;

struct spf *spf_start(struct arena *parent, const struct spf_options *options);
bool spf_next_question(struct spf *s, struct dns_question *out);
void spf_answer(struct spf *s, uint32_t id, const struct dns_answer *answer);
/* NULL until everything is known. */
const struct spf_result *spf_result(const struct spf *s);

/* "none", "softfail": the words of RFC 8601 §2.7.2 */
const char *spf_status_name(enum spf_status status);

#endif
