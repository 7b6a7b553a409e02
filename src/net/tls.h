/* tls.h: certificates and settings for the server side of TLS; conn.h does the talking.
 *
 * Purpose    Build a context from certificate chains in memory. By server name (SNI) it presents
 *            the certificate of that name, RSA and ECDSA side by side; TLS 1.2 and 1.3 only
 *            (RFC 8996, RFC 9325), forward secrecy always, session tickets, no renegotiation.
 * Keys       The context holds public keys only. A signature is asked of `sign`, which in front is
 *            a call over the link to the keys role. OpenSSL offers no way to wait for a signature
 *            without a stack of its own per handshake (ASYNC jobs), so the call blocks the loop:
 *            some 0.3 ms as a rule, at most the signer's time-out (1 s), after which the handshake
 *            fails and the next ones fail at once until the signer is well again.
 * Ownership  Counted: every conn under TLS holds a reference, so a context can be replaced while
 *            connections live.
 * Threads    One loop's thread.
 * Memory     An idle connection costs the SSL object and no buffers: records are read straight from
 *            the socket and written into the conn's own queue (figures: docs/architecture.md).
 * Errors     tls_context_new: ERR_INPUT with the certificate's name and what is wrong with it.
 */
#ifndef BUZON_NET_TLS_H
#define BUZON_NET_TLS_H

#include "base/buf.h"
#include "base/err.h"

enum {
	TLS_TICKET_KEY_BYTES = 80, /* name 16, HMAC 32, AES-256 32 */
	TLS_CERTIFICATES_MAX = 256,
	TLS_CHAIN_MAX = 64 * 1024,
};

struct tls_certificate {
	/* "mx.example.org" or "*.example.org". Empty: found by the DNS names in the certificate
	 * itself. */
	str server_name;
	str chain; /* PEM, the certificate of the server first */
	uint32_t key;
};

struct tls_options {
	/* The first is shown to clients that name no server, or one that is not here. */
	const struct tls_certificate *certificates;
	size_t certificate_count;
	unsigned char ticket_key[TLS_TICKET_KEY_BYTES];
	/* scheme is a code point of RFC 8446 §4.2.3; digest the hash that belongs to it (for Ed25519
	 * the whole message). Appends the signature to out; 0 or -1. */
	int (*sign)(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out);
	void *sign_owner;
};

struct tls_context;

struct tls_context *tls_context_new(const struct tls_options *o, struct err *err);
struct tls_context *tls_context_ref(struct tls_context *t);
void tls_context_unref(struct tls_context *t);
/* A new ticket key; tickets under the one before it are still read (and renewed). */
void tls_context_set_ticket_key(
    struct tls_context *t, const unsigned char key[TLS_TICKET_KEY_BYTES]);

#endif
