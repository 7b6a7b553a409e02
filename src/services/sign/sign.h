/* sign.h: outgoing mail gets the signatures of its author's domain.
 *
 * Purpose    Find the domain of From, its active keys, and have role keys sign: RSA and Ed25519 beside each other
 *            (RFC 6376, RFC 8301, RFC 8463).
 * Shape      signer_sign gives the fields to put in front of a message that leaves. Only mail that was submitted
 *            or made here is signed, and only for a domain of ours that has an active key: the answer for all
 *            other mail is "no fields". The fields of a message are kept for a while, so that its other
 *            destinations and the next attempts cost nothing and see the same signature; made again later, it
 *            differs in nothing but what a rotation changed, since t= is the time at which we accepted the mail.
 * Ownership  signer_new/signer_free. Fields live in the caller's arena.
 * Threads    signer_sign: any thread that may wait for env.sign; a lock inside is not held meanwhile.
 * Units      Unix seconds.
 * Limits     SIGNER_KEPT messages, SIGNER_KEPT_S each.
 * Errors     ERR_RETRY when a key is active and role keys does not sign with it: the mail waits. A header that
 *            cannot be signed at all (dkim_sign_start) is logged, and the mail leaves without.
 * Not here   The signature itself (protocols/dkim/sign.h), states of keys (state.h).
 */
#ifndef BUZON_SERVICES_SIGN_SIGN_H
#define BUZON_SERVICES_SIGN_SIGN_H

#include "base/log.h"
#include "services/store/store.h"

enum { SIGNER_KEPT = 1024, SIGNER_KEPT_S = 3600 };

struct signer;

struct signer_env {
	void *owner;
	/* One signature by role keys; waits. name: "s._domainkey.example.org". scheme: services/keys. */
	int (*sign)(
	    void *owner, str name, uint16_t scheme, str digest, struct buf *out, struct err *err);
};

struct signer *signer_new(struct store *s, const struct log *log, const struct signer_env *env);
void signer_free(struct signer *g);

struct signer_mail {
	str message;                 /* as it leaves */
	const unsigned char *sha256; /* of the stored message: what its fields are kept under */
	int64_t accepted_at;
};

int signer_sign(struct signer *g, const struct signer_mail *mail, int64_t now, struct arena *a,
    str *out_fields, struct err *err);

#endif
