/* conn_tls.c: the TLS part of a conn. OpenSSL reads from what has just been received and writes into
 * the conn's own output queue, so that neither side needs a buffer of its own. */
#include <stdlib.h>

#include <openssl/err.h>

#include "net/conn_impl.h"
#include "net/tls_client.h"
#include "net/tls_impl.h"

enum { RECORD_BYTES = 16 * 1024, EXPORTER_BYTES = 32 };

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, int len)
{
	struct conn *c = BIO_get_data(bio);
	str *in = &c->tls->arrived;
	size_t n = in->len < (size_t)len ? in->len : (size_t)len;

	BIO_clear_retry_flags(bio);
	if (n == 0 && !c->is_eof) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (n > 0)
		memcpy(out, in->ptr, n);
	*in = str_skip(*in, n);
	return (int)n;
}

static int bio_write(BIO *bio, const char *in, int len)
{
	struct conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	bytes_add(&c->output, str_new(in, (size_t)len));
	return len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

/* OpenSSL wants its description of a BIO on the heap; there is one per process, made at first use
 * and kept (a loop's thread is the only one that uses TLS). */
static const BIO_METHOD *bio_method(void)
{
	static BIO_METHOD *method;

	if (!method) {
		method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "buzon conn");
		if (!method)
			abort();
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	return method;
}

/* ---- handshake ---- */

const char *conn_alpn_of(void *conn)
{
	const struct conn *c = conn;

	return c->alpn;
}

void conn_set_alpn(struct conn *c, const char *protocol)
{
	c->alpn = protocol;
}

static void fail(struct conn *c, const char *doing)
{
	char reason[160], why[220];

	snprintf(why, sizeof(why), "%s: %s", doing, tls_error_text(reason));
	/* The alert that tells the peer why is in the queue. */
	if (conn_send(c) >= 0)
		conn_finish(c, why);
}

void conn_tls_begin(struct conn *c, SSL *ssl)
{
	if (c->tls || c->reason || c->is_closing) {
		SSL_free(ssl);
		return;
	}
	struct conn_tls *t = calloc(1, sizeof(*t));
	BIO *bio = BIO_new(bio_method());
	if (!t || !ssl || !bio)
		abort();
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	t->ssl = ssl;
	t->is_handshaking = true;
	c->tls = t;
	/* RFC 3207 §4.2, RFC 2595 §3.1: what was sent in clear before the handshake does not count.
	 * Bytes that are still in the socket will be taken for a ClientHello, and fail. */
	bytes_free(&c->input);
	conn_defer_turn(c);
}

void conn_start_tls(struct conn *c, struct tls_context *ctx)
{
	SSL *ssl = tls_context_session(ctx, c);

	conn_tls_begin(c, ssl);
	if (c->tls && c->tls->ssl == ssl)
		c->tls->ctx = tls_context_ref(ctx);
}

/* Why a peer's certificate is not good enough says more than OpenSSL's "verify failed". */
static bool is_refused(struct conn *c, char *out, size_t size)
{
	SSL *ssl = c->tls->ssl;
	long result = SSL_get_verify_result(ssl);

	if (!c->tls->client || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || result == X509_V_OK)
		return false;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(out, size, "TLS handshake refused: the certificate of %s is not good: %s",
	    name ? name : "the server", X509_verify_cert_error_string(result));
	return true;
}

/* 1: done; 0: more is needed; -1: finished. */
static int shake_hands(struct conn *c)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(c->tls->ssl);
	if (rc == 1) {
		c->tls->is_handshaking = false;
		return 1;
	}
	if (SSL_get_error(c->tls->ssl, rc) == SSL_ERROR_WANT_READ)
		return 0;
	char why[400];
	if (!is_refused(c, why, sizeof(why)))
		fail(c, "TLS handshake failed");
	else if (ERR_clear_error(), conn_send(c) >= 0)
		conn_finish(c, why);
	return -1;
}

void conn_tls_greet(struct conn *c)
{
	if (c->tls && c->tls->is_handshaking && shake_hands(c) == 0)
		conn_defer_turn(c);
}

/* ---- reading and writing ---- */

static int read_records(struct conn *c)
{
	while (c->input.len < c->input_max && !c->is_closing && !c->is_paused) {
		size_t room = c->input_max - c->input.len, n = 0;
		if (room > RECORD_BYTES)
			room = RECORD_BYTES;
		/* Nothing arrived and nothing is left: do not allocate to be told so. */
		if (c->tls->arrived.len == 0 && SSL_pending(c->tls->ssl) == 0)
			break;
		ERR_clear_error();
		int rc = SSL_read_ex(c->tls->ssl, bytes_space(&c->input, room), room, &n);
		if (rc == 1) {
			c->input.len += n;
			c->is_input_news = true;
			continue;
		}
		int error = SSL_get_error(c->tls->ssl, rc);
		if (error == SSL_ERROR_ZERO_RETURN)
			c->is_eof = true;
		else if (error != SSL_ERROR_WANT_READ) {
			fail(c, "TLS connection failed");
			return -1;
		}
		break;
	}
	if (c->input.len == 0)
		bytes_free(&c->input);
	return 0;
}

