/* Amazon SES tells by JSON, often twice wrapped and broken into lines by mail on its way: the few members that
 * matter are looked for by name. */
#include "formats/bounce_internal.h"

enum { SES_SCAN_MAX = 256 * 1024 };

/* Without the backslashes of a string in a string, and without the line ends of the mail. */
static void unwrap(str text, struct buf *out)
{
	text = str_sub(text, 0, SES_SCAN_MAX);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c != '\\' && c != '\r' && c != '\n')
			buf_addc(out, c);
	}
}

/* The string value of a member, from the front of *in on; *in moves behind it. */
static bool take_member(str *in, str name, str *out)
{
	size_t at = str_find(*in, name), end;

	if (at == STR_NPOS)
		return false;
	str rest = str_skip(*in, at + name.len);
	while (rest.len && strchr("\": [", rest.ptr[0]))
		rest = str_skip(rest, 1);
	end = str_chr(rest, '"');
	if (end == STR_NPOS)
		return false;
	*out = str_sub(rest, 0, end);
	*in = str_skip(rest, end);
	return true;
}

static str member(str object, str name)
{
	str value = STR_NONE;

	return take_member(&object, name, &value) ? value : STR_NONE;
}

static void read_bounced(struct bounce_reader *r, str json)
{
	size_t list = str_find(json, STR("\"bouncedRecipients\""));
	str rest = list == STR_NPOS ? STR_NONE : str_skip(json, list), address;

	while (take_member(&rest, STR("\"emailAddress\""), &address)) {
		size_t next = str_find(rest, STR("\"emailAddress\"")), end = str_chr(rest, '}');
		str object = str_sub(rest, 0, end < next ? end : next);
		struct bounce_recipient *to = bounce_add(r);
		struct enhanced_status field = { 0 };
		uint16_t ignored;
		if (!to)
			return;
		to->address = bounce_line(r->a, address, BOUNCE_ADDRESS_MAX);
		str diagnostic = member(object, STR("\"diagnosticCode\""));
		if (str_istarts(diagnostic, STR("smtp;")))
			diagnostic = str_skip(diagnostic, 5);
		to->diagnostic = bounce_line(r->a, diagnostic, BOUNCE_DIAGNOSTIC_MAX);
		bounce_find_reply(to->diagnostic, &to->code, &to->status);
		bounce_find_reply(member(object, STR("\"status\"")), &ignored, &field);
		if (!to->status.class)
			to->status = field;
		to->action = to->status.class == 4 ? DSN_DELAYED : DSN_FAILED;
	}
}

static void read_delivered(struct bounce_reader *r, str json)
{
	size_t list = str_find(json, STR("\"delivery\""));
	str rest = list == STR_NPOS ? json : str_skip(json, list), address;

	if (!take_member(&rest, STR("\"recipients\""), &address))
		return;
	struct bounce_recipient *to = bounce_add(r);
	if (!to)
		return;
	to->address = bounce_line(r->a, address, BOUNCE_ADDRESS_MAX);
	to->diagnostic =
	    bounce_line(r->a, member(rest, STR("\"smtpResponse\"")), BOUNCE_DIAGNOSTIC_MAX);
	bounce_find_reply(to->diagnostic, &to->code, &to->status);
	to->action = DSN_DELIVERED;
}

bool bounce_read_ses(struct bounce_reader *r, str text)
{
	if (str_find(str_sub(text, 0, 2048), STR("notificationType")) == STR_NPOS)
		return false;
	AUTO_BUF b = BUF_INIT(SES_SCAN_MAX);
	unwrap(text, &b);
	str json = buf_str(&b), type = member(json, STR("\"notificationType\""));

	r->out->form = "Amazon SES";
	if (str_ieq(type, STR("Complaint"))) {
		r->out->kind = BOUNCE_FEEDBACK;
		return true;
	}
	if (str_ieq(type, STR("Bounce")))
		read_bounced(r, json);
	else if (str_ieq(type, STR("Delivery")))
		read_delivered(r, json);
	r->out->kind = r->out->count ? BOUNCE_REPORT : BOUNCE_NONE;
	return r->out->count > 0;
}
