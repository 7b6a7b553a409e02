/* capabilities.h: what a peer says in its answer to EHLO or LHLO.
 *
 * Purpose    One table of the extensions that this client knows, read from the reply's text.
 * Ownership  Plain values; name points into the text that was given.
 * Threads    No state.
 * Errors     None: what is unknown or malformed is passed over.
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_CAPABILITIES_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_CAPABILITIES_H

#include "base/str.h"

enum smtp_capability {
	SMTP_CAN_PIPELINING = 1 << 0,
	SMTP_CAN_CHUNKING = 1 << 1,
	SMTP_CAN_BINARYMIME = 1 << 2,
	SMTP_CAN_8BITMIME = 1 << 3,
	SMTP_CAN_SMTPUTF8 = 1 << 4,
	SMTP_CAN_SIZE = 1 << 5,
	SMTP_CAN_DSN = 1 << 6,
	SMTP_CAN_STARTTLS = 1 << 7,
	SMTP_CAN_REQUIRETLS = 1 << 8,
	SMTP_CAN_AUTH = 1 << 9,
	SMTP_CAN_LIMITS = 1 << 10,
	SMTP_CAN_ENHANCEDSTATUSCODES = 1 << 11,
	SMTP_CAN_FUTURERELEASE = 1 << 12,
	SMTP_CAN_DELIVERBY = 1 << 13,
	SMTP_CAN_MT_PRIORITY = 1 << 14,
};

struct smtp_capabilities {
	unsigned flags;         /* enum smtp_capability */
	uint64_t size;          /* RFC 1870 §4; 0: none was named */
	uint32_t rcpt_max;      /* RFC 9422 §4; 0: none was named */
	uint32_t mail_max;      /* the same */
	uint32_t domain_max;    /* RCPTDOMAINMAX */
	unsigned mechanisms;    /* bit i: sasl_mechanisms[i] */
	uint32_t by_min_s;      /* RFC 2852 §3: the shortest BY; 0: none was named */
	uint64_t release_max_s; /* RFC 4865 §4: the longest HOLDFOR; 0: none was named */
};

/* text: lines split by '\n', the first with the peer's name, which becomes *out_name. */
void smtp_capabilities_parse(str text, struct smtp_capabilities *out, str *out_name);
/* "PIPELINING SIZE ...", for people. */
const char *smtp_capability_name(enum smtp_capability c);

static inline bool smtp_can(const struct smtp_capabilities *c, enum smtp_capability flag)
{
	return c->flags & flag;
}

#endif
