/* ticket.h: what auth gives a signed-in user's connection and core believes.
 *
 * Purpose    Account, address, rights and expiry under a MAC whose key only auth and core have.
 *            Front carries it and can neither make nor change one.
 * Shape      Binary, at most TICKET_MAX bytes: version, account id, rights, expiry, nonce, address,
 *            HMAC-SHA-256 over all before it.
 * Ownership  After ticket_check the address points into the bytes given to it.
 * Threads    No state, usable from any thread.
 * Units      Milliseconds of the monotonic clock, which is one for all processes of the machine and which nobody
 *            sets: a step of the wall clock ends nobody's session and lengthens none. Lifetimes below: an attach
 *            follows the sign-in at once, a submission session shows its ticket again for each message.
 * Errors     ERR_DENIED for anything forged, cut, changed, expired or without the right asked for;
 *            nothing more is told apart, because only a defect or an attack leads here.
 * Not here   Counting uses: ticket_once.h, for those that open a session. A stolen ticket for submission is good
 *            until it expires.
 */
#ifndef BUZON_SERVICES_AUTH_TICKET_H
#define BUZON_SERVICES_AUTH_TICKET_H

#include "base/buf.h"
#include "base/err.h"

enum {
	TICKET_KEY_BYTES = 32, /* struct role's ticket_key */
	TICKET_NONCE_BYTES = 16,
	TICKET_ADDRESS_MAX = 384,
	TICKET_MAX = 512, /* STR(ticket, 512) in frames.h */
	TICKET_ATTACH_S = 60,
	TICKET_SUBMISSION_S = 4 * 3600,
};

/* The right to use one protocol; enum frame_protocol. */
#define TICKET_RIGHT(protocol) (1u << (protocol))

struct ticket {
	uint64_t account;   /* id in the store */
	str address;        /* the account's address */
	uint32_t rights;    /* TICKET_RIGHT bits */
	int64_t expires_at; /* good while now is below it */
	unsigned char nonce[TICKET_NONCE_BYTES];
};

/* Appends the ticket to out; chooses the nonce itself. ERR_LIMIT when the address is too long. */
int ticket_make(const unsigned char key[TICKET_KEY_BYTES], const struct ticket *t, struct buf *out,
    struct err *err);
/* rights: all of these must be in it. */
int ticket_check(const unsigned char key[TICKET_KEY_BYTES], str bytes, uint32_t rights, int64_t now,
    struct ticket *out, struct err *err);
/* How long a ticket for this protocol lives; enum frame_protocol. */
int64_t ticket_lifetime_s(uint32_t protocol);

#endif
