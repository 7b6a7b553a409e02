/* tls_key.c: keys that sign elsewhere, as a provider of OpenSSL.
 *
 * A provider rather than an RSA_METHOD: it gets the message and the padding by name, so that what
 * travels to the keys role is a digest with its scheme. An RSA_METHOD would see blocks that are
 * padded already, and the keys role would have to exponentiate whatever it is given.
 *
 * Each key holds the public key as the default provider knows it, and answers every question about
 * sizes and groups from there. It refuses to be exported as a private key, which makes OpenSSL look
 * for an implementation of "sign" here and not in the default provider.
 */
#include <stdlib.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "net/tls_impl.h"

#define PROVIDER_NAME "buzon"
#define BASE_ONLY "provider=default"
#define PARAM_SIGNER "buzon-signer"
#define PARAM_KEY "buzon-key"

enum { SIGNATURE_MAX = 1024 };

struct remote_key {
	EVP_PKEY *public_key;
	struct tls_signer signer;
	uint32_t key;
};

/* ---- key management ---- */

static void *key_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct remote_key));
}

static void key_free(void *data)
{
	struct remote_key *k = data;

	if (k)
		EVP_PKEY_free(k->public_key);
	free(k);
}

static int key_has(const void *data, int selection)
{
	const struct remote_key *k = data;

	(void)selection;
	return k->public_key != NULL;
}

static int key_match(const void *data_a, const void *data_b, int selection)
{
	const struct remote_key *a = data_a, *b = data_b;

	(void)selection;
	return EVP_PKEY_eq(a->public_key, b->public_key) == 1;
}

static int key_import(struct remote_key *k, const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, BASE_ONLY);
	const OSSL_PARAM *signer = OSSL_PARAM_locate_const(params, PARAM_SIGNER);
	const OSSL_PARAM *number = OSSL_PARAM_locate_const(params, PARAM_KEY);
	/* EVP_PKEY_fromdata takes them writable and leaves them as they are. */
	OSSL_PARAM *all = OSSL_PARAM_dup(params);
	int ok = ctx && all && EVP_PKEY_fromdata_init(ctx) > 0 &&
	         EVP_PKEY_fromdata(ctx, &k->public_key, EVP_PKEY_PUBLIC_KEY, all) > 0;

	OSSL_PARAM_free(all);
	EVP_PKEY_CTX_free(ctx);
	if (ok && number)
		ok = OSSL_PARAM_get_uint32(number, &k->key);
	if (ok && signer && signer->data_size == sizeof(k->signer))
		memcpy(&k->signer, signer->data, sizeof(k->signer));
	return ok;
}

static int rsa_import(void *data, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(data, "RSA", params);
}

static int ec_import(void *data, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(data, "EC", params);
}

static int ed25519_import(void *data, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(data, "ED25519", params);
}

static int key_export(void *data, int selection, OSSL_CALLBACK *cb, void *cb_arg)
{
	struct remote_key *k = data;
	OSSL_PARAM *params = NULL;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	if (EVP_PKEY_todata(k->public_key, EVP_PKEY_PUBLIC_KEY, &params) <= 0)
		return 0;
	int rc = cb(params, cb_arg);
	OSSL_PARAM_free(params);
	return rc;
}

static const OSSL_PARAM *key_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_octet_string(PARAM_SIGNER, NULL, 0),
		OSSL_PARAM_uint32(PARAM_KEY, NULL),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
	struct remote_key *k = data;

	return EVP_PKEY_get_params(k->public_key, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM list[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return list;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : "ECDH";
}

/* ---- signing ---- */

struct signing {
	struct remote_key *key;
	char digest[32];
	bool is_pss;
};

static void *signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return calloc(1, sizeof(struct signing));
}

static void signing_free(void *ctx)
{
	free(ctx);
}

static void *signing_dup(void *ctx)
{
	struct signing *copy = calloc(1, sizeof(*copy));

	if (copy)
		*copy = *(struct signing *)ctx;
	return copy;
}

