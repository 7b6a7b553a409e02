/* The message itself: DATA or BDAT, and what the peer says to it. */
#include <stdio.h>

#include "protocols/smtp_client/internal.h"

/* The first recipient from i on that was taken and is not settled; the count when there is none. */
static size_t next_taken(const struct smtp_client *c, size_t i)
{
	const struct smtpc_tx *tx = &c->tx;

	while (i < tx->t.count &&
	       (tx->rcpt[i] != SMTPC_RCPT_TAKEN || tx->results[i].outcome != SMTP_CLIENT_UNSETTLED))
		i++;
	return i;
}

/* All of the message is in the output but extra octets. */
static void await_answer(struct smtp_client *c, enum smtp_client_stage stage, uint64_t extra)
{
	struct smtpc_tx *tx = &c->tx;

	tx->end = smtpc_place(c) + extra;
	tx->lmtp_at = next_taken(c, 0);
	smtpc_await(c, stage, c->o.lmtp ? tx->lmtp_at : 0, extra);
}

static void end_data(struct smtp_client *c)
{
	stuffing_end(&c->tx.stuffing, &c->out);
	c->tx.is_sent = true;
	c->state = SMTPC_FINAL;
	await_answer(c, SMTP_CLIENT_MESSAGE, 0);
}

void smtpc_begin_body(struct smtp_client *c)
{
	c->state = SMTPC_BODY;
	c->tx.body_started_at = c->waiting_since = c->now;
	if (!c->tx.is_chunked && c->tx.t.size == 0)
		end_data(c);
}

/* The head of the next chunk; its octets follow by smtp_client_body. */
static void begin_chunk(struct smtp_client *c)
{
	struct smtpc_tx *tx = &c->tx;
	uint64_t left = tx->t.size - tx->given;
	uint64_t max = c->o.chunk_bytes ? c->o.chunk_bytes : SMTPC_CHUNK_DEFAULT;

	tx->chunk_left = left < max ? left : max;
	tx->chunk_last = tx->chunk_left == left;
	buf_addf(&c->out, "BDAT %llu%s\r\n", (unsigned long long)tx->chunk_left,
	    tx->chunk_last ? " LAST" : "");
	if (tx->chunk_last)
		await_answer(c, SMTP_CLIENT_LAST_CHUNK, tx->chunk_left);
	else
		smtpc_await(c, SMTP_CLIENT_CHUNK, 0, tx->chunk_left);
}

static void end_chunk(struct smtp_client *c)
{
	if (!c->tx.chunk_last)
		return;
	c->tx.is_sent = true;
	if (c->state == SMTPC_BODY)
		c->state = SMTPC_FINAL;
}

void smtpc_pump_body(struct smtp_client *c)
{
	struct smtpc_tx *tx = &c->tx;

	if (!tx->is_chunked || tx->chunk_left || tx->chunk_last ||
	    c->out.len >= SMTPC_OUTPUT_HIGH || c->queue_count == SMTP_CLIENT_PIPELINE ||
	    (c->queue_count && !smtpc_pipelines(c)))
		return;
	begin_chunk(c);
	if (tx->chunk_left == 0)
		end_chunk(c);
}

size_t smtp_client_wants(const struct smtp_client *c)
{
	const struct smtpc_tx *tx = &c->tx;
	bool is_open = c->state == SMTPC_BODY || c->state == SMTPC_DRAIN;
	uint64_t left = tx->is_chunked           ? tx->chunk_left
	                : c->state == SMTPC_BODY ? tx->t.size - tx->given
	                                         : 0;

	if (!is_open || c->out.len >= SMTPC_OUTPUT_HIGH)
		return 0;
	return left < SMTPC_BODY_STEP ? (size_t)left : SMTPC_BODY_STEP;
}

