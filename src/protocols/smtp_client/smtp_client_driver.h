/* smtp_client_driver.h: for tests and fuzzers: plays the caller's part around the SMTP client engine, and the
 * peer's from a script.
 *
 * Purpose    Feeds bytes, pulls events, sends output, gives the message, and keeps its own record, which it
 *            checks against what the engine promises: one result for each recipient and transaction, the
 *            message only after 354 or as chunks, nothing after the end.
 *
 * A script is the peer's answers, divided by '|': the first when the connection stands, one for each command
 * line, one for the end of DATA and of each chunk. "\n" in it stands for CRLF, and CRLF is added. Behind '!':
 *   drop       the connection ends            stall   nothing more is said until the deadline has passed
 *   tls, tls-unverified, tls-failed           what comes of the handshake (an answer of its own)
 *   raw        no CRLF is added
 * Where it ends, QUIT gets 221 and RSET 250; anything else gets nothing, until the deadline.
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_SMTP_CLIENT_DRIVER_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_SMTP_CLIENT_DRIVER_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "protocols/smtp_client/client.h"

enum { CALLER_MAX = 8 << 20, CALLER_RECIPIENTS = 1100 };

struct caller {
	struct smtp_client_options options;
	struct smtp_client_transaction tx;
	struct smtp_client_recipient recipients[CALLER_RECIPIENTS];
	struct smtp_client *c;
	str message;
	size_t given;
	struct buf in;      /* what the engine has not taken */
	struct buf wire;    /* all it has said */
	size_t wire_at;     /* up to where the peer has read */
	struct buf replies; /* one line for each REPLY event */
	struct buf results; /* all results, in words */
	bool waiting_tls, is_closed, is_usable, holds_output, source_fails;
	unsigned starts, finished, injected, ready;
	bool has_354;   /* DATA was answered so in this transaction */
	unsigned taken; /* RCPT with a yes */
	struct smtp_client_result failure;
	struct smtp_client_result last[CALLER_RECIPIENTS];
	uint64_t now;
};

static inline void caller_init(struct caller *d)
{
	memset(d, 0, sizeof(*d));
	buf_init(&d->in, CALLER_MAX);
	buf_init(&d->wire, CALLER_MAX);
	buf_init(&d->replies, CALLER_MAX);
	buf_init(&d->results, CALLER_MAX);
	d->options.hello_name = STR("c.example");
	d->options.auth_nonce = STR("rOprNGfwEbeRWgbNEkqO");
	d->message = STR("Subject: x\r\n\r\nhi\r\n");
	d->tx.sender = STR("a@b.example");
	d->tx.recipients = d->recipients;
	d->now = 1000;
}

static inline void caller_fini(struct caller *d)
{
	smtp_client_free(d->c);
	buf_fini(&d->in);
	buf_fini(&d->wire);
	buf_fini(&d->replies);
	buf_fini(&d->results);
}

static inline void caller_write_result(struct buf *out, const struct smtp_client_result *r)
{
	static const char letters[] = "?ATPNU7";

	buf_addf(out, "%c %s %u ", letters[r->outcome], smtp_client_stage_name(r->stage), r->code);
	enhanced_status_print(r->enhanced, out);
	buf_addz(out, r->is_local ? "*" : "");
}

static inline void caller_on_results(struct caller *d, const struct smtp_client_event *e)
{
	assert(++d->finished == d->starts);
	assert(e->results.count == d->tx.count);
	for (size_t i = 0; i < e->results.count; i++) {
		const struct smtp_client_result *r = &e->results.items[i];
		assert(r->outcome != SMTP_CLIENT_UNSETTLED && r->outcome <= SMTP_CLIENT_NEEDS_7BIT);
		assert(r->text.len <= SMTP_CLIENT_REPLY_TEXT && str_is_utf8(r->text));
		assert(r->code >= 200 && r->code <= 599);
		/* A yes is the peer's, and for the message or a probe. */
		if (r->outcome == SMTP_CLIENT_ACCEPTED)
			assert(!r->is_local && r->code < 300 &&
			       (d->tx.is_probe ? r->stage == SMTP_CLIENT_RCPT
			                       : r->stage == SMTP_CLIENT_MESSAGE ||
			                             r->stage == SMTP_CLIENT_LAST_CHUNK));
		if (r->outcome == SMTP_CLIENT_ACCEPTED && !d->tx.is_probe)
			assert(d->given == d->message.len && d->taken > 0);
		if (i)
			buf_addz(&d->results, ", ");
		caller_write_result(&d->results, r);
		d->last[i] = *r;
	}
	d->is_usable = e->results.is_usable;
	buf_addz(&d->results, d->is_usable ? " / " : " . ");
}