/* Padding arrives as a number or as a name, depending on who asks. The length of a PSS salt and its
 * mask digest are taken as given: TLS allows exactly one of each (RFC 8446 §4.2.3). */
static int signing_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct signing *s = ctx;
	const OSSL_PARAM *p =
	    params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
	int mode = 0;

	if (!p)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		mode = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING
		                                                        : RSA_PKCS1_PADDING;
	else if (!OSSL_PARAM_get_int(p, &mode))
		return 0;
	s->is_pss = mode == RSA_PKCS1_PSS_PADDING;
	return mode == RSA_PKCS1_PSS_PADDING || mode == RSA_PKCS1_PADDING;
}

static const OSSL_PARAM *signing_settable(void *ctx, void *provider)
{
	static const OSSL_PARAM list[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return list;
}

static int signing_init(void *ctx, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = ctx;

	if (key)
		s->key = key;
	snprintf(s->digest, sizeof(s->digest), "%s", digest ? digest : "");
	return s->key && signing_set_params(ctx, params);
}

/* RFC 8446 §4.2.3. ECDSA code points name a curve as well; here only their digest counts, because
 * TLS 1.2 allows any curve with any digest (RFC 8422 §5.1.1). */
static uint16_t scheme_of(const struct signing *s)
{
	static const struct {
		const char *digest;
		uint16_t pkcs1, pss, ecdsa;
	} schemes[] = {
		{ "SHA256", 0x0401, 0x0804, 0x0403 },
		{ "SHA384", 0x0501, 0x0805, 0x0503 },
		{ "SHA512", 0x0601, 0x0806, 0x0603 },
	};

	if (EVP_PKEY_is_a(s->key->public_key, "ED25519"))
		return 0x0807;
	EVP_MD *md = EVP_MD_fetch(NULL, s->digest, BASE_ONLY);
	uint16_t found = 0;
	for (size_t i = 0; md && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!EVP_MD_is_a(md, schemes[i].digest))
			continue;
		if (EVP_PKEY_is_a(s->key->public_key, "EC"))
			found = schemes[i].ecdsa;
		else
			found = s->is_pss ? schemes[i].pss : schemes[i].pkcs1;
	}
	EVP_MD_free(md);
	return found;
}

static int signing_sign(void *ctx, unsigned char *sig, size_t *sig_len, size_t sig_size,
    const unsigned char *message, size_t message_len)
{
	struct signing *s = ctx;
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t digest_len = sizeof(digest);
	AUTO_BUF out = BUF_INIT(SIGNATURE_MAX);
	uint16_t scheme = scheme_of(s);
	str what = str_new(message, message_len);

	if (!sig) {
		*sig_len = (size_t)EVP_PKEY_get_size(s->key->public_key);
		return 1;
	}
	if (scheme == 0 || !s->key->signer.sign)
		return 0;
	if (scheme != 0x0807) {
		if (!EVP_Q_digest(
		        NULL, s->digest, BASE_ONLY, message, message_len, digest, &digest_len))
			return 0;
		what = str_new(digest, digest_len);
	}
	const struct tls_signer *signer = &s->key->signer;
	if (signer->sign(signer->owner, s->key->key, scheme, what, &out) < 0 || !buf_ok(&out) ||
	    out.len == 0 || out.len > sig_size)
		return 0;
	memcpy(sig, out.ptr, out.len);
	*sig_len = out.len;
	return 1;
}

/* ---- the provider ---- */

#define FN(id, fn) \
	{ \
		id, (void (*)(void))(fn) \
	}
#define KEY_FUNCTIONS(import) \
	FN(OSSL_FUNC_KEYMGMT_NEW, key_new), FN(OSSL_FUNC_KEYMGMT_FREE, key_free), \
	    FN(OSSL_FUNC_KEYMGMT_HAS, key_has), FN(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
	    FN(OSSL_FUNC_KEYMGMT_IMPORT, import), FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), \
	    FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export), \
	    FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), \
	    FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
	    FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_keys[] = { KEY_FUNCTIONS(rsa_import), { 0, NULL } };