size_t smtp_client_body(struct smtp_client *c, str bytes)
{
	struct smtpc_tx *tx = &c->tx;
	str piece = str_sub(bytes, 0, smtp_client_wants(c));

	if (piece.len == 0)
		return 0;
	if (c->out.len == 0)
		c->waiting_since = c->now;
	tx->given += piece.len;
	if (tx->is_chunked) {
		buf_add(&c->out, piece);
		tx->chunk_left -= piece.len;
		if (tx->chunk_left == 0)
			end_chunk(c);
	} else {
		stuffing_add(&tx->stuffing, piece, &c->out);
		if (tx->given == tx->t.size)
			end_data(c);
	}
	smtpc_pump(c);
	return piece.len;
}

void smtp_client_body_failed(struct smtp_client *c)
{
	if (smtp_client_wants(c) || c->state == SMTPC_BODY)
		smtpc_break(c, SMTPC_SOURCE_FAILED, STR_NONE);
}

/* ---- answers ---- */

void smtpc_on_data(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p;
	if (c->tx.taken > 0 && !c->tx.is_failed) {
		smtpc_begin_body(c);
		return;
	}
	/* RFC 2920 §3.1: it wants a message although it took nobody. It gets an empty one. */
	smtpc_drain(c);
	if (c->o.lmtp) { /* how many answers will come, nobody knows */
		smtpc_break(c, SMTPC_UNEXPECTED, r->text);
		return;
	}
	smtpc_say(c, SMTP_CLIENT_MESSAGE, STR("."));
}

void smtpc_on_data_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	smtpc_settle_rest(c, p->stage, smtpc_outcome(r), r);
	smtpc_drain(c);
}

/* RFC 2033 §4.2: one answer for each recipient that was taken, in order. */
static bool waits_for_more(struct smtp_client *c, const struct smtpc_pending *p,
    enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	struct smtpc_tx *tx = &c->tx;

	smtpc_settle(c, tx->lmtp_at, p->stage, outcome, r);
	tx->lmtp_at = next_taken(c, tx->lmtp_at);
	if (tx->lmtp_at == tx->t.count)
		return false;
	smtpc_await_again(c, p, tx->lmtp_at);
	return true;
}

static void on_answer(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	enum smtp_client_outcome outcome = smtpc_outcome(r);

	if (c->tx.is_failed)
		return;
	if (c->o.lmtp && waits_for_more(c, p, outcome, r))
		return;
	c->facts.messages += outcome == SMTP_CLIENT_ACCEPTED;
	smtpc_settle_rest(c, p->stage, outcome, r);
	/* RFC 3030 §2: after a refused chunk only RSET helps. */
	if (p->stage == SMTP_CLIENT_LAST_CHUNK && outcome != SMTP_CLIENT_ACCEPTED) {
		smtpc_drain(c);
		return;
	}
	smtpc_end_transaction(c, smtpc_is_usable(c));
	smtpc_enter_ready(c);
}

void smtpc_on_message(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	on_answer(c, p, r);
}

void smtpc_on_message_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	on_answer(c, p, r);
}

void smtpc_on_chunk(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)c, (void)p, (void)r;
}

void smtpc_on_chunk_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	if (c->tx.is_failed)
		return;
	smtpc_settle_rest(c, p->stage, smtpc_outcome(r), r);
	if (c->o.lmtp && c->queue_count) /* how many answers will come, nobody knows */
		smtpc_hang_up(c, p->stage, smtpc_outcome(r), r);
	else
		smtpc_drain(c);
}

/* A refusal is believed, also before all of the message is there: it is too long, or not wanted. A yes is not. */
void smtpc_on_early(struct smtp_client *c, const struct peer_reply *r)
{
	bool is_message = c->state == SMTPC_BODY || c->state == SMTPC_FINAL;

	if (r->code < 400)
		smtpc_break(c, SMTPC_EARLY, r->text);
	else
		smtpc_hang_up(c, smtp_client_stage(c),
		    is_message ? smtpc_outcome(r) : SMTP_CLIENT_TEMPORARY, r);
}
