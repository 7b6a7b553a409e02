#include "net/tls.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "base/table.h"
#include "net/tls_impl.h"

/* RFC 9325 §4.2: forward secrecy and AEAD first. The CBC suites at the end are for old mail servers,
 * which would fall back to no encryption at all (RFC 7435). */
#define CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!PSK:!SRP"
#define GROUPS "X25519:P-256:P-384"
#define SIGNATURES \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:" \
	"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

enum { CHAIN_CERTIFICATES_MAX = 16 };

struct ticket_key {
	unsigned char bytes[TLS_TICKET_KEY_BYTES];
	bool is_set;
};

/* Certificates of one name: at most one of each kind of key. */
struct group {
	str name; /* as configured, lower case, own copy; empty: named by its certificates */
	SSL_CTX *ctx;
};

struct tls_context {
	unsigned refs;
	struct tls_signer signer;
	struct tls_key_provider provider;
	EVP_CIPHER *ticket_cipher;
	struct ticket_key ticket_keys[2]; /* the present one, the one before */
	struct group groups[TLS_CERTIFICATES_MAX];
	size_t group_count;
	struct table *by_name; /* "mx.example.org", "*.example.org" -> SSL_CTX */
};

const char *tls_error_text(char out[160])
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	snprintf(out, 160, "%s", reason ? reason : code ? "unknown error" : "no reason given");
	ERR_clear_error();
	return out;
}

/* ---- session tickets ---- */

static int init_ticket(const struct tls_context *t, const struct ticket_key *k, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	unsigned char hmac_key[32];
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac_key, sizeof(hmac_key)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	memcpy(hmac_key, k->bytes + 16, sizeof(hmac_key));
	int ok = EVP_CipherInit_ex2(cipher, t->ticket_cipher, k->bytes + 48, iv, encrypt, NULL) &&
	         EVP_MAC_CTX_set_params(mac, params);
	secret_wipe(hmac_key, sizeof(hmac_key));
	return ok;
}

/* 0: no such key, a full handshake follows; 1: fine; 2: fine, and give the client a new ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
	struct tls_context *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (encrypt) {
		memcpy(name, t->ticket_keys[0].bytes, 16);
		random_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(t->ticket_cipher));
		return init_ticket(t, &t->ticket_keys[0], iv, cipher, mac, 1) ? 1 : -1;
	}
	for (int i = 0; i < 2; i++) {
		const struct ticket_key *k = &t->ticket_keys[i];
		if (!k->is_set || CRYPTO_memcmp(name, k->bytes, 16) != 0)
			continue;
		return init_ticket(t, k, iv, cipher, mac, 0) ? 1 + i : -1;
	}
	return 0;
}

void tls_context_set_ticket_key(
    struct tls_context *t, const unsigned char key[TLS_TICKET_KEY_BYTES])
{
	t->ticket_keys[1] = t->ticket_keys[0];
	memcpy(t->ticket_keys[0].bytes, key, TLS_TICKET_KEY_BYTES);
	t->ticket_keys[0].is_set = true;
}

/* RFC 5929 §4.1: the hash of the certificate's own signature, but SHA-256 for MD5 and SHA-1. */
static size_t hash_certificate(SSL *ssl, unsigned char out[TLS_END_POINT_MAX])
{
	X509 *leaf = SSL_get_certificate(ssl);
	int md_nid = NID_undef;
	unsigned len = 0;

	if (!leaf)
		return 0;
	(void)X509_get_signature_info(leaf, &md_nid, NULL, NULL, NULL);
	const EVP_MD *md = md_nid == NID_undef || md_nid == NID_md5 || md_nid == NID_sha1
	                       ? EVP_sha256()
	                       : EVP_get_digestbynid(md_nid);
	if (!md || !X509_digest(leaf, md, out, &len))
		return 0;
	return len;
}

/* A resumed session shows no certificate, and which of several the client saw at first only the
 * ticket can tell: so the hash travels in it. */
static int on_new_ticket(SSL *ssl, void *arg)
{
	unsigned char hash[TLS_END_POINT_MAX];
	size_t len = tls_end_point(ssl, hash);

	(void)arg;
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash, len);
}

