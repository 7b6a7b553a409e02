#include "protocols/smtp_client/internal.h"

#include <stdio.h>

/* What we say ourselves, in the form of a reply. Enhanced codes: RFC 3463 and its registry (RFC 5248). */
/* clang-format off */
static const struct local {
	enum smtp_client_outcome outcome;
	unsigned code;
	struct enhanced_status enhanced;
	const char *text;
} locals[SMTPC_LOCALS] = {
	[SMTPC_LOST]          = { SMTP_CLIENT_TEMPORARY,  451, { 4, 4, 2 },  "the connection was lost while waiting for the answer to %s" },
	[SMTPC_TIMEOUT]       = { SMTP_CLIENT_TEMPORARY,  451, { 4, 4, 2 },  "no answer to %s in time" },
	[SMTPC_MALFORMED]     = { SMTP_CLIENT_TEMPORARY,  451, { 4, 5, 0 },  "what the peer said where %s was to be answered is not SMTP" },
	[SMTPC_FLOOD]         = { SMTP_CLIENT_TEMPORARY,  451, { 4, 5, 0 },  "the answer to %s is endless" },
	[SMTPC_UNEXPECTED]    = { SMTP_CLIENT_TEMPORARY,  451, { 4, 5, 0 },  "an answer that makes no sense for %s" },
	[SMTPC_EARLY]         = { SMTP_CLIENT_TEMPORARY,  451, { 4, 5, 0 },  "the peer answered what had not been said yet, at %s" },
	[SMTPC_STOPPED]       = { SMTP_CLIENT_TEMPORARY,  451, { 4, 3, 2 },  "delivery was stopped here, at %s" },
	[SMTPC_SOURCE_FAILED] = { SMTP_CLIENT_TEMPORARY,  451, { 4, 3, 0 },  "the message could not be read to its end here, at %s" },
	[SMTPC_TOO_SLOW]      = { SMTP_CLIENT_TEMPORARY,  451, { 4, 4, 2 },  "the peer takes the message too slowly, at %s" },
	[SMTPC_TLS_MISSING]   = { SMTP_CLIENT_TEMPORARY,  451, { 4, 7, 10 }, "TLS is required here and the peer does not offer it" },
	[SMTPC_TLS_BROKEN]    = { SMTP_CLIENT_TEMPORARY,  451, { 4, 7, 5 },  "the TLS handshake failed" },
	[SMTPC_AUTH_MISSING]  = { SMTP_CLIENT_TEMPORARY,  451, { 4, 7, 0 },  "the peer offers no way to sign in that may be used here" },
	[SMTPC_AUTH_BROKEN]   = { SMTP_CLIENT_TEMPORARY,  451, { 4, 7, 8 },  "signing in failed" },
	[SMTPC_TOO_BIG]       = { SMTP_CLIENT_PERMANENT,  552, { 5, 3, 4 },  "the message is larger than the peer takes" },
	[SMTPC_UTF8_ADDRESS]  = { SMTP_CLIENT_PERMANENT,  553, { 5, 6, 7 },  "the peer takes no addresses beyond ASCII (SMTPUTF8)" },
	[SMTPC_UTF8_HEADER]   = { SMTP_CLIENT_PERMANENT,  554, { 5, 6, 9 },  "the peer takes no header fields in UTF-8 (SMTPUTF8)" },
	[SMTPC_NO_REQUIRETLS] = { SMTP_CLIENT_PERMANENT,  550, { 5, 7, 30 }, "the sender asked for TLS on the whole way and the peer does not promise it (REQUIRETLS)" },
	[SMTPC_NEEDS_7BIT]    = { SMTP_CLIENT_NEEDS_7BIT, 554, { 5, 6, 3 },  "the peer takes messages in 7 bit only" },
	[SMTPC_BAD_SENDER]    = { SMTP_CLIENT_PERMANENT,  553, { 5, 1, 7 },  "the sender's address cannot be said in SMTP" },
	[SMTPC_BAD_RECIPIENT] = { SMTP_CLIENT_PERMANENT,  553, { 5, 1, 3 },  "the recipient's address cannot be said in SMTP" },
	[SMTPC_OVER_LIMIT]    = { SMTP_CLIENT_NOT_TRIED,  452, { 4, 5, 3 },  "the peer takes no more recipients at once" },
	[SMTPC_BINARY]        = { SMTP_CLIENT_NEEDS_7BIT, 554, { 5, 6, 3 },  "the peer takes no binary messages (BINARYMIME)" },
};
/* clang-format on */

enum smtp_client_outcome smtpc_outcome(const struct peer_reply *r)
{
	return r->code < 400   ? SMTP_CLIENT_ACCEPTED
	       : r->code < 500 ? SMTP_CLIENT_TEMPORARY
	                       : SMTP_CLIENT_PERMANENT;
}

