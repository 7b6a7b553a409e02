#include "formats/mailbox.h"

#include <arpa/inet.h>

enum { ATEXT = 1, QTEXT = 2 };
enum { ADDRESS_BYTES = 254 };

/* RFC 5322 §3.2.3 atext and RFC 5321 §4.1.2 qtextSMTP; bytes above 0x7f by RFC 6531 §3.3. */
static unsigned class_of(char c, unsigned flags)
{
	unsigned char b = (unsigned char)c;

	if (b >= 0x80)
		return flags & MAILBOX_UTF8 ? ATEXT | QTEXT : 0;
	if (b < 0x20 || b == 0x7f || c == '"' || c == '\\')
		return 0;
	if (ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c)))
		return ATEXT | QTEXT;
	return QTEXT;
}

/* ---- local part ---- */

/* "a quoted string": undone into out. The cursor stands behind the opening quote. */
static int take_quoted(str *in, unsigned flags, struct buf *out, struct err *err)
{
	while (in->len && in->ptr[0] != '"') {
		char c = in->ptr[0];
		*in = str_skip(*in, 1);
		if (c == '\\') {
			if (in->len == 0 || in->ptr[0] < 0x20 || in->ptr[0] > 0x7e)
				return err_set(err, ERR_INPUT,
				    "bad character behind a backslash in the quoted part of "
				    "the address");
			c = in->ptr[0];
			*in = str_skip(*in, 1);
		} else if (!(class_of(c, flags) & QTEXT)) {
			return err_set(
			    err, ERR_INPUT, "bad character in the quoted part of the address");
		}
		buf_addc(out, c);
	}
	if (take_char(in, '"') < 0)
		return err_set(err, ERR_INPUT, "the quoted part of the address has no end");
	return 0;
}

static int take_dot_string(str *in, unsigned flags, struct buf *out, struct err *err)
{
	size_t n = 0;

	while (n < in->len && (class_of(in->ptr[n], flags) & ATEXT || in->ptr[n] == '.'))
		n++;
	str text = str_sub(*in, 0, n);
	if (n == 0)
		return err_set(err, ERR_INPUT, "the address has nothing in front of the @");
	if (text.ptr[0] == '.' || text.ptr[n - 1] == '.' || str_find(text, STR("..")) != STR_NPOS)
		return err_set(err, ERR_INPUT, "a dot out of place in front of the @");
	buf_add(out, text);
	*in = str_skip(*in, n);
	return 0;
}

static int take_local(str *in, unsigned flags, struct buf *out, struct err *err)
{
	size_t max = flags & MAILBOX_LONG_LOCAL ? MAILBOX_LOCAL_LONG_MAX : MAILBOX_LOCAL_MAX;
	str at = *in;
	int result = take_char(in, '"') == 0 ? take_quoted(in, flags, out, err)
	                                     : take_dot_string(in, flags, out, err);

	if (result < 0)
		return -1;
	/* RFC 5321 §4.5.3.1.1 counts the local part as it is sent, quotes included. */
	if (at.len - in->len > max || !buf_ok(out))
		return err_set(
		    err, ERR_LIMIT, "the part in front of the @ is longer than %zu bytes", max);
	if (!str_is_utf8(buf_str(out)))
		return err_set(err, ERR_INPUT, "the part in front of the @ is not valid UTF-8");
	return 0;
}

/* ---- address literals, RFC 5321 §4.1.3 ---- */

static int add_ip(int family, str text, const char *prefix, struct buf *out)
{
	char cstr[INET6_ADDRSTRLEN + 1], printed[INET6_ADDRSTRLEN];
	unsigned char address[16];

	if (text.len == 0 || text.len >= sizeof(cstr) || memchr(text.ptr, '\0', text.len))
		return -1;
	memcpy(cstr, text.ptr, text.len);
	cstr[text.len] = '\0';
	if (inet_pton(family, cstr, address) != 1 ||
	    !inet_ntop(family, address, printed, sizeof(printed)))
		return -1;
	buf_addz(out, prefix);
	buf_addz(out, printed);
	buf_addc(out, ']');
	return 0;
}

/* General-address-literal: Standardized-tag ":" 1*dcontent. Nothing is registered but IPv6, so no
 * other tag leads anywhere; it is refused here. */
static int take_literal(str *in, struct buf *out, struct err *err)
{
	str text;

	if (take_until(in, ']', DOMAIN_MAX, &text) < 0)
		return err_set(err, ERR_INPUT, "the address literal has no closing bracket");
	*in = str_skip(*in, 1);
	int result = take_ilit(&text, STR("IPv6:")) == 0 ? add_ip(AF_INET6, text, "[IPv6:", out)
	                                                 : add_ip(AF_INET, text, "[", out);
	if (result < 0)
		return err_set(err, ERR_INPUT, "the address literal is no IP address");
	return 0;
}

/* ---- the whole ---- */

static bool ends_domain(char c)
{
	return c == '>' || c == ',' || c == ':' || c == ' ' || c == '\t';
}

static int take_domain(str *in, unsigned flags, struct buf *out, struct err *err)
{
	size_t n = 0;

	if (take_char(in, '[') == 0)
		return take_literal(in, out, err);
	while (n < in->len && !ends_domain(in->ptr[n]))
		n++;
	if (domain_normalise(str_sub(*in, 0, n), flags & MAILBOX_UTF8, out, err) < 0)
		return -1;
	*in = str_skip(*in, n);
	return 0;
}

