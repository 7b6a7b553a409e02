/* One SMTP, LMTP or submission connection in front: engine, connection, and frames to core and auth. */
#include <stdlib.h>

#include "base/secret.h"
#include "sessions/smtp/internal.h"

enum {
	INPUT_MAX = 64 * 1024,
	HIGH_WATER = 64 * 1024,
	LOW_WATER = 8 * 1024,
};

static const str mechanisms = STR_INIT("SCRAM-SHA-256 PLAIN LOGIN");
static const str mechanisms_tls = STR_INIT("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");

/* ---- life ------------------------------------------------------------------------------------- */

/* A reply may still be under way when the connection is gone: the session waits for it. */
static void maybe_free(struct smtp_front *s)
{
	if (s->conn || s->requests > 0)
		return;
	timer_free(s->timer);
	smtp_session_free(s->engine);
	smtp_upload_fini(&s->upload);
	if (s->ticket.ptr)
		secret_wipe(s->ticket.ptr, s->ticket.len);
	buf_fini(&s->ticket);
	buf_fini(&s->hostname);
	buf_fini(&s->helo);
	free(s);
}

void smtp_front_request_done(struct smtp_front *s)
{
	s->requests--;
	s->waiting = false;
	if (s->conn)
		smtp_front_pump(s);
	maybe_free(s);
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct smtp_front *s = owner;

	log_debug(s->env->log, "smtp connection over", F_STR("peer", conn_peer_address(c)),
	    F_STR("why", reason));
	smtp_tx_drop(s);
	smtp_front_auth_drop(s);
	front_leave(s->env, &s->member);
	s->env->ended(s->env, conn_peer_address(c));
	s->conn = NULL;
	maybe_free(s);
}

/* ---- mistakes ------------------------------------------------------------------------------------- */

/* Until the pump finds the wait over: the clock must not change its mind in the middle of a turn. */
static bool is_slow(const struct smtp_front *s)
{
	return s->slow_until > 0;
}

/* LMTP is spoken by programs of this house, for many senders on one connection. */
static void count_errors(struct smtp_front *s)
{
	unsigned errors = smtp_session_errors(s->engine), before = s->errors;

	s->errors = errors;
	if (errors <= before || errors <= ERRORS_AT_ONCE || s->service == LISTEN_LMTP ||
	    s->env->stopping)
		return;
	uint64_t steps =
	    errors - ERRORS_AT_ONCE < SLOW_STEPS ? errors - ERRORS_AT_ONCE : SLOW_STEPS;
	uint64_t wait_ms = steps * s->env->config->limits.error_delay_ms;
	s->slow_until = wait_ms ? loop_now_ms(s->env->loop) + wait_ms : 0;
}

/* ---- time --------------------------------------------------------------------------------------- */

/* Deadlines mostly move away; the timer is only set anew when one comes nearer. */
static void arm_timer(struct smtp_front *s)
{
	uint64_t at = smtp_session_deadline(s->engine), now = loop_now_ms(s->env->loop);

	if (is_slow(s) && s->slow_until < at)
		at = s->slow_until;
	if (at == UINT64_MAX || (s->timer_at && s->timer_at <= at))
		return;
	s->timer_at = at;
	timer_set(s->timer, at > now ? at - now : 1);
}

static void on_timer(void *arg)
{
	struct smtp_front *s = arg;

	s->timer_at = 0;
	if (!s->conn)
		return;
	if (s->greet_at && loop_now_ms(s->env->loop) >= s->greet_at) {
		s->greet_at = 0;
		smtp_session_greet(s->engine);
	}
	smtp_front_pump(s);
}

/* ---- events --------------------------------------------------------------------------------------- */

static void on_hello(struct smtp_front *s, const struct smtp_event *e)
{
	buf_reset(&s->helo);
	buf_add(&s->helo, e->hello.name);
	s->is_helo_only = !e->hello.extended;
}

static void on_starttls(struct smtp_front *s, const struct smtp_event *e)
{
	(void)e;
	s->starting_tls = true;
}

static void on_quit(struct smtp_front *s, const struct smtp_event *e)
{
	(void)s, (void)e;
}

