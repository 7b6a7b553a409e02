/* SMTP sessions with a core and an auth that are played here, over real links, and clients in threads. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"
#include "net/tls.h"
#include "sessions/smtp/internal.h"

enum { TEXT_MAX = 4 << 20 };

/* ---- what is played: core and auth ---- */

struct world {
	struct front_env env;
	struct config config;
	struct log log;
	struct link *core_link, *auth_link; /* the far ends */
	int ended;

	/* What core was asked, and how it answers. */
	int rcpts, messages, resets, notes, spools, aborts;
	bool refuse_spool, drop_on_message, mute;
	uint64_t last_tx;
	struct buf body, last;
	bool was_sealed, was_fd;
};

static struct world *world_of(void *owner)
{
	return owner;
}

static int on_rcpt(struct world *w, struct link *link, struct link_frame *in)
{
	struct frame_rcpt_check f;
	struct frame_rcpt_result r = { 250, STR("2.1.5"), STR("recipient ok") };

	check(frame_decode(in->def, in->payload, &f, NULL) == 0);
	w->rcpts++;
	w->last_tx = f.tx;
	buf_reset(&w->last);
	buf_addf(&w->last,
	    "from=" STR_FMT " to=" STR_FMT " helo=" STR_FMT " ticket=" STR_FMT " orcpt=" STR_FMT
	    " notify=%u protocol=%u peer=" STR_FMT,
	    STR_ARG(f.sender), STR_ARG(f.recipient), STR_ARG(f.helo), STR_ARG(f.ticket),
	    STR_ARG(f.orcpt), f.notify, f.protocol, STR_ARG(f.peer_address));
	if (w->mute)
		return 0;
	if (str_starts(f.recipient, STR("die@")))
		return -1;
	if (str_starts(f.recipient, STR("no@")))
		r = (struct frame_rcpt_result){ 550, STR("5.1.1"),
			STR("nobody of that name here") };
	return link_reply(link, in->request, &frame_def_rcpt_result, &r, NULL, 0, NULL);
}

