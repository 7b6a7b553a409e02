/* Tests of TLS on a conn, against OpenSSL's own client in a thread. The server side holds public
 * keys only; the private ones are with the signer, as in the keys role. */
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "net/conn.h"
#include "net/tls.h"
#include "net/tls_identity.h"

/* ---- certificates and the signer ---- */

enum { KEYS = 5 };

struct fixture {
	struct identity ids[KEYS];
	int signatures;
	bool refuse;
	struct tls_context *ctx;
};

static struct fixture fixture;

static int sign(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	struct fixture *f = owner;
	unsigned char sig[1024];
	size_t len = sizeof(sig);
	int rc;

	f->signatures++;
	if (f->refuse)
		return -1;
	if (scheme == 0x0807) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		rc = EVP_DigestSignInit(ctx, NULL, NULL, NULL, f->ids[key].key) > 0 &&
		             EVP_DigestSign(
		                 ctx, sig, &len, (const unsigned char *)digest.ptr, digest.len) > 0
		         ? 0
		         : -1;
		EVP_MD_CTX_free(ctx);
	} else {
		rc = sign_digest(f->ids[key].key, scheme, digest, sig, &len);
	}
	if (rc == 0)
		buf_add(out, str_new(sig, len));
	return rc;
}

static int group_setup(void **state)
{
	struct fixture *f = &fixture;
	struct err err = { ERR_NONE, "" };

	(void)state;
	make_identity(&f->ids[0], EVP_RSA_gen(2048), "mx.example.org");
	make_identity(&f->ids[1], EVP_EC_gen("P-256"), "mx.example.org");
	make_identity(&f->ids[2], EVP_EC_gen("P-384"), "*.wild.example");
	make_identity(&f->ids[3], EVP_RSA_gen(2048), "only.example");
	make_identity(&f->ids[4], EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "ed.example");
	struct tls_certificate certificates[KEYS];
	static const char *const names[KEYS] = { "", "", "*.wild.example", "Only.Example",
		"ed.example" };
	for (uint32_t i = 0; i < KEYS; i++)
		certificates[i] = (struct tls_certificate){ str_c(names[i]),
			str_new(f->ids[i].pem, f->ids[i].pem_len), i };
	struct tls_options o = { .certificates = certificates,
		.certificate_count = KEYS,
		.sign = sign,
		.sign_owner = f };
	random_bytes(o.ticket_key, sizeof(o.ticket_key));
	f->ctx = tls_context_new(&o, &err);
	if (!f->ctx)
		print_error("%s\n", err.text);
	return f->ctx ? 0 : -1;
}

static int group_teardown(void **state)
{
	(void)state;
	tls_context_unref(fixture.ctx);
	for (size_t i = 0; i < KEYS; i++) {
		free_identity(&fixture.ids[i]);
	}
	return 0;
}

/* ---- the two ends ---- */

struct client {
	int fd;
	/* what to do */
	const char *server_name, *sigalgs;
	int max_version;
	str alpn;
	bool starttls, half_close;
	size_t upload;
	SSL_SESSION *session;
	/* what happened */
	bool ok, is_reused;
	int peer; /* index into fixture.ids */
	char alpn_got[32];
	unsigned char exporter[32];
	SSL_SESSION *new_session;
	struct loop *loop;
};

struct server {
	struct loop *loop;
	struct conn *conn;
	bool started, keep;
	size_t got;
	int tls, closed;
	struct conn_tls_info info;
	char reason[200];
	char exporter[64], end_point[64];
	size_t exporter_len, end_point_len;
};

static void stop(void *arg)
{
	loop_stop(arg);
}

static int find_peer(SSL *ssl)
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	int found = -1;

	for (int i = 0; x && i < KEYS; i++) {
		if (X509_cmp(x, fixture.ids[i].certificate) == 0)
			found = i;
	}
	X509_free(x);
	return found;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->new_session);
	c->new_session = session;
	return 1;
}