static const struct {
	enum smtp_event_type type;
	void (*run)(struct smtp_front *s, const struct smtp_event *e);
} handlers[] = {
	{ SMTP_EVENT_HELLO, on_hello },
	{ SMTP_EVENT_STARTTLS, on_starttls },
	{ SMTP_EVENT_AUTH_START, smtp_front_auth_start },
	{ SMTP_EVENT_AUTH_STEP, smtp_front_auth_step },
	{ SMTP_EVENT_AUTH_ABORT, smtp_front_auth_abort },
	{ SMTP_EVENT_MAIL, smtp_tx_mail },
	{ SMTP_EVENT_RCPT, smtp_tx_rcpt },
	{ SMTP_EVENT_DATA_BEGIN, smtp_tx_data },
	{ SMTP_EVENT_BODY, smtp_tx_body },
	{ SMTP_EVENT_MESSAGE, smtp_tx_message },
	{ SMTP_EVENT_RESET, smtp_tx_reset },
	{ SMTP_EVENT_QUIT, on_quit },
	{ SMTP_EVENT_REFUSED, smtp_tx_refused },
};

static bool run_events(struct smtp_front *s)
{
	struct smtp_event e;
	bool any = false;

	while (!s->waiting && smtp_session_next(s->engine, &e)) {
		any = true;
		for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
			if (handlers[i].type == e.type)
				handlers[i].run(s, &e);
		}
	}
	return any;
}

static void send_output(struct smtp_front *s)
{
	str out = smtp_session_output(s->engine);

	if (str_empty(out))
		return;
	conn_write(s->conn, out);
	smtp_session_sent(s->engine, out.len);
}

/* Feeds until the engine takes no more, waits for somebody, or the client does not read its replies. */
static void feed(struct smtp_front *s)
{
	for (;;) {
		run_events(s);
		count_errors(s);
		if (is_slow(s))
			return;
		send_output(s);
		if (s->waiting || s->starting_tls || conn_is_congested(s->conn))
			return;
		size_t used = smtp_session_feed(s->engine, conn_input(s->conn));
		/* Body events point into the input: they come first, then it is given up. */
		bool any = run_events(s);
		conn_consume(s->conn, used);
		if (!used && !any)
			return;
	}
}

static void start_tls(struct smtp_front *s)
{
	s->starting_tls = s->tls_under_way = true;
	conn_set_deadline(
	    s->conn, s->env->config->limits.signin_s * UINT64_C(1000), "shaking hands");
	conn_start_tls(s->conn, s->env->tls);
}

/* Nothing more will be said: the engine is done, or the client has ended its side and all that it said
 * has been answered. */
static bool is_over(const struct smtp_front *s)
{
	if (s->waiting || s->closing || s->starting_tls || is_slow(s))
		return false;
	return smtp_session_is_done(s->engine) || (s->is_eof && !conn_is_congested(s->conn));
}

static void hang_up(struct smtp_front *s)
{
	s->closing = true;
	conn_close(s->conn);
	conn_set_deadline(s->conn, CLOSING_MS, "closing");
}

void smtp_front_pump(struct smtp_front *s)
{
	if (s->pumping)
		return;
	s->pumping = true;
	if (loop_now_ms(s->env->loop) >= s->slow_until)
		s->slow_until = 0;
	smtp_session_tick(s->engine, loop_now_ms(s->env->loop));
	feed(s);
	if (!is_slow(s))
		send_output(s);
	s->pumping = false;
	if (s->starting_tls && !s->tls_under_way)
		start_tls(s);
	else if (is_over(s))
		hang_up(s);
	arm_timer(s);
}

/* ---- connection ------------------------------------------------------------------------------------ */

static void on_data(void *owner, struct conn *c)
{
	struct smtp_front *s = owner;

	(void)c;
	if (!s->starting_tls)
		smtp_front_pump(s);
}

static void on_drained(void *owner, struct conn *c)
{
	on_data(owner, c);
}

/* A client may end its side and still read what we say to what it sent. */
static void on_eof(void *owner, struct conn *c)
{
	struct smtp_front *s = owner;

	s->is_eof = true;
	on_data(owner, c);
}

static void start_engine(struct smtp_front *s, bool tls_active);

