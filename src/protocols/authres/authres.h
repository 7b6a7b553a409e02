/* authres.h: what iprev, SPF, DKIM and DMARC found, as header fields.
 *
 * Purpose    One place that turns results into Authentication-Results (RFC 8601 §2.7, RFC 6008, RFC 9989 §9.6)
 *            and Received-SPF (RFC 7208 §9.1), so that every message says it in the same words.
 * Ownership  Everything given is only looked at.
 * Threads    No state.
 * Errors     None but the ceiling of the buf.
 * Not here   The form of the field (formats/auth_results).
 */
#ifndef BUZON_PROTOCOLS_AUTHRES_AUTHRES_H
#define BUZON_PROTOCOLS_AUTHRES_AUTHRES_H

#include "protocols/dkim/verify.h"
#include "protocols/dmarc/dmarc.h"
#include "protocols/iprev/iprev.h"
#include "protocols/spf/spf.h"

struct authres {
	str server;    /* our name */
	struct ip ip;  /* of the peer */
	str helo;      /* as said */
	str mail_from; /* without angle brackets; empty for the null path */
	/* NULL: was not looked at. */
	const struct iprev_result *iprev;
	const struct spf_result *spf_helo, *spf_mail_from;
	const struct dkim_results *dkim;
	const struct dmarc_result *dmarc;
};

/* With its CRLF. */
void authres_write(const struct authres *r, struct buf *out);
/* result: one of the two in r. */
void authres_write_received_spf(
    const struct authres *r, const struct spf_result *result, struct buf *out);

#endif
