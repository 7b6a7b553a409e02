/* tls_client.h: settings for the client side of TLS; conn.h does the talking.
 *
 * Purpose    What a connection of ours to another server asks for, and what it found: any
 *            certificate (opportunistic TLS, RFC 7435), one that a known authority issued for the
 *            name (RFC 9525, MTA-STS RFC 8461 §4.1), or one that TLSA records name (DANE, RFC 7672).
 * Ownership  Counted by the conns that use it. tls_peer is copied.
 * Threads    One loop's thread.
 * Limits     TLS 1.2 and 1.3; TLSA records as many as OpenSSL takes.
 * Errors     tls_client_new: ERR_INPUT when there is no certificate in the roots.
 * Not here   When TLS is needed (services/relay), where TLSA records come from (services/resolve).
 */
#ifndef BUZON_NET_TLS_CLIENT_H
#define BUZON_NET_TLS_CLIENT_H

#include "net/conn.h"

struct tls_client;

/* roots: PEM of the authorities that are trusted; empty: none, and TLS_NAMED always fails. */
struct tls_client *tls_client_new(str roots, struct err *err);
struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client *t);

enum tls_trust {
	TLS_ANY,   /* the handshake goes on whatever is shown; conn_tls_verdict says what it was */
	TLS_NAMED, /* else the handshake fails */
	TLS_DANE, /* else the handshake fails; without a usable record as TLS_ANY, RFC 7672 §2.2 */
};

struct tls_tlsa { /* RFC 6698 §2.1 */
	uint8_t usage, selector, matching;
	str data;
};

struct tls_peer {
	str name; /* of the server: SNI, and what its certificate must be for */
	str also; /* another name that is good enough (RFC 7672 §3.2.2: the domain), or empty */
	enum tls_trust trust;
	const struct tls_tlsa *tlsa;
	size_t tlsa_count;
	const char *alpn; /* a literal, or NULL */
};

/* Client side handshake: as conn_start_tls. -1: the name or the records cannot be used. */
int conn_start_tls_client(
    struct conn *c, struct tls_client *t, const struct tls_peer *peer, struct err *err);

enum tls_verdict {
	TLS_UNVERIFIED, /* encrypted, but nobody vouches for the peer */
	TLS_VERIFIED_NAME,
	TLS_VERIFIED_DANE,
};
/* After on_tls. out_why: for TLS_UNVERIFIED what is wrong with the certificate; a literal. */
enum tls_verdict conn_tls_verdict(const struct conn *c, const char **out_why);

#endif
