/* lexer_string.c: quoted strings, literals, mailbox names and patterns. RFC 9051 §4.3, §5.1. */
#include "formats/mbname.h"
#include "protocols/imap/lexer_internal.h"

#include "base/num.h"

struct literal_head {
	uint64_t bytes;
	bool binary;
};

/* "{5}\r\n", "{5+}\r\n", "~{5}\r\n": the framer has seen to it that the bytes follow. */
static int take_literal_head(str *in, struct literal_head *out)
{
	str at = *in;
	struct literal_head head = { .binary = take_char(&at, '~') == 0 };

	if (take_char(&at, '{') < 0 || num_take_u64(&at, INT64_MAX, &head.bytes) < 0)
		return -1;
	take_char(&at, '+');
	if (take_lit(&at, STR("}\r\n")) < 0)
		return -1;
	*out = head;
	*in = at;
	return 0;
}

/* What is kept outside is announced by a head with nothing behind it but the rest of the command. */
static const struct imap_streamed *streamed_at(struct imap_lexer *l, str at)
{
	if (l->streamed_used >= l->streamed_count)
		return NULL;
	const struct imap_streamed *next = &l->streamed[l->streamed_used];
	return (size_t)(at.ptr - l->start) == next->at ? next : NULL;
}

static int take_literal(struct imap_lexer *l, bool binary, str *out, struct err *err)
{
	str at = l->in;
	struct literal_head head;

	if (take_literal_head(&at, &head) < 0)
		return imap_expected(l, "a string", err);
	if (head.bytes > at.len || streamed_at(l, at))
		return err_set(err, ERR_LIMIT, "the literal is too large here");
	str bytes = str_sub(at, 0, (size_t)head.bytes);
	/* RFC 9051 §9: only literal8 may hold NUL. */
	if (!binary && (head.binary || memchr(bytes.ptr ? bytes.ptr : "", '\0', bytes.len)))
		return err_set(
		    err, ERR_INPUT, "a literal here may not hold NUL nor start with '~'");
	*out = bytes;
	l->in = str_skip(at, bytes.len);
	return 0;
}

/* RFC 9051 §9: QUOTED-CHAR; bytes above 0x7f only as UTF-8. RFC 3501 had ASCII only, but UTF-8 in
 * quotes is refused only where it would be misread: when it is not well-formed. */
static int check_quoted(str text, bool escaped, struct err *err)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\r' || c == '\n' || c == '\0')
			return err_set(err, ERR_INPUT, "a quoted string holds no CR, LF or NUL");
		if (escaped && c == '\\') {
			char next = text.ptr[i + 1];
			if (next != '"' && next != '\\')
				return err_set(err, ERR_INPUT,
				    "in a quoted string '\\' stands only before '\"' and '\\'");
			i++;
		}
	}
	if (!str_is_ascii(text) && !str_is_utf8(text))
		return err_set(err, ERR_INPUT, "a quoted string is ASCII or UTF-8");
	return 0;
}

static str unescape(struct arena *a, str text)
{
	char *out = arena_alloc(a, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		out[len++] = text.ptr[i];
	}
	return str_new(out, len);
}

static int take_quoted(struct imap_lexer *l, str *out, struct err *err)
{
	str at = str_skip(l->in, 1);
	size_t end = 0;
	bool escaped = false;

	while (end < at.len && at.ptr[end] != '"') {
		if (at.ptr[end] == '\\') {
			escaped = true;
			end++;
		}
		end++;
	}
	if (end >= at.len)
		return err_set(err, ERR_INPUT, "a quoted string is not closed");
	if (end > IMAP_STRING_MAX)
		return err_set(err, ERR_LIMIT, "a quoted string is too long");
	str text = str_sub(at, 0, end);
	if (check_quoted(text, escaped, err) < 0)
		return -1;
	*out = escaped ? unescape(l->arena, text) : text;
	l->in = str_skip(at, end + 1);
	return 0;
}

int imap_take_string(struct imap_lexer *l, str *out, struct err *err)
{
	if (imap_peek_char(l, '"'))
		return take_quoted(l, out, err);
	return take_literal(l, /* binary */ false, out, err);
}

