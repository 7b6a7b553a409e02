/* verify.h: are the DKIM signatures of a message good? RFC 6376 §6, RFC 8301, RFC 8463.
 *
 * Purpose    Check all signatures of a message in one pass over it, asking for their keys meanwhile.
 * Shape      dkim_verify_start with the header; then in any order and mixture dkim_verify_body with all
 *            pieces and dkim_verify_body_end, and dkim_verify_next_question and dkim_verify_answer
 *            (protocols/dns/dns.h). dkim_verify_result is NULL until both are through.
 * Ownership  All of it, the results as well, lives in an arena of its own, a child of the caller's. The header
 *            is used only during dkim_verify_start.
 * Threads    One owner at a time.
 * Units      Seconds since 1970. Lines end with CRLF.
 * Limits     DKIM_SIGNATURES_MAX signatures are looked at, from the top; DKIM_FIELDS_MAX header fields;
 *            DKIM_KEYS_MAX key records at one name.
 * Errors     None: each signature has a reason (reason.h).
 * Safety     l=: a signature that leaves bytes of the body out is DKIM_BODY_NOT_COVERED, not a pass, unless
 *            accept_partial_body; the number of bytes is reported in any case. A From that the signature does
 *            not count is DKIM_FROM_ADDED (RFC 6376 §8.15). SHA-1 and RSA keys under 1024 bits never pass.
 * Not here   Whether the domain has to do with From (protocols/dmarc).
 */
#ifndef BUZON_PROTOCOLS_DKIM_VERIFY_H
#define BUZON_PROTOCOLS_DKIM_VERIFY_H

#include "protocols/dkim/crypto.h"
#include "protocols/dkim/reason.h"
#include "protocols/dns/dns.h"

enum { DKIM_SIGNATURES_MAX = 10, DKIM_KEYS_MAX = 4 };

struct dkim_verify_options {
	int64_t now_s;                    /* for x= */
	const struct dkim_crypto *crypto; /* NULL: dkim_crypto_openssl */
	bool accept_partial_body;
};

struct dkim_result {
	enum dkim_status status; /* dkim_reason_status(reason) */
	enum dkim_reason reason;
	enum dkim_algorithm algorithm;
	unsigned key_bits;  /* 0: no key was used */
	bool is_testing;    /* the domain says that it only tests (t=y) */
	bool is_oversigned; /* h= names From once more than there are */
	bool has_body_limit;
	uint64_t uncovered_bytes;       /* of the canonical body, behind l= */
	str domain, selector, identity; /* empty when they could not be read */
	str signature;                  /* base64, for header.b (RFC 6008) */
	str names;                      /* h= in lower case with colons */
	bool has_signed_at, has_expires_at;
	int64_t signed_at, expires_at;
};

struct dkim_results {
	const struct dkim_result *items; /* in the order of the fields, top first */
	size_t count;
	bool is_cut; /* there are more signatures */
};

struct dkim_verify;

struct dkim_verify *dkim_verify_start(
    struct arena *parent, str header, const struct dkim_verify_options *options);
/* How many signatures may still turn out good: none means that the body need not be fed. */
size_t dkim_verify_open(const struct dkim_verify *v);
void dkim_verify_body(struct dkim_verify *v, str piece);
void dkim_verify_body_end(struct dkim_verify *v);
bool dkim_verify_next_question(struct dkim_verify *v, struct dns_question *out);
void dkim_verify_answer(struct dkim_verify *v, uint32_t id, const struct dns_answer *answer);
const struct dkim_results *dkim_verify_result(const struct dkim_verify *v);

#endif
