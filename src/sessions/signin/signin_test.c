/* Tests of sign-in over real sockets and links, with auth and core played by the test. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/fd.h"
#include "net/tls.h"
#include "sessions/front.h"

enum { WAIT_MS = 5000 };

static struct {
	struct front_env env;
	struct config config;
	struct log log;
	struct link *auth, *core; /* the other ends */
	struct timer *patience;
	bool timed_out;
	/* what auth saw and says */
	char mechanism[32], initial[128], response[128];
	bool tls;
	size_t exporter_bytes, end_point_bytes;
	unsigned starts, steps, aborts;
	enum sasl_outcome outcome;
	uint32_t held_request; /* the reply that hold keeps back */
	bool hold;
	/* core */
	bool refuse;
	int session_fd;
	unsigned attaches;
	uint32_t attach_protocol;
	/* the front */
	unsigned ended;
} t;

/* ---- auth and core ---- */

static void auth_reply(struct link *link, uint32_t request)
{
	struct frame_sasl_result r = { .outcome = t.outcome,
		.account = STR("ana@example.org"),
		.ticket = t.outcome == SASL_OK ? STR("ticket") : STR_NONE };

	check_int_eq(link_reply(link, request, &frame_def_sasl_result, &r, NULL, 0, NULL), 0);
}

static int on_auth_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct frame_sasl_start start;
	struct frame_sasl_step step;

	(void)owner;
	if (in->def->type == FRAME_SASL_START) {
		check_int_eq(frame_decode(in->def, in->payload, &start, NULL), 0);
		t.starts++;
		t.tls = start.tls;
		t.exporter_bytes = start.cb_exporter.len;
		t.end_point_bytes = start.cb_end_point.len;
		snprintf(t.mechanism, sizeof(t.mechanism), STR_FMT, STR_ARG(start.mechanism));
		memset(t.initial, 0, sizeof(t.initial));
		for (size_t i = 0; i < start.initial.len && i + 1 < sizeof(t.initial); i++)
			t.initial[i] = start.initial.ptr[i] ? start.initial.ptr[i] : '|';
	} else if (in->def->type == FRAME_SASL_STEP) {
		check_int_eq(frame_decode(in->def, in->payload, &step, NULL), 0);
		t.steps++;
		snprintf(t.response, sizeof(t.response), STR_FMT, STR_ARG(step.response));
		t.outcome = SASL_OK;
	} else {
		t.aborts++;
		return 0;
	}
	if (t.hold)
		t.held_request = in->request;
	else
		auth_reply(link, in->request);
	return 0;
}

static int on_core_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct frame_attach f;
	struct frame_attach_result r = { .ok = !t.refuse,
		.code = STR("IN-USE"),
		.text = t.refuse ? STR("somebody else has it open")
		                 : STR("CAPABILITY IMAP4rev2 IDLE") };

	(void)owner;
	check_int_eq(frame_decode(in->def, in->payload, &f, NULL), 0);
	check_str_eq(f.ticket, STR("ticket"));
	t.attaches++;
	t.attach_protocol = f.protocol;
	if (r.ok)
		t.session_fd = TAKE_FD(in->fds[0]);
	return link_reply(link, in->request, &frame_def_attach_result, &r, NULL, 0, NULL);
}

static void on_lost(void *owner, struct link *link, str why)
{
	(void)owner;
	(void)link;
	(void)why;
}

static const struct frame_def *const auth_takes[] = { &frame_def_sasl_start, &frame_def_sasl_step,
	&frame_def_sasl_abort, NULL };
static const struct frame_def *const core_takes[] = { &frame_def_attach, NULL };
static const struct frame_def *const nothing[] = { NULL };

static struct link *make_link(
    struct link **out_other, link_frame_fn *fn, const struct frame_def *const *takes)
{
	struct link_options o = { .peer = "test",
		.accepts = takes,
		.on_frame = fn,
		.on_lost = on_lost,
		.queue_max = 1 << 20 };
	int fds[2];

	check_int_eq(link_pair(fds, NULL), 0);
	*out_other = link_new(t.env.loop, fds[0], &o);
	o.accepts = nothing;
	return link_new(t.env.loop, fds[1], &o);
}

static void on_ended(struct front_env *env, str peer_address)
{
	(void)env;
	check_str_eq(peer_address, STR("local"));
	t.ended++;
}