static int take_bytes_or_string(struct imap_lexer *l, unsigned classes, str *out, struct err *err)
{
	str span = imap_span(l, classes);

	if (str_empty(span))
		return imap_take_string(l, out, err);
	*out = span;
	l->in = str_skip(l->in, span.len);
	return 0;
}

int imap_take_astring(struct imap_lexer *l, str *out, struct err *err)
{
	return take_bytes_or_string(l, IMAP_ASTRING_BYTES, out, err);
}

int imap_take_nstring(struct imap_lexer *l, str *out, struct err *err)
{
	if (imap_try_atom(l, STR("NIL"))) {
		*out = STR_NONE;
		return 0;
	}
	if (imap_take_string(l, out, err) < 0)
		return -1;
	if (!out->ptr)
		*out = STR("");
	return 0;
}

int imap_take_literal_ref(struct imap_lexer *l, struct imap_streamed *out, struct err *err)
{
	str at = l->in;
	struct literal_head head;

	if (take_literal_head(&at, &head) < 0)
		return imap_expected(l, "a literal", err);
	const struct imap_streamed *outside = streamed_at(l, at);
	if (outside) {
		*out = *outside;
		l->streamed_used++;
		l->in = at;
		return 0;
	}
	if (head.bytes > at.len)
		return err_set(err, ERR_LIMIT, "the literal is too large here");
	str bytes = str_sub(at, 0, (size_t)head.bytes);
	*out = (struct imap_streamed){ .fd = -1,
		.bytes = bytes,
		.length = bytes.len,
		.binary = head.binary,
		.has_nul = memchr(bytes.ptr ? bytes.ptr : "", '\0', bytes.len) != NULL };
	l->in = str_skip(at, bytes.len);
	return 0;
}

/* RFC 9051 §5.1: names are UTF-8 once IMAP4rev2 or UTF8=ACCEPT is enabled, before that modified
 * UTF-7. A name with bytes above 0x7f in quotes can only be UTF-8, so it is taken as that. */
static int decode_name(const struct imap_lexer *l, str name, struct buf *out, struct err *err)
{
	if (l->utf8 || !str_is_ascii(name)) {
		if (!str_is_utf8(name))
			return err_set(err, ERR_INPUT, "the mailbox name is not UTF-8");
		buf_add(out, name);
		return 0;
	}
	return mbname_from_utf7(name, out, err);
}

static int take_name(struct imap_lexer *l, unsigned classes, struct buf *out, struct err *err)
{
	str before = l->in, name = STR_NONE;

	if (take_bytes_or_string(l, classes, &name, err) < 0)
		return -1;
	if (name.len <= MBNAME_MAX * 4 && decode_name(l, name, out, err) == 0)
		return 0;
	l->in = before;
	if (name.len > MBNAME_MAX * 4)
		return err_set(err, ERR_LIMIT, "the mailbox name is too long");
	return -1;
}

int imap_take_mailbox(struct imap_lexer *l, str *out, struct err *err)
{
	AUTO_BUF raw = BUF_INIT(MBNAME_MAX * 4);
	AUTO_BUF name = BUF_INIT(MBNAME_MAX * 4);
	str before = l->in;

	if (take_name(l, IMAP_ASTRING_BYTES, &raw, err) < 0)
		return -1;
	/* RFC 9051 §6.3.4: a trailing separator says that names below it will follow. */
	str bare = buf_str(&raw);
	if (bare.len > 1 && str_ends(bare, STR("/")))
		bare.len--;
	if (mbname_normalise(bare, &name, err) < 0) {
		l->in = before;
		return -1;
	}
	l->raw_name = arena_str(l->arena, buf_str(&raw));
	*out = arena_str(l->arena, buf_str(&name));
	return 0;
}

int imap_take_list_mailbox(struct imap_lexer *l, str *out, struct err *err)
{
	AUTO_BUF name = BUF_INIT(MBNAME_MAX * 4);

	if (take_name(l, IMAP_PATTERN_BYTES, &name, err) < 0)
		return -1;
	*out = arena_str(l->arena, buf_str(&name));
	return 0;
}
