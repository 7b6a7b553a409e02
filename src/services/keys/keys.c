#include "services/keys/keys.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/fd.h"

enum { KEYS_MAX = 1024, SIGNATURE_MAX = 1024, NAME_MAX_BYTES = 256 };

struct keys {
	EVP_PKEY *list[KEYS_MAX];
	char names[KEYS_MAX][NAME_MAX_BYTES]; /* empty: one with a certificate */
	size_t count;
};

/* RFC 8446 §4.2.3; the rsa_pkcs1 ones sign TLS 1.2 handshakes. */
static const struct scheme {
	uint16_t code;
	int type; /* of the key */
	const EVP_MD *(*hash)(void);
	int padding; /* of RSA */
} schemes[] = {
	{ 0x0401, EVP_PKEY_RSA, EVP_sha256, RSA_PKCS1_PADDING },
	{ 0x0501, EVP_PKEY_RSA, EVP_sha384, RSA_PKCS1_PADDING },
	{ 0x0601, EVP_PKEY_RSA, EVP_sha512, RSA_PKCS1_PADDING },
	{ 0x0804, EVP_PKEY_RSA, EVP_sha256, RSA_PKCS1_PSS_PADDING },
	{ 0x0805, EVP_PKEY_RSA, EVP_sha384, RSA_PKCS1_PSS_PADDING },
	{ 0x0806, EVP_PKEY_RSA, EVP_sha512, RSA_PKCS1_PSS_PADDING },
	{ 0x0403, EVP_PKEY_EC, EVP_sha256, 0 },
	{ 0x0503, EVP_PKEY_EC, EVP_sha384, 0 },
	{ 0x0603, EVP_PKEY_EC, EVP_sha512, 0 },
	{ 0x0807, EVP_PKEY_ED25519, NULL, 0 },
};

struct keys *keys_new(void)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	return k;
}

void keys_free(struct keys *k)
{
	for (size_t i = 0; k && i < k->count; i++)
		EVP_PKEY_free(k->list[i]);
	free(k);
}

size_t keys_count(const struct keys *k)
{
	return k->count;
}

static BIO *memory(str s)
{
	return BIO_new_mem_buf(s.ptr, (int)s.len);
}

/* A key behind a passphrase is refused rather than asked for. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

int keys_add(struct keys *k, str name, str chain, str key, struct err *err)
{
	BIO *chain_bio = memory(chain), *key_bio = memory(key);
	X509 *leaf = PEM_read_bio_X509(chain_bio, NULL, NULL, NULL);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL);
	int result = 0;

	if (!leaf)
		result = err_set(err, ERR_INPUT,
		    "certificate '" STR_FMT "': the file holds no PEM certificate", STR_ARG(name));
	else if (!pkey)
		result = err_set(err, ERR_INPUT,
		    "certificate '" STR_FMT "': the key file holds no PEM key without passphrase",
		    STR_ARG(name));
	else if (X509_check_private_key(leaf, pkey) != 1)
		result = err_set(err, ERR_INPUT,
		    "certificate '" STR_FMT "': the key belongs to another certificate",
		    STR_ARG(name));
	else if (k->count == KEYS_MAX)
		result = err_set(err, ERR_LIMIT, "more than %d certificates", KEYS_MAX);
	else
		k->list[k->count++] = EVP_PKEY_dup(pkey);
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	X509_free(leaf);
	BIO_free(key_bio);
	BIO_free(chain_bio);
	return result;
}

int keys_add_named(struct keys *k, str name, str key, struct err *err)
{
	BIO *bio = memory(key);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	int result = 0;

	if (!pkey)
		result = err_set(err, ERR_INPUT,
		    "key '" STR_FMT "': the file holds no PEM key without passphrase",
		    STR_ARG(name));
	else if (k->count == KEYS_MAX || name.len >= NAME_MAX_BYTES)
		result = err_set(
		    err, ERR_LIMIT, "more than %d keys, or a name that is too long", KEYS_MAX);
	if (result == 0) {
		memcpy(k->names[k->count], name.ptr, name.len);
		k->list[k->count++] = TAKE(pkey);
	}
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return result;
}

bool keys_find(const struct keys *k, str name, uint32_t *out)
{
	for (size_t i = 0; i < k->count; i++) {
		if (name.len && str_ieq(str_c(k->names[i]), name)) {
			*out = (uint32_t)i;
			return true;
		}
	}
	return false;
}

static const struct scheme *find_scheme(uint16_t code, int type)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (schemes[i].code == code && schemes[i].type == type)
			return &schemes[i];
	}
	return NULL;
}

static int sign_digest(
    EVP_PKEY *key, const struct scheme *s, str digest, unsigned char *out, size_t *len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *hash = s->hash();
	bool ok = ctx && digest.len == (size_t)EVP_MD_get_size(hash) &&
	          EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, hash) > 0;

	if (ok && s->padding)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, s->padding) > 0;
	if (ok && s->padding == RSA_PKCS1_PSS_PADDING)
		ok = EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_PKEY_sign(ctx, out, len, (const unsigned char *)digest.ptr, digest.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -1;
}

static int sign_message(EVP_PKEY *key, str message, unsigned char *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok =
	    ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0 &&
	    EVP_DigestSign(ctx, out, len, (const unsigned char *)message.ptr, message.len) > 0;

	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -1;
}

int keys_sign(struct keys *k, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t len = sizeof(signature);

	if (key >= k->count)
		return -1;
	EVP_PKEY *pkey = k->list[key];
	const struct scheme *s = find_scheme(scheme, EVP_PKEY_get_base_id(pkey));
	if (!s || (size_t)EVP_PKEY_get_size(pkey) > sizeof(signature))
		return -1;
	int result = s->hash ? sign_digest(pkey, s, digest, signature, &len)
	                     : sign_message(pkey, digest, signature, &len);
	ERR_clear_error();
	if (result == 0)
		buf_add(out, str_new(signature, len));
	return result == 0 && buf_ok(out) ? 0 : -1;
}