/* At most max bytes, cut between characters. */
static str shorten(str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

static struct smtp_client_result result_of(
    enum smtp_client_stage stage, enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	return (struct smtp_client_result){
		.outcome = outcome,
		.stage = stage,
		.code = r->code,
		.enhanced = r->enhanced.class ? r->enhanced : enhanced_status_of_code(r->code),
		.text = shorten(r->text, SMTP_CLIENT_REPLY_TEXT),
	};
}

/* text has SMTP_CLIENT_REPLY_TEXT + 1 bytes and holds the result's text. */
static struct smtp_client_result result_local(
    const struct smtp_client *c, enum smtpc_local why, str detail, char *text)
{
	const struct local *l = &locals[why];
	enum smtp_client_stage stage = smtp_client_stage(c);

	snprintf(text, SMTP_CLIENT_REPLY_TEXT + 1, l->text, smtpc_stages[stage].name);
	if (detail.len) {
		size_t len = strlen(text);
		snprintf(text + len, SMTP_CLIENT_REPLY_TEXT + 1 - len, ": " STR_FMT,
		    STR_ARG(shorten(detail, 300)));
	}
	return (struct smtp_client_result){ .outcome = l->outcome,
		.stage = stage,
		.is_local = true,
		.code = l->code,
		.enhanced = l->enhanced,
		.text = str_c(text) };
}

void smtp_client_result_print(const struct smtp_client_result *r, struct buf *out)
{
	buf_addu(out, r->code);
	if (r->enhanced.class) {
		buf_addc(out, ' ');
		enhanced_status_print(r->enhanced, out);
	}
	if (r->text.len) {
		buf_addc(out, ' ');
		buf_add(out, r->text);
	}
}

bool smtp_client_result_is_of_host(const struct smtp_client_result *r)
{
	return r->stage <= SMTP_CLIENT_IDLE;
}

static bool is_unsettled(const struct smtp_client *c, size_t i)
{
	return c->tx.results[i].outcome == SMTP_CLIENT_UNSETTLED;
}

void smtpc_settle(struct smtp_client *c, size_t i, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	if (!is_unsettled(c, i))
		return;
	c->tx.results[i] = result_of(stage, outcome, r);
	c->tx.results[i].text = arena_str(c->arena, c->tx.results[i].text);
}

void smtpc_settle_local(struct smtp_client *c, size_t i, enum smtpc_local why)
{
	char text[SMTP_CLIENT_REPLY_TEXT + 1];

	if (!is_unsettled(c, i))
		return;
	c->tx.results[i] = result_local(c, why, STR_NONE, text);
	c->tx.results[i].text = arena_str(c->arena, c->tx.results[i].text);
}

static bool has_transaction(const struct smtp_client *c)
{
	return c->tx.is_open || c->tx.is_waiting;
}

/* One copy of the text serves all. */
static void settle_all(struct smtp_client *c, const struct smtp_client_result *result)
{
	str text = STR_NONE;

	for (size_t i = 0; has_transaction(c) && i < c->tx.t.count; i++) {
		if (!is_unsettled(c, i))
			continue;
		text = text.ptr ? text : arena_str(c->arena, result->text);
		c->tx.results[i] = *result;
		c->tx.results[i].text = text;
	}
}

void smtpc_settle_rest(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	struct smtp_client_result result = result_of(stage, outcome, r);

	settle_all(c, &result);
}

void smtpc_settle_rest_local(struct smtp_client *c, enum smtpc_local why)
{
	char text[SMTP_CLIENT_REPLY_TEXT + 1];
	struct smtp_client_result result = result_local(c, why, STR_NONE, text);

	settle_all(c, &result);
}

void smtpc_end_transaction(struct smtp_client *c, bool is_usable)
{
	struct smtpc_tx *tx = &c->tx;

	if (!has_transaction(c))
		return;
	tx->is_open = tx->is_waiting = false;
	struct smtp_client_event e = { .type = SMTP_CLIENT_EVENT_RESULTS };
	e.results.items = tx->results;
	e.results.count = tx->t.count;
	e.results.is_usable = is_usable;
	e.results.dsn_passed = smtp_can(&c->facts.can, SMTP_CAN_DSN);
	smtpc_push(c, e);
}

static void remember_failure(struct smtp_client *c, const struct smtp_client_result *result)
{
	c->failure = *result;
	snprintf(c->failure_text, sizeof(c->failure_text), STR_FMT, STR_ARG(result->text));
	c->failure.text = str_c(c->failure_text);
}

/* The peer has all of the message and has not said what it does with it. */
static bool is_in_doubt(const struct smtp_client *c)
{
	return c->tx.is_open && c->tx.is_sent && !c->tx.is_failed && c->sent >= c->tx.end;
}

static void settle_doubts(struct smtp_client *c, const struct smtp_client_result *result)
{
	struct smtp_client_result doubt = *result;

	if (!is_in_doubt(c))
		return;
	doubt.outcome = SMTP_CLIENT_UNCERTAIN;
	for (size_t i = 0; i < c->tx.t.count; i++)
		if (is_unsettled(c, i) && c->tx.rcpt[i] == SMTPC_RCPT_TAKEN) {
			c->tx.results[i] = doubt;
			c->tx.results[i].text = arena_str(c->arena, doubt.text);
		}
}

void smtpc_break(struct smtp_client *c, enum smtpc_local why, str detail)
{
	char text[SMTP_CLIENT_REPLY_TEXT + 1];
	struct smtp_client_result result = result_local(c, why, detail, text);

	remember_failure(c, &result);
	settle_doubts(c, &result);
	settle_all(c, &result);
	/* What was not sent yet must not go out: half a message, or commands nobody answers. */
	buf_reset(&c->out);
	smtpc_end_transaction(c, false);
	smtpc_close(c);
}

static void give_up(struct smtp_client *c, const struct smtp_client_result *result, bool says_quit)
{
	remember_failure(c, result);
	settle_all(c, result);
	smtpc_end_transaction(c, false);
	if (says_quit) {
		smtpc_say_quit(c);
	} else {
		buf_reset(&c->out);
		smtpc_close(c);
	}
}

void smtpc_give_up(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	struct smtp_client_result result = result_of(stage, outcome, r);

	give_up(c, &result, true);
}

void smtpc_give_up_local(struct smtp_client *c, enum smtpc_local why, str detail)
{
	char text[SMTP_CLIENT_REPLY_TEXT + 1];
	struct smtp_client_result result = result_local(c, why, detail, text);

	give_up(c, &result, true);
}

void smtpc_hang_up(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r)
{
	struct smtp_client_result result = result_of(stage, outcome, r);

	give_up(c, &result, false);
}
