/* session.c: the life of a session: bytes in, decisions in, time, the end. */
#include <stdlib.h>

#include "base/fd.h"
#include "protocols/smtp/internal.h"

/* Reasons: style of RFC 5321 §4.5.3; what others do is in docs/architecture.md. */
const struct smtp_limits smtp_limits_default = {
	.command_bytes = 2048,
	.auth_bytes = 12288,
	.recipients = 1000,
	.messages = 1000,
	.message_bytes = 50u << 20,
	.swallow_bytes = 100u << 20,
	.bad_commands = 10,
	.bad_commands_signed_in = 20,
	.idle_commands = 100,
	.refused_recipients = 10,
	.idle_ms = 300 * 1000,
	.sign_in_ms = 60 * 1000,
	.session_ms = 3600 * 1000,
	.rate_bytes = 30000, /* 500 bytes a second */
	.rate_ms = 60 * 1000,
};

struct smtp_session *smtp_session_new(const struct smtp_options *o)
{
	struct smtp_session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->o = *o;
	s->tls = o->tls_active;
	buf_init(&s->out, SMTP_OUTPUT_MAX);
	if (!o->hold_greeting)
		smtp_session_greet(s);
	return s;
}

void smtp_session_free(struct smtp_session *s)
{
	if (!s)
		return;
	smtp_auth_abort(s);
	free(s->body);
	arena_free(s->scratch);
	buf_fini(&s->out);
	free(s);
}

void smtp_session_greet(struct smtp_session *s)
{
	if (s->mode != SMTP_MODE_GREETING)
		return;
	s->mode = SMTP_MODE_COMMAND;
	buf_add(&s->out, STR("220 "));
	buf_add(&s->out, s->o.hostname);
	buf_add(&s->out, s->o.role == SMTP_ROLE_LMTP ? STR(" LMTP\r\n") : STR(" ESMTP\r\n"));
	s->activity_at = s->now;
}

/* ---- the end of things ---- */

void smtp_end_transaction(struct smtp_session *s, enum smtp_state next)
{
	if (s->tx.open)
		smtp_push(s, SMTP_EVENT_RESET);
	s->tx = (struct smtp_transaction){ 0 };
	free(TAKE(s->body));
	s->state = next;
}

void smtp_finish(struct smtp_session *s)
{
	if (s->mode == SMTP_MODE_DONE)
		return;
	smtp_auth_abort(s);
	smtp_end_transaction(s, SMTP_START);
	s->waiting = SMTP_WAIT_NONE;
	s->mode = SMTP_MODE_DONE;
}

void smtp_session_shut(struct smtp_session *s, struct smtp_reply r)
{
	if (s->mode == SMTP_MODE_DONE)
		return;
	smtp_say(s, r.code, r.enhanced, r.text);
	smtp_finish(s);
}

static const struct smtp_reply going_down = {
	421,
	STR_INIT("4.3.2"),
	STR_INIT("the server is going down, try again soon"),
};

void smtp_session_stop(struct smtp_session *s)
{
	s->stopping = true;
	if (!s->tx.open && (s->mode == SMTP_MODE_COMMAND || s->mode == SMTP_MODE_GREETING))
		smtp_session_shut(s, going_down);
}

void smtp_resume(struct smtp_session *s)
{
	if (s->mode == SMTP_MODE_DONE)
		return;
	s->mode = SMTP_MODE_COMMAND;
	s->waiting = SMTP_WAIT_NONE;
	s->activity_at = s->now;
	if (s->stopping && !s->tx.open)
		smtp_session_shut(s, going_down);
}

/* ---- decisions ---- */

void smtp_ask(struct smtp_session *s, enum smtp_event_type type, enum smtp_waiting what)
{
	smtp_push(s, type);
	s->mode = SMTP_MODE_WAIT;
	s->waiting = what;
}

typedef void answer_fn(struct smtp_session *s, struct smtp_reply r);