static inline void caller_event(struct caller *d, const struct smtp_client_event *e)
{
	assert(!d->is_closed);
	switch (e->type) {
	case SMTP_CLIENT_EVENT_REPLY:
		assert(str_is_utf8(e->reply.reply.text));
		d->has_354 |= e->reply.stage == SMTP_CLIENT_DATA && e->reply.reply.code / 100 == 3;
		d->taken += e->reply.stage == SMTP_CLIENT_RCPT && e->reply.reply.code / 100 == 2;
		buf_addf(&d->replies, "%s %u\n", smtp_client_stage_name(e->reply.stage),
		    e->reply.reply.code);
		break;
	case SMTP_CLIENT_EVENT_STARTTLS:
		assert(!d->waiting_tls && !smtp_client_facts(d->c)->is_tls);
		d->waiting_tls = true;
		break;
	case SMTP_CLIENT_EVENT_INJECTED:
		d->injected++;
		break;
	case SMTP_CLIENT_EVENT_READY:
		d->ready++;
		break;
	case SMTP_CLIENT_EVENT_RESULTS:
		caller_on_results(d, e);
		break;
	case SMTP_CLIENT_EVENT_CLOSED:
		d->is_closed = true;
		d->failure = e->failure;
		assert(d->failure.outcome != SMTP_CLIENT_UNSETTLED);
		assert(d->finished == d->starts);
		break;
	}
}

static inline void caller_events(struct caller *d)
{
	struct smtp_client_event e;

	while (smtp_client_next(d->c, &e))
		caller_event(d, &e);
}

static inline bool caller_give(struct caller *d)
{
	size_t wants = smtp_client_wants(d->c);

	if (!wants)
		return false;
	/* Nobody sees the message who has not asked for it and taken somebody. */
	assert(d->has_354 || smtp_can(&smtp_client_facts(d->c)->can, SMTP_CAN_CHUNKING));
	assert(d->taken > 0 && !d->tx.is_probe);
	if (d->source_fails && d->given) {
		smtp_client_body_failed(d->c);
		return true;
	}
	assert(d->given < d->message.len);
	str piece = str_sub(str_skip(d->message, d->given), 0, wants < 7 ? wants : 7);
	assert(smtp_client_body(d->c, piece) == piece.len);
	d->given += piece.len;
	return true;
}

/* One command at a time, unless the peer has said that it takes more. */
static inline void caller_check_group(const struct caller *d, str out)
{
	bool pipelines = smtp_can(&smtp_client_facts(d->c)->can, SMTP_CAN_PIPELINING);

	if (!pipelines && d->given == 0 && !str_starts(out, STR("BDAT ")))
		assert(str_find(out, STR("\r\n")) == out.len - 2);
}

static inline bool caller_send(struct caller *d)
{
	str out = smtp_client_output(d->c);

	if (!out.len || d->holds_output)
		return false;
	caller_check_group(d, out);
	buf_add(&d->wire, out);
	smtp_client_sent(d->c, out.len);
	return true;
}

/* Everything that can be done with what is there. */
static inline void caller_run(struct caller *d)
{
	bool did;

	do {
		size_t used = smtp_client_feed(d->c, buf_str(&d->in));
		assert(used <= d->in.len);
		buf_consume(&d->in, used);
		did = used > 0;
		caller_events(d);
		while (!d->waiting_tls && (caller_give(d) || caller_send(d))) {
			did = true;
			caller_events(d);
		}
		did |= caller_send(d);
		caller_events(d);
	} while (did);
}

static inline bool caller_start(struct caller *d)
{
	d->tx.size = d->message.len;
	if (d->finished == d->starts)
		d->given = 0, d->has_354 = false, d->taken = 0;
	if (!smtp_client_start(d->c, &d->tx))
		return false;
	d->starts++;
	return true;
}

static inline void caller_open(struct caller *d)
{
	d->c = smtp_client_new(&d->options);
	smtp_client_tick(d->c, d->now);
}

static inline void caller_tls(struct caller *d, const char *how)
{
	d->waiting_tls = false;
	if (strcmp(how, "tls-failed") == 0)
		smtp_client_tls_failed(d->c, STR("certificate has expired"));
	else
		smtp_client_tls_started(
		    d->c, &(struct smtp_client_tls){ .is_verified = strcmp(how, "tls") == 0,
		              .exporter = d->options.tls_facts.exporter });
	caller_run(d);
}

static inline void caller_stall(struct caller *d)
{
	uint64_t at = smtp_client_deadline(d->c);

	assert(at != UINT64_MAX && at >= d->now);
	d->now = at;
	smtp_client_tick(d->c, d->now);
	caller_run(d);
}

/* ---- a peer that follows a script ---- */

