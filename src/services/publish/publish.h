/* publish.h: the DNS records that a domain of ours needs, and whether they are there.
 *
 * Purpose    One list for what is printed to be pasted and for what is compared with the DNS: MX, SPF, DKIM, DMARC,
 *            MTA-STS (RFC 8461), TLSRPT (RFC 8460), TLSA (RFC 7672), SRV (RFC 6186, RFC 8314), autoconfig.
 * Shape      publish_records makes the list from facts; publish_zone_line prints one; publish_judge compares one
 *            with the answer of the DNS. Texts of an operator's own choice (the p= of DMARC, other hosts in SPF)
 *            are right as well: what counts is whether the record does what it is for.
 * Ownership  All in the arena; facts are borrowed as long.
 * Threads    No state.
 * Not here   Asking (services/resolve), words for people (src/cli/dns.c).
 */
#ifndef BUZON_SERVICES_PUBLISH_PUBLISH_H
#define BUZON_SERVICES_PUBLISH_PUBLISH_H

#include "protocols/dns/dns.h"
#include "services/config/config.h"

enum publish_kind {
	PUBLISH_MX,
	PUBLISH_SPF,
	PUBLISH_SPF_HOST, /* of the server's own name, for what it greets with */
	PUBLISH_DKIM,
	PUBLISH_DKIM_RETIRED, /* still needed for mail under way */
	PUBLISH_DMARC,
	PUBLISH_MTA_STS,
	PUBLISH_TLSRPT,
	PUBLISH_TLSA,
	PUBLISH_SRV,
	PUBLISH_AUTOCONFIG,
	PUBLISH_KINDS,
};

enum { PUBLISH_DIGEST_BYTES = 32, PUBLISH_TTL_S = 3600 };

struct publish_key {
	str name;   /* "s._domainkey.example.org" */
	str record; /* "v=DKIM1; …" */
	bool is_retired;
};

struct publish_facts {
	str domain;
	const struct config *config; /* hostname and services */
	const struct publish_key *keys;
	size_t key_count;
	const unsigned char *spki; /* PUBLISH_DIGEST_BYTES, publish_spki; NULL: no certificate */
};

struct publish_record {
	enum publish_kind kind;
	bool is_needed; /* without it mail is lost or taken for spam; else it makes things better */
	enum dns_type type;
	str name;
	str text;   /* TXT */
	str target; /* MX, SRV, CNAME */
	uint16_t priority, weight, port;
	str digest; /* TLSA 3 1 1 */
};

enum publish_verdict {
	PUBLISH_RIGHT,
	PUBLISH_MISSING,
	PUBLISH_DIFFERENT, /* there is something else */
	PUBLISH_UNSIGNED,  /* right, but without DNSSEC nobody may use it */
	PUBLISH_UNKNOWN,   /* the DNS gave no answer */
};

size_t publish_records(
    const struct publish_facts *facts, struct arena *a, struct publish_record **out);
/* What https://mta-sts.DOMAIN/.well-known/mta-sts.txt has to say. */
str publish_policy(const struct publish_facts *facts, struct arena *a);

/* "example.org. 3600 IN MX 10 mx.example.org.", without a line end. */
void publish_zone_line(const struct publish_record *r, struct buf *out);
/* The part behind the type. */
void publish_value(const struct publish_record *r, struct buf *out);

/* *out_there: what is there instead, or why there is no answer; empty when right or missing. */
enum publish_verdict publish_judge(const struct publish_record *r, const struct dns_answer *answer,
    struct arena *a, str *out_there);

/* SHA-256 of the public key of the first certificate in a PEM file. */
int publish_spki(str pem, unsigned char out[PUBLISH_DIGEST_BYTES], struct err *err);

#endif
