/* body_short.c: BODY from BODYSTRUCTURE, by leaving the extension data out. RFC 9051 §7.5.2. */
#include "formats/message_index.h"

enum { NESTING_MAX = 80 }; /* MIME_DEPTH_MAX and some room */

static int take_literal(str *in, str *out)
{
	str rest = *in;
	size_t bytes = 0, i = 1;

	for (; i < rest.len && ascii_is_digit(rest.ptr[i]); i++) {
		bytes = bytes * 10 + (size_t)(rest.ptr[i] - '0');
		if (bytes > rest.len)
			return -1;
	}
	rest = str_skip(rest, i);
	if (take_lit(&rest, STR("}\r\n")) < 0 || bytes > rest.len)
		return -1;
	size_t whole = in->len - rest.len + bytes;
	*out = str_sub(*in, 0, whole);
	*in = str_skip(*in, whole);
	return 0;
}

static int take_quoted(str *in, str *out)
{
	size_t i = 1;

	while (i < in->len && in->ptr[i] != '"')
		i += in->ptr[i] == '\\' ? 2 : 1;
	if (i >= in->len)
		return -1;
	*out = str_sub(*in, 0, i + 1);
	*in = str_skip(*in, i + 1);
	return 0;
}

/* A string, number, NIL. */
static int take_atom(str *in, str *out)
{
	size_t i = 0;

	if (in->len > 0 && in->ptr[0] == '"')
		return take_quoted(in, out);
	if (in->len > 0 && in->ptr[0] == '{')
		return take_literal(in, out);
	while (i < in->len && ascii_is_alnum(in->ptr[i]))
		i++;
	*out = str_sub(*in, 0, i);
	*in = str_skip(*in, i);
	return i > 0 ? 0 : -1;
}

/* Any one value, a whole parenthesised list included. */
static int take_value(str *in, str *out)
{
	str start = *in, rest = *in, atom;
	size_t depth = 0;

	do {
		while (take_char(&rest, ' ') == 0)
			;
		if (take_char(&rest, '(') == 0) {
			depth++;
		} else if (take_char(&rest, ')') == 0) {
			if (depth-- == 0)
				return -1;
		} else if (take_atom(&rest, &atom) < 0) {
			return -1;
		}
	} while (depth > 0);
	*out = str_sub(start, 0, start.len - rest.len);
	*in = rest;
	return 0;
}

/* Copies count values, each with the space before it when it is not the first. */
static int copy_values(str *in, size_t count, bool first, struct buf *out)
{
	str value;

	for (; count > 0; count--, first = false) {
		if (!first && take_char(in, ' ') < 0)
			return -1;
		if (take_value(in, &value) < 0)
			return -1;
		if (!first)
			buf_addc(out, ' ');
		buf_add(out, value);
	}
	return 0;
}

static int drop_rest(str *in)
{
	str value;

	while (take_char(in, ' ') == 0) {
		if (take_value(in, &value) < 0)
			return -1;
	}
	return take_char(in, ')');
}

static bool is_message(str type, str subtype)
{
	return str_ieq(type, STR("\"message\"")) &&
	       (str_ieq(subtype, STR("\"rfc822\"")) || str_ieq(subtype, STR("\"global\"")));
}

static int copy_body(str *in, struct buf *out, unsigned depth);

/* 1*body SP subtype */
static int copy_multipart(str *in, struct buf *out, unsigned depth) // NOLINT(misc-no-recursion)
{
	while (in->len > 0 && in->ptr[0] == '(') {
		if (copy_body(in, out, depth + 1) < 0)
			return -1;
	}
	return copy_values(in, 1, false, out);
}

/* type SP subtype, params, id, description, encoding, octets; then lines, or envelope, body, lines */
static int copy_single(str *in, struct buf *out, unsigned depth) // NOLINT(misc-no-recursion)
{
	str type, subtype;

	if (take_atom(in, &type) < 0 || take_char(in, ' ') < 0 || take_atom(in, &subtype) < 0)
		return -1;
	buf_add(out, type);
	buf_addc(out, ' ');
	buf_add(out, subtype);
	bool message = is_message(type, subtype);
	if (copy_values(in, str_ieq(type, STR("\"text\"")) || message ? 6 : 5, false, out) < 0)
		return -1;
	if (!message)
		return 0;
	if (take_char(in, ' ') < 0)
		return -1;
	buf_addc(out, ' ');
	return copy_body(in, out, depth + 1) < 0 ? -1 : copy_values(in, 1, false, out);
}

/* The depth of what comes in is limited, so that this may call itself. */
static int copy_body(str *in, struct buf *out, unsigned depth) // NOLINT(misc-no-recursion)
{
	if (depth > NESTING_MAX || take_char(in, '(') < 0)
		return -1;
	buf_addc(out, '(');
	bool multipart = in->len > 0 && in->ptr[0] == '(';
	if ((multipart ? copy_multipart : copy_single)(in, out, depth) < 0)
		return -1;
	buf_addc(out, ')');
	return drop_rest(in);
}

void bodystructure_to_body(str bodystructure, struct buf *out)
{
	size_t from = out->len;
	str in = bodystructure;

	/* Only what we wrote comes here; a value that is not of that shape is passed on as it is.
	 */
	if (copy_body(&in, out, 0) < 0 || in.len > 0) {
		if (out->len > from)
			buf_truncate(out, from);
		buf_add(out, bodystructure);
	}
}