static void talk(struct client *c, SSL *ssl)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	static char bytes[100000];
	size_t got = 0, n = 0;
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;

	c->peer = find_peer(ssl);
	c->is_reused = SSL_session_reused(ssl);
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	snprintf(c->alpn_got, sizeof(c->alpn_got), "%.*s", (int)alpn_len,
	    alpn ? (const char *)alpn : "");
	SSL_export_keying_material(
	    ssl, c->exporter, sizeof(c->exporter), label, sizeof(label) - 1, NULL, 0, 0);
	memset(bytes, 'u', sizeof(bytes));
	for (size_t sent = 0; sent < c->upload; sent += n) {
		if (SSL_write_ex(ssl, bytes, sizeof(bytes), &n) != 1)
			return;
	}
	if (SSL_write(ssl, "ping", 4) != 4)
		return;
	if (c->half_close)
		SSL_shutdown(ssl);
	while (got < 4 && SSL_read_ex(ssl, bytes + got, sizeof(bytes) - got, &n) == 1)
		got += n;
	c->ok = got == 4 && memcmp(bytes, "pong", 4) == 0;
	if (!c->half_close)
		SSL_shutdown(ssl);
}

static void *run_client(void *arg)
{
	struct client *c = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char line[16];

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	if (c->max_version)
		SSL_CTX_set_max_proto_version(ctx, c->max_version);
	if (c->sigalgs)
		check(SSL_CTX_set1_sigalgs_list(ctx, c->sigalgs) == 1);
	SSL *ssl = SSL_new(ctx);
	SSL_set_app_data(ssl, c);
	if (c->server_name)
		SSL_set_tlsext_host_name(ssl, c->server_name);
	if (c->alpn.len > 0)
		SSL_set_alpn_protos(ssl, (const unsigned char *)c->alpn.ptr, (unsigned)c->alpn.len);
	if (c->session)
		SSL_set_session(ssl, c->session);
	SSL_set_fd(ssl, c->fd);
	if (c->starttls) {
		check(write(c->fd, "STARTTLS", 8) == 8);
		check(read(c->fd, line, 5) == 5);
	}
	if (SSL_connect(ssl) == 1)
		talk(c, ssl);
	ERR_clear_error();
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(c->fd);
	loop_post(c->loop, stop, c->loop);
	return NULL;
}

static void on_data(void *owner, struct conn *c)
{
	struct server *s = owner;
	str in = conn_input(c);

	if (s->keep)
		return;
	s->got += in.len;
	if (str_ends(in, STR("ping")))
		conn_write(c, STR("pong"));
	if (str_starts(in, STR("STARTTLS")) && !s->started) {
		s->started = true;
		conn_write(c, STR("220 \n"));
		conn_start_tls(c, fixture.ctx);
		return;
	}
	conn_consume(c, in.len);
}

static void on_tls(void *owner, struct conn *c)
{
	struct server *s = owner;
	str exporter = conn_tls_exporter(c), end_point = conn_tls_server_end_point(c);

	s->tls++;
	conn_tls_info(c, &s->info);
	memcpy(s->exporter, exporter.ptr ? exporter.ptr : "", exporter.len);
	s->exporter_len = exporter.len;
	memcpy(s->end_point, end_point.ptr ? end_point.ptr : "", end_point.len);
	s->end_point_len = end_point.len;
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct server *s = owner;

	(void)c;
	s->closed++;
	s->conn = NULL;
	snprintf(s->reason, sizeof(s->reason), STR_FMT, STR_ARG(reason));
}

static const struct conn_handlers handlers = {
	.on_data = on_data, .on_tls = on_tls, .on_closed = on_closed
};

static void run(struct client *c, struct server *s, const char *alpn)
{
	pthread_t thread;
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	*s = (struct server){ .loop = loop_new(), .keep = s->keep };
	s->conn = conn_new(s->loop, fds[0],
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = s,
	        .input_max = 20000,
	        .high_water = 100000,
	        .low_water = 1000 });
	conn_set_alpn(s->conn, alpn);
	c->fd = fds[1];
	c->loop = s->loop;
	c->ok = false;
	c->peer = -1;
	if (!c->starttls)
		conn_start_tls(s->conn, fixture.ctx);
	check(pthread_create(&thread, NULL, run_client, c) == 0);
	loop_run(s->loop);
	pthread_join(thread, NULL);
	struct timer *t = timer_new(s->loop, stop, s->loop);
	timer_set(t, 5);
	loop_run(s->loop);
	timer_free(t);
	if (s->conn)
		conn_abort(s->conn, "test over");
	loop_free(s->loop);
	SSL_SESSION_free(c->new_session);
	c->new_session = NULL;
}

/* ---- tests ---- */

