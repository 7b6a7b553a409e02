/* smtp_driver.h: for tests and fuzzers: plays the session's part around the SMTP server engine.
 *
 * Purpose    Feeds bytes, pulls events, answers them (from a queue, else with yes), collects output, and
 *            keeps its own record of the transaction, which it checks against every event.
 * Not here   Expectations about replies (the tests).
 */
#ifndef BUZON_PROTOCOLS_SMTP_SMTP_DRIVER_H
#define BUZON_PROTOCOLS_SMTP_SMTP_DRIVER_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "protocols/smtp/smtp.h"

enum { DRIVER_MAX = 4 << 20, DRIVER_ANSWERS = 2100 };

struct driver {
	struct smtp_options options;
	struct smtp_session *s;
	struct buf in;  /* what the engine has not taken */
	struct buf log; /* one line for each event */
	struct buf body;
	struct arena *arena;
	str answers[DRIVER_ANSWERS]; /* "rcpt 550 5.1.1 text", taken by name, in order */
	size_t answer_count;
	uint64_t now;
	/* The record. */
	bool open, waiting_tls;
	unsigned recipients, messages, resets;
	char sender[128];
};

static inline void driver_init(struct driver *d)
{
	*d = (struct driver){ .options = { .hostname = STR("mx.example.org"),
		                  .limits = smtp_limits_default,
		                  .mechanisms = STR("SCRAM-SHA-256 PLAIN LOGIN"),
		                  .mechanisms_tls =
		                      STR("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN") } };
	buf_init(&d->in, DRIVER_MAX);
	buf_init(&d->log, DRIVER_MAX);
	buf_init(&d->body, DRIVER_MAX);
	d->arena = arena_new(NULL, "driver", 64 << 20);
	d->now = 1000;
}

static inline void driver_fini(struct driver *d)
{
	smtp_session_free(d->s);
	buf_fini(&d->in);
	buf_fini(&d->log);
	buf_fini(&d->body);
	arena_free(d->arena);
}

static inline void driver_take_output(struct driver *d, struct buf *out)
{
	str text = smtp_session_output(d->s);

	buf_add(out, text);
	smtp_session_sent(d->s, text.len);
}

static inline void driver_open(struct driver *d, struct buf *out)
{
	d->s = smtp_session_new(&d->options);
	smtp_session_tick(d->s, d->now);
	driver_take_output(d, out);
}

static inline void driver_queue(struct driver *d, str answer)
{
	assert(d->answer_count < DRIVER_ANSWERS);
	d->answers[d->answer_count++] = arena_str(d->arena, answer);
}

/* The first queued answer that begins with name; what follows the name. */
static inline bool driver_queued(struct driver *d, str name, str *out)
{
	for (size_t i = 0; i < d->answer_count; i++) {
		str a = d->answers[i];
		if (!str_starts(a, name) || a.len < name.len + 1 || a.ptr[name.len] != ' ')
			continue;
		*out = str_skip(a, name.len + 1);
		memmove(&d->answers[i], &d->answers[i + 1],
		    (d->answer_count - i - 1) * sizeof(d->answers[0]));
		d->answer_count--;
		return true;
	}
	return false;
}

static inline struct smtp_reply driver_reply(struct driver *d, str name, const char *otherwise)
{
	struct smtp_reply r = { 0 };
	str text = str_c(otherwise), code;

	(void)driver_queued(d, name, &text);
	if (take_word(&text, 3, &code) < 0 || num_parse_u32(code, 999, &r.code) < 0)
		abort();
	(void)take_space(&text);
	if (take_word(&text, 16, &r.enhanced) == 0)
		(void)take_space(&text);
	r.text = text;
	return r;
}

static inline void driver_answer_auth(struct driver *d)
{
	static const struct {
		str name;
		enum smtp_auth_result result;
	} words[] = {
		{ STR_INIT("challenge"), SMTP_AUTH_CHALLENGE },
		{ STR_INIT("ok"), SMTP_AUTH_OK },
		{ STR_INIT("failed"), SMTP_AUTH_FAILED },
		{ STR_INIT("malformed"), SMTP_AUTH_MALFORMED },
		{ STR_INIT("unknown"), SMTP_AUTH_UNKNOWN_MECHANISM },
		{ STR_INIT("needs-tls"), SMTP_AUTH_NEEDS_TLS },
		{ STR_INIT("unavailable"), SMTP_AUTH_UNAVAILABLE },
	};
	str text = STR("ok"), word;

	(void)driver_queued(d, STR("auth"), &text);
	if (take_word(&text, 20, &word) < 0)
		abort();
	(void)take_space(&text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(words[i].name, word)) {
			smtp_session_auth(d->s, words[i].result, text);
			return;
		}
	abort();
}

static inline void driver_escape(struct buf *out, str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\r')
			buf_addz(out, "\\r");
		else if (c == '\n')
			buf_addz(out, "\\n");
		else if (c == '\0')
			buf_addz(out, "\\0");
		else
			buf_addc(out, c);
	}
}

static inline void driver_log_mail(struct driver *d, const struct smtp_mail *m)
{
	static const char *const rets[] = { "none", "full", "hdrs" };

	buf_addf(&d->log, " <" STR_FMT ">", STR_ARG(m->sender));
	if (m->size)
		buf_addf(&d->log, " size=%llu", (unsigned long long)m->size);
	if (m->body)
		buf_addf(&d->log, " body=%s", m->body == SMTP_BODY_8BIT ? "8bit" : "binary");
	if (m->ret)
		buf_addf(&d->log, " ret=%s", rets[m->ret]);
	if (m->envid.len)
		buf_addf(&d->log, " envid=" STR_FMT, STR_ARG(m->envid));
	buf_addz(&d->log, m->utf8 ? " utf8" : "");
	buf_addz(&d->log, m->requiretls ? " requiretls" : "");
}

