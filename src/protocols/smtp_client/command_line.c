/* The text of MAIL and RCPT: what a parameter is for, who is told it. */
#include "formats/mailbox.h"
#include "formats/xtext.h"
#include "protocols/smtp_client/internal.h"

/* Nothing in an address may end the command or begin another one, wherever it came from. */
bool smtpc_is_path(str address)
{
	bool is_quoted = false;

	if (address.len == 0 || address.len > MAILBOX_PATH_MAX || !str_is_utf8(address))
		return false;
	for (size_t i = 0; i < address.len; i++) {
		char c = address.ptr[i];
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return false;
		if (c == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && c == '\\' && i + 1 < address.len)
			i += (unsigned char)address.ptr[i + 1] >= 0x20;
		else if (!is_quoted && (c == ' ' || c == '<' || c == '>'))
			return false;
	}
	return !is_quoted;
}

/* RFC 5321 §4.1.2 esmtp-value; with UTF-8 where that is spoken. */
static bool is_value(str value, bool utf8)
{
	if (value.len == 0 || value.len > SMTPC_PARAM_MAX || (utf8 && !str_is_utf8(value)))
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c <= 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			return false;
	}
	return true;
}

/* A value that cannot be said is left out: what it asks for is lost, the message is not. */
static void add_param(struct buf *line, const char *name, str value, bool utf8)
{
	if (!is_value(value, utf8))
		return;
	buf_addc(line, ' ');
	buf_addz(line, name);
	buf_addc(line, '=');
	buf_add(line, value);
}

static void add_mail_dsn(const struct smtp_client *c, struct buf *line)
{
	const struct smtp_client_transaction *t = &c->tx.t;

	if (!smtp_can(&c->facts.can, SMTP_CAN_DSN))
		return;
	if (t->ret != SMTP_RET_NONE)
		buf_addz(line, t->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	add_param(line, "ENVID", t->envid, false);
}

static void add_body(const struct smtp_client *c, struct buf *line)
{
	if (c->tx.t.body == SMTP_BODY_BINARY)
		buf_addz(line, " BODY=BINARYMIME");
	else if (c->tx.t.body == SMTP_BODY_8BIT)
		buf_addz(line, " BODY=8BITMIME");
}

/* Parameters of a message; a probe has none. */
static void add_message_params(const struct smtp_client *c, struct buf *line)
{
	const struct smtp_client_transaction *t = &c->tx.t;
	const struct smtp_capabilities *can = &c->facts.can;

	if (t->is_probe)
		return;
	if (smtp_can(can, SMTP_CAN_SIZE) && t->size)
		buf_addf(line, " SIZE=%llu", (unsigned long long)t->size);
	add_body(c, line);
	if (t->requiretls)
		buf_addz(line, " REQUIRETLS");
	add_mail_dsn(c, line);
	if (smtp_can(can, SMTP_CAN_AUTH))
		add_param(line, "AUTH", t->auth, false);
	if (smtp_can(can, SMTP_CAN_DELIVERBY))
		add_param(line, "BY", t->by, false);
	if (smtp_can(can, SMTP_CAN_MT_PRIORITY) && t->has_priority)
		buf_addf(line, " MT-PRIORITY=%d", t->priority);
}

void smtpc_say_mail(struct smtp_client *c)
{
	AUTO_BUF line = BUF_INIT(8 * SMTPC_PARAM_MAX);

	buf_addf(&line, "MAIL FROM:<" STR_FMT ">", STR_ARG(c->tx.t.sender));
	if (c->tx.is_utf8)
		buf_addz(&line, " SMTPUTF8");
	add_message_params(c, &line);
	smtpc_say(c, SMTP_CLIENT_MAIL, buf_str(&line));
}

/* RFC 3461 §4.1: NEVER stands alone. */
static void add_notify(struct buf *line, unsigned notify)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ SMTP_NOTIFY_SUCCESS, "SUCCESS" },
		{ SMTP_NOTIFY_FAILURE, "FAILURE" },
		{ SMTP_NOTIFY_DELAY, "DELAY" },
	};
	char separator = '=';

	if (notify == SMTP_NOTIFY_NONE)
		return;
	buf_addz(line, " NOTIFY");
	if (notify & SMTP_NOTIFY_NEVER) {
		buf_addz(line, "=NEVER");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (notify & names[i].flag) {
			buf_addc(line, separator);
			buf_addz(line, names[i].name);
			separator = ',';
		}
}

/* RFC 6533 §3: an address beyond ASCII as "\x{E9}" where the peer knows no UTF-8. */
static void add_orcpt(struct buf *line, str orcpt, bool utf8)
{
	AUTO_BUF plain = BUF_INIT(SMTPC_PARAM_MAX);
	AUTO_BUF ascii = BUF_INIT(8 * SMTPC_PARAM_MAX);
	str address = orcpt;

	if (utf8 || str_is_ascii(orcpt)) {
		add_param(line, "ORCPT", orcpt, utf8);
		return;
	}
	if (take_ilit(&address, STR("utf-8;")) < 0 ||
	    xtext_utf8_decode(address, true, &plain, NULL) < 0)
		return;
	buf_addz(&ascii, "utf-8;");
	xtext_utf8_encode(buf_str(&plain), false, &ascii);
	add_param(line, "ORCPT", buf_str(&ascii), false);
}

void smtpc_say_rcpt(struct smtp_client *c, size_t i)
{
	const struct smtp_client_recipient *r = &c->tx.t.recipients[i];
	AUTO_BUF line = BUF_INIT(8 * SMTPC_PARAM_MAX);

	buf_addf(&line, "RCPT TO:<" STR_FMT ">", STR_ARG(r->address));
	if (smtp_can(&c->facts.can, SMTP_CAN_DSN) && !c->tx.t.is_probe) {
		add_notify(&line, r->notify);
		add_orcpt(&line, r->orcpt, c->tx.is_utf8);
	}
	buf_add(&c->out, buf_str(&line));
	buf_add(&c->out, STR("\r\n"));
	smtpc_await(c, SMTP_CLIENT_RCPT, i, 0);
}