static void take_body(struct world *w, const struct frame_message *f, int fd)
{
	char piece[65536];
	ssize_t n;

	buf_reset(&w->body);
	w->was_fd = fd >= 0;
	w->was_sealed = fd >= 0 && fcntl(fd, F_GET_SEALS) ==
	                               (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	buf_add(&w->body, f->body);
	for (off_t at = 0; fd >= 0 && (n = pread(fd, piece, sizeof(piece), at)) > 0; at += n)
		buf_add(&w->body, str_new(piece, (size_t)n));
	check_int_eq(w->body.len, f->body_bytes);
}

static int on_message(struct world *w, struct link *link, struct link_frame *in)
{
	struct frame_message f;
	struct frame_message_result r;
	AUTO_BUF results = BUF_INIT(4096);

	check(frame_decode(in->def, in->payload, &f, NULL) == 0);
	w->messages++;
	check_int_eq(f.tx, w->last_tx);
	take_body(w, &f, in->fds[0]);
	buf_reset(&w->last);
	buf_addf(&w->last,
	    "from=" STR_FMT " ticket=" STR_FMT " envid=" STR_FMT " ret=%u utf8=%d tls=%d",
	    STR_ARG(f.sender), STR_ARG(f.ticket), STR_ARG(f.envid), f.ret, f.utf8,
	    f.tls_version.len > 0);
	if (w->drop_on_message)
		return -1;
	buf_add_counted(&results, STR("250 2.6.0 kept as 7f3a"));
	if (f.protocol == PROTOCOL_LMTP)
		buf_add_counted(&results, STR("452 4.2.2 mailbox is full"));
	r.results = buf_str(&results);
	return link_reply(link, in->request, &frame_def_message_result, &r, NULL, 0, NULL);
}

static int on_spool(struct world *w, struct link *link, struct link_frame *in)
{
	struct frame_spool_result r = { .ok = !w->refuse_spool };
	AUTO_FD fd = memfd_create("spool", MFD_CLOEXEC);

	w->spools++;
	if (w->refuse_spool)
		r = (struct frame_spool_result){ false, 452, STR("4.3.1"),
			STR("the disk is nearly full") };
	return link_reply(
	    link, in->request, &frame_def_spool_result, &r, &fd, w->refuse_spool ? 0 : 1, NULL);
}

static int on_core(void *owner, struct link *link, struct link_frame *in)
{
	struct world *w = world_of(owner);

	if (in->def == &frame_def_rcpt_check)
		return on_rcpt(w, link, in);
	if (in->def == &frame_def_message)
		return on_message(w, link, in);
	if (in->def == &frame_def_spool_open)
		return on_spool(w, link, in);
	w->resets += in->def == &frame_def_tx_reset;
	w->notes += in->def == &frame_def_story_note;
	return 0;
}

static int on_auth(void *owner, struct link *link, struct link_frame *in)
{
	struct world *w = world_of(owner);
	struct frame_sasl_start f;
	struct frame_sasl_result r = { .outcome = SASL_FAILED };

	if (in->def == &frame_def_sasl_abort) {
		w->aborts++;
		return 0;
	}
	if (in->def == &frame_def_sasl_step) {
		r = (struct frame_sasl_result){
			.outcome = SASL_OK, .ticket = STR("T2"), .account = STR("a")
		};
	} else {
		check(frame_decode(in->def, in->payload, &f, NULL) == 0);
		if (!f.has_initial)
			r = (struct frame_sasl_result){ .outcome = SASL_CONTINUE };
		else if (str_eq(f.initial, str_new("\0a\0b", 4)))
			r = (struct frame_sasl_result){
				.outcome = SASL_OK, .ticket = STR("T1"), .account = STR("a")
			};
	}
	return link_reply(link, in->request, &frame_def_sasl_result, &r, NULL, 0, NULL);
}

static void on_core_lost(void *owner, struct link *link, str why)
{
	(void)link, (void)why;
	world_of(owner)->env.core_epoch++;
}

static void on_far_lost(void *owner, struct link *link, str why)
{
	(void)owner, (void)link, (void)why;
}

static int refuse_frame(void *owner, struct link *link, struct link_frame *in)
{
	(void)owner, (void)link, (void)in;
	return -1;
}

static void join(struct world *w, struct link **near, struct link **far, link_frame_fn *fn,
    const struct frame_def *const *accepts)
{
	static const struct frame_def *const nothing[] = { NULL };
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	*near = link_new(w->env.loop, pair[0],
	    &(struct link_options){ .peer = "far",
	        .accepts = nothing,
	        .on_frame = refuse_frame,
	        .on_lost = on_core_lost,
	        .owner = w,
	        .queue_max = 8 << 20 });
	*far = link_new(w->env.loop, pair[1],
	    &(struct link_options){ .peer = "front",
	        .accepts = accepts,
	        .on_frame = fn,
	        .on_lost = on_far_lost,
	        .owner = w,
	        .queue_max = 8 << 20 });
}

static void ended(struct front_env *env, str peer)
{
	(void)peer;
	((struct world *)env)->ended++; /* env is its first member */
}

static void world_open(struct world *w)
{
	static const struct frame_def *const to_core[] = { &frame_def_rcpt_check,
		&frame_def_tx_reset, &frame_def_spool_open, &frame_def_message,
		&frame_def_story_note, NULL };
	static const struct frame_def *const to_auth[] = { &frame_def_sasl_start,
		&frame_def_sasl_step, &frame_def_sasl_abort, NULL };

	*w = (struct world){ .log = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 } };
	buf_init(&w->body, TEXT_MAX);
	buf_init(&w->last, 4096);
	w->config.hostname = STR("mx.example.org");
	w->config.limits = (struct config_limits){ .message_bytes = 1 << 20,
		.error_delay_ms = 1000,
		.recipients = 100,
		.smtp_idle_s = 300,
		.signin_s = 60,
		.errors_before_sign_in = 10,
		.errors_after_sign_in = 20 };
	w->env = (struct front_env){
		.loop = loop_new(), .config = &w->config, .log = &w->log, .ended = ended
	};
	join(w, &w->env.core, &w->core_link, on_core, to_core);
	join(w, &w->env.auth, &w->auth_link, on_auth, to_auth);
}