static int go_on(struct conn *c)
{
	if (c->tls->is_handshaking) {
		int rc = shake_hands(c);
		if (rc <= 0)
			return rc;
		if (c->handlers->on_tls)
			c->handlers->on_tls(c->owner, c);
	}
	/* on_tls may have closed the conn. */
	return c->reason || c->is_closing ? -1 : read_records(c);
}

int conn_tls_input(struct conn *c, str arrived)
{
	struct conn_tls *t = c->tls;

	if (t->cipher_in.len > 0)
		bytes_add(&t->cipher_in, arrived);
	bool is_kept = t->cipher_in.len > 0;
	size_t had = is_kept ? t->cipher_in.len : arrived.len;
	t->arrived = is_kept ? bytes_str(&t->cipher_in) : arrived;
	if (go_on(c) < 0) {
		if (c->tls)
			t->arrived = STR_NONE;
		return -1;
	}
	if (is_kept)
		bytes_consume(&t->cipher_in, had - t->arrived.len);
	else
		bytes_add(&t->cipher_in, t->arrived);
	t->arrived = STR_NONE;
	conn_defer_turn(c);
	return 0;
}

bool conn_tls_has_left(const struct conn *c)
{
	return c->tls->cipher_in.len > 0 || SSL_pending(c->tls->ssl) > 0;
}

int conn_tls_output(struct conn *c)
{
	struct conn_tls *t = c->tls;

	while (!t->is_handshaking && t->clear_out.len > 0 && c->output.len < CONN_CIPHER_AHEAD) {
		str s = str_sub(bytes_str(&t->clear_out), 0, RECORD_BYTES);
		size_t n = 0;
		ERR_clear_error();
		int rc = SSL_write_ex(t->ssl, s.ptr, s.len, &n);
		if (rc != 1) {
			fail(c, "TLS connection failed");
			return -1;
		}
		bytes_consume(&t->clear_out, n);
	}
	return 0;
}

void conn_tls_discard(struct conn *c)
{
	char scratch[4096];
	size_t n;

	while (!c->tls->is_handshaking && SSL_pending(c->tls->ssl) > 0 &&
	       SSL_read_ex(c->tls->ssl, scratch, sizeof(scratch), &n) == 1)
		;
	bytes_free(&c->tls->cipher_in);
}

void conn_tls_shutdown(struct conn *c)
{
	c->tls->is_shut = true;
	ERR_clear_error();
	if (!c->tls->is_handshaking)
		(void)SSL_shutdown(c->tls->ssl);
	ERR_clear_error();
}

void conn_tls_free(struct conn *c)
{
	struct conn_tls *t = c->tls;

	if (!t)
		return;
	c->tls = NULL;
	SSL_free(t->ssl);
	tls_context_unref(t->ctx);
	tls_client_unref(t->client);
	bytes_free(&t->cipher_in);
	bytes_free(&t->clear_out);
	free(t->exporter);
	free(t->end_point);
	free(t);
}

/* ---- what the session is ---- */

void conn_tls_info(const struct conn *c, struct conn_tls_info *out)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;

	*out = (struct conn_tls_info){ .active = false };
	if (!c->tls || c->tls->is_handshaking)
		return;
	out->active = true;
	const SSL *ssl = c->tls->ssl;
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(out->version, sizeof(out->version), "%s", SSL_get_version(ssl));
	snprintf(out->cipher, sizeof(out->cipher), "%s", SSL_CIPHER_get_name(cipher));
	snprintf(out->server_name, sizeof(out->server_name), "%s", name ? name : "");
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	snprintf(
	    out->alpn, sizeof(out->alpn), "%.*s", (int)alpn_len, alpn ? (const char *)alpn : "");
	out->bits = SSL_CIPHER_get_bits(cipher, NULL);
}

/* RFC 9266 §2: label "EXPORTER-Channel-Binding", no context, 32 bytes; below TLS 1.3 it would need
 * the extended master secret, and tls-server-end-point serves there. */
str conn_tls_exporter(struct conn *c)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	struct conn_tls *t = c->tls;

	if (!t || t->is_handshaking || SSL_version(t->ssl) < TLS1_3_VERSION)
		return STR_NONE;
	if (!t->exporter) {
		unsigned char out[EXPORTER_BYTES];
		if (SSL_export_keying_material(t->ssl, out, sizeof(out), label, sizeof(label) - 1,
		        (const unsigned char *)"", 0, 1) != 1)
			return STR_NONE;
		t->exporter = malloc(EXPORTER_BYTES);
		if (!t->exporter)
			abort();
		memcpy(t->exporter, out, sizeof(out));
		t->exporter_len = sizeof(out);
	}
	return (str){ t->exporter, t->exporter_len };
}

str conn_tls_server_end_point(struct conn *c)
{
	struct conn_tls *t = c->tls;

	if (!t || t->is_handshaking)
		return STR_NONE;
	if (!t->end_point) {
		t->end_point = malloc(TLS_END_POINT_MAX);
		if (!t->end_point)
			abort();
		t->end_point_len = tls_end_point(t->ssl, (unsigned char *)t->end_point);
	}
	return (str){ t->end_point, t->end_point_len };
}