struct scripted {
	struct caller *d;
	str script;
	enum { PEER_COMMAND, PEER_DATA, PEER_CHUNK } mode;
	uint64_t chunk_left;
	size_t step; /* how its answers are cut */
	bool is_gone;
	struct buf body; /* what came behind DATA and BDAT, all of it */
};

static inline void scripted_say(struct scripted *p, str text, bool is_raw)
{
	AUTO_BUF bytes = BUF_INIT(CALLER_MAX);

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\n' && !is_raw)
			buf_addc(&bytes, '\r');
		buf_addc(&bytes, text.ptr[i]);
	}
	if (text.len && !is_raw)
		buf_addz(&bytes, "\r\n");
	for (str rest = buf_str(&bytes); rest.len;) {
		str piece = str_sub(rest, 0, p->step);
		rest = str_skip(rest, piece.len);
		buf_add(&p->d->in, piece);
		caller_run(p->d);
	}
}

static inline void scripted_act(struct scripted *p, str action)
{
	char how[32];

	snprintf(how, sizeof(how), STR_FMT, STR_ARG(action));
	if (strcmp(how, "drop") == 0) {
		p->is_gone = true;
		smtp_client_lost(p->d->c, STR("reset by peer"));
		caller_run(p->d);
	} else if (strcmp(how, "stall") == 0) {
		caller_stall(p->d);
	} else if (strncmp(how, "tls", 3) == 0) {
		assert(p->d->waiting_tls);
		caller_tls(p->d, how);
	} else {
		assert(strcmp(how, "raw") == 0);
	}
}

static inline str scripted_answer(struct scripted *p, str command)
{
	str answer;

	if (str_split(&p->script, '|', &answer))
		return answer;
	return str_starts(command, STR("QUIT"))   ? STR("221 bye")
	       : str_starts(command, STR("RSET")) ? STR("250 ok")
	                                          : STR("!stall");
}

static inline void scripted_turn(struct scripted *p, str command)
{
	str action = scripted_answer(p, command), text = STR_NONE;

	(void)str_split(&action, '!', &text);
	if (str_eq(command, STR("DATA")) && str_starts(text, STR("354")))
		p->mode = PEER_DATA;
	scripted_say(p, text, str_eq(action, STR("raw")));
	if (action.ptr)
		scripted_act(p, action);
	if (p->d->waiting_tls && !p->d->is_closed)
		scripted_turn(p, STR_NONE);
}

static inline void scripted_command(struct scripted *p, str line)
{
	str rest = line;

	if (take_lit(&rest, STR("BDAT ")) == 0 &&
	    num_take_u64(&rest, UINT64_MAX, &p->chunk_left) == 0) {
		p->mode = PEER_CHUNK;
		return;
	}
	scripted_turn(p, line);
}

/* Reads one command, or one message; false when it is not all there. */
static inline bool scripted_read(struct scripted *p)
{
	str rest = str_skip(buf_str(&p->d->wire), p->d->wire_at);
	size_t end;

	if (p->mode == PEER_CHUNK) {
		str piece = str_sub(rest, 0, p->chunk_left);
		buf_add(&p->body, piece);
		p->d->wire_at += piece.len;
		p->chunk_left -= piece.len;
		if (p->chunk_left)
			return piece.len > 0;
		p->mode = PEER_COMMAND;
		scripted_turn(p, STR("BDAT"));
		return true;
	}
	if (p->mode == PEER_DATA) {
		end = str_starts(rest, STR(".\r\n")) ? 0 : str_find(rest, STR("\r\n.\r\n")) + 2;
		if (end == STR_NPOS + 2)
			return false;
		buf_add(&p->body, str_sub(rest, 0, end));
		p->d->wire_at += end + 3;
		p->mode = PEER_COMMAND;
		scripted_turn(p, STR("."));
		return true;
	}
	end = str_find(rest, STR("\r\n"));
	if (end == STR_NPOS)
		return false;
	p->d->wire_at += end + 2;
	AUTO_BUF line = BUF_INIT(CALLER_MAX);
	buf_add(&line, str_sub(rest, 0, end));
	scripted_command(p, buf_str(&line));
	return true;
}

/* Until the connection is closed. again: transactions to start once the first one has ended. */
static inline void scripted_run(struct scripted *p, unsigned again)
{
	struct caller *d = p->d;

	scripted_turn(p, STR_NONE);
	for (unsigned round = 0; !d->is_closed; round++) {
		assert(round < 10000);
		if (!p->is_gone && scripted_read(p))
			continue;
		if (d->finished == d->starts && again && caller_start(d)) {
			again--;
			caller_run(d);
		} else if (d->finished == d->starts &&
		           smtp_client_stage(d->c) == SMTP_CLIENT_IDLE) {
			smtp_client_quit(d->c);
			caller_run(d);
		} else {
			caller_stall(d);
		}
	}
}

#endif
