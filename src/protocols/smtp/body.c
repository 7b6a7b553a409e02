/* body.c: DATA and BDAT: the bytes of a message, their limits, and the one answer at their end. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/num.h"
#include "protocols/smtp/internal.h"

static struct smtp_body_reader *open_body(struct smtp_session *s)
{
	if (!s->body && !(s->body = calloc(1, sizeof(*s->body))))
		abort();
	return s->body;
}

static void fail_body(struct smtp_body_reader *b, struct smtp_reply r)
{
	b->failure.code = r.code;
	snprintf(b->failure.enhanced, sizeof(b->failure.enhanced), STR_FMT, STR_ARG(r.enhanced));
	snprintf(b->failure.text, sizeof(b->failure.text), STR_FMT, STR_ARG(r.text));
}

static const struct smtp_reply too_big = {
	552,
	STR_INIT("5.3.4"),
	STR_INIT("message too big, see SIZE in EHLO"),
};
static const struct smtp_reply has_nul = {
	550,
	STR_INIT("5.6.0"),
	STR_INIT("NUL in message; only BDAT with BODY=BINARYMIME may carry it"),
};
static const struct smtp_reply bare_byte = {
	550,
	STR_INIT("5.6.0"),
	STR_INIT("CR or LF alone in message; lines end with CR LF"),
};

/* RFC 2033 §4.2: as many replies as recipients were accepted; SMTP: one. */
static void decline_message(struct smtp_session *s, struct smtp_reply r)
{
	uint32_t count = s->o.role == SMTP_ROLE_LMTP ? s->tx.recipients : 1;

	for (uint32_t i = 0; i < count; i++)
		smtp_say(s, r.code, r.enhanced, r.text);
	smtp_note(s, r.code, r.text);
}

/* Why the body is refused; code 0: it is not. In an order of weight, so that the answer does not depend
 * on the pieces in which the bytes came. */
static struct smtp_reply verdict(const struct smtp_body_reader *b)
{
	const struct smtp_failure *f = &b->failure;

	if (f->code)
		return (struct smtp_reply){ f->code, str_c(f->enhanced), str_c(f->text) };
	if (b->is_too_big)
		return too_big;
	if (b->has_bare)
		return bare_byte;
	return b->data.has_nul ? has_nul : (struct smtp_reply){ 0 };
}

static void hang_up(struct smtp_session *s, struct smtp_reply r)
{
	decline_message(s, r);
	smtp_finish(s);
}

/* ---- both ---- */

/* Hands a run of bytes out, or discards it when the message is refused already. */
static void take_bytes(struct smtp_session *s, str bytes)
{
	struct smtp_body_reader *b = s->body;

	b->bytes += bytes.len;
	b->is_too_big |= b->bytes > s->o.limits.message_bytes;
	struct smtp_reply why = verdict(b);
	if (!why.code) {
		s->event.body = bytes;
		smtp_push(s, SMTP_EVENT_BODY);
		return;
	}
	b->swallowed += bytes.len;
	if (b->swallowed > s->o.limits.swallow_bytes)
		hang_up(s, why);
}

static void ask_message(struct smtp_session *s)
{
	s->tx.unanswered = s->o.role == SMTP_ROLE_LMTP ? s->tx.recipients : 1;
	smtp_ask(s, SMTP_EVENT_MESSAGE, SMTP_WAIT_MESSAGE);
}

void smtp_answer_message(struct smtp_session *s, struct smtp_reply r)
{
	smtp_say(s, r.code, r.enhanced, r.text);
	if (smtp_is_ok(r)) {
		s->idle = 0;
		s->bad = 0;
	}
	if (r.code != 421 && --s->tx.unanswered > 0)
		return;
	smtp_end_transaction(s, SMTP_READY);
	smtp_resume(s);
}

static void start_reading(struct smtp_session *s, enum smtp_mode mode)
{
	s->waiting = SMTP_WAIT_NONE;
	s->mode = mode;
	s->window_at = s->now;
	s->window_bytes = 0;
}

