/* mx.h: the servers that take mail for a domain, with their addresses, in the order to try them.
 *
 * Purpose    RFC 5321 §5.1: MX records by preference, the domain itself where there are none; null MX (RFC 7505);
 *            every address of both families; never to ourselves, never into private networks.
 * Shape      mx_start, then mx_next_question and mx_answer until mx_result is not NULL (protocols/dns/dns.h).
 *            First the MX records, then the addresses of all hosts together.
 * Ownership  All of it lives in an arena of its own, a child of the caller's; so does the result.
 * Threads    One owner at a time; no clock, no chance but the seed.
 * Limits     MX_HOSTS_MAX hosts, the preferred ones; MX_ADDRESSES_MAX addresses, MX_HOST_ADDRESSES_MAX of a host.
 * Errors     None: no way is a result, with a sentence and an enhanced status code.
 * Not here   Asking the DNS (services/resolve), connecting (sessions/outbound), what policies say of the hosts.
 */
#ifndef BUZON_SERVICES_ROUTE_MX_H
#define BUZON_SERVICES_ROUTE_MX_H

#include "formats/enhanced_status.h"
#include "protocols/dns/dns.h"

enum { MX_HOSTS_MAX = 20, MX_ADDRESSES_MAX = 50, MX_HOST_ADDRESSES_MAX = 10 };

struct mx_options {
	str destination; /* a domain in A-labels, or "[192.0.2.1]", "[IPv6:2001:db8::1]" */
	str hostname;    /* our own name; empty: not known */
	bool
	    is_host; /* destination is a server, which may be written as a bare address: its addresses only */
	bool allow_special; /* private, loopback and other special addresses too */
	uint32_t seed;      /* for the order among equals. RFC 5321 §5.1 */
};

struct mx_target {
	str host;      /* of the MX record; of an address literal the literal */
	str canonical; /* behind the host's aliases; empty without any */
	struct ip ip;
	uint16_t preference;
	bool
	    is_secure; /* DNSSEC vouches for the MX answer and for this host's addresses. RFC 7672 §2.2 */
};

enum mx_status {
	MX_OK, /* at least one target */
	MX_PERMANENT,
	MX_TEMPORARY,
};

struct mx_result {
	enum mx_status status;
	struct enhanced_status enhanced; /* unless MX_OK */
	str reason;                      /* the same: a sentence */
	const struct mx_target *targets;
	size_t count;
	bool is_secure; /* the MX answer, or the answer that there are none */
};

struct mx;

struct mx *mx_start(struct arena *parent, const struct mx_options *o);
bool mx_next_question(struct mx *m, struct dns_question *out);
void mx_answer(struct mx *m, uint32_t id, const struct dns_answer *answer);
const struct mx_result *mx_result(const struct mx *m);

#endif
