/* Banner, EHLO, LHLO, HELO, STARTTLS: what comes before the first transaction. */
#include "protocols/smtp_client/internal.h"

static void say_hello(struct smtp_client *c, enum smtp_client_stage stage)
{
	const char *verb = stage == SMTP_CLIENT_HELO ? "HELO" : c->o.lmtp ? "LHLO" : "EHLO";

	buf_addz(&c->out, verb);
	buf_addc(&c->out, ' ');
	smtpc_say(c, stage, str_sub(c->o.hello_name, 0, SMTPC_NAME_MAX));
}

/* Everything known of the peer is said again after TLS. RFC 3207 §4.2 */
static void begin_hello(struct smtp_client *c)
{
	bool wants_helo = c->o.helo_only && !c->o.lmtp;

	c->state = SMTPC_OPENING;
	say_hello(c, wants_helo ? SMTP_CLIENT_HELO : SMTP_CLIENT_EHLO);
}

static void remember_name(struct smtp_client *c, str name)
{
	name = str_sub(name, 0, SMTPC_NAME_MAX);
	memcpy(c->peer_name, name.ptr ? name.ptr : "", name.len);
	c->facts.peer_name = str_new(c->peer_name, name.len);
}

/* The next thing to be done before mail can go. */
static void go_on(struct smtp_client *c)
{
	bool can = smtp_can(&c->facts.can, SMTP_CAN_STARTTLS) && !c->facts.tls_refused;

	if (!c->facts.is_tls && can && c->o.tls != SMTP_CLIENT_TLS_NEVER)
		smtpc_say(c, SMTP_CLIENT_STARTTLS, STR("STARTTLS"));
	else if (!c->facts.is_tls && c->o.tls == SMTP_CLIENT_TLS_REQUIRED)
		smtpc_give_up_local(c, SMTPC_TLS_MISSING, STR_NONE);
	else if (smtpc_wants_sign_in(c))
		smtpc_sign_in(c);
	else
		smtpc_enter_ready(c);
}

void smtpc_on_banner(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p, (void)r;
	begin_hello(c);
}

void smtpc_on_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	smtpc_give_up(c, p->stage, smtpc_outcome(r), r);
}

void smtpc_on_ehlo(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	str name;

	(void)p;
	smtp_capabilities_parse(r->text, &c->facts.can, &name);
	remember_name(c, name);
	c->facts.is_extended = true;
	go_on(c);
}

/* RFC 5321 §3.2, §4.1.4: HELO when EHLO is not known. Many say so with another code than 500 or 502, so any
 * 5xx will do; a peer that wants none of us says it again to HELO. */
void smtpc_on_ehlo_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	bool needs_tls = c->o.tls == SMTP_CLIENT_TLS_REQUIRED && !c->facts.is_tls;

	if (c->o.lmtp)
		smtpc_on_refused(c, p, r);
	else if (needs_tls || c->o.user.len) /* neither can be had without EHLO */
		smtpc_give_up_local(c, needs_tls ? SMTPC_TLS_MISSING : SMTPC_AUTH_MISSING, r->text);
	else
		say_hello(c, SMTP_CLIENT_HELO);
}

void smtpc_on_helo(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	str name = STR_NONE, text = r->text;

	(void)p;
	(void)take_word(&text, SMTPC_NAME_MAX, &name);
	remember_name(c, name);
	c->facts.can = (struct smtp_capabilities){ 0 };
	c->facts.is_extended = false;
	go_on(c);
}

void smtpc_on_starttls(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p, (void)r;
	c->state = SMTPC_HANDSHAKE;
	smtpc_push(c, (struct smtp_client_event){ .type = SMTP_CLIENT_EVENT_STARTTLS });
}

void smtpc_on_starttls_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p;
	c->facts.tls_refused = true;
	if (c->o.tls == SMTP_CLIENT_TLS_REQUIRED)
		smtpc_give_up_local(c, SMTPC_TLS_MISSING, r->text);
	else
		go_on(c);
}

void smtp_client_tls_started(struct smtp_client *c, const struct smtp_client_tls *facts)
{
	if (c->state != SMTPC_HANDSHAKE)
		return;
	peer_reply_reset(&c->reader);
	c->o.tls_facts = *facts;
	c->facts.is_tls = true;
	c->facts.is_verified = facts->is_verified;
	c->facts.is_extended = false;
	c->facts.can = (struct smtp_capabilities){ 0 };
	begin_hello(c);
}

void smtp_client_tls_failed(struct smtp_client *c, str why)
{
	if (c->state == SMTPC_HANDSHAKE)
		smtpc_break(c, SMTPC_TLS_BROKEN, why);
}