static SSL_TICKET_RETURN on_used_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
	(void)session;
	(void)name;
	(void)name_len;
	(void)arg;
	switch (status) {
	case SSL_TICKET_SUCCESS:
		/* RFC 8446 §C.4: a ticket is good for one connection, so the next one comes with it. */
		return SSL_version(ssl) >= TLS1_3_VERSION ? SSL_TICKET_RETURN_USE_RENEW
		                                          : SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	default:
		return SSL_TICKET_RETURN_ABORT;
	}
}

size_t tls_end_point(SSL *ssl, unsigned char out[TLS_END_POINT_MAX])
{
	void *data = NULL;
	size_t len = 0;

	if (!SSL_session_reused(ssl))
		return hash_certificate(ssl, out);
	if (!SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &len) || !data ||
	    len > TLS_END_POINT_MAX)
		return 0;
	memcpy(out, data, len);
	return len;
}

/* ---- choosing by name and protocol ---- */

static SSL_CTX *find_by_name(const struct tls_context *t, str name)
{
	char lower[256];

	if (name.len == 0 || name.len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	SSL_CTX *ctx = table_get(t->by_name, str_new(lower, name.len));
	size_t dot = str_chr(name, '.');
	if (ctx || dot == STR_NPOS || dot == 0)
		return ctx;
	/* RFC 9525 §6.3: the wildcard stands for exactly one whole label, the leftmost. */
	lower[dot - 1] = '*';
	return table_get(t->by_name, str_new(lower + dot - 1, name.len - dot + 1));
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_context *t = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = find_by_name(t, str_c(name));

	(void)alert;
	/* An unknown name gets the default certificate: for mail between servers the name often is
	 * the domain and not the host, and no client should fail for that (RFC 6066 §3 allows it). */
	if (ctx && ctx != SSL_get_SSL_CTX(ssl) && !SSL_set_SSL_CTX(ssl, ctx))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* A client that names protocols none of which is ours was sent here by somebody else: refusing it
 * stops cross-protocol attacks (RFC 7301 §3.2, RFC 9325 §3.8). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	str ours = str_c(conn_alpn_of(SSL_get_app_data(ssl))), offered = str_new(in, in_len), one;

	(void)arg;
	if (ours.len == 0)
		return SSL_TLSEXT_ERR_NOACK;
	uint8_t len;
	while (take_u8(&offered, &len) == 0 && len <= offered.len) {
		one = str_sub(offered, 0, len);
		offered = str_skip(offered, len);
		if (!str_eq(one, ours))
			continue;
		*out = (const unsigned char *)one.ptr;
		*out_len = len;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- building ---- */

static SSL_CTX *new_ssl_ctx(struct tls_context *t)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(NULL, "?provider=default", TLS_server_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION); /* RFC 8996, RFC 8997 */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
	                             SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets carry the state */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_session_ticket_cb(ctx, on_new_ticket, on_used_ticket, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, t);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	static const unsigned char session_context[] = "buzon";
	if (SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12) && SSL_CTX_set1_groups_list(ctx, GROUPS) &&
	    SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) &&
	    SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static struct group *find_group(struct tls_context *t, str server_name)
{
	for (size_t i = 0; i < t->group_count; i++) {
		if (str_ieq(t->groups[i].name, server_name))
			return &t->groups[i];
	}
	SSL_CTX *ctx = new_ssl_ctx(t);
	if (!ctx)
		return NULL;
	char *copy = strndup(server_name.ptr ? server_name.ptr : "", server_name.len);
	if (!copy)
		abort();
	for (size_t i = 0; copy[i]; i++)
		copy[i] = ascii_lower(copy[i]);
	struct group *g = &t->groups[t->group_count++];
	*g = (struct group){ str_c(copy), ctx };
	return g;
}

/* The first certificate for a name keeps it. */
static void add_name(struct tls_context *t, str name, SSL_CTX *ctx)
{
	char lower[256];

	if (name.len == 0 || name.len >= sizeof(lower))
		return;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.ptr[i]);
	if (!table_get(t->by_name, str_new(lower, name.len)))
		table_set(t->by_name, str_new(lower, name.len), ctx);
}

static void add_certificate_names(struct tls_context *t, X509 *leaf, SSL_CTX *ctx)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		if (n->type != GEN_DNS)
			continue;
		add_name(t,
		    str_new(ASN1_STRING_get0_data(n->d.dNSName),
		        (size_t)ASN1_STRING_length(n->d.dNSName)),
		    ctx);
	}
	GENERAL_NAMES_free(names);
}

