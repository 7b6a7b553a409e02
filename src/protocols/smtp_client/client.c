#include "protocols/smtp_client/client.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"
#include "protocols/smtp_client/internal.h"

/* ---- what the other files use ---- */

void smtpc_push(struct smtp_client *c, struct smtp_client_event e)
{
	if (c->event_at) {
		c->event_count -= c->event_at;
		memmove(c->events, c->events + c->event_at, c->event_count * sizeof(e));
		c->event_at = 0;
	}
	assert(c->event_count < SMTPC_EVENTS);
	c->events[c->event_count++] = e;
}

static struct smtpc_pending *queue_slot(struct smtp_client *c, size_t i)
{
	return &c->queue[(c->queue_at + i) % SMTP_CLIENT_PIPELINE];
}

void smtpc_await(
    struct smtp_client *c, enum smtp_client_stage stage, size_t recipient, uint64_t extra)
{
	assert(c->queue_count < SMTP_CLIENT_PIPELINE);
	if (c->queue_count == 0)
		c->waiting_since = c->now;
	*queue_slot(c, c->queue_count++) = (struct smtpc_pending){
		.stage = stage,
		.recipient = (uint32_t)recipient,
		.end = smtpc_place(c) + extra,
		.asked_at = c->arrived,
	};
}

void smtpc_await_again(struct smtp_client *c, const struct smtpc_pending *p, size_t recipient)
{
	smtpc_await(c, p->stage, recipient, 0);
	queue_slot(c, c->queue_count - 1)->asked_at = p->asked_at;
}

void smtpc_say(struct smtp_client *c, enum smtp_client_stage stage, str line)
{
	buf_add(&c->out, line);
	buf_add(&c->out, STR("\r\n"));
	smtpc_await(c, stage, 0, 0);
}

void smtpc_say_quit(struct smtp_client *c)
{
	c->state = SMTPC_QUIT;
	c->queue_count = 0;
	smtpc_say(c, SMTP_CLIENT_QUIT, STR("QUIT"));
}

void smtpc_close(struct smtp_client *c)
{
	if (c->state == SMTPC_DONE)
		return;
	c->state = SMTPC_DONE;
	c->queue_count = 0;
	if (c->failure.outcome == SMTP_CLIENT_UNSETTLED) {
		c->failure.outcome = SMTP_CLIENT_ACCEPTED;
		c->failure.stage = SMTP_CLIENT_QUIT;
		c->failure.code = 221;
	}
	smtpc_push(c,
	    (struct smtp_client_event){ .type = SMTP_CLIENT_EVENT_CLOSED, .failure = c->failure });
}

bool smtpc_is_usable(const struct smtp_client *c)
{
	uint32_t max = c->facts.can.mail_max;

	return !c->is_quitting && (max == 0 || c->facts.mails < max);
}

void smtpc_enter_ready(struct smtp_client *c)
{
	c->state = SMTPC_READY;
	c->waiting_since = c->now;
	if (!c->was_ready)
		smtpc_push(c, (struct smtp_client_event){ .type = SMTP_CLIENT_EVENT_READY });
	c->was_ready = true;
	if (c->tx.is_waiting)
		smtpc_begin(c);
	else if (!smtpc_is_usable(c))
		smtpc_say_quit(c);
}

void smtpc_pump(struct smtp_client *c)
{
	if (c->state == SMTPC_ENVELOPE || c->state == SMTPC_DRAIN)
		smtpc_pump_envelope(c);
	if (c->state == SMTPC_BODY)
		smtpc_pump_body(c);
}

/* ---- replies ---- */

static smtpc_reply_fn *find_handler(const struct smtpc_stage *stage, unsigned code)
{
	switch (code / 100) {
	case 2:
		return stage->on_done;
	case 3:
		return stage->on_more;
	case 4:
		return stage->on_temporary;
	default:
		return stage->on_permanent;
	}
}

static void tell_reply(struct smtp_client *c, const struct peer_reply *r)
{
	struct smtp_client_event e = { .type = SMTP_CLIENT_EVENT_REPLY };

	e.reply.stage = smtp_client_stage(c);
	e.reply.recipient = c->queue_count ? queue_slot(c, 0)->recipient : 0;
	e.reply.reply = *r;
	smtpc_push(c, e);
	c->facts.odd |= r->flags;
}

/* Nothing was asked, or not all of the question is gone, or the answer was there before it. */
static bool is_early(const struct smtp_client *c)
{
	const struct smtpc_pending *p = &c->queue[c->queue_at];

	return c->queue_count == 0 || p->end > c->sent || (p->asked_at && c->used <= p->asked_at);
}

