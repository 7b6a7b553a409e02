/* tls_identity.h: keys and self-signed certificates for tests of TLS. Included by tests only. */
#ifndef BUZON_NET_TLS_IDENTITY_H
#define BUZON_NET_TLS_IDENTITY_H

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "check.h"

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
	char *pem;
	size_t pem_len;
};

/* Takes key. */
static inline void make_identity(struct identity *id, EVP_PKEY *key, const char *name)
{
	char san[256];
	BIO *out = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	char *data;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	snprintf(san, sizeof(san), "DNS:%s", name);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	check(X509_sign(x, key, md) > 0);
	check(PEM_write_bio_X509(out, x) == 1);
	long len = BIO_get_mem_data(out, &data);
	id->pem = malloc((size_t)len);
	memcpy(id->pem, data, (size_t)len);
	id->pem_len = (size_t)len;
	id->key = key;
	id->certificate = x;
	BIO_free(out);
}

/* scheme: RFC 8446 §4.2.3. */
static inline int sign_digest(
    EVP_PKEY *key, uint16_t scheme, str digest, unsigned char *out, size_t *out_len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	const EVP_MD *md = EVP_sha256();

	if ((scheme >> 8) == 5 || scheme == 0x0805)
		md = EVP_sha384();
	if ((scheme >> 8) == 6 || scheme == 0x0806)
		md = EVP_sha512();
	int ok = EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, md) > 0;
	if (ok && (scheme & 0xff00) == 0x0800)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok &&
	     EVP_PKEY_sign(ctx, out, out_len, (const unsigned char *)digest.ptr, digest.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -1;
}

static inline void free_identity(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
	free(id->pem);
}

#endif
