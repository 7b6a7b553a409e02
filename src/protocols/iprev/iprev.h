/* iprev.h: does the peer's address have a name, and the name the address? RFC 8601 §3.
 *
 * Purpose    The forward-confirmed reverse name of an address, for Authentication-Results, for Received and for
 *            policy.
 * Shape      iprev_start, then iprev_next_question and iprev_answer until iprev_result is not NULL
 *            (protocols/dns/dns.h). All names are asked for together.
 * Ownership  All of it lives in an arena of its own, a child of the caller's.
 * Threads    One owner at a time.
 * Limits     IPREV_NAMES_MAX names are looked at.
 * Errors     None: there is always a result.
 */
#ifndef BUZON_PROTOCOLS_IPREV_IPREV_H
#define BUZON_PROTOCOLS_IPREV_IPREV_H

#include "protocols/dns/dns.h"

enum { IPREV_NAMES_MAX = 10 };

/* RFC 8601 §2.7.3 */
enum iprev_status {
	IPREV_PASS,
	IPREV_FAIL, /* there are names, but none of them has the address */
	IPREV_TEMPERROR,
	IPREV_PERMERROR, /* the address has no name */
};

struct iprev_result {
	enum iprev_status status;
	str name;   /* the first that is confirmed */
	str reason; /* a sentence for people */
};

struct iprev;

struct iprev *iprev_start(struct arena *parent, const struct ip *ip);
bool iprev_next_question(struct iprev *p, struct dns_question *out);
void iprev_answer(struct iprev *p, uint32_t id, const struct dns_answer *answer);
const struct iprev_result *iprev_result(const struct iprev *p);

/* "pass", "permerror" */
const char *iprev_status_name(enum iprev_status status);

#endif
