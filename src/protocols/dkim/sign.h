/* sign.h: DKIM signatures for mail of ours, RFC 6376 §5, RFC 8463.
 *
 * Purpose    Make one signature per key (RSA-2048 and Ed25519 beside each other), relaxed/relaxed, in one pass
 *            over the body. The private keys are elsewhere: the signer asks for signatures over digests.
 * Shape      dkim_sign_start, dkim_sign_body with all pieces, dkim_sign_body_end; then dkim_sign_next_question
 *            gives a digest for each key, dkim_sign_answer takes what role keys made of it, until
 *            dkim_sign_result is not NULL. A key that fails (an empty answer) is left out.
 * Ownership  All of it lives in an arena of its own, a child of the caller's; options are copied, the header is
 *            used only during dkim_sign_start.
 * Threads    One owner at a time.
 * Units      Seconds since 1970. Lines of the body end with CRLF.
 * Limits     DKIM_SIGN_KEYS_MAX keys.
 * Errors     dkim_sign_start: NULL and a sentence when the header cannot be signed: no From, too many fields, a
 *            name that is no domain.
 * Not here   Which domain signs for whom (services); key files and rotation (services/keys).
 */
#ifndef BUZON_PROTOCOLS_DKIM_SIGN_H
#define BUZON_PROTOCOLS_DKIM_SIGN_H

#include "base/arena.h"
#include "base/err.h"
#include "protocols/dkim/crypto.h"

enum { DKIM_SIGN_KEYS_MAX = 4 };

struct dkim_sign_key {
	enum dkim_algorithm algorithm; /* DKIM_RSA_SHA256 or DKIM_ED25519_SHA256 */
	str selector;
};

struct dkim_sign_options {
	str domain;   /* d= */
	str identity; /* i=, or empty */
	int64_t now_s;
	int64_t lifetime_s; /* for x=; 0: no x= */
	const struct dkim_sign_key *keys;
	size_t key_count;
};

struct dkim_sign_question {
	uint32_t id; /* the place of the key in the options */
	enum dkim_algorithm algorithm;
	uint16_t
	    scheme; /* RFC 8446 §4.2.3, as services/keys understands it: 0x0401 RSA PKCS#1, 0x0807 Ed25519 */
	str selector;
	str digest; /* 32 bytes; RSA signs it as a SHA-256 digest, Ed25519 as a message (RFC 8463 §3) */
};

struct dkim_sign;

struct dkim_sign *dkim_sign_start(
    struct arena *parent, str header, const struct dkim_sign_options *options, struct err *err);
void dkim_sign_body(struct dkim_sign *s, str piece);
void dkim_sign_body_end(struct dkim_sign *s);
bool dkim_sign_next_question(struct dkim_sign *s, struct dkim_sign_question *out);
/* signature: the raw bytes; empty: it could not be made. */
void dkim_sign_answer(struct dkim_sign *s, uint32_t id, str signature);
/* The fields to put in front of the message; NULL until all answers are there; empty when all failed. */
const str *dkim_sign_result(const struct dkim_sign *s);

#endif
