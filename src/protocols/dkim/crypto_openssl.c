#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "protocols/dkim/crypto.h"
#include "protocols/dkim/internal.h"

enum { ED25519_BYTES = 32 };

struct dkim_sha256 {
	EVP_MD_CTX *ctx;
};

static void must(int is_good)
{
	if (is_good != 1)
		abort(); /* SHA-256 fails only without memory */
}

static void free_ctx(void *arg)
{
	EVP_MD_CTX_free(arg);
}

struct dkim_sha256 *dkim_sha256_new(struct arena *a)
{
	struct dkim_sha256 *s = arena_one(a, struct dkim_sha256);

	s->ctx = EVP_MD_CTX_new();
	must(s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1);
	arena_defer(a, free_ctx, s->ctx);
	return s;
}

void dkim_sha256_add(struct dkim_sha256 *s, str piece)
{
	if (piece.len)
		must(EVP_DigestUpdate(s->ctx, piece.ptr, piece.len));
}

void dkim_sha256_end(struct dkim_sha256 *s, unsigned char out[DKIM_HASH_BYTES])
{
	must(EVP_DigestFinal_ex(s->ctx, out, NULL));
}

void dkim_sha256_sink(void *sha256, str piece)
{
	dkim_sha256_add(sha256, piece);
}

static const unsigned char *bytes(str s)
{
	return (const unsigned char *)s.ptr;
}

/* A SubjectPublicKeyInfo as RFC 6376 §3.6.1 says, or a bare RSAPublicKey, as some publish. */
static EVP_PKEY *read_rsa(str key)
{
	const unsigned char *at = bytes(key);
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)key.len);

	if (pkey)
		return pkey;
	at = bytes(key);
	return d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)key.len);
}

/* RFC 8463 §4.2: the 32 bytes themselves; some publish a SubjectPublicKeyInfo. */
static EVP_PKEY *read_ed25519(str key)
{
	const unsigned char *at = bytes(key);

	if (key.len == ED25519_BYTES)
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, key.len);
	return d2i_PUBKEY(NULL, &at, (long)key.len);
}

static enum dkim_check check_rsa(EVP_PKEY *pkey, str digest, str signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool is_ready = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
	                EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;
	bool is_good = is_ready && EVP_PKEY_verify(ctx, bytes(signature), signature.len,
	                               bytes(digest), digest.len) == 1;

	EVP_PKEY_CTX_free(ctx);
	return is_good ? DKIM_CHECK_GOOD : is_ready ? DKIM_CHECK_WRONG : DKIM_CHECK_UNUSABLE;
}

/* RFC 8463 §3: Ed25519 signs the SHA-256 of the data. */
static enum dkim_check check_ed25519(EVP_PKEY *pkey, str digest, str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_ready = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1;
	bool is_good = is_ready && EVP_DigestVerify(ctx, bytes(signature), signature.len,
	                               bytes(digest), digest.len) == 1;

	EVP_MD_CTX_free(ctx);
	return is_good ? DKIM_CHECK_GOOD : is_ready ? DKIM_CHECK_WRONG : DKIM_CHECK_UNUSABLE;
}

static enum dkim_check openssl_verify(
    enum dkim_algorithm algorithm, str key, str digest, str signature, unsigned *out_bits)
{
	bool is_rsa = algorithm == DKIM_RSA_SHA256;

	/* What strangers publish must leave no trace in this thread's queue of errors. */
	ERR_set_mark();
	EVP_PKEY *pkey = is_rsa ? read_rsa(key) : read_ed25519(key);
	int wanted = is_rsa ? EVP_PKEY_RSA : EVP_PKEY_ED25519;
	enum dkim_check result = DKIM_CHECK_UNUSABLE;

	if (pkey && EVP_PKEY_get_base_id(pkey) == wanted &&
	    EVP_PKEY_get_bits(pkey) <= DKIM_RSA_BITS_MAX) {
		*out_bits = is_rsa ? (unsigned)EVP_PKEY_get_bits(pkey) : 256;
		result = is_rsa ? check_rsa(pkey, digest, signature)
		                : check_ed25519(pkey, digest, signature);
	}
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return result;
}

const struct dkim_crypto dkim_crypto_openssl = { openssl_verify };