static const OSSL_DISPATCH ec_keys[] = { KEY_FUNCTIONS(ec_import),
	FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation), { 0, NULL } };
static const OSSL_DISPATCH ed25519_keys[] = { KEY_FUNCTIONS(ed25519_import), { 0, NULL } };
static const OSSL_DISPATCH signatures[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	FN(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
	FN(OSSL_FUNC_SIGNATURE_DUPCTX, signing_dup),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
	{ 0, NULL },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
		{ "RSA:rsaEncryption", "provider=" PROVIDER_NAME, rsa_keys, NULL },
		{ "EC:id-ecPublicKey", "provider=" PROVIDER_NAME, ec_keys, NULL },
		{ "ED25519", "provider=" PROVIDER_NAME, ed25519_keys, NULL },
		{ NULL, NULL, NULL, NULL },
	};
	static const OSSL_ALGORITHM signs[] = {
		{ "RSA:rsaEncryption", "provider=" PROVIDER_NAME, signatures, NULL },
		{ "ECDSA", "provider=" PROVIDER_NAME, signatures, NULL },
		{ "ED25519", "provider=" PROVIDER_NAME, signatures, NULL },
		{ NULL, NULL, NULL, NULL },
	};

	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signs : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		{ 0, NULL },
	};

	(void)in;
	/* The provider has no state of its own, but "no context" would mean that it failed. */
	memcpy(provider, &handle, sizeof(handle));
	*out = functions;
	return 1;
}

int tls_key_provider_load(struct tls_key_provider *p, struct err *err)
{
	char why[160];

	/* Ours comes second and by preference never: whoever asks for "RSA" without more gets
	 * OpenSSL's own. */
	p->base = OSSL_PROVIDER_load(NULL, "default");
	if (!OSSL_PROVIDER_available(NULL, PROVIDER_NAME))
		OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, provider_init);
	p->ours = OSSL_PROVIDER_load(NULL, PROVIDER_NAME);
	if (p->base && p->ours && EVP_set_default_properties(NULL, "?provider=default") == 1)
		return 0;
	tls_key_provider_unload(p);
	return err_set(
	    err, ERR_SYSTEM, "cannot set up signing for TLS in OpenSSL: %s", tls_error_text(why));
}

void tls_key_provider_unload(struct tls_key_provider *p)
{
	if (p->ours)
		OSSL_PROVIDER_unload(p->ours);
	if (p->base)
		OSSL_PROVIDER_unload(p->base);
	*p = (struct tls_key_provider){ NULL, NULL };
}

EVP_PKEY *tls_key_new(EVP_PKEY *public_key, const struct tls_signer *signer, uint32_t key)
{
	static const char *const types[] = { "RSA", "EC", "ED25519" };
	struct tls_signer copy = *signer;
	OSSL_PARAM extra[] = {
		OSSL_PARAM_construct_octet_string(PARAM_SIGNER, &copy, sizeof(copy)),
		OSSL_PARAM_construct_uint32(PARAM_KEY, &key),
		OSSL_PARAM_construct_end(),
	};
	const char *type = NULL;
	OSSL_PARAM *public_params = NULL;
	EVP_PKEY *out = NULL;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (EVP_PKEY_is_a(public_key, types[i]))
			type = types[i];
	}
	if (!type || EVP_PKEY_todata(public_key, EVP_PKEY_PUBLIC_KEY, &public_params) <= 0)
		return NULL;
	OSSL_PARAM *all = OSSL_PARAM_merge(public_params, extra);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, "provider=" PROVIDER_NAME);
	if (all && ctx && EVP_PKEY_fromdata_init(ctx) > 0)
		(void)EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_KEYPAIR, all);
	EVP_PKEY_CTX_free(ctx);
	/* merge makes a shallow list: the values still belong to public_params and extra. */
	OPENSSL_free(all);
	OSSL_PARAM_free(public_params);
	return out;
}