static void world_close(struct world *w)
{
	link_free(w->env.core);
	link_free(w->core_link);
	link_free(w->env.auth);
	link_free(w->auth_link);
	tls_context_unref(w->env.tls);
	loop_free(w->env.loop);
	buf_fini(&w->body);
	buf_fini(&w->last);
}

/* ---- a client: sends, waits until the text it was told of has come, sends on ---- */

struct step {
	str send;
	const char *until; /* NULL: do not wait. "": until the server closes */
	enum { STEP_PLAIN, STEP_TLS, STEP_SHUT, STEP_CLOSE, STEP_SLEEP, STEP_STOP } what;
};

struct client {
	struct world *world;
	const struct step *steps;
	int fd;
	SSL *ssl;
	struct buf got;
	bool failed;
	pthread_t thread;
};

static bool receive_until(struct client *c, const char *text)
{
	char piece[4096];
	size_t from = 0;

	for (;;) {
		str fresh = str_skip(buf_str(&c->got), from);
		if (*text && str_find(fresh, str_c(text)) != STR_NPOS && str_ends(fresh, STR("\n")))
			return true;
		ssize_t n = c->ssl ? SSL_read(c->ssl, piece, sizeof(piece))
		                   : recv(c->fd, piece, sizeof(piece), 0);
		if (n <= 0)
			return !*text;
		buf_add(&c->got, str_new(piece, (size_t)n));
	}
}

static void send_all(struct client *c, str s)
{
	while (s.len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, s.ptr, (int)s.len)
		                   : send(c->fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		s = str_skip(s, (size_t)n);
	}
}

static void begin_tls(struct client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	c->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(c->ssl, c->fd);
	c->failed |= SSL_connect(c->ssl) != 1;
}

static void tell_stop(void *arg)
{
	struct world *w = arg;

	w->env.stopping = true;
	for (struct front_member *m = w->env.members, *next; m; m = next) {
		next = m->next;
		m->on_stop(m);
	}
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void *run_client(void *arg)
{
	struct client *c = arg;

	for (const struct step *s = c->steps; (s->send.ptr || s->until || s->what) && !c->failed;
	     s++) {
		if (s->what == STEP_TLS)
			begin_tls(c);
		if (s->what == STEP_STOP)
			loop_post(c->world->env.loop, tell_stop, c->world);
		if (s->what == STEP_SLEEP)
			usleep(1300 * 1000);
		send_all(c, s->send);
		if (s->what == STEP_SHUT)
			shutdown(c->fd, SHUT_WR);
		if (s->until && !receive_until(c, s->until))
			c->failed = true;
	}
	SSL_free(c->ssl);
	close(c->fd);
	loop_post(c->world->env.loop, stop_loop, c->world->env.loop);
	return NULL;
}

static bool has_work(struct world *w)
{
	return w->env.members != NULL;
}

static void nudge(void *arg)
{
	(void)arg;
}

/* Runs one client against one session; what it heard is in *got. */
static void converse(
    struct world *w, enum listen_service service, const struct step *steps, struct buf *got)
{
	struct client c = { .world = w, .steps = steps };
	struct timeval limit = { .tv_sec = 10 };
	int pair[2];

	buf_init(&c.got, TEXT_MAX);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check(fd_set_nonblocking(pair[0]) == 0);
	setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	c.fd = pair[1];
	int before = w->ended;
	smtp_accept(&w->env, pair[0], service);
	check(pthread_create(&c.thread, NULL, run_client, &c) == 0);
	loop_run(w->env.loop);
	pthread_join(c.thread, NULL);
	/* The session ends when it has seen the close. */
	struct timer *t = timer_new(w->env.loop, stop_loop, w->env.loop);
	for (int i = 0; i < 100 && (has_work(w) || i < 2); i++) {
		timer_set(t, 10);
		loop_post(w->env.loop, nudge, NULL);
		loop_run(w->env.loop);
	}
	timer_free(t);
	if (c.failed)
		print_error("client gave up; heard: " STR_FMT "\n", STR_ARG(buf_str(&c.got)));
	check(!c.failed);
	check_int_eq(w->ended, before + 1);
	check(!w->env.members);
	buf_reset(got);
	buf_add(got, buf_str(&c.got));
	buf_fini(&c.got);
}

static bool heard(const struct buf *got, const char *text)
{
	if (str_find(buf_str(got), str_c(text)) != STR_NPOS)
		return true;
	print_error("not heard: %s; but: " STR_FMT "\n", text, STR_ARG(buf_str(got)));
	return false;
}

#define SEND(text) .send = STR_INIT(text)
#define TO_RCPT \
	SEND("EHLO c.example\r\nMAIL FROM:<a@b.example> ENVID=e1 RET=HDRS\r\nRCPT " \
	     "TO:<x@y.example> NOTIFY=NEVER ORCPT=rfc822;x@y\r\n")

/* ---- tests ---- */

static void test_message(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ SEND("DATA\r\n"), .until = "354 " },
		{ SEND("Subject: hi\r\n\r\n..dot\r\n.\r\n"), .until = "250 2.6.0 kept as 7f3a" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SMTP, steps, &got);
	check_str_eq(buf_str(&w.body), STR("Subject: hi\r\n\r\n.dot\r\n"));
	check_str_eq(buf_str(&w.last), STR("from=a@b.example ticket= envid=e1 ret=2 utf8=0 tls=0"));
	check(heard(&got, "221 2.0.0 bye"));
	check_int_eq(w.messages, 1);
	check_int_eq(w.resets, 0);
	check(!w.was_fd);
	world_close(&w);
}

