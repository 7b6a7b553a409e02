/* signin.c: a user's connection up to the sign-in, and the hand-over to core. sessions/front.h */
#include "sessions/signin/signin.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/secret.h"
#include "net/pump.h"
#include "services/auth/auth.h"

enum { INPUT_MAX = 16 * 1024, HIGH_WATER = 64 * 1024, LOW_WATER = 16 * 1024 };

/* What stays while a signed-in user's bytes are pumped is this struct and nothing that it points
 * to. */
struct signin {
	struct front_member member; /* first: on_stop gets it */
	struct front_env *env;
	struct conn *conn; /* NULL: closed; waiting for replies only */
	const struct signin_protocol *protocol;
	void *engine;
	uint64_t exchange; /* its number in auth; 0: none */
	struct secret ticket;
	int fd; /* our end of the pair while core is asked */
	unsigned waiting;
	bool is_tls, is_eof, is_pumped;
	bool is_over; /* nothing more is said to the client; late replies are dropped */
	char peer[64];
};

static const struct {
	const struct signin_protocol *protocol;
	bool tls_first;
} services[LISTEN_SERVICE_COUNT] = {
	[LISTEN_IMAP] = { &signin_imap, false },
	[LISTEN_IMAPS] = { &signin_imap, true },
	[LISTEN_POP3] = { &signin_pop3, false },
	[LISTEN_POP3S] = { &signin_pop3, true },
};

static void run(struct signin *s);

static str peer(const struct signin *s)
{
	return str_c(s->peer);
}

/* ---- the end ---- */

static void abort_exchange(struct signin *s)
{
	struct frame_sasl_abort f = { .session = s->exchange };

	if (s->exchange)
		(void)link_send(s->env->auth, &frame_def_sasl_abort, &f, NULL, 0, NULL);
	s->exchange = 0;
}

static void forget_secrets(struct signin *s)
{
	if (s->engine)
		s->protocol->free(s->engine);
	s->engine = NULL;
	secret_fini(&s->ticket);
	fd_close(&s->fd);
}

static void release(struct signin *s)
{
	if (s->conn || s->waiting)
		return;
	forget_secrets(s);
	free(s);
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct signin *s = owner;

	(void)c;
	s->conn = NULL;
	log_debug(s->env->log, "connection closed before sign-in", F_STR("peer", peer(s)),
	    F_CSTR("protocol", s->protocol->alpn), F_STR("why", reason));
	abort_exchange(s);
	front_leave(s->env, &s->member);
	s->env->ended(s->env, peer(s));
	release(s);
}

static void on_pump_end(void *owner, str reason)
{
	struct signin *s = owner;

	s->conn = NULL;
	log_debug(s->env->log, "connection closed", F_STR("peer", peer(s)),
	    F_CSTR("protocol", s->protocol->alpn), F_STR("why", reason));
	front_leave(s->env, &s->member);
	s->env->ended(s->env, peer(s));
	release(s);
}

/* ---- auth ---- */

static void flush(struct signin *s)
{
	str text = s->protocol->output(s->engine);

	if (text.len == 0)
		return;
	conn_write(s->conn, text);
	s->protocol->sent(s->engine, text.len);
}

static void on_sasl(void *arg, struct link_frame *reply)
{
	struct signin *s = arg;
	struct frame_sasl_result r = { .outcome = SASL_UNAVAILABLE };

	s->waiting--;
	if (!s->conn || s->is_over) {
		release(s);
		return;
	}
	if (reply && (frame_decode(reply->def, reply->payload, &r, NULL) < 0 ||
	                 r.outcome > SASL_UNAVAILABLE))
		r = (struct frame_sasl_result){ .outcome = SASL_UNAVAILABLE };
	if (r.outcome != SASL_CONTINUE)
		s->exchange = 0;
	if (r.outcome == SASL_OK)
		secret_set(&s->ticket, r.ticket);
	s->protocol->answer(s->engine, (enum sasl_outcome)r.outcome, r.data, r.text);
	run(s);
}

static void ask(struct signin *s, const struct frame_def *def, const void *frame)
{
	s->waiting++;
	link_request(s->env->auth, def, frame, NULL, 0, &frame_def_sasl_result, on_sasl, s);
}

static void sasl_start(struct signin *s, const struct signin_event *e)
{
	struct frame_sasl_start f = { .session = ++s->env->next_session,
		.mechanism = e->mechanism,
		.has_initial = e->has_initial,
		.initial = e->initial,
		.peer_address = peer(s),
		.protocol = s->protocol->frame,
		.tls = s->is_tls };

	if (s->is_tls) {
		f.cb_exporter = conn_tls_exporter(s->conn);
		f.cb_end_point = conn_tls_server_end_point(s->conn);
	}
	s->exchange = f.session;
	ask(s, &frame_def_sasl_start, &f);
}

static void sasl_step(struct signin *s, const struct signin_event *e)
{
	struct frame_sasl_step f = { .session = s->exchange, .response = e->response };

	ask(s, &frame_def_sasl_step, &f);
}

/* ---- core ---- */

/* From here on only TLS, the pump and the small struct are left of the session. */
static void hand_over(struct signin *s)
{
	int fd = TAKE_FD(s->fd);

	flush(s);
	forget_secrets(s);
	s->is_pumped = true;
	pump_start(s->conn, fd, on_pump_end, s);
}