static bool has_only_refused(const struct smtp_session *s)
{
	return s->state == SMTP_MAIL && s->tx.refused > 0;
}

/* RFC 5321 §4.1.1.4: 554 or 503 when nobody is left to send to; RFC 2033 §4.2: 503. */
static unsigned nobody_code(const struct smtp_session *s)
{
	return s->o.role == SMTP_ROLE_LMTP ? 503 : 554;
}

/* ---- DATA ---- */

void smtp_on_data(struct smtp_session *s, str args)
{
	(void)args;
	if (has_only_refused(s))
		smtp_decline(s, nobody_code(s), STR("5.5.1"), STR("no valid recipients"));
	else if (s->state == SMTP_MAIL)
		SMTP_REFUSE(s, 503, "5.5.1", "no recipient yet, say RCPT first");
	else if (s->tx.body == SMTP_BODY_BINARY)
		SMTP_REFUSE(s, 503, "5.5.1", "BINARYMIME needs BDAT"); /* RFC 3030 §3 */
	else
		smtp_ask(s, SMTP_EVENT_DATA_BEGIN, SMTP_WAIT_DATA);
}

size_t smtp_feed_data(struct smtp_session *s, str bytes)
{
	str rest = bytes, block;
	enum smtp_data_result result = smtp_data_next(&s->body->data, &rest, &block);
	size_t used = bytes.len - rest.len;

	s->window_bytes += used;
	/* RFC 5321 §2.3.8: we hang up, because what follows could be the second half of a smuggled
	 * message or a command, and nobody can say which. */
	if (result == SMTP_DATA_BARE) {
		hang_up(s, bare_byte);
		return used;
	}
	if (block.len)
		take_bytes(s, block);
	if (result != SMTP_DATA_END || s->mode == SMTP_MODE_DONE)
		return used;
	struct smtp_reply why = verdict(s->body);
	if (!why.code) {
		ask_message(s);
		return used;
	}
	decline_message(s, why);
	smtp_end_transaction(s, SMTP_READY);
	smtp_resume(s);
	return used;
}

/* ---- BDAT ---- */

/* RFC 3030 §2: after a failed chunk no further one may follow but those under way; RSET must. */
static void chunk_failed(struct smtp_session *s)
{
	struct smtp_body_reader *b = s->body;
	struct smtp_reply r = verdict(b);
	bool is_stray = b->is_stray, is_last = b->is_last;

	if (is_last && !is_stray)
		decline_message(s, r);
	else
		smtp_decline(s, r.code, r.enhanced, r.text);
	if (is_stray) {
		free(TAKE(s->body));
	} else {
		s->forgiven = s->o.limits.recipients + 2; /* chunks that are under way */
		smtp_end_transaction(s, is_last ? SMTP_READY : SMTP_FAILED);
	}
	smtp_resume(s);
}

static void chunk_taken(struct smtp_session *s)
{
	struct smtp_body_reader *b = s->body;
	AUTO_BUF text = BUF_INIT(64);

	b->has_bare |= b->is_last && !smtp_data_check_end(&b->data);
	if (verdict(b).code) {
		chunk_failed(s);
	} else if (b->is_last) {
		ask_message(s);
	} else {
		buf_addu(&text, b->chunk_bytes);
		buf_addz(&text, " bytes taken");
		smtp_say(s, 250, STR("2.0.0"), buf_str(&text));
		smtp_resume(s);
	}
}

size_t smtp_feed_chunk(struct smtp_session *s, str bytes)
{
	struct smtp_body_reader *b = s->body;
	str piece = str_sub(bytes, 0, b->chunk_left > SIZE_MAX ? SIZE_MAX : (size_t)b->chunk_left);

	s->window_bytes += piece.len;
	b->chunk_left -= piece.len;
	if (!b->failure.code && s->tx.body != SMTP_BODY_BINARY && !smtp_data_check(&b->data, piece))
		fail_body(b, bare_byte);
	take_bytes(s, piece);
	if (s->mode != SMTP_MODE_DONE && b->chunk_left == 0)
		chunk_taken(s);
	return piece.len;
}