static void answer_pending(struct smtp_client *c, const struct peer_reply *r)
{
	struct smtpc_pending p = *queue_slot(c, 0);
	smtpc_reply_fn *handler = find_handler(&smtpc_stages[p.stage], r->code);

	c->waiting_since = c->now;
	c->answered = p.stage;
	if (!handler) {
		smtpc_break(c, SMTPC_UNEXPECTED, r->text);
		return;
	}
	c->queue_at = (c->queue_at + 1) % SMTP_CLIENT_PIPELINE;
	c->queue_count--;
	handler(c, &p, r);
}

static void on_reply(struct smtp_client *c, const struct peer_reply *r)
{
	tell_reply(c, r);
	if (c->state == SMTPC_QUIT) /* whatever it says */
		smtpc_close(c);
	else if (r->code == 421) /* RFC 5321 §3.8: to any command, and uninvited */
		smtpc_hang_up(c, smtp_client_stage(c), SMTP_CLIENT_TEMPORARY, r);
	else if (is_early(c))
		smtpc_on_early(c, r);
	else
		answer_pending(c, r);
}

/* RFC 3207 §4.2, and what was found in many clients in 2021: what comes in clear behind the answer to STARTTLS
 * may be from somebody in between, and must not be taken for an answer under TLS. */
static void drop_injected(struct smtp_client *c, size_t count)
{
	if (!count)
		return;
	c->facts.injected += count;
	peer_reply_reset(&c->reader);
	smtpc_push(c, (struct smtp_client_event){ .type = SMTP_CLIENT_EVENT_INJECTED });
}

size_t smtp_client_feed(struct smtp_client *c, str bytes)
{
	struct peer_reply r;
	str rest = bytes;

	if (c->event_at < c->event_count || bytes.len == 0)
		return 0;
	if (c->state == SMTPC_DONE)
		return bytes.len;
	c->arrived = c->used + bytes.len;
	if (c->state == SMTPC_HANDSHAKE) {
		drop_injected(c, bytes.len);
		c->used = c->arrived;
		return bytes.len;
	}
	enum peer_reply_result result = peer_reply_next(&c->reader, &rest, &r);
	c->used = c->arrived - rest.len;
	if (result == PEER_REPLY_READY)
		on_reply(c, &r);
	else if (result != PEER_REPLY_MORE)
		smtpc_break(
		    c, result == PEER_REPLY_FLOOD ? SMTPC_FLOOD : SMTPC_MALFORMED, STR_NONE);
	if (c->state == SMTPC_HANDSHAKE) {
		drop_injected(c, rest.len);
		c->used = c->arrived;
		rest = STR_NONE;
	}
	smtpc_pump(c);
	return bytes.len - rest.len;
}

/* ---- life ---- */

struct smtp_client *smtp_client_new(const struct smtp_client_options *o)
{
	struct smtp_client *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->o = *o;
	c->facts.is_tls = o->tls_active;
	c->facts.is_verified = o->tls_active && o->tls_facts.is_verified;
	peer_reply_init(&c->reader);
	c->reader.skip_junk = true;
	buf_init(&c->out, SMTPC_OUTPUT_MAX);
	smtpc_await(c, SMTP_CLIENT_BANNER, 0, 0);
	return c;
}

void smtp_client_free(struct smtp_client *c)
{
	if (!c)
		return;
	peer_reply_fini(&c->reader);
	buf_fini(&c->out);
	sasl_client_free(c->sasl);
	arena_free(c->arena);
	free(c);
}

static bool has_unread_results(const struct smtp_client *c)
{
	for (size_t i = c->event_at; i < c->event_count; i++)
		if (c->events[i].type == SMTP_CLIENT_EVENT_RESULTS)
			return true;
	return false;
}

bool smtp_client_start(struct smtp_client *c, const struct smtp_client_transaction *t)
{
	struct smtpc_tx *tx = &c->tx;

	if (tx->is_open || tx->is_waiting || c->is_quitting || c->state >= SMTPC_QUIT ||
	    has_unread_results(c))
		return false;
	arena_free(c->arena);
	c->arena = arena_new(
	    NULL, "smtp transaction", SMTPC_TX_ARENA + t->count * (size_t)SMTPC_TX_RECIPIENT);
	*tx = (struct smtpc_tx){ .is_waiting = true, .t = *t };
	tx->results = arena_array(c->arena, struct smtp_client_result, t->count + 1);
	tx->rcpt = arena_array(c->arena, uint8_t, t->count + 1);
	memset(tx->results, 0, (t->count + 1) * sizeof(tx->results[0]));
	memset(tx->rcpt, 0, t->count + 1);
	if (c->state == SMTPC_READY)
		smtpc_begin(c);
	smtpc_pump(c);
	return true;
}

