#include "net/tls_client.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/conn_impl.h"
#include "net/tls_impl.h"

enum { NAME_MAX_BYTES = 256, ALPN_MAX = 32, USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };

struct tls_client {
	SSL_CTX *ctx;
	unsigned refs;
};

/* ---- settings ---- */

static int add_roots(X509_STORE *store, str pem, struct err *err)
{
	BIO *in = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	unsigned count = 0;
	X509 *root;

	while (in && (root = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		count += (unsigned)X509_STORE_add_cert(store, root);
		X509_free(root);
	}
	ERR_clear_error();
	BIO_free(in);
	return count
	           ? 0
	           : err_set(err, ERR_INPUT, "there is no certificate in the list of authorities");
}

/* Servers of mail are as old as they are: what is weak is left out, the rest is taken. RFC 9325 §4 */
static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		abort();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (SSL_CTX_dane_enable(ctx) != 1)
		abort();
	return ctx;
}

struct tls_client *tls_client_new(str roots, struct err *err)
{
	SSL_CTX *ctx = new_ctx();

	if (roots.len && add_roots(SSL_CTX_get_cert_store(ctx), roots, err) < 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	struct tls_client *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	*t = (struct tls_client){ .ctx = ctx, .refs = 1 };
	return t;
}

struct tls_client *tls_client_ref(struct tls_client *t)
{
	if (t)
		t->refs++;
	return t;
}

void tls_client_unref(struct tls_client *t)
{
	if (!t || --t->refs > 0)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

/* ---- one handshake ---- */

static int copy_name(str name, char out[NAME_MAX_BYTES], struct err *err)
{
	if (name.len >= NAME_MAX_BYTES || memchr(name.ptr ? name.ptr : "", '\0', name.len))
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is not a host name", STR_ARG(name));
	memcpy(out, name.ptr ? name.ptr : "", name.len);
	out[name.len] = '\0';
	return 0;
}

/* Records that OpenSSL cannot use are passed over: RFC 7672 §2.1.1. True: at least one is left. */
static bool add_tlsa(SSL *ssl, const struct tls_peer *peer)
{
	bool any = false;

	for (size_t i = 0; i < peer->tlsa_count; i++) {
		const struct tls_tlsa *r = &peer->tlsa[i];
		/* RFC 7672 §3.1.3: PKIX-TA(0) and PKIX-EE(1) say nothing for SMTP. */
		if (r->usage != USAGE_DANE_TA && r->usage != USAGE_DANE_EE)
			continue;
		any = SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
		          (const unsigned char *)r->data.ptr, r->data.len) == 1 ||
		      any;
	}
	ERR_clear_error();
	return any;
}

static int set_names(SSL *ssl, const struct tls_peer *peer, struct err *err)
{
	char name[NAME_MAX_BYTES], also[NAME_MAX_BYTES];

	if (copy_name(peer->name, name, err) < 0 || copy_name(peer->also, also, err) < 0)
		return -1;
	if (!name[0])
		return 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	bool ok = peer->trust == TLS_DANE
	              ? SSL_dane_enable(ssl, name) == 1
	              : SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
	if (ok && also[0])
		ok = SSL_add1_host(ssl, also) == 1;
	ERR_clear_error();
	return ok ? 0 : err_set(err, ERR_INPUT, "'%s' is not a host name", name);
}

static int set_peer(SSL *ssl, const struct tls_peer *peer, struct err *err)
{
	unsigned char alpn[ALPN_MAX];

	if (set_names(ssl, peer, err) < 0)
		return -1;
	bool must = peer->trust == TLS_NAMED;
	if (peer->trust == TLS_DANE && peer->name.len) {
		/* RFC 7672 §3.1.1: DANE-EE binds the key, whatever names and dates say. */
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		must = add_tlsa(ssl, peer);
	}
	SSL_set_verify(ssl, must ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	size_t len = peer->alpn ? strlen(peer->alpn) : 0;
	if (len && len < sizeof(alpn)) {
		alpn[0] = (unsigned char)len;
		memcpy(alpn + 1, peer->alpn, len);
		(void)SSL_set_alpn_protos(ssl, alpn, (unsigned)len + 1);
	}
	return 0;
}

int conn_start_tls_client(
    struct conn *c, struct tls_client *t, const struct tls_peer *peer, struct err *err)
{
	SSL *ssl = SSL_new(t->ctx);

	if (!ssl)
		abort();
	if (set_peer(ssl, peer, err) < 0) {
		SSL_free(ssl);
		return -1;
	}
	SSL_set_connect_state(ssl);
	conn_tls_begin(c, ssl);
	if (c->tls && c->tls->ssl == ssl)
		c->tls->client = tls_client_ref(t);
	conn_tls_greet(c);
	return 0;
}

enum tls_verdict conn_tls_verdict(const struct conn *c, const char **out_why)
{
	const SSL *ssl = c->tls ? c->tls->ssl : NULL;

	*out_why = NULL;
	if (!ssl || c->tls->is_handshaking)
		return TLS_UNVERIFIED;
	long result = SSL_get_verify_result(ssl);
	if (result == X509_V_OK && SSL_get0_dane_authority((SSL *)(uintptr_t)ssl, NULL, NULL) >= 0)
		return TLS_VERIFIED_DANE;
	if (result == X509_V_OK && SSL_get0_peername((SSL *)(uintptr_t)ssl))
		return TLS_VERIFIED_NAME;
	*out_why = result == X509_V_OK ? "the certificate names nobody"
	                               : X509_verify_cert_error_string(result);
	return TLS_UNVERIFIED;
}
