/* resolve.h: asks the DNS, with DNSSEC validation.
 *
 * Purpose    Questions of protocols/dns answered by libunbound: through a resolver that the
 *            configuration names, or by full recursion; validated from our own trust anchor; cached.
 * Ownership  resolver_new/resolver_free. An answer is good during the call of fn only.
 * Threads    The loop's thread. libunbound works in a thread of its own, which resolver_new starts, so
 *            that it is there before the sandbox is; it opens files then and never again.
 * Units      Seconds.
 * Limits     RESOLVE_TIMEOUT_S a question; RESOLVE_OPEN_MAX questions at once, further ones are
 *            answered DNS_TEMPORARY.
 * Errors     resolver_new: ERR_INPUT when the server or the trust anchor cannot be used. Questions
 *            never fail: DNS_TEMPORARY with a reason.
 */
#ifndef BUZON_SERVICES_RESOLVE_RESOLVE_H
#define BUZON_SERVICES_RESOLVE_RESOLVE_H

#include "net/loop.h"
#include "protocols/dns/dns.h"

enum { RESOLVE_TIMEOUT_S = 20, RESOLVE_OPEN_MAX = 10000 };

struct resolver;

struct resolver_options {
	struct loop *loop;
	str server;       /* "192.0.2.1", "192.0.2.1@5353"; empty: full recursion */
	str trust_anchor; /* a file with DS or DNSKEY records of the root; empty: nothing is validated */
};

struct resolver *resolver_new(const struct resolver_options *o, struct err *err);
/* Questions that are still open are not answered any more. */
void resolver_free(struct resolver *r);

typedef void resolver_fn(void *arg, uint32_t id, const struct dns_answer *answer);

/* fn is called once, from the loop, never from inside this call. The handle ends with it. */
struct resolver_query *resolver_ask(
    struct resolver *r, const struct dns_question *question, resolver_fn *fn, void *arg);
/* fn is not called any more. */
void resolver_cancel(struct resolver_query *q);

/* What a message of the DNS holds in one record of this type, in the arena; false: malformed. Pure. */
bool resolve_record(enum dns_type type, str data, struct arena *a, struct dns_record *out);

#endif