static void read_chunk(struct smtp_session *s)
{
	struct smtp_body_reader *b = s->body;

	start_reading(s, SMTP_MODE_CHUNK);
	/* Refused already, and more than we care to discard. */
	struct smtp_reply why = verdict(b);
	if (why.code && b->chunk_left > s->o.limits.swallow_bytes - b->swallowed)
		hang_up(s, why);
	else if (b->chunk_left == 0)
		chunk_taken(s);
}

static bool take_bdat_args(str args, uint64_t *out_size, bool *out_last)
{
	*out_last = false;
	if (num_take_u64(&args, UINT64_MAX, out_size) < 0)
		return false;
	if (args.len == 0)
		return true;
	*out_last = take_space(&args) == 0 && str_ieq(args, STR("LAST"));
	return *out_last;
}

/* Outside a transaction the bytes must be read all the same, or they would be taken for commands. */
static void stray_chunk(struct smtp_session *s)
{
	struct smtp_reply why = { 503, STR("5.5.1"),
		STR("no recipient yet, say MAIL and RCPT first") };

	if (s->state == SMTP_START)
		why.text = STR("say EHLO first");
	else if (s->state == SMTP_FAILED)
		why.text = STR("the last message failed, say RSET");
	else if (has_only_refused(s))
		why =
		    (struct smtp_reply){ nobody_code(s), STR("5.5.1"), STR("no valid recipients") };
	if (s->forgiven > 0 || has_only_refused(s)) {
		s->forgiven -= s->forgiven > 0;
	} else if (++s->bad >= s->o.limits.bad_commands) {
		SMTP_DECLINE(s, 421, "4.7.0", "too many bad commands, closing");
		smtp_finish(s);
		return;
	}
	s->body->is_stray = true;
	fail_body(s->body, why);
	read_chunk(s);
}

void smtp_on_bdat(struct smtp_session *s, str args)
{
	uint64_t size;
	bool is_last;

	/* Nobody can say how many bytes of message follow, so none can be read as commands. */
	if (!take_bdat_args(args, &size, &is_last)) {
		SMTP_DECLINE(
		    s, 501, "5.5.4", "BDAT needs a size, and nothing else but LAST; closing");
		smtp_finish(s);
		return;
	}
	struct smtp_body_reader *b = open_body(s);
	b->chunk_bytes = b->chunk_left = size;
	b->is_last = is_last;
	if (s->state != SMTP_RCPT && s->state != SMTP_CHUNKS) {
		stray_chunk(s);
		return;
	}
	if (size > s->o.limits.message_bytes - b->bytes)
		b->is_too_big = true;
	if (s->state == SMTP_CHUNKS || b->is_too_big)
		read_chunk(s);
	else
		smtp_ask(s, SMTP_EVENT_DATA_BEGIN, SMTP_WAIT_CHUNK);
}

/* ---- the decision whether a body may come ---- */

void smtp_answer_begin(struct smtp_session *s, struct smtp_reply r)
{
	bool is_chunked = s->waiting == SMTP_WAIT_CHUNK;

	open_body(s);
	if (is_chunked) {
		if (smtp_is_ok(r))
			s->state = SMTP_CHUNKS;
		else
			fail_body(s->body, r);
		if (r.code == 421)
			smtp_say(s, r.code, r.enhanced, r.text);
		else
			read_chunk(s);
	} else if (smtp_is_ok(r)) {
		SMTP_SAY(s, 354, "", "send the message, end with CRLF.CRLF");
		start_reading(s, SMTP_MODE_DATA);
	} else {
		smtp_say(s, r.code, r.enhanced, r.text);
		smtp_end_transaction(s, SMTP_READY);
		smtp_resume(s);
	}
}