static void on_patience(void *arg)
{
	(void)arg;
	t.timed_out = true;
	loop_stop(t.env.loop);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.session_fd = -1;
	t.config = (struct config){ .hostname = STR("mx.example.org"),
		.limits = { .signin_s = 60, .errors_before_sign_in = 3 },
		.allow_plain_sign_in = true };
	t.log = (struct log){ .role = "front-user", .level = LOG_LEVEL_ALERT, .fd = 2 };
	t.env = (struct front_env){
		.loop = loop_new(), .config = &t.config, .log = &t.log, .ended = on_ended
	};
	t.env.auth = make_link(&t.auth, on_auth_frame, auth_takes);
	t.env.core = make_link(&t.core, on_core_frame, core_takes);
	t.patience = timer_new(t.env.loop, on_patience, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_close(&t.session_fd);
	timer_free(t.patience);
	link_free(t.auth);
	link_free(t.core);
	link_free(t.env.auth);
	link_free(t.env.core);
	loop_free(t.env.loop);
	tls_context_unref(t.env.tls);
	return 0;
}

/* ---- the client ---- */

static int connect_as(enum listen_service service)
{
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	signin_accept(&t.env, fds[0], service);
	fd_set_nonblocking(fds[1]);
	return fds[1];
}

static void say(int fd, const char *text)
{
	check_int_eq(fd_write_all(fd, str_c(text)), 0);
}

struct expectation {
	int fd;
	struct buf got;
	const char *want; /* NULL: the end */
	bool met;
};

static void on_readable(void *arg, unsigned events)
{
	struct expectation *e = arg;
	char block[4096];
	ssize_t n = read(e->fd, block, sizeof(block));

	(void)events;
	if (n > 0)
		buf_add(&e->got, str_new(block, (size_t)n));
	e->met = e->want ? str_find(buf_str(&e->got), str_c(e->want)) != STR_NPOS
	                 : n == 0 || (n < 0 && errno != EAGAIN);
	if (e->met || n == 0)
		loop_stop(t.env.loop);
}

/* Runs the loop until fd has said want (anywhere in what it says); the rest is thrown away. */
static void expect(int fd, const char *want)
{
	struct expectation e = { .fd = fd, .got = BUF_INIT(1 << 20), .want = want };
	struct watch *w = watch_new(t.env.loop, fd, WATCH_READ, on_readable, &e);

	timer_set(t.patience, WAIT_MS);
	loop_run(t.env.loop);
	timer_stop(t.patience);
	watch_free(w);
	if (!e.met)
		print_error("want \"%s\", got \"" STR_FMT "\"\n", want ? want : "(end)",
		    STR_ARG(buf_str(&e.got)));
	check(e.met && !t.timed_out);
	buf_fini(&e.got);
}

/* Lets the loop do what is left to do. */
static void settle(void)
{
	timer_set(t.patience, 50);
	loop_run(t.env.loop);
	t.timed_out = false;
}

/* ---- tests ---- */

static void test_imap(void **state)
{
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	expect(fd, "* OK [CAPABILITY ");
	t.outcome = SASL_FAILED;
	say(fd, "a1 LOGIN ana wrong\r\n");
	expect(fd, "a1 NO [AUTHENTICATIONFAILED] wrong user name or password\r\n");
	check_str_eq(str_c(t.initial), STR("|ana|wrong"));
	t.outcome = SASL_OK;
	/* What is sent before the answer belongs to the session in core. */
	say(fd, "a2 LOGIN ana secret\r\na3 SELECT INBOX\r\n");
	expect(fd, "a2 OK [CAPABILITY IMAP4rev2 IDLE] signed in\r\n");
	check_int_eq(t.attach_protocol, PROTOCOL_IMAP);
	expect(t.session_fd, "a3 SELECT INBOX\r\n");
	say(t.session_fd, "* 3 EXISTS\r\n");
	expect(fd, "* 3 EXISTS\r\n");
	say(fd, "a4 IDLE\r\n");
	expect(t.session_fd, "a4 IDLE\r\n");
	check_int_eq(t.ended, 0);
	close(fd);
	expect(t.session_fd, NULL);
	fd_close(&t.session_fd);
	settle();
	check_int_eq(t.ended, 1);
	check(t.env.members == NULL);
}

static void test_imap_steps(void **state)
{
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	t.outcome = SASL_CONTINUE;
	say(fd, "a1 AUTHENTICATE SCRAM-SHA-256\r\n");
	expect(fd, "+ \r\n");
	say(fd, "Yg==\r\n");
	expect(fd, "a1 OK ");
	check_str_eq(str_c(t.response), STR("b"));
	check_int_eq(t.steps, 1);
	/* The session ends on its side: the client is told by the end. */
	fd_close(&t.session_fd);
	expect(fd, NULL);
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
}

static void test_cancelled(void **state)
{
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	t.outcome = SASL_CONTINUE;
	say(fd, "a1 AUTHENTICATE PLAIN\r\n");
	expect(fd, "+ \r\n");
	say(fd, "*\r\n");
	expect(fd, "a1 BAD ");
	settle();
	check_int_eq(t.aborts, 1);
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
	check_int_eq(t.aborts, 1);
}

static void test_pop3(void **state)
{
	int fd = connect_as(LISTEN_POP3);

	(void)state;
	expect(fd, "+OK");
	t.outcome = SASL_OK;
	say(fd, "USER ana\r\nPASS secret\r\nSTAT\r\n");
	expect(fd, "+OK");
	settle();
	check_int_eq(t.attach_protocol, PROTOCOL_POP3);
	check_str_eq(str_c(t.initial), STR("|ana|secret"));
	expect(t.session_fd, "STAT\r\n");
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
}

static void test_attach_refused(void **state)
{
	int fd = connect_as(LISTEN_IMAP), pop3 = connect_as(LISTEN_POP3);

	(void)state;
	t.outcome = SASL_OK;
	t.refuse = true;
	say(fd, "a1 LOGIN ana secret\r\n");
	expect(fd, "a1 NO [INUSE] somebody else has it open\r\n");
	say(fd, "a2 NOOP\r\n");
	expect(fd, "a2 OK");
	say(pop3, "USER ana\r\nPASS secret\r\n");
	expect(pop3, "-ERR [IN-USE] ");
	close(fd);
	close(pop3);
	settle();
	check_int_eq(t.ended, 2);
}

static void test_links_down(void **state)
{
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	link_free(t.core);
	t.core = NULL;
	settle();
	t.outcome = SASL_OK;
	say(fd, "a1 LOGIN ana secret\r\n");
	expect(fd, "a1 NO [UNAVAILABLE] ");
	link_free(t.auth);
	t.auth = NULL;
	settle();
	say(fd, "a2 LOGIN ana secret\r\n");
	expect(fd, "a2 NO [UNAVAILABLE] ");
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
}

/* The client leaves while auth thinks; the answer comes when nobody is there. */
static void test_gone_while_waiting(void **state)
{
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	t.hold = true;
	say(fd, "a1 LOGIN ana secret\r\n");
	settle();
	check_int_eq(t.starts, 1);
	/* A half-close is not yet an end: the answer is still wanted. */
	shutdown(fd, SHUT_WR);
	settle();
	check_int_eq(t.ended, 0);
	t.outcome = SASL_FAILED;
	auth_reply(t.auth, t.held_request);
	expect(fd, "a1 NO [AUTHENTICATIONFAILED]");
	expect(fd, NULL);
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
}

static void test_stop(void **state)
{
	int fd = connect_as(LISTEN_IMAP), pop3 = connect_as(LISTEN_POP3),
	    waiting = connect_as(LISTEN_IMAP);

	(void)state;
	t.hold = true;
	say(waiting, "a1 LOGIN ana secret\r\n");
	settle();
	t.env.stopping = true;
	for (struct front_member *m = t.env.members, *next; m; m = next) {
		next = m->next;
		m->on_stop(m);
	}
	expect(fd, "* BYE [UNAVAILABLE] ");
	expect(pop3, "-ERR [SYS/TEMP] ");
	expect(waiting, "* BYE [UNAVAILABLE] ");
	t.outcome = SASL_OK;
	auth_reply(t.auth, t.held_request);
	settle();
	check_int_eq(t.ended, 3);
	check_int_eq(t.attaches, 0);
	close(fd);
	close(pop3);
	close(waiting);
	/* And who comes now. */
	fd = connect_as(LISTEN_IMAP);
	expect(fd, "* BYE [UNAVAILABLE] ");
	expect(fd, NULL);
	close(fd);
	settle();
}

static void test_too_slow(void **state)
{
	t.config.limits.signin_s = 1;
	int fd = connect_as(LISTEN_IMAP);

	(void)state;
	expect(fd, "* OK");
	expect(fd, NULL);
	close(fd);
	settle();
	check_int_eq(t.ended, 1);
}

/* ---- TLS ---- */

static EVP_PKEY *key;

static int sign(void *owner, uint32_t number, uint16_t scheme, str digest, struct buf *out)
{
	unsigned char bytes[256];
	size_t len = sizeof(bytes);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	(void)owner;
	(void)number;
	(void)scheme;
	int ok = EVP_PKEY_sign_init(ctx) > 0 &&
	         EVP_PKEY_sign(ctx, bytes, &len, (const unsigned char *)digest.ptr, digest.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	buf_add(out, str_new(bytes, len));
	return ok ? 0 : -1;
}

static struct tls_context *make_context(void)
{
	X509 *x = X509_new();
	BIO *pem = BIO_new(BIO_s_mem());
	struct err err = { 0 };
	char *bytes;

	key = EVP_EC_gen("P-256");
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.example.org", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	check(X509_sign(x, key, EVP_sha256()) > 0);
	check(PEM_write_bio_X509(pem, x) == 1);
	long len = BIO_get_mem_data(pem, &bytes);
	struct tls_certificate certificate = { .server_name = STR("mx.example.org"),
		.chain = str_new(bytes, (size_t)len) };
	struct tls_context *context = tls_context_new(
	    &(struct tls_options){
	        .certificates = &certificate, .certificate_count = 1, .sign = sign },
	    &err);
	if (!context)
		print_error("%s\n", err.text);
	BIO_free(pem);
	X509_free(x);
	return context;
}

struct tls_client {
	int fd;
	bool starttls;
	char said[8192];
	const char *alpn;
	bool is_connected;
};

static void read_until(SSL *ssl, int fd, char *out, size_t max, const char *want)
{
	size_t len = strlen(out);

	while (!strstr(out, want) && len + 1 < max) {
		ssize_t n = ssl ? SSL_read(ssl, out + len, (int)(max - len - 1))
		                : read(fd, out + len, max - len - 1);
		if (n <= 0)
			return;
		len += (size_t)n;
		out[len] = '\0';
	}
}

/* A whole conversation, in a thread of its own. */
static void *run_client(void *arg)
{
	static const char login[] = "a2 AUTHENTICATE PLAIN AGFuYQBzZWNyZXQ=\r\n";
	struct tls_client *c = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	if (c->starttls) {
		char clear[1024] = "";
		say(c->fd, "a1 STARTTLS\r\na9 LOGIN mallory injected\r\n");
		read_until(NULL, c->fd, clear, sizeof(clear), "a1 OK start TLS now\r\n");
	}
	SSL_set_alpn_protos(ssl, (const unsigned char *)c->alpn, (unsigned)strlen(c->alpn));
	SSL_set_fd(ssl, c->fd);
	c->is_connected = SSL_connect(ssl) == 1;
	if (c->is_connected) {
		SSL_write(ssl, login, sizeof(login) - 1);
		read_until(ssl, -1, c->said, sizeof(c->said), "a2 OK");
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(c->fd);
	loop_post(t.env.loop, on_patience, NULL);
	return NULL;
}

static void converse(struct tls_client *c, enum listen_service service)
{
	pthread_t thread;
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	c->fd = fds[1];
	t.config.allow_plain_sign_in = false;
	t.env.tls = make_context();
	t.outcome = SASL_OK;
	signin_accept(&t.env, fds[0], service);
	check_int_eq(pthread_create(&thread, NULL, run_client, c), 0);
	loop_run(t.env.loop);
	pthread_join(thread, NULL);
	/* The client's end is passed on; the session answers with its own. */
	fd_close(&t.session_fd);
	settle();
	EVP_PKEY_free(key);
}

static void test_implicit_tls(void **state)
{
	struct tls_client c = { .alpn = "\x04imap" };

	(void)state;
	converse(&c, LISTEN_IMAPS);
	check(strstr(c.said, "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID"
	                     " AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN]") != NULL);
	check(strstr(c.said, "a2 OK [CAPABILITY IMAP4rev2 IDLE] signed in") != NULL);
	check(t.tls);
	check_int_eq(t.exporter_bytes, 32);
	check_int_eq(t.end_point_bytes, 32);
	check_int_eq(t.ended, 1);
}

static void test_starttls(void **state)
{
	struct tls_client c = { .alpn = "\x04imap", .starttls = true };

	(void)state;
	converse(&c, LISTEN_IMAP);
	check(strstr(c.said, "a2 OK [CAPABILITY IMAP4rev2 IDLE] signed in") != NULL);
	check(strstr(c.said, "a9") == NULL);
	check_int_eq(t.starts, 1);
	check_str_eq(str_c(t.initial), STR("|ana|secret"));
	check_int_eq(t.exporter_bytes, 32);
	check_int_eq(t.ended, 1);
}

/* A browser that was sent to the wrong port: cross-protocol attacks end here. RFC 9325 §3.8 */
static void test_wrong_alpn(void **state)
{
	struct tls_client c = { .alpn = "\x08http/1.1" };

	(void)state;
	converse(&c, LISTEN_IMAPS);
	check(!c.is_connected);
	check_int_eq(t.starts, 0);
	check_int_eq(t.ended, 1);
}

int main(void)
{
#define WITH_ENV(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_ENV(test_imap),
		WITH_ENV(test_imap_steps),
		WITH_ENV(test_cancelled),
		WITH_ENV(test_pop3),
		WITH_ENV(test_attach_refused),
		WITH_ENV(test_links_down),
		WITH_ENV(test_gone_while_waiting),
		WITH_ENV(test_stop),
		WITH_ENV(test_too_slow),
		WITH_ENV(test_implicit_tls),
		WITH_ENV(test_starttls),
		WITH_ENV(test_wrong_alpn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
