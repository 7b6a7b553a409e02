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

static void put_line_ends(struct dkim_body_canon *c, dkim_sink_fn *sink, void *arg)
{
	for (; c->line_ends; c->line_ends--)
		put(c, STR("\r\n"), sink, arg);
}

/* Something of the line itself: what was held back counts now. */
static void put_data(struct dkim_body_canon *c, str data, dkim_sink_fn *sink, void *arg)
{
	if (data.len == 0)
		return;
	put_line_ends(c, sink, arg);
	if (c->is_after_blank)
		put(c, STR(" "), sink, arg);
	c->is_after_blank = false;
	c->has_data = true;
	put(c, data, sink, arg);
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* text begins with something else than a blank. Each byte of it becomes at most one byte, and one more is held
 * back from before: what fits is copied in one tight loop. Returns how much was taken. */
static size_t squeeze_some(struct dkim_body_canon *c, str text)
{
	size_t room = sizeof(c->stage) - c->staged - 1;
	size_t count = text.len < room ? text.len : room;
	bool is_held = c->is_after_blank;
	char *out = c->stage + c->staged;

	for (size_t i = 0; i < count; i++) {
		char ch = text.ptr[i];
		if (is_blank(ch)) {
			is_held = true;
			continue;
		}
		if (is_held)
			*out++ = ' ';
		is_held = false;
		*out++ = ch;
	}
	c->is_after_blank = is_held;
	c->staged = (size_t)(out - c->stage);
	return count;
}

/* Part of a line, RFC 6376 §3.4.4 a. */
static void put_squeezed(struct dkim_body_canon *c, str text, dkim_sink_fn *sink, void *arg)
{
	while (text.len) {
		if (is_blank(text.ptr[0])) {
			c->is_after_blank = true;
			text = str_skip(text, 1);
			continue;
		}
		put_line_ends(c, sink, arg);
		c->has_data = true;
		if (sizeof(c->stage) - c->staged < 2)
			unstage(c, sink, arg);
		text = str_skip(text, squeeze_some(c, text));
	}
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
		size_t cr = str_chr(in, '\r');
		str part = str_sub(in, 0, cr == STR_NPOS ? in.len : cr);
		if (c->kind == DKIM_SIMPLE)
			put_data(c, part, sink, arg);
		else
			put_squeezed(c, part, sink, arg);
		in = str_skip(in, part.len);
		if (in.len) {
			c->is_after_cr = true;
			in = str_skip(in, 1);
		}
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