static void on_attach(void *arg, struct link_frame *reply)
{
	struct signin *s = arg;
	struct frame_attach_result r = { .code = STR("UNAVAILABLE"),
		.text = STR("your mail cannot be reached right now, try again later") };

	s->waiting--;
	if (!s->conn || s->is_over) {
		release(s);
		return;
	}
	secret_fini(&s->ticket);
	if (reply && frame_decode(reply->def, reply->payload, &r, NULL) < 0)
		r.ok = false;
	if (r.ok) {
		s->protocol->signed_in(s->engine, r.text);
		hand_over(s);
		return;
	}
	fd_close(&s->fd);
	s->protocol->refuse(s->engine, r.code, r.text);
	run(s);
}

static void attach(struct signin *s)
{
	struct conn_tls_info tls = { 0 };
	int fds[2];

	conn_tls_info(s->conn, &tls);
	struct frame_attach f = { .ticket = secret_str(&s->ticket),
		.protocol = s->protocol->frame,
		.peer_address = peer(s),
		.peer_port = conn_peer_port(s->conn),
		.tls_version = str_c(tls.version),
		.tls_cipher = str_c(tls.cipher),
		.language = s->protocol->language(s->engine),
		.utf8 = s->protocol->is_utf8(s->engine) };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
		log_warn(s->env->log, "no socket pair for a session", F_STR("peer", peer(s)));
		s->protocol->refuse(s->engine, STR("UNAVAILABLE"),
		    STR("the server has too many connections, try again later"));
		return;
	}
	s->fd = fds[0];
	s->waiting++;
	link_request(s->env->core, &frame_def_attach, &f, &fds[1], 1, &frame_def_attach_result,
	    on_attach, s);
	fd_close(&fds[1]);
}

/* ---- the conversation ---- */

static void start_tls(struct signin *s)
{
	if (!s->env->tls) {
		conn_abort(s->conn, "the certificate has gone");
		return;
	}
	conn_set_alpn(s->conn, s->protocol->alpn);
	conn_start_tls(s->conn, s->env->tls);
}

static void act(struct signin *s, const struct signin_event *e)
{
	switch (e->kind) {
	case SIGNIN_STARTTLS:
		start_tls(s);
		break;
	case SIGNIN_SASL_START:
		sasl_start(s, e);
		break;
	case SIGNIN_SASL_STEP:
		sasl_step(s, e);
		break;
	case SIGNIN_SASL_ABORT:
		abort_exchange(s);
		break;
	case SIGNIN_OPEN:
		attach(s);
		break;
	case SIGNIN_CLOSE:
		s->is_over = true;
		conn_close(s->conn);
		break;
	}
}

/* Until the engine has nothing to say and takes nothing more. */
static void run(struct signin *s)
{
	struct signin_event e;
	bool again = true;

	while (again) {
		size_t used = s->protocol->feed(s->engine, conn_input(s->conn));
		again = used > 0;
		if (used)
			conn_consume(s->conn, used);
		again |= s->protocol->output(s->engine).len > 0;
		flush(s);
		while (s->protocol->next(s->engine, &e)) {
			act(s, &e);
			flush(s);
			again = true;
		}
	}
	/* A client that has said all it will gets the answers to what it said. */
	if (s->is_eof && !s->waiting)
		conn_close(s->conn);
}

static void open_engine(struct signin *s, bool has_binding)
{
	const struct config *config = s->env->config;

	s->engine = s->protocol->open(&(struct signin_options){ .hostname = config->hostname,
	    .tls_available = s->env->tls != NULL,
	    .tls_active = s->is_tls,
	    .has_binding = has_binding,
	    .allow_clear = config->allow_plain_sign_in && auth_peer_is_local(peer(s)),
	    .failed_sign_ins = config->limits.errors_before_sign_in });
	if (s->env->stopping)
		s->protocol->stop(s->engine);
	run(s);
}

static void on_data(void *owner, struct conn *c)
{
	struct signin *s = owner;

	(void)c;
	if (s->engine)
		run(s);
}

static void on_tls(void *owner, struct conn *c)
{
	struct signin *s = owner;
	bool has_binding = conn_tls_exporter(c).len > 0 || conn_tls_server_end_point(c).len > 0;

	s->is_tls = true;
	if (!s->engine) {
		open_engine(s, has_binding);
		return;
	}
	s->protocol->tls_started(s->engine, has_binding);
	run(s);
}

static void on_eof(void *owner, struct conn *c)
{
	struct signin *s = owner;

	s->is_eof = true;
	if (s->engine)
		run(s);
	else
		conn_close(c);
}

/* A session in core is told by core; one that waits for core's or auth's answer gets no answer any
 * more. */
static void on_stop(struct front_member *m)
{
	struct signin *s = (struct signin *)m;

	if (s->is_pumped)
		return;
	if (!s->engine) {
		conn_abort(s->conn, "the server is stopping");
		return;
	}
	s->protocol->stop(s->engine);
	run(s);
}

static const struct conn_handlers handlers = {
	.on_data = on_data,
	.on_tls = on_tls,
	.on_eof = on_eof,
	.on_closed = on_closed,
};

void signin_accept(struct front_env *env, int fd, enum listen_service service)
{
	struct signin *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->env = env;
	s->fd = -1;
	s->protocol = services[service].protocol;
	s->member.on_stop = on_stop;
	s->conn = conn_new(env->loop, fd,
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = s,
	        .input_max = INPUT_MAX,
	        .high_water = HIGH_WATER,
	        .low_water = LOW_WATER });
	snprintf(s->peer, sizeof(s->peer), STR_FMT, STR_ARG(conn_peer_address(s->conn)));
	front_join(env, &s->member);
	conn_set_deadline(
	    s->conn, (uint64_t)env->config->limits.signin_s * 1000, "before signing in");
	if (services[service].tls_first)
		start_tls(s);
	else
		open_engine(s, /* has_binding */ false);
}
