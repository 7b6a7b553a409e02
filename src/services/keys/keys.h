/* keys.h: private keys, and signatures with them.
 *
 * Purpose    Load PEM keys, check that each belongs to its certificate, sign digests for TLS handshakes; keys
 *            without a certificate have a name and sign for DKIM.
 * Ownership  keys_new/keys_free; key material is OpenSSL's and is wiped by it.
 * Threads    One.
 * Errors     keys_add: ERR_INPUT with the certificate's name; keys_sign: -1 for an unknown key, a scheme
 *            that does not fit it, or a digest of the wrong length.
 */
#ifndef BUZON_SERVICES_KEYS_KEYS_H
#define BUZON_SERVICES_KEYS_KEYS_H

#include "base/buf.h"
#include "base/err.h"

struct keys;

struct keys *keys_new(void);
void keys_free(struct keys *k);
/* Its number is its place. chain's first certificate must carry the public half. */
int keys_add(struct keys *k, str name, str chain, str key, struct err *err);
/* A key that is found by its name (keys_find). */
int keys_add_named(struct keys *k, str name, str key, struct err *err);
bool keys_find(const struct keys *k, str name, uint32_t *out);
size_t keys_count(const struct keys *k);
/* scheme: RFC 8446 §4.2.3; digest: of the hash that belongs to it (Ed25519: the message). */
int keys_sign(struct keys *k, uint32_t key, uint16_t scheme, str digest, struct buf *out);

#endif
