/* sts.h: the policies of MTA-STS that are known, and how one is found. RFC 8461 §3, §5.1
 *
 * Purpose    Ask for the TXT record of a domain, fetch the policy file when the record has an id that is not the one
 *            of the policy we keep, keep it for its max_age. What cannot be found out changes nothing: a policy that is
 *            kept stays good until it expires, and without one the domain has none.
 * Ownership  sts_new/sts_free. An answer is good during fn only.
 * Threads    The loop's thread.
 * Limits     STS_DOMAINS_MAX domains and STS_CACHE_BYTES of policies; those used longest ago go first.
 * Errors     None: no policy is an answer, with a note for the story when something went wrong.
 * Not here   What follows for a delivery (sessions/outbound). Policies are kept in memory only: after a restart the
 *            first mail to a domain fetches again.
 */
#ifndef BUZON_SERVICES_STS_STS_H
#define BUZON_SERVICES_STS_STS_H

#include "base/log.h"
#include "formats/sts_policy.h"
#include "services/fetch/fetch.h"
#include "services/resolve/resolve.h"

enum {
	STS_DOMAINS_MAX = 10000,
	STS_CACHE_BYTES = 32 << 20,
	STS_REFRESH_S =
	    86400, /* a policy is fetched again, though its id is the same. RFC 8461 §3.3 */
	STS_FAILED_S = 5 * 60, /* no other attempt for the same id. The same */
	STS_HTTPS_PORT = 443,
};

struct sts;
struct sts_query;

/* The DNS and the web behind pointers, so that tests can play them. */
struct sts_options {
	struct loop *loop;
	const struct log *log;
	void *(*ask)(void *dns, const struct dns_question *q, resolver_fn *fn, void *arg);
	void (*cancel)(void *dns, void *query);
	void *dns;
	void *(*get)(void *web, const struct fetch_request *r, fetch_fn *fn, void *arg);
	void (*cancel_get)(void *web, void *transfer);
	void *web;
	uint64_t (*now_ms)(void); /* NULL: the loop's clock */
};

/* As it is outside of tests. */
struct sts_options sts_options_of(
    struct loop *l, const struct log *log, struct resolver *r, struct fetch *f);

struct sts_answer {
	const struct sts_policy *policy; /* NULL: there is none */
	str id;
	str note; /* what went wrong, a sentence; or empty */
};

typedef void sts_fn(void *arg, const struct sts_answer *answer);

struct sts *sts_new(const struct sts_options *o);
/* Queries are not answered any more. */
void sts_free(struct sts *s);
/* Policy hosts at private, loopback and other special addresses may be asked too. */
void sts_allow_special(struct sts *s, bool allow);
/* fn is called once, never from inside this call. domain: a valid name. The handle ends with it. */
struct sts_query *sts_ask(struct sts *s, str domain, sts_fn *fn, void *arg);
/* What is kept of a domain now, without a question; NULL: nothing. Good until the loop goes on. */
const struct sts_policy *sts_known(struct sts *s, str domain);
/* fn is not called any more. */
void sts_cancel(struct sts_query *q);

#endif