static void test_rcpt(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ SEND("RCPT TO:<no@y.example>\r\n"),
		    .until = "550 5.1.1 nobody of that name here" },
		{ SEND("RSET\r\n"), .until = "forgotten" },
		{ TO_RCPT, .until = "recipient ok" },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SMTP, steps, &got);
	check_str_eq(buf_str(&w.last),
	    STR("from=a@b.example to=x@y.example helo=c.example ticket= orcpt=rfc822;x@y notify=1 "
	        "protocol=0 peer=local"));
	check_int_eq(w.rcpts, 3);
	check_int_eq(w.resets, 2); /* RSET, and the broken connection */
	check_int_eq(w.notes, 1);
	world_close(&w);
}

#define UNKNOWN "RCPT TO:<no@y.example>\r\n"
#define FIVE_UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN

static uint64_t converse_ms(enum listen_service service, const struct step *steps)
{
	AUTO_BUF got = BUF_INIT(TEXT_MAX);
	struct world w;

	world_open(&w);
	uint64_t from = time_mono_ms();
	converse(&w, service, steps, &got);
	uint64_t took = time_mono_ms() - from;
	world_close(&w);
	return took;
}

/* Who guesses addresses waits longer for each answer; five mistakes are free. */
static void test_mistakes_slow_down(void **state)
{
	static const struct step five[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n" FIVE_UNKNOWN "NOOP\r\n"),
		    .until = "250 2.0.0" },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	static const struct step seven[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n" FIVE_UNKNOWN UNKNOWN UNKNOWN
		       "NOOP\r\n"),
		    .until = "250 2.0.0" },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	static const struct step lmtp[] = {
		{ .until = "220 mx" },
		{ SEND("LHLO c.example\r\nMAIL FROM:<a@b.example>\r\n" FIVE_UNKNOWN UNKNOWN UNKNOWN
		       "NOOP\r\n"),
		    .until = "250 2.0.0" },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	static const struct step stopped[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n" FIVE_UNKNOWN UNKNOWN UNKNOWN
		       "RSET\r\n"),
		    .until = "550 5.1.1" },
		{ .what = STEP_STOP },
		{ .until = "421 4.3.2" },
		{ .until = NULL },
	};

	(void)state;
	check(converse_ms(LISTEN_SMTP, five) < 900);
	uint64_t took = converse_ms(LISTEN_SMTP, seven);
	check(took >= 3000 && took < 6000);
	check(converse_ms(LISTEN_LMTP, lmtp) < 900);
	check(converse_ms(LISTEN_SMTP, stopped) < 2900);
}

