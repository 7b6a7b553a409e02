/* One transaction from MAIL to the end of its recipients; what is decided before a word is said. */
#include "protocols/smtp_client/internal.h"

enum { CODE_TOO_MANY = 452, CODE_TOO_MANY_OLD = 552 };

/* ---- before MAIL ---- */

static bool can(const struct smtp_client *c, enum smtp_capability capability)
{
	return smtp_can(&c->facts.can, capability);
}

/* What forbids the message as a whole; SMTPC_LOCALS: nothing. */
static enum smtpc_local message_obstacle(const struct smtp_client *c)
{
	const struct smtp_client_transaction *t = &c->tx.t;
	bool has_promise = c->facts.is_tls && c->facts.is_verified && can(c, SMTP_CAN_REQUIRETLS);

	if (t->sender.len && !smtpc_is_path(t->sender))
		return SMTPC_BAD_SENDER;
	if (!can(c, SMTP_CAN_SMTPUTF8) && !str_is_ascii(t->sender))
		return SMTPC_UTF8_ADDRESS;
	if (t->is_probe)
		return SMTPC_LOCALS;
	if (t->requiretls && !has_promise) /* RFC 8689 §4.2.1 */
		return SMTPC_NO_REQUIRETLS;
	if (t->utf8_header && !can(c, SMTP_CAN_SMTPUTF8))
		return SMTPC_UTF8_HEADER;
	/* RFC 1870 §6.1 */
	if (c->facts.can.size && t->size > c->facts.can.size)
		return SMTPC_TOO_BIG;
	if (t->body == SMTP_BODY_BINARY &&
	    !(can(c, SMTP_CAN_BINARYMIME) && can(c, SMTP_CAN_CHUNKING)))
		return SMTPC_BINARY;
	if (t->body == SMTP_BODY_8BIT && !can(c, SMTP_CAN_8BITMIME))
		return SMTPC_NEEDS_7BIT;
	return SMTPC_LOCALS;
}

static str domain_of(str address)
{
	size_t at = str_rchr(address, '@');

	return at == STR_NPOS ? STR_NONE : str_skip(address, at + 1);
}

/* RFC 9422 §4: how many recipients, and how many domains among them. */
struct room {
	size_t recipients, domains;
	str *seen;
	size_t seen_count;
};

static struct room make_room(const struct smtp_client *c)
{
	const struct smtp_capabilities *limits = &c->facts.can;
	struct room room = { .recipients = SMTP_CLIENT_RECIPIENTS, .domains = SIZE_MAX };

	if (limits->rcpt_max && limits->rcpt_max < room.recipients)
		room.recipients = limits->rcpt_max;
	if (limits->domain_max) {
		room.domains = limits->domain_max;
		room.seen = arena_array(c->arena, str, SMTP_CLIENT_RECIPIENTS);
	}
	return room;
}

static bool takes_domain(struct room *room, str address)
{
	str domain = domain_of(address);

	if (!room->seen)
		return true;
	for (size_t i = 0; i < room->seen_count; i++)
		if (str_ieq(room->seen[i], domain))
			return true;
	if (room->seen_count >= room->domains)
		return false;
	room->seen[room->seen_count++] = domain;
	return true;
}

/* Settles those who cannot be said; false when nobody is left. */
static bool choose_recipients(struct smtp_client *c)
{
	const struct smtp_client_transaction *t = &c->tx.t;
	struct room room = make_room(c);
	bool is_any = false;

	c->tx.is_utf8 = !str_is_ascii(t->sender) || (t->utf8_header && !t->is_probe);
	for (size_t i = 0; i < t->count; i++) {
		str address = t->recipients[i].address;
		bool is_ascii = str_is_ascii(address);
		if (!smtpc_is_path(address)) {
			smtpc_settle_local(c, i, SMTPC_BAD_RECIPIENT);
		} else if (!is_ascii && !can(c, SMTP_CAN_SMTPUTF8)) {
			smtpc_settle_local(c, i, SMTPC_UTF8_ADDRESS);
		} else if (room.recipients == 0 || !takes_domain(&room, address)) {
			smtpc_settle_local(c, i, SMTPC_OVER_LIMIT);
		} else {
			room.recipients--;
			is_any = true;
			c->tx.is_utf8 |= !is_ascii;
		}
	}
	return is_any;
}

/* Nothing was said of it: the next one may come. */
static void end_unsaid(struct smtp_client *c)
{
	smtpc_end_transaction(c, smtpc_is_usable(c));
	smtpc_enter_ready(c);
}

void smtpc_begin(struct smtp_client *c)
{
	struct smtpc_tx *tx = &c->tx;
	enum smtpc_local obstacle = message_obstacle(c);

	tx->is_waiting = false;
	tx->is_open = true;
	c->state = SMTPC_ENVELOPE;
	if (c->facts.can.mail_max && c->facts.mails >= c->facts.can.mail_max)
		obstacle = SMTPC_OVER_LIMIT;
	if (obstacle != SMTPC_LOCALS)
		smtpc_settle_rest_local(c, obstacle);
	if (obstacle != SMTPC_LOCALS || !choose_recipients(c)) {
		end_unsaid(c);
		return;
	}
	bool is_preferred =
	    c->o.chunking == SMTP_CLIENT_CHUNKING_PREFERRED && can(c, SMTP_CAN_CHUNKING);
	tx->is_chunked = is_preferred || tx->t.body == SMTP_BODY_BINARY;
	c->facts.mails++;
}