static void on_tls(void *owner, struct conn *c)
{
	struct smtp_front *s = owner;

	conn_set_deadline(c, 0, NULL);
	if (!s->engine)
		start_engine(s, true);
	else
		smtp_session_tls_started(s->engine);
	s->starting_tls = s->tls_under_way = false;
	smtp_front_pump(s);
}

static void on_stop(struct front_member *m)
{
	struct smtp_front *s = (struct smtp_front *)m; /* its first member */

	if (!s->engine) {
		conn_abort(s->conn, "the server stops");
		return;
	}
	smtp_session_stop(s->engine);
	s->slow_until = 0;
	smtp_front_pump(s);
}

static const struct conn_handlers conn_events = { .on_data = on_data,
	.on_eof = on_eof,
	.on_tls = on_tls,
	.on_drained = on_drained,
	.on_closed = on_closed };

static enum smtp_role role_of(enum listen_service s)
{
	return s == LISTEN_SMTP   ? SMTP_ROLE_MX
	       : s == LISTEN_LMTP ? SMTP_ROLE_LMTP
	                          : SMTP_ROLE_SUBMISSION;
}

static struct smtp_limits limits_of(const struct config *c)
{
	struct smtp_limits l = smtp_limits_default;

	l.recipients = c->limits.recipients;
	l.message_bytes = c->limits.message_bytes;
	l.bad_commands = c->limits.errors_before_sign_in;
	l.bad_commands_signed_in = c->limits.errors_after_sign_in;
	l.idle_ms = c->limits.smtp_idle_s * 1000;
	l.sign_in_ms = c->limits.signin_s * 1000;
	return l;
}

static bool is_near(str address)
{
	return str_starts(address, STR("127.")) || str_eq(address, STR("::1")) ||
	       str_eq(address, STR("local"));
}

static void start_engine(struct smtp_front *s, bool tls_active)
{
	const struct config *c = s->env->config;
	bool may_sign_in = role_of(s->service) == SMTP_ROLE_SUBMISSION;
	uint32_t delay = s->service == LISTEN_SMTP ? c->limits.greeting_delay_ms : 0;

	s->may_be_plain = c->allow_plain_sign_in && is_near(conn_peer_address(s->conn));
	buf_init(&s->hostname, 256);
	buf_add(&s->hostname, c->hostname);
	s->engine = smtp_session_new(&(struct smtp_options){
	    .hostname = buf_str(&s->hostname),
	    .role = role_of(s->service),
	    .limits = limits_of(c),
	    .tls_offered = s->env->tls && !tls_active && s->service != LISTEN_LMTP,
	    .tls_active = tls_active,
	    .allow_plain = s->may_be_plain,
	    .hold_greeting = delay > 0,
	    .mechanisms = may_sign_in ? mechanisms : STR_NONE,
	    .mechanisms_tls = may_sign_in ? mechanisms_tls : STR_NONE,
	});
	smtp_session_tick(s->engine, loop_now_ms(s->env->loop));
	if (delay > 0) {
		s->greet_at = loop_now_ms(s->env->loop) + delay;
		s->timer_at = s->greet_at;
		timer_set(s->timer, delay);
	}
}

void smtp_accept(struct front_env *env, int fd, enum listen_service service)
{
	struct smtp_front *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->member.on_stop = on_stop;
	s->env = env;
	s->service = service;
	s->id = ++env->next_session;
	s->timer = timer_new(env->loop, on_timer, s);
	buf_init(&s->ticket, 512);
	buf_init(&s->helo, 256);
	buf_init(&s->sender, ADDRESS_MAX);
	buf_init(&s->envid, 256);
	buf_init(&s->recipient, ADDRESS_MAX);
	smtp_upload_init(&s->upload);
	s->conn = conn_new(env->loop, fd,
	    &(struct conn_options){ .handlers = &conn_events,
	        .owner = s,
	        .input_max = INPUT_MAX,
	        .high_water = HIGH_WATER,
	        .low_water = LOW_WATER });
	front_join(env, &s->member);
	if (service != LISTEN_SUBMISSIONS) {
		start_engine(s, false);
		smtp_front_pump(s);
	} else if (env->tls) {
		start_tls(s);
	} else {
		log_warn(env->log, "no certificate for submissions",
		    F_STR("peer", conn_peer_address(s->conn)));
		conn_abort(s->conn, "no certificate is configured");
	}
}