/* A message of about `bytes`, every third line of which begins with a dot. */
static void make_message(struct buf *sent, struct buf *kept, size_t bytes)
{
	for (size_t i = 0; kept->len < bytes; i++) {
		bool has_dot = i % 3 == 0;
		buf_addz(sent, has_dot ? "." : "");
		for (struct buf *b = sent; b; b = b == sent ? kept : NULL)
			buf_addf(b, "%sline %zu of a message that is somewhat longer\r\n",
			    has_dot ? "." : "", i);
	}
	buf_addz(sent, ".\r\n");
}

static void send_large(struct world *w, size_t bytes, const char *until, struct buf *kept)
{
	AUTO_BUF sent = BUF_INIT(TEXT_MAX);
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	make_message(&sent, kept, bytes);
	const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ SEND("DATA\r\n"), .until = "354 " },
		{ .send = buf_str(&sent), .until = until },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	converse(w, LISTEN_SMTP, steps, &got);
}

static void test_sizes(void **state)
{
	static const struct {
		size_t bytes;
		bool is_fd, is_sealed;
		int spools;
	} cases[] = {
		{ 40 * 1024, false, false, 0 },
		{ 100 * 1024, true, true, 0 },
		{ 240 * 1024, true, true, 0 },
		{ 600 * 1024, true, false, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		AUTO_BUF kept = BUF_INIT(TEXT_MAX);
		world_open(&w);
		send_large(&w, cases[i].bytes, "250 2.6.0 kept", &kept);
		check(str_eq(buf_str(&w.body), buf_str(&kept)));
		check_int_eq(w.was_fd, cases[i].is_fd);
		check_int_eq(w.was_sealed, cases[i].is_sealed);
		check_int_eq(w.spools, cases[i].spools);
		world_close(&w);
	}
}

static void test_spool_refused(void **state)
{
	struct world w;
	AUTO_BUF kept = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.refuse_spool = true;
	send_large(&w, 600 * 1024, "452 4.3.1 the disk is nearly full", &kept);
	check_int_eq(w.messages, 0);
	check_int_eq(w.resets, 1);
	world_close(&w);
}

static void test_too_big(void **state)
{
	struct world w;
	AUTO_BUF kept = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	send_large(&w, (1 << 20) + 1, "552 5.3.4", &kept);
	check_int_eq(w.messages, 0);
	check_int_eq(w.resets, 1);
	world_close(&w);
}

static void test_core_down(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ SEND("RCPT TO:<die@y.example>\r\n"), .until = "451 4.3.0" },
		{ SEND("DATA\r\n"), .until = "451 4.3.0 our store" },
		{ SEND("MAIL FROM:<a@b.example>\r\n"), .until = "451 4.3.0 our store" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SMTP, steps, &got);
	check(!link_is_up(w.env.core));
	world_close(&w);
}

static void test_core_lost_at_message(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ SEND("BDAT 3 LAST\r\nabc"), .until = "451 4.3.0 our store" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.drop_on_message = true;
	converse(&w, LISTEN_SMTP, steps, &got);
	check_int_eq(w.messages, 1);
	world_close(&w);
}

/* The client goes while core is thinking; the session waits for the answer and then goes as well. */
static void test_gone_while_waiting(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "sender ok" },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.mute = true;
	struct client c = { .world = &w, .steps = steps };
	int pair[2];
	buf_init(&c.got, TEXT_MAX);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check(fd_set_nonblocking(pair[0]) == 0);
	c.fd = pair[1];
	smtp_accept(&w.env, pair[0], LISTEN_SMTP);
	check(pthread_create(&c.thread, NULL, run_client, &c) == 0);
	loop_run(w.env.loop);
	pthread_join(c.thread, NULL);
	/* Losing core answers the request. */
	link_free(w.core_link);
	w.core_link = NULL;
	struct timer *t = timer_new(w.env.loop, stop_loop, w.env.loop);
	timer_set(t, 100);
	loop_run(w.env.loop);
	timer_free(t);
	check_int_eq(w.ended, 1);
	buf_fini(&c.got);
	world_close(&w);
}