/* ---- what is said next ---- */

static bool may_say(const struct smtp_client *c)
{
	return c->out.len < SMTPC_OUTPUT_HIGH && c->queue_count < SMTP_CLIENT_PIPELINE &&
	       (c->queue_count == 0 || smtpc_pipelines(c));
}

static bool say_next_recipient(struct smtp_client *c)
{
	struct smtpc_tx *tx = &c->tx;

	while (tx->said < tx->t.count && tx->results[tx->said].outcome != SMTP_CLIENT_UNSETTLED)
		tx->said++;
	if (tx->said == tx->t.count)
		return false;
	tx->rcpt[tx->said] = SMTPC_RCPT_SAID;
	smtpc_say_rcpt(c, tx->said++);
	return true;
}

/* RFC 2920 §3.1: DATA is the last of a group and may stand behind RCPT that are not answered yet. BDAT waits for
 * them, as its bytes would go out with it. */
static bool may_say_data(const struct smtp_client *c)
{
	const struct smtpc_tx *tx = &c->tx;

	return !tx->data_said && !tx->t.is_probe && !tx->is_chunked &&
	       (tx->taken > 0 || c->queue_count > 0);
}

static bool say_next(struct smtp_client *c)
{
	struct smtpc_tx *tx = &c->tx;

	if (tx->is_failed)
		return false;
	if (!tx->mail_said) {
		tx->mail_said = true;
		smtpc_say_mail(c);
		return true;
	}
	if (say_next_recipient(c))
		return true;
	if (!may_say_data(c))
		return false;
	tx->data_said = true;
	smtpc_say(c, SMTP_CLIENT_DATA, STR("DATA"));
	return true;
}

/* It ended without a message being taken. */
static void end_envelope(struct smtp_client *c)
{
	bool needs_reset = c->tx.mail_taken;

	smtpc_end_transaction(c, smtpc_is_usable(c));
	if (!needs_reset || !smtpc_is_usable(c)) {
		smtpc_enter_ready(c);
		return;
	}
	c->state = SMTPC_RESET;
	smtpc_say(c, SMTP_CLIENT_RSET, STR("RSET"));
}

void smtpc_pump_envelope(struct smtp_client *c)
{
	while (c->state == SMTPC_ENVELOPE && may_say(c) && say_next(c))
		;
	if (c->queue_count || c->out.len >= SMTPC_OUTPUT_HIGH)
		return;
	bool has_message = c->tx.taken > 0 && !c->tx.is_failed && !c->tx.t.is_probe;
	if (c->state == SMTPC_ENVELOPE && has_message)
		smtpc_begin_body(c); /* chunks; DATA would be waited for */
	else if (c->tx.chunk_left == 0)
		end_envelope(c);
}

void smtpc_drain(struct smtp_client *c)
{
	c->tx.is_failed = true;
	c->state = SMTPC_DRAIN;
}

/* ---- answers ---- */

void smtpc_on_mail(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p, (void)r;
	c->tx.mail_taken = true;
}

void smtpc_on_mail_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	smtpc_settle_rest(c, p->stage, smtpc_outcome(r), r);
	smtpc_drain(c);
}

void smtpc_on_rcpt(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	struct smtpc_tx *tx = &c->tx;

	if (tx->is_failed) /* a yes behind a refused MAIL means nothing */
		return;
	tx->rcpt[p->recipient] = SMTPC_RCPT_TAKEN;
	tx->taken++;
	if (tx->t.is_probe)
		smtpc_settle(c, p->recipient, p->stage, SMTP_CLIENT_ACCEPTED, r);
}

/* RFC 5321 §4.5.3.1.10: 452, or 552 from old ones, says "enough for now" behind others that were taken. Both also
 * mean a full disk or mailbox, so an enhanced code that says something else is believed; without one the recipient
 * is tried again as the first of a transaction, where the answer can mean one thing only. */
static bool is_too_many(const struct smtp_client *c, const struct peer_reply *r)
{
	bool may_mean_it = r->code == CODE_TOO_MANY || r->code == CODE_TOO_MANY_OLD;
	bool is_said = r->enhanced.class && r->enhanced.subject == 5 && r->enhanced.detail == 3;

	return c->tx.taken > 0 && (is_said || (may_mean_it && !r->enhanced.class));
}

void smtpc_on_rcpt_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	struct smtpc_tx *tx = &c->tx;

	if (tx->is_failed)
		return;
	if (!is_too_many(c, r)) {
		smtpc_settle(c, p->recipient, p->stage, smtpc_outcome(r), r);
		return;
	}
	smtpc_settle(c, p->recipient, p->stage, SMTP_CLIENT_NOT_TRIED, r);
	for (size_t i = tx->said; i < tx->t.count; i++)
		smtpc_settle(c, i, p->stage, SMTP_CLIENT_NOT_TRIED, r);
}

void smtpc_on_rset(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p, (void)r;
	smtpc_enter_ready(c);
}
