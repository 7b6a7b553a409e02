/* tls_impl.h: what tls.c, tls_key.c and conn_tls.c share. Not for anyone else. */
#ifndef BUZON_NET_TLS_IMPL_H
#define BUZON_NET_TLS_IMPL_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* A session of the server side on the conn (see conn_tls.c for its BIO), or NULL. */
SSL *tls_context_session(struct tls_context *t, void *conn);

/* Where signatures come from. */
struct tls_signer {
	int (*sign)(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out);
	void *owner;
};

/* tls_key.c: a provider of OpenSSL whose keys are public keys with a number; it signs by asking the
 * signer. Loaded once per context, counted by OpenSSL. */
struct tls_key_provider {
	void *base, *ours; /* OSSL_PROVIDER */
};
int tls_key_provider_load(struct tls_key_provider *p, struct err *err);
void tls_key_provider_unload(struct tls_key_provider *p);
/* A private key, as OpenSSL sees it, that belongs to the public key. signer must outlive it. */
EVP_PKEY *tls_key_new(EVP_PKEY *public_key, const struct tls_signer *signer, uint32_t key);

/* The reason on top of OpenSSL's error queue, which is emptied. */
const char *tls_error_text(char out[160]);

/* RFC 5929 §4: the hash of our certificate, as this session's client saw it; 0 when it is not known.
 */
enum { TLS_END_POINT_MAX = 64 };
size_t tls_end_point(SSL *ssl, unsigned char out[TLS_END_POINT_MAX]);

/* conn.c's protocol for ALPN, asked by the callback in tls.c. */
const char *conn_alpn_of(void *conn);

#endif