static X509 *read_chain(str pem, STACK_OF(X509) * others)
{
	BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	X509 *leaf = NULL, *next;

	if (!in || pem.len > TLS_CHAIN_MAX) {
		BIO_free(in);
		return NULL;
	}
	while ((next = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		if (!leaf)
			leaf = next;
		else if (sk_X509_num(others) >= CHAIN_CERTIFICATES_MAX ||
		         sk_X509_push(others, next) <= 0)
			X509_free(next);
	}
	ERR_clear_error();
	BIO_free(in);
	return leaf;
}

static int use_certificate(struct tls_context *t, struct group *g, X509 *leaf,
    STACK_OF(X509) * others, uint32_t key, struct err *err)
{
	char why[160];
	EVP_PKEY *private_key = tls_key_new(X509_get0_pubkey(leaf), &t->signer, key);

	if (!private_key) {
		ERR_clear_error();
		return err_set(err, ERR_INPUT, "its key is neither RSA, ECDSA nor Ed25519");
	}
	int ok = SSL_CTX_use_cert_and_key(g->ctx, leaf, private_key, others, 1);
	EVP_PKEY_free(private_key);
	return ok == 1 ? 0 : err_set(err, ERR_INPUT, "%s", tls_error_text(why));
}

static int add_certificate(struct tls_context *t, const struct tls_certificate *c, struct err *err)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	X509 *leaf = others ? read_chain(c->chain, others) : NULL;
	struct group *g = leaf ? find_group(t, c->server_name) : NULL;
	int rc;

	if (!leaf)
		rc = err_set(err, ERR_INPUT, "no certificate found in it (PEM expected)");
	else if (!g)
		rc = err_set(err, ERR_SYSTEM, "OpenSSL refuses our TLS settings");
	else
		rc = use_certificate(t, g, leaf, others, c->key, err);
	if (rc == 0 && c->server_name.len > 0)
		add_name(t, c->server_name, g->ctx);
	else if (rc == 0)
		add_certificate_names(t, leaf, g->ctx);
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	if (rc < 0)
		err_wrap(err, "certificate for " STR_FMT,
		    STR_ARG(c->server_name.len ? c->server_name : STR("the default name")));
	return rc;
}

struct tls_context *tls_context_new(const struct tls_options *o, struct err *err)
{
	struct tls_context *t;

	if (o->certificate_count == 0 || o->certificate_count > TLS_CERTIFICATES_MAX) {
		err_set(err, ERR_INPUT, "1 to %d certificates are allowed, not %zu",
		    TLS_CERTIFICATES_MAX, o->certificate_count);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->refs = 1;
	t->signer = (struct tls_signer){ o->sign, o->sign_owner };
	t->by_name = table_new();
	tls_context_set_ticket_key(t, o->ticket_key);
	t->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	int rc = t->ticket_cipher ? tls_key_provider_load(&t->provider, err) : -1;
	for (size_t i = 0; rc == 0 && i < o->certificate_count; i++)
		rc = add_certificate(t, &o->certificates[i], err);
	if (rc == 0)
		return t;
	tls_context_unref(t);
	return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *t)
{
	t->refs++;
	return t;
}

void tls_context_unref(struct tls_context *t)
{
	if (!t || --t->refs > 0)
		return;
	for (size_t i = 0; i < t->group_count; i++) {
		SSL_CTX_free(t->groups[i].ctx);
		free((void *)(uintptr_t)t->groups[i].name.ptr);
	}
	table_free(t->by_name);
	EVP_CIPHER_free(t->ticket_cipher);
	tls_key_provider_unload(&t->provider);
	secret_wipe(t->ticket_keys, sizeof(t->ticket_keys));
	free(t);
}

SSL *tls_context_session(struct tls_context *t, void *conn)
{
	SSL *ssl = SSL_new(t->groups[0].ctx);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, conn);
	SSL_set_accept_state(ssl);
	return ssl;
}