void smtp_client_quit(struct smtp_client *c)
{
	c->is_quitting = true;
	if (c->state == SMTPC_READY)
		smtpc_say_quit(c);
}

void smtp_client_abort(struct smtp_client *c)
{
	if (c->state != SMTPC_DONE)
		smtpc_break(c, SMTPC_STOPPED, STR_NONE);
}

bool smtp_client_next(struct smtp_client *c, struct smtp_client_event *out)
{
	if (c->event_at == c->event_count) {
		c->event_at = c->event_count = 0;
		return false;
	}
	*out = c->events[c->event_at++];
	return true;
}

void smtp_client_lost(struct smtp_client *c, str why)
{
	struct peer_reply r;

	/* "554 go away" without its line end says why; a yes that was cut is none. */
	if (c->state < SMTPC_QUIT && c->state != SMTPC_HANDSHAKE &&
	    peer_reply_end(&c->reader, &r) == PEER_REPLY_READY && r.code >= 400 && !is_early(c))
		on_reply(c, &r);
	if (c->state == SMTPC_QUIT)
		smtpc_close(c);
	else if (c->state != SMTPC_DONE)
		smtpc_break(c, SMTPC_LOST, why);
	buf_reset(&c->out);
}

/* ---- output and time ---- */

str smtp_client_output(const struct smtp_client *c)
{
	return buf_str(&c->out);
}

void smtp_client_sent(struct smtp_client *c, size_t count)
{
	if (count == 0)
		return;
	c->sent += count;
	c->waiting_since = c->now;
	bool is_secret = smtp_client_stage(c) == SMTP_CLIENT_AUTH;
	buf_consume(&c->out, count);
	if (is_secret) /* what moved to the front left the password behind */
		secret_wipe(c->out.ptr + c->out.len, count);
	smtpc_pump(c);
}

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c)
{
	if (c->state == SMTPC_DONE)
		return SMTP_CLIENT_CLOSED;
	if (c->state == SMTPC_HANDSHAKE)
		return SMTP_CLIENT_HANDSHAKE;
	if (c->state == SMTPC_READY)
		return SMTP_CLIENT_IDLE;
	if (c->state == SMTPC_BODY && (c->queue_count == 0 || c->queue[c->queue_at].end > c->sent))
		return SMTP_CLIENT_BODY;
	if (c->queue_count)
		return c->queue[c->queue_at].stage;
	if (c->state == SMTPC_OPENING)
		return c->answered;
	return c->state == SMTPC_ENVELOPE ? SMTP_CLIENT_MAIL : SMTP_CLIENT_RSET;
}

static uint64_t body_deadline(const struct smtp_client *c)
{
	return c->tx.body_started_at + SMTPC_BODY_GRACE_MS +
	       c->tx.t.size / SMTP_CLIENT_BODY_RATE * 1000;
}

static bool is_sending(const struct smtp_client *c)
{
	return c->state == SMTPC_BODY || (c->state == SMTPC_FINAL && c->sent < c->tx.end);
}

uint64_t smtp_client_deadline(const struct smtp_client *c)
{
	enum smtp_client_stage stage = smtp_client_stage(c);

	if (stage == SMTP_CLIENT_CLOSED || !c->is_ticking)
		return UINT64_MAX;
	if (smtp_client_wants(c) && c->out.len == 0) /* the source of the message is slow */
		return UINT64_MAX;
	uint32_t timeout = c->o.timeout_ms[stage];
	uint64_t at = c->waiting_since + (timeout ? timeout : smtpc_stages[stage].timeout_ms);
	return is_sending(c) && body_deadline(c) < at ? body_deadline(c) : at;
}

void smtp_client_tick(struct smtp_client *c, uint64_t now_ms)
{
	if (!c->is_ticking)
		c->waiting_since = now_ms;
	c->is_ticking = true;
	c->now = now_ms;
	if (now_ms < smtp_client_deadline(c))
		return;
	if (c->state == SMTPC_READY)
		smtpc_say_quit(c);
	else if (c->state == SMTPC_QUIT)
		smtpc_close(c);
	else if (is_sending(c) && now_ms >= body_deadline(c))
		smtpc_break(c, SMTPC_TOO_SLOW, STR_NONE);
	else
		smtpc_break(c, SMTPC_TIMEOUT, STR_NONE);
}

const struct smtp_client_facts *smtp_client_facts(const struct smtp_client *c)
{
	return &c->facts;
}

bool smtp_client_is_done(const struct smtp_client *c)
{
	return c->state == SMTPC_DONE;
}