/* A source route: RFC 5321 §4.1.2 A-d-l, to be ignored. */
static int skip_route(str *in, unsigned flags, struct err *err)
{
	while (in->len && in->ptr[0] == '@') {
		AUTO_BUF ignored = BUF_INIT(DOMAIN_MAX + 10);
		*in = str_skip(*in, 1);
		if (take_domain(in, flags, &ignored, err) < 0)
			return -1;
		if (take_char(in, ':') == 0)
			return 0;
		if (take_char(in, ',') < 0 || in->len == 0 || in->ptr[0] != '@')
			return err_set(err, ERR_INPUT, "the source route is not '@host,@host:'");
	}
	return 0;
}

static int take_mailbox(
    str *in, unsigned flags, struct arena *a, struct mailbox *out, struct err *err)
{
	AUTO_BUF local = BUF_INIT(MAILBOX_PATH_MAX);
	AUTO_BUF domain = BUF_INIT(DOMAIN_MAX + 10);
	str at = *in;

	if (take_local(in, flags, &local, err) < 0)
		return -1;
	bool is_postmaster = flags & MAILBOX_POSTMASTER && (in->len == 0 || in->ptr[0] == '>') &&
	                     str_ieq(buf_str(&local), STR("postmaster"));
	if (!is_postmaster) {
		if (take_char(in, '@') < 0)
			return err_set(err, ERR_INPUT,
			    in->len && in->ptr[0] != '>' ? "bad character in front of the @"
			                                 : "the address has no @ and no domain");
		if (take_domain(in, flags, &domain, err) < 0)
			return -1;
	}
	/* RFC 5321 §4.5.3.1.3: 256 with the brackets. A-labels can be longer than what was sent. */
	size_t sent = at.len - in->len, kept = local.len + 1 + domain.len;
	if (!(flags & MAILBOX_LONG_LOCAL) && (sent > ADDRESS_BYTES || kept > ADDRESS_BYTES))
		return err_set(
		    err, ERR_LIMIT, "the address is longer than %d bytes", (int)ADDRESS_BYTES);
	*out = (struct mailbox){ arena_str(a, buf_str(&local)), arena_str(a, buf_str(&domain)) };
	return 0;
}

int mailbox_parse_path(
    str *in, unsigned flags, struct arena *a, struct mailbox *out, struct err *err)
{
	str at = *in;
	struct mailbox m;

	if (take_char(&at, '<') < 0)
		return err_set(err, ERR_INPUT, "an address must stand between < and >");
	if (take_char(&at, '>') == 0) {
		if (!(flags & MAILBOX_EMPTY))
			return err_set(err, ERR_INPUT, "an empty address makes no sense here");
		*out = (struct mailbox){ STR(""), STR("") };
		*in = at;
		return 0;
	}
	if (skip_route(&at, flags, err) < 0 || take_mailbox(&at, flags, a, &m, err) < 0)
		return -1;
	if (take_char(&at, '>') < 0)
		return err_set(err, ERR_INPUT,
		    at.len ? "bad character in the domain of the address"
		           : "the address has no closing >");
	if (in->len - at.len > MAILBOX_PATH_MAX)
		return err_set(err, ERR_LIMIT, "the address is too long");
	*out = m;
	*in = at;
	return 0;
}

int mailbox_parse(str in, unsigned flags, struct arena *a, struct mailbox *out, struct err *err)
{
	struct mailbox m;

	if (take_mailbox(&in, flags, a, &m, err) < 0)
		return -1;
	if (in.len)
		return err_set(err, ERR_INPUT, "there is something behind the address");
	*out = m;
	return 0;
}

/* ---- printing and comparing ---- */

static bool needs_quotes(str local)
{
	for (size_t i = 0; i < local.len; i++) {
		if (!(class_of(local.ptr[i], MAILBOX_UTF8) & ATEXT) && local.ptr[i] != '.')
			return true;
	}
	return local.len == 0 || local.ptr[0] == '.' || local.ptr[local.len - 1] == '.' ||
	       str_find(local, STR("..")) != STR_NPOS;
}

void mailbox_print(struct buf *out, const struct mailbox *m)
{
	if (mailbox_is_empty(m))
		return;
	if (!needs_quotes(m->local)) {
		buf_add(out, m->local);
	} else {
		buf_addc(out, '"');
		for (size_t i = 0; i < m->local.len; i++) {
			if (m->local.ptr[i] == '"' || m->local.ptr[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, m->local.ptr[i]);
		}
		buf_addc(out, '"');
	}
	if (m->domain.len) {
		buf_addc(out, '@');
		buf_add(out, m->domain);
	}
}

void mailbox_print_path(struct buf *out, const struct mailbox *m)
{
	buf_addc(out, '<');
	mailbox_print(out, m);
	buf_addc(out, '>');
}

bool mailbox_eq(const struct mailbox *a, const struct mailbox *b)
{
	return str_eq(a->local, b->local) && str_ieq(a->domain, b->domain);
}

bool mailbox_ieq(const struct mailbox *a, const struct mailbox *b)
{
	return str_ieq(a->local, b->local) && str_ieq(a->domain, b->domain);
}

struct mailbox mailbox_copy(struct arena *a, const struct mailbox *m)
{
	return (struct mailbox){ arena_str(a, m->local), arena_str(a, m->domain) };
}

bool mailbox_is_empty(const struct mailbox *m)
{
	return m->local.len == 0 && m->domain.len == 0;
}

bool mailbox_is_literal(const struct mailbox *m)
{
	return m->domain.len && m->domain.ptr[0] == '[';
}

bool mailbox_needs_utf8(const struct mailbox *m)
{
	return !str_is_ascii(m->local);
}