void smtp_session_answer(struct smtp_session *s, struct smtp_reply r)
{
	static answer_fn *const answers[] = {
		[SMTP_WAIT_MAIL] = smtp_answer_mail,
		[SMTP_WAIT_RCPT] = smtp_answer_rcpt,
		[SMTP_WAIT_DATA] = smtp_answer_begin,
		[SMTP_WAIT_CHUNK] = smtp_answer_begin,
		[SMTP_WAIT_MESSAGE] = smtp_answer_message,
		[SMTP_WAIT_AUTH] = NULL,
	};

	if (s->mode != SMTP_MODE_WAIT || !answers[s->waiting])
		return;
	if (r.code < 200 || r.code > 599)
		r = (struct smtp_reply){ 451, STR("4.3.0"),
			STR("internal error, try again later") };
	answers[s->waiting](s, r);
	/* RFC 5321 §3.8: whoever decided says that we close. */
	if (r.code == 421)
		smtp_finish(s);
}

void smtp_session_tls_started(struct smtp_session *s)
{
	if (s->mode != SMTP_MODE_TLS)
		return;
	/* RFC 3207 §4.2: what the client said in clear, its EHLO included, counts no more. */
	smtp_end_transaction(s, SMTP_START);
	s->tls = true;
	s->extended = false;
	smtp_resume(s);
}

/* ---- bytes ---- */

/* A line with its CRLF, or 0 when it is not there yet. Bare CR or LF, NUL: *out_bad. */
static size_t cut_line(str bytes, size_t max, str *out, bool *out_bad)
{
	size_t lf = str_chr(str_sub(bytes, 0, max), '\n');

	if (lf == STR_NPOS)
		return 0;
	*out = str_sub(bytes, 0, lf > 0 ? lf - 1 : 0);
	*out_bad = lf == 0 || bytes.ptr[lf - 1] != '\r' || str_chr(*out, '\r') != STR_NPOS ||
	           str_chr(*out, '\0') != STR_NPOS;
	return lf + 1;
}

/* RFC 4954 §4: the line of AUTH and its responses may be this long; RFC 5321 §4.5.3.1.4 the others. */
static size_t line_max(const struct smtp_session *s, str bytes)
{
	if (s->mode == SMTP_MODE_COMMAND && !str_istarts(bytes, STR("AUTH ")))
		return s->o.limits.command_bytes;
	return s->o.limits.auth_bytes;
}

static void run_line(struct smtp_session *s, str line, bool is_bad)
{
	if (is_bad) {
		smtp_auth_abort(s);
		smtp_resume(s);
		SMTP_REFUSE(s, 500, "5.5.2",
		    "lines end with CR LF and hold neither of them alone, nor NUL");
	} else if (s->mode == SMTP_MODE_COMMAND) {
		smtp_run_line(s, line);
	} else {
		smtp_auth_line(s, line);
	}
	s->spoke = true;
	s->activity_at = s->now;
}

/* Somebody who speaks TLS where TLS has not begun waits for an answer we cannot give. */
static bool is_tls_hello(const struct smtp_session *s, str bytes)
{
	return !s->spoke && bytes.ptr[0] == 0x16;
}

static size_t feed_line(struct smtp_session *s, str bytes)
{
	size_t max = line_max(s, bytes);
	str line;
	bool is_bad;

	if (is_tls_hello(s, bytes)) {
		SMTP_DECLINE(
		    s, 554, "5.5.1", "TLS does not start by itself on this port, use STARTTLS");
		smtp_finish(s);
		return 0;
	}
	size_t used = cut_line(bytes, max, &line, &is_bad);
	if (used) {
		run_line(s, line, is_bad);
		return used;
	}
	if (bytes.len < max)
		return 0;
	smtp_auth_abort(s);
	s->mode = SMTP_MODE_SKIP;
	s->skipped = 0;
	return max;
}

static size_t feed_skip(struct smtp_session *s, str bytes)
{
	size_t lf = str_chr(bytes, '\n');
	size_t used = lf == STR_NPOS ? bytes.len : lf + 1;

	s->skipped += used;
	if (lf != STR_NPOS) {
		smtp_resume(s);
		SMTP_REFUSE(s, 500, "5.5.6", "line too long");
	} else if (s->skipped > SMTP_SKIP_MAX) {
		SMTP_DECLINE(s, 421, "4.5.6", "line too long, closing");
		smtp_finish(s);
	}
	return used;
}

/* RFC 5321 §4.3.1: the client waits for the greeting. Programs that only want to get rid of mail do
 * not. */
