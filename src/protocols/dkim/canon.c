#include "protocols/dkim/canon.h"

/* --- body --- */

static void unstage(struct dkim_body_canon *c, dkim_sink_fn *sink, void *arg)
{
	if (c->staged)
		sink(arg, str_new(c->stage, c->staged));
	c->staged = 0;
}

/* Short pieces are collected, long ones go through. */
static void put(struct dkim_body_canon *c, str piece, dkim_sink_fn *sink, void *arg)
{
	if (piece.len > sizeof(c->stage) - c->staged)
		unstage(c, sink, arg);
	if (piece.len > sizeof(c->stage)) {
		sink(arg, piece);
		return;
	}
	memcpy(c->stage + c->staged, piece.ptr, piece.len);
	c->staged += piece.len;
}

/* Something of the line itself: what was held back counts now. */
static void put_data(struct dkim_body_canon *c, str data, dkim_sink_fn *sink, void *arg)
{
	if (data.len == 0)
		return;
	for (; c->line_ends; c->line_ends--)
		put(c, STR("\r\n"), sink, arg);
	if (c->is_after_blank)
		put(c, STR(" "), sink, arg);
	c->is_after_blank = false;
	c->has_data = true;
	put(c, data, sink, arg);
}

static bool is_plain(enum dkim_canon kind, char ch)
{
	return ch != '\r' && (kind == DKIM_SIMPLE || (ch != ' ' && ch != '\t'));
}

static size_t plain_bytes(enum dkim_canon kind, str in)
{
	if (kind == DKIM_SIMPLE) {
		size_t at = str_chr(in, '\r');
		return at == STR_NPOS ? in.len : at;
	}
	size_t i = 0;
	while (i < in.len && is_plain(kind, in.ptr[i]))
		i++;
	return i;
}

void dkim_body_canon_feed(struct dkim_body_canon *c, str in, dkim_sink_fn *sink, void *arg)
{
	while (in.len) {
		if (c->is_after_cr) {
			c->is_after_cr = false;
			if (in.ptr[0] == '\n') {
				/* RFC 6376 §3.4.4: blanks at the end of a line do not count. */
				c->is_after_blank = false;
				c->line_ends++;
				in = str_skip(in, 1);
			} else {
				put_data(c, STR("\r"), sink, arg);
			}
			continue;
		}
		size_t plain = plain_bytes(c->kind, in);
		put_data(c, str_sub(in, 0, plain), sink, arg);
		in = str_skip(in, plain);
		if (in.len == 0)
			break;
		if (in.ptr[0] == '\r')
			c->is_after_cr = true;
		else
			c->is_after_blank = true;
		in = str_skip(in, 1);
	}
}

void dkim_body_canon_end(struct dkim_body_canon *c, dkim_sink_fn *sink, void *arg)
{
	if (c->is_after_cr)
		put_data(c, STR("\r"), sink, arg);
	/* RFC 6376 §3.4.3: "simple" makes a CRLF of an empty body; §3.4.4: "relaxed" leaves it empty. */
	if (c->has_data || c->kind == DKIM_SIMPLE)
		put(c, STR("\r\n"), sink, arg);
	unstage(c, sink, arg);
}

/* --- header --- */

struct header_run {
	dkim_sink_fn *sink;
	void *arg;
	bool is_after_blank, has_data;
	size_t staged;
	char stage[512];
};

static void header_put(struct header_run *h, char ch)
{
	if (h->staged == sizeof(h->stage)) {
		h->sink(h->arg, str_new(h->stage, h->staged));
		h->staged = 0;
	}
	h->stage[h->staged++] = ch;
}

/* RFC 6376 §3.4.2: unfolded, blanks together, none at the ends. Every LF of a field is folding. */
static void relax_value(struct header_run *h, str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char ch = value.ptr[i];
		bool is_fold =
		    ch == '\n' || (ch == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n');
		if (is_fold)
			continue;
		if (ch == ' ' || ch == '\t') {
			h->is_after_blank = true;
			continue;
		}
		if (h->is_after_blank && h->has_data)
			header_put(h, ' ');
		h->is_after_blank = false;
		h->has_data = true;
		header_put(h, ch);
	}
}

static str without_line_end(str text)
{
	if (text.len && text.ptr[text.len - 1] == '\n')
		text.len--;
	if (text.len && text.ptr[text.len - 1] == '\r')
		text.len--;
	return text;
}

/* Cuts text around omit, when omit lies in it. */
static void around(str text, str omit, str *out_before, str *out_after)
{
	bool is_inside =
	    omit.ptr && omit.ptr >= text.ptr && omit.ptr + omit.len <= text.ptr + text.len;

	*out_before = is_inside ? str_new(text.ptr, (size_t)(omit.ptr - text.ptr)) : text;
	*out_after = is_inside ? str_skip(text, out_before->len + omit.len) : STR_NONE;
}

void dkim_header_canon(
    enum dkim_canon kind, const struct header_field *field, str omit, dkim_sink_fn *sink, void *arg)
{
	struct header_run h = { .sink = sink, .arg = arg };
	str before, after;

	around(kind == DKIM_SIMPLE ? without_line_end(field->whole) : field->value, omit, &before,
	    &after);
	if (kind == DKIM_SIMPLE) {
		sink(arg, before);
		if (after.len)
			sink(arg, after);
	} else {
		for (size_t i = 0; i < field->name.len; i++)
			header_put(&h, ascii_lower(field->name.ptr[i]));
		header_put(&h, ':');
		relax_value(&h, before);
		relax_value(&h, after);
		sink(arg, str_new(h.stage, h.staged));
	}
	if (!omit.ptr)
		sink(arg, STR("\r\n"));
}