static inline void driver_log(struct driver *d, const struct smtp_event *e)
{
	buf_addz(&d->log, smtp_event_name(e->type));
	switch (e->type) {
	case SMTP_EVENT_HELLO:
		buf_addf(&d->log, " " STR_FMT "%s", STR_ARG(e->hello.name),
		    e->hello.extended ? " extended" : "");
		break;
	case SMTP_EVENT_AUTH_START:
		buf_addf(&d->log, " " STR_FMT "%s", STR_ARG(e->auth.mechanism),
		    e->auth.has_initial ? " " : "");
		driver_escape(&d->log, e->auth.data);
		break;
	case SMTP_EVENT_AUTH_STEP:
		buf_addz(&d->log, " ");
		driver_escape(&d->log, e->auth.data);
		break;
	case SMTP_EVENT_MAIL:
		driver_log_mail(d, &e->mail);
		break;
	case SMTP_EVENT_RCPT:
		buf_addf(&d->log, " <" STR_FMT ">", STR_ARG(e->rcpt.recipient));
		if (e->rcpt.notify)
			buf_addf(&d->log, " notify=%u", e->rcpt.notify);
		if (e->rcpt.orcpt.len)
			buf_addf(&d->log, " orcpt=" STR_FMT, STR_ARG(e->rcpt.orcpt));
		break;
	case SMTP_EVENT_MESSAGE:
		buf_addz(&d->log, " ");
		driver_escape(&d->log, buf_str(&d->body));
		break;
	case SMTP_EVENT_REFUSED:
		buf_addf(&d->log, " %u", e->refused.code);
		break;
	default:
		break;
	}
	buf_addc(&d->log, '\n');
}

/* What must hold whatever the client does. */
static inline void driver_record(struct driver *d, const struct smtp_event *e)
{
	switch (e->type) {
	case SMTP_EVENT_MAIL:
		assert(!d->open);
		break;
	case SMTP_EVENT_RCPT:
		assert(d->open);
		break;
	case SMTP_EVENT_DATA_BEGIN:
		assert(d->open && d->recipients > 0 && d->body.len == 0);
		break;
	case SMTP_EVENT_BODY:
		assert(d->open && d->recipients > 0 && e->body.len > 0);
		buf_add(&d->body, e->body);
		assert(d->body.len <= d->options.limits.message_bytes);
		break;
	case SMTP_EVENT_MESSAGE:
		assert(d->open && d->recipients > 0);
		d->messages++;
		break;
	case SMTP_EVENT_RESET:
		assert(d->open);
		d->open = false;
		d->recipients = 0;
		d->resets++;
		buf_reset(&d->body);
		break;
	case SMTP_EVENT_STARTTLS:
		assert(!d->open);
		d->waiting_tls = true;
		break;
	default:
		break;
	}
}

static inline void driver_answer(struct driver *d, const struct smtp_event *e)
{
	struct smtp_reply r;

	if (e->type == SMTP_EVENT_AUTH_START || e->type == SMTP_EVENT_AUTH_STEP) {
		driver_answer_auth(d);
	} else if (e->type == SMTP_EVENT_MAIL) {
		r = driver_reply(d, STR("mail"), "250 2.1.0 ok");
		d->open = r.code < 300;
		snprintf(d->sender, sizeof(d->sender), STR_FMT, STR_ARG(e->mail.sender));
		smtp_session_answer(d->s, r);
	} else if (e->type == SMTP_EVENT_RCPT) {
		r = driver_reply(d, STR("rcpt"), "250 2.1.5 ok");
		d->recipients += r.code < 300;
		smtp_session_answer(d->s, r);
	} else if (e->type == SMTP_EVENT_DATA_BEGIN) {
		smtp_session_answer(d->s, driver_reply(d, STR("data"), "354 2.0.0 go"));
	} else {
		assert(e->type == SMTP_EVENT_MESSAGE);
		unsigned count = d->options.role == SMTP_ROLE_LMTP ? d->recipients : 1;
		for (unsigned i = 0; i < count; i++)
			smtp_session_answer(
			    d->s, driver_reply(d, STR("message"), "250 2.0.0 kept"));
	}
}

static inline void driver_events(struct driver *d)
{
	struct smtp_event e;

	while (smtp_session_next(d->s, &e)) {
		driver_log(d, &e);
		driver_record(d, &e);
		if (e.wants_answer)
			driver_answer(d, &e);
	}
}

/* Everything that can be done with what is there. */
static inline void driver_run(struct driver *d, struct buf *out)
{
	size_t used;

	do {
		used = smtp_session_feed(d->s, buf_str(&d->in));
		assert(used <= d->in.len);
		driver_events(d);
		/* conn_start_tls throws unread input away. */
		buf_consume(&d->in, d->waiting_tls ? d->in.len : used);
		driver_take_output(d, out);
	} while (used && !d->waiting_tls);
}

static inline void driver_feed(struct driver *d, str bytes, struct buf *out)
{
	if (!d->s || d->waiting_tls || smtp_session_is_done(d->s))
		return;
	buf_add(&d->in, bytes);
	driver_run(d, out);
}

static inline void driver_start_tls(struct driver *d, struct buf *out)
{
	d->waiting_tls = false;
	smtp_session_tls_started(d->s);
	driver_run(d, out);
}

static inline void driver_tick(struct driver *d, uint64_t ms, struct buf *out)
{
	d->now += ms;
	smtp_session_tick(d->s, d->now);
	driver_events(d);
	driver_run(d, out);
}

#endif
