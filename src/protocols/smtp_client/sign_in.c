/* AUTH, for smart hosts. RFC 4954. */
#include "base/secret.h"
#include "formats/base64.h"
#include "protocols/sasl/sasl.h"
#include "protocols/smtp_client/internal.h"

/* RFC 4954 §6: this mechanism is not the right one; another may be. */
enum { CODE_UNKNOWN_MECHANISM = 504, CODE_TOO_WEAK = 534 };

bool smtpc_wants_sign_in(const struct smtp_client *c)
{
	return c->o.user.len > 0 && !c->facts.is_signed_in;
}

static bool may_use(const struct smtp_client *c, unsigned i)
{
	bool is_offered = c->facts.can.mechanisms & ~c->mechanisms_tried & (1u << i);
	bool needs_binding = sasl_mechanisms[i]->flags & SASL_NEEDS_BINDING;
	bool has_binding = c->facts.is_tls && c->o.tls_facts.exporter.len > 0;

	return is_offered && (c->facts.is_tls || c->o.allow_clear) &&
	       (!needs_binding || has_binding);
}

static bool choose(struct smtp_client *c)
{
	for (unsigned i = 0; sasl_mechanisms[i]; i++) {
		if (!may_use(c, i))
			continue;
		c->mechanism = i;
		c->mechanisms_tried |= 1u << i;
		return true;
	}
	return false;
}

static void cancel(struct smtp_client *c)
{
	c->auth_cancelled = true;
	smtpc_say(c, SMTP_CLIENT_AUTH, STR("*")); /* RFC 4954 §4 */
}

/* prefix and the next response in base64; empty ones as the protocol wants them. */
static void say_response(struct smtp_client *c, str prefix, str challenge, str empty)
{
	AUTO_BUF response = BUF_INIT(SASL_MESSAGE_MAX);
	AUTO_BUF line = BUF_INIT(SMTPC_AUTH_MAX);

	if (sasl_client_step(c->sasl, challenge, &response, NULL) != SASL_CLIENT_SEND ||
	    !buf_ok(&response)) {
		cancel(c);
		return;
	}
	buf_add(&line, prefix);
	base64_encode(buf_str(&response), &line);
	if (response.len == 0)
		buf_add(&line, empty);
	smtpc_say(c, SMTP_CLIENT_AUTH, buf_str(&line));
	secret_wipe(response.ptr, response.len);
	secret_wipe(line.ptr, line.len);
}

static void begin_exchange(struct smtp_client *c)
{
	str name = sasl_mechanisms[c->mechanism]->name;
	AUTO_BUF command = BUF_INIT(100);

	buf_addf(&command, "AUTH " STR_FMT, STR_ARG(name));
	if (!sasl_client_has_initial(c->sasl)) {
		smtpc_say(c, SMTP_CLIENT_AUTH, buf_str(&command));
		return;
	}
	buf_addc(&command, ' ');
	say_response(c, buf_str(&command), STR_NONE, STR("="));
}

void smtpc_sign_in(struct smtp_client *c)
{
	if (!choose(c)) {
		smtpc_give_up_local(c, SMTPC_AUTH_MISSING, STR_NONE);
		return;
	}
	sasl_client_free(c->sasl);
	c->auth_cancelled = false;
	c->sasl = sasl_client_new(&(struct sasl_client_options){
	    .mechanism = sasl_mechanisms[c->mechanism]->name,
	    .user = c->o.user,
	    .password = c->o.password,
	    .nonce = c->o.auth_nonce,
	    .exporter = c->facts.is_tls ? c->o.tls_facts.exporter : STR_NONE,
	});
	if (c->sasl)
		begin_exchange(c);
	else
		smtpc_give_up_local(c, SMTPC_AUTH_MISSING, STR_NONE);
}

void smtpc_on_auth_more(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	AUTO_BUF challenge = BUF_INIT(SASL_MESSAGE_MAX);
	str text = r->text, line = STR_NONE;

	(void)p;
	(void)str_split(&text, '\n', &line);
	if (c->auth_cancelled)
		smtpc_give_up_local(c, SMTPC_AUTH_BROKEN, STR_NONE);
	else if (base64_decode(str_trim(line), &challenge, NULL) == 0)
		say_response(c, STR_NONE, buf_str(&challenge), STR_NONE);
	else if (sasl_mechanisms[c->mechanism]->flags & SASL_SAYS_PASSWORD)
		say_response(
		    c, STR_NONE, STR_NONE, STR_NONE); /* "334 Username:"; only the order counts */
	else
		cancel(c);
}

void smtpc_on_auth(struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	(void)p;
	if (c->auth_cancelled || !sasl_client_is_done(c->sasl)) {
		/* A server that skips its own proof may be anybody. */
		smtpc_give_up_local(c, SMTPC_AUTH_BROKEN, r->text);
		return;
	}
	c->facts.is_signed_in = true;
	smtpc_enter_ready(c);
}

/* A wrong password here is for the operator to mend; nobody's mail is returned because of it. */
void smtpc_on_auth_refused(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r)
{
	bool is_other_wanted = r->code == CODE_UNKNOWN_MECHANISM || r->code == CODE_TOO_WEAK;

	if (c->auth_cancelled)
		smtpc_give_up_local(c, SMTPC_AUTH_BROKEN, r->text);
	else if (is_other_wanted)
		smtpc_sign_in(c);
	else
		smtpc_give_up(c, p->stage, SMTP_CLIENT_TEMPORARY, r);
}