static size_t feed_early(struct smtp_session *s, str bytes)
{
	(void)bytes;
	SMTP_DECLINE(s, 554, "5.5.1", "you spoke before the greeting");
	smtp_finish(s);
	return 0;
}

static size_t feed_nothing(struct smtp_session *s, str bytes)
{
	(void)s, (void)bytes;
	return 0;
}

typedef size_t feed_fn(struct smtp_session *s, str bytes);

size_t smtp_session_feed(struct smtp_session *s, str bytes)
{
	static feed_fn *const feeders[] = {
		[SMTP_MODE_GREETING] = feed_early,
		[SMTP_MODE_COMMAND] = feed_line,
		[SMTP_MODE_SKIP] = feed_skip,
		[SMTP_MODE_AUTH] = feed_line,
		[SMTP_MODE_AUTH_LAST] = feed_line,
		[SMTP_MODE_DATA] = smtp_feed_data,
		[SMTP_MODE_CHUNK] = smtp_feed_chunk,
		[SMTP_MODE_TLS] = feed_nothing,
		[SMTP_MODE_WAIT] = feed_nothing,
		[SMTP_MODE_DONE] = feed_nothing,
	};

	if (s->event_count || bytes.len == 0 || s->out.len >= SMTP_OUTPUT_HIGH)
		return 0;
	arena_free(TAKE(s->scratch));
	return feeders[s->mode](s, bytes);
}

str smtp_session_output(const struct smtp_session *s)
{
	return buf_str(&s->out);
}

void smtp_session_sent(struct smtp_session *s, size_t count)
{
	buf_consume(&s->out, count);
	if (s->out.len == 0)
		buf_fini(&s->out); /* an idle session holds no buffer */
}

unsigned smtp_session_errors(const struct smtp_session *s)
{
	return s->signed_in ? 0 : s->bad + s->refused_recipients;
}

bool smtp_session_is_done(const struct smtp_session *s)
{
	return s->mode == SMTP_MODE_DONE;
}

/* ---- time ---- */

static bool reads_body(const struct smtp_session *s)
{
	return s->mode == SMTP_MODE_DATA || s->mode == SMTP_MODE_CHUNK;
}

static bool must_sign_in(const struct smtp_session *s)
{
	return s->o.role == SMTP_ROLE_SUBMISSION && !s->signed_in;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t smtp_session_deadline(const struct smtp_session *s)
{
	const struct smtp_limits *l = &s->o.limits;

	if (!s->ticking || s->mode == SMTP_MODE_WAIT || s->mode == SMTP_MODE_DONE)
		return UINT64_MAX;
	if (reads_body(s))
		return s->window_at + l->rate_ms;
	uint64_t at = s->activity_at + l->idle_ms;
	if (must_sign_in(s))
		at = earliest(at, s->started_at + l->sign_in_ms);
	if (!s->tx.open)
		at = earliest(at, s->started_at + l->session_ms);
	return at;
}

/* Each window stands alone, so that a client cannot save up bytes and then sit still. */
static void check_rate(struct smtp_session *s)
{
	if (s->window_bytes < s->o.limits.rate_bytes) {
		SMTP_DECLINE(s, 421, "4.4.2", "the message comes too slowly, closing");
		smtp_finish(s);
		return;
	}
	s->window_at = s->now;
	s->window_bytes = 0;
}

static str late_reason(const struct smtp_session *s)
{
	if (must_sign_in(s) && s->now >= s->started_at + s->o.limits.sign_in_ms)
		return STR("sign-in took too long, closing");
	if (!s->tx.open && s->now >= s->started_at + s->o.limits.session_ms)
		return STR("connected for too long, connect again");
	return STR("idle for too long, closing");
}

void smtp_session_tick(struct smtp_session *s, uint64_t now_ms)
{
	if (!s->ticking) {
		s->started_at = s->activity_at = s->window_at = now_ms;
		s->ticking = true;
	}
	s->now = now_ms;
	if (now_ms < smtp_session_deadline(s))
		return;
	if (reads_body(s)) {
		check_rate(s);
		return;
	}
	if (s->mode != SMTP_MODE_TLS)
		smtp_decline(s, 421, STR("4.4.2"), late_reason(s));
	smtp_finish(s);
}