static void test_lmtp(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ SEND("LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<1@y.example>\r\nRCPT "
		       "TO:<2@y.example>\r\nDATA\r\n"),
		    .until = "354 " },
		{ SEND("hi\r\n.\r\n"), .until = "452 4.2.2 mailbox is full" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_LMTP, steps, &got);
	check(heard(&got, "250 2.6.0 kept as 7f3a\r\n452 4.2.2 mailbox is full\r\n"));
	world_close(&w);
}

static void test_half_closed(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 2 "
		       "LAST\r\nhiNO"),
		    .what = STEP_SHUT, .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SMTP, steps, &got);
	check(heard(&got, "250 2.6.0 kept as 7f3a\r\n"));
	world_close(&w);
}

static void test_submission_clear(void **state)
{
	static const struct step refused[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c\r\nAUTH PLAIN AGEAYg==\r\n"), .until = "538 5.7.11" },
		{ SEND("MAIL FROM:<a@b.example>\r\n"), .until = "530 5.7.0" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	static const struct step allowed[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c\r\nAUTH PLAIN AGEAYw==\r\n"), .until = "535 5.7.8" },
		{ SEND("AUTH PLAIN AGEAYg==\r\n"), .until = "235 2.7.0" },
		{ SEND("MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 2 LAST\r\nhi"),
		    .until = "kept as" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SUBMISSION, refused, &got);
	w.config.allow_plain_sign_in = true;
	converse(&w, LISTEN_SUBMISSION, allowed, &got);
	check_str_eq(buf_str(&w.last), STR("from=a@b.example ticket=T1 envid= ret=0 utf8=0 tls=0"));
	world_close(&w);
}

static void test_auth_abandoned(void **state)
{
	static const struct step steps[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c\r\nAUTH PLAIN\r\n"), .until = "334 " },
		{ SEND("*\r\n"), .until = "501 5.7.0" },
		{ SEND("AUTH PLAIN\r\n"), .until = "334 " },
		{ .what = STEP_CLOSE },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.config.allow_plain_sign_in = true;
	converse(&w, LISTEN_SUBMISSION, steps, &got);
	check_int_eq(w.aborts, 2);
	world_close(&w);
}

static void test_stop(void **state)
{
	static const struct step idle[] = {
		{ .until = "220 mx" },
		{ .what = STEP_STOP, .until = "" },
		{ .until = NULL },
	};
	static const struct step busy[] = {
		{ .until = "220 mx" },
		{ TO_RCPT, .until = "recipient ok" },
		{ .what = STEP_STOP },
		{ SEND("BDAT 2 LAST\r\nhi"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	converse(&w, LISTEN_SMTP, idle, &got);
	check(heard(&got, "421 4.3.2"));
	w.env.stopping = false;
	converse(&w, LISTEN_SMTP, busy, &got);
	check(heard(&got, "kept as 7f3a\r\n421 4.3.2"));
	world_close(&w);
}

static void test_greeting_delay(void **state)
{
	static const struct step early[] = {
		{ SEND("EHLO c\r\n"), .until = "" },
		{ .until = NULL },
	};
	static const struct step late[] = {
		{ .until = "220 mx" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.config.limits.greeting_delay_ms = 200;
	converse(&w, LISTEN_SMTP, early, &got);
	check(heard(&got, "554 5.5.1 you spoke before the greeting"));
	check_int_eq(w.notes, 1);
	converse(&w, LISTEN_SMTP, late, &got);
	world_close(&w);
}

/* ---- TLS ---- */

static int sign(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	unsigned char sig[256];
	size_t len = sizeof(sig);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(owner, NULL);

	(void)key, (void)scheme;
	int ok = EVP_PKEY_sign_init(ctx) > 0 &&
	         EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0 &&
	         EVP_PKEY_sign(ctx, sig, &len, (const unsigned char *)digest.ptr, digest.len) > 0;
	EVP_PKEY_CTX_free(ctx);
	if (ok)
		buf_add(out, str_new(sig, len));
	return ok ? 0 : -1;
}

static struct tls_context *make_tls(EVP_PKEY *key)
{
	BIO *pem = BIO_new(BIO_s_mem());
	X509 *x = X509_new();
	char *data;
	struct err err = { 0 };

	X509_set_version(x, 2);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)"mx.example.org", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	check(X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_bio_X509(pem, x) == 1);
	size_t len = (size_t)BIO_get_mem_data(pem, &data);
	struct tls_certificate certificate = { .chain = str_new(data, len) };
	struct tls_context *t = tls_context_new(&(struct tls_options){ .certificates = &certificate,
	                                            .certificate_count = 1,
	                                            .sign = sign,
	                                            .sign_owner = key },
	    &err);
	if (!t)
		print_error("%s\n", err.text);
	X509_free(x);
	BIO_free(pem);
	check(t);
	return t;
}

static void test_tls(void **state)
{
	static const struct step start[] = {
		{ .until = "220 mx" },
		{ SEND("EHLO c\r\n"), .until = "250 HELP" },
		{ SEND("STARTTLS\r\nMAIL FROM:<evil@b.example>\r\n"), .until = "220 2.0.0" },
		{ .what = STEP_TLS, SEND("EHLO c\r\n"), .until = "250 HELP" },
		{ SEND("MAIL FROM:<a@b.example> REQUIRETLS\r\nRCPT TO:<x@y.example>\r\nBDAT 2 "
		       "LAST\r\nhi"),
		    .until = "kept as" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	/* A second and more after the handshake: its time limit is over and forgotten. */
	static const struct step implicit[] = {
		{ .what = STEP_TLS, .until = "220 mx" },
		{ SEND("EHLO c\r\nAUTH PLAIN AGEAYg==\r\n"), .until = "235 2.7.0" },
		{ .what = STEP_SLEEP, SEND("NOOP\r\n"), .until = "250 2.0.0 ok" },
		{ SEND("MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 2 LAST\r\nhi"),
		    .until = "kept as" },
		{ SEND("QUIT\r\n"), .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);
	EVP_PKEY *key = EVP_EC_gen("P-256");

	(void)state;
	world_open(&w);
	w.env.tls = make_tls(key);
	converse(&w, LISTEN_SMTP, start, &got);
	check_str_eq(buf_str(&w.last), STR("from=a@b.example ticket= envid= ret=0 utf8=0 tls=1"));
	w.config.limits.signin_s = 1;
	converse(&w, LISTEN_SUBMISSIONS, implicit, &got);
	check(heard(&got, "AUTH SCRAM-SHA-256-PLUS"));
	check_str_eq(buf_str(&w.last), STR("from=a@b.example ticket=T1 envid= ret=0 utf8=0 tls=1"));
	world_close(&w);
	EVP_PKEY_free(key);
}

static void test_submissions_without_certificate(void **state)
{
	static const struct step steps[] = {
		{ .until = "" },
		{ .until = NULL },
	};
	struct world w;
	AUTO_BUF got = BUF_INIT(TEXT_MAX);

	(void)state;
	world_open(&w);
	w.log.level = LOG_LEVEL_ALERT;
	converse(&w, LISTEN_SUBMISSIONS, steps, &got);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_mistakes_slow_down),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_spool_refused),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_core_down),
		cmocka_unit_test(test_core_lost_at_message),
		cmocka_unit_test(test_gone_while_waiting),
		cmocka_unit_test(test_lmtp),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_submission_clear),
		cmocka_unit_test(test_auth_abandoned),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_greeting_delay),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_submissions_without_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