static void test_choices(void **state)
{
	static const struct {
		const char *name, *server_name, *sigalgs;
		int max_version;
		int peer;
		const char *version;
	} cases[] = {
		{ "no name: default, ECDSA before RSA", NULL, NULL, 0, 1, "TLSv1.3" },
		{ "default by name", "mx.example.org", NULL, 0, 1, "TLSv1.3" },
		{ "RSA beside ECDSA, 1.3", "mx.example.org", "RSA-PSS+SHA256", 0, 0, "TLSv1.3" },
		{ "RSA beside ECDSA, 1.2", "mx.example.org", "RSA+SHA384", TLS1_2_VERSION, 0,
		    "TLSv1.2" },
		{ "RSA-PSS in 1.2", NULL, "RSA-PSS+SHA512", TLS1_2_VERSION, 0, "TLSv1.2" },
		{ "ECDSA, 1.2", NULL, "ECDSA+SHA256", TLS1_2_VERSION, 1, "TLSv1.2" },
		{ "wildcard", "a.wild.example", NULL, 0, 2, "TLSv1.3" },
		{ "wildcard takes one label only", "a.b.wild.example", NULL, 0, 1, "TLSv1.3" },
		{ "case of names", "ONLY.example", NULL, 0, 3, "TLSv1.3" },
		{ "unknown name: default", "other.example", NULL, 0, 1, "TLSv1.3" },
		{ "Ed25519", "ed.example", NULL, 0, 4, "TLSv1.3" },
		{ "Ed25519, 1.2", "ed.example", NULL, TLS1_2_VERSION, 4, "TLSv1.2" },
		{ "too old", NULL, "RSA+SHA256", TLS1_1_VERSION, -1, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c = { .server_name = cases[i].server_name,
			.sigalgs = cases[i].sigalgs,
			.max_version = cases[i].max_version };
		struct server s = { .got = 0 };
		run(&c, &s, NULL);
		check_case(cases[i].name, c.ok == (cases[i].peer >= 0));
		check_case(cases[i].name, c.peer == cases[i].peer);
		check_case(cases[i].name, s.tls == (cases[i].peer >= 0));
		check_case_str(cases[i].name, str_c(s.info.version), str_c(cases[i].version));
		if (cases[i].peer < 0)
			check(str_starts(str_c(s.reason), STR("TLS handshake failed: ")));
	}
}

static void test_starttls_and_bulk(void **state)
{
	struct client c = { .starttls = true, .upload = 1 << 20 };
	struct server s = { .got = 0 };

	(void)state;
	run(&c, &s, NULL);
	check(c.ok);
	check(s.got >= (1 << 20) + 4);
	check_str_eq(str_c(s.reason), STR("closed by peer"));
}

static void test_half_close(void **state)
{
	struct client c = { .half_close = true };
	struct server s = { .got = 0 };

	(void)state;
	run(&c, &s, NULL);
	check(c.ok);
	check_str_eq(str_c(s.reason), STR("closed by peer"));
}

static void test_alpn(void **state)
{
	static const struct {
		const char *name, *ours;
		str offered;
		const char *got;
		bool ok;
	} cases[] = {
		{ "none offered", "imap", STR_INIT(""), "", true },
		{ "ours among others", "imap", STR_INIT("\4pop3\4imap"), "imap", true },
		{ "others only", "imap", STR_INIT("\2h2\010http/1.1"), "", false },
		{ "we have none", NULL, STR_INIT("\2h2"), "", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c = { .alpn = cases[i].offered };
		struct server s = { .got = 0 };
		run(&c, &s, cases[i].ours);
		check_case(cases[i].name, c.ok == cases[i].ok);
		check_case_str(cases[i].name, str_c(c.alpn_got), str_c(cases[i].got));
		check_case_str(cases[i].name, str_c(s.info.alpn), str_c(cases[i].got));
	}
}

/* RFC 9266, RFC 5929; also over a resumed session, where no certificate is shown. */
static void test_channel_binding(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
	unsigned char want[64];
	unsigned want_len;

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		for (int peer = 0; peer < 2; peer++) {
			struct client c = { .max_version = versions[i],
				.sigalgs = peer ? "ECDSA+SHA256:RSA-PSS+SHA256"
				                : "RSA-PSS+SHA256:RSA+SHA256" };
			struct server s = { .got = 0 };
			check(X509_digest(fixture.ids[peer].certificate, EVP_sha256(), want,
			          &want_len) == 1);
			run(&c, &s, NULL);
			check(c.ok && c.peer == peer);
			check_str_eq(
			    str_new(s.end_point, s.end_point_len), str_new(want, want_len));
			check_int_eq(s.exporter_len, i == 0 ? 32 : 0);
			check(i > 0 || memcmp(s.exporter, c.exporter, 32) == 0);
		}
	}
}

static SSL_SESSION *kept;

static void *run_and_keep(void *arg)
{
	struct client *c = arg;

	run_client(c);
	if (c->new_session) {
		SSL_SESSION_free(kept);
		kept = c->new_session;
		c->new_session = NULL;
	}
	return NULL;
}

static void run_keeping(struct client *c, struct server *s)
{
	int fds[2];
	pthread_t thread;

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	*s = (struct server){ .loop = loop_new() };
	s->conn = conn_new(s->loop, fds[0],
	    &(struct conn_options){
	        .handlers = &handlers, .owner = s, .input_max = 20000, .high_water = 100000 });
	conn_start_tls(s->conn, fixture.ctx);
	c->fd = fds[1];
	c->loop = s->loop;
	check(pthread_create(&thread, NULL, run_and_keep, c) == 0);
	loop_run(s->loop);
	pthread_join(thread, NULL);
	if (s->conn)
		conn_abort(s->conn, "test over");
	loop_free(s->loop);
}

static void test_resumption(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
	unsigned char key[TLS_TICKET_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct client c = { .max_version = versions[i], .sigalgs = "RSA-PSS+SHA256" };
		struct server s;
		run_keeping(&c, &s);
		check(c.ok && !c.is_reused && kept);
		char end_point[64];
		memcpy(end_point, s.end_point, 64);
		int signatures = fixture.signatures;

		/* The same key, then the key before, then one that is gone. */
		for (int round = 0; round < 3; round++) {
			struct client again = c;
			again.ok = again.is_reused = false;
			again.session = kept;
			SSL_SESSION_up_ref(kept);
			run_keeping(&again, &s);
			SSL_SESSION_free(again.session);
			check(again.ok);
			check_int_eq(again.is_reused, round < 2);
			check_int_eq(fixture.signatures, signatures + (round == 2));
			check(memcmp(end_point, s.end_point, 64) == 0);
			for (int turns = 0; turns < (round == 1 ? 2 : 1); turns++) {
				random_bytes(key, sizeof(key));
				tls_context_set_ticket_key(fixture.ctx, key);
			}
		}
		SSL_SESSION_free(kept);
		kept = NULL;
	}
}

static void test_signer_refuses(void **state)
{
	struct client c = { .server_name = "mx.example.org" };
	struct server s = { .got = 0 };

	(void)state;
	fixture.refuse = true;
	run(&c, &s, NULL);
	fixture.refuse = false;
	check(!c.ok);
	check_int_eq(s.tls, 0);
	check_int_eq(s.closed, 1);
	run(&c, &s, NULL);
	check(c.ok);
}

/* What TLS has decrypted or not yet decrypted waits while the owner does not take it. */
static void test_back_pressure(void **state)
{
	struct server s = { .keep = true };
	struct client c = { .upload = 200000 };
	struct timer *t;
	pthread_t thread;
	int fds[2];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	s.loop = loop_new();
	s.conn = conn_new(s.loop, fds[0],
	    &(struct conn_options){
	        .handlers = &handlers, .owner = &s, .input_max = 20000, .high_water = 100000 });
	conn_start_tls(s.conn, fixture.ctx);
	c.fd = fds[1];
	c.loop = s.loop;
	check(pthread_create(&thread, NULL, run_client, &c) == 0);
	t = timer_new(s.loop, stop, s.loop);
	size_t total = 0;
	while (total < 200004) {
		timer_set(t, 20);
		loop_run(s.loop);
		size_t have = conn_input(s.conn).len;
		check(have <= 20000);
		total += have;
		if (total >= 200004)
			conn_write(s.conn, STR("pong"));
		conn_consume(s.conn, have);
	}
	timer_free(t);
	loop_run(s.loop);
	pthread_join(thread, NULL);
	check(c.ok);
	if (s.conn)
		conn_abort(s.conn, "test over");
	loop_free(s.loop);
	SSL_SESSION_free(c.new_session);
}

static void test_bad_certificates(void **state)
{
	struct tls_certificate c = { STR("x.example"), STR("not a certificate"), 0 };
	struct tls_options o = { .certificates = &c, .certificate_count = 1, .sign = sign };
	struct err err;

	(void)state;
	check(!tls_context_new(&o, &err));
	check_int_eq(err.kind, ERR_INPUT);
	check_str_eq(str_c(err.text),
	    STR("certificate for x.example: no certificate found in it (PEM expected)"));
	o.certificate_count = 0;
	check(!tls_context_new(&o, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_starttls_and_bulk),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_channel_binding),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_signer_refuses),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_bad_certificates),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
