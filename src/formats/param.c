#include "formats/param.h"

#include "base/buf.h"

enum { SECTION_NONE = -1, SECTION_MAX = 999 };

/* One parameter as written; continuations are joined afterwards. */
struct piece {
	str name; /* lower case, without asterisks */
	str value;
	int section; /* RFC 2231 §3 number, or SECTION_NONE */
	bool encoded;
	bool joined;
};

struct reader {
	str in;
	struct arena *a;
	struct piece *pieces;
	size_t count, cap;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* RFC 2045 §5.1 token, with 8-bit bytes let through. */
static bool is_token(char c)
{
	unsigned char u = (unsigned char)c;

	return u > 0x20 && u != 0x7f && str_chr(STR("()<>@,;:\\\"/[]?="), c) == STR_NPOS;
}

static void skip_comment(str *in)
{
	size_t depth = 0, i = 0;

	for (; i < in->len; i++) {
		char c = in->ptr[i];
		if (c == '\\')
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	*in = str_skip(*in, i + 1);
}

static void skip_blanks(str *in)
{
	while (in->len > 0) {
		if (in->ptr[0] == '(')
			skip_comment(in);
		else if (is_blank(in->ptr[0]))
			*in = str_skip(*in, 1);
		else
			return;
	}
}

static str take_token(str *in)
{
	size_t n = 0;

	while (n < in->len && is_token(in->ptr[n]))
		n++;
	str token = str_sub(*in, 0, n);
	*in = str_skip(*in, n);
	return token;
}

static str lower(struct arena *a, str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = ascii_lower(s.ptr[i]);
	return str_new(copy, s.len);
}

/* Between quotes: escapes undone; line ends and NUL, which folding left, dropped. A missing end
 * quote ends the value with the field. */
static str take_quoted(struct reader *r)
{
	size_t end = 1, n = 0;

	while (end < r->in.len && r->in.ptr[end] != '"')
		end += r->in.ptr[end] == '\\' ? 2 : 1;
	str raw = str_sub(str_sub(r->in, 0, end), 1, end);
	char *text = arena_alloc(r->a, raw.len + 1);
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		if (c == '\\' && i + 1 < raw.len)
			c = raw.ptr[++i];
		if (c != '\r' && c != '\n' && c != '\0')
			text[n++] = c;
	}
	r->in = str_skip(r->in, end + 1);
	return str_new(text, n);
}

/* "name =" follows: a semicolon was forgotten. */
static bool at_next_param(str in)
{
	skip_blanks(&in);
	if (take_token(&in).len == 0)
		return false;
	skip_blanks(&in);
	return in.len > 0 && in.ptr[0] == '=';
}

/* Without quotes: mailers write file names with blanks, so only ';', a comment or the next
 * parameter ends it. */
static str take_bare(struct reader *r)
{
	size_t n = 0;

	while (n < r->in.len && r->in.ptr[n] != ';' && r->in.ptr[n] != '(') {
		bool word_ends =
		    is_blank(r->in.ptr[n]) && n + 1 < r->in.len && !is_blank(r->in.ptr[n + 1]);
		if (word_ends && at_next_param(str_skip(r->in, n)))
			break;
		n++;
	}
	str raw = str_trim(str_sub(r->in, 0, n));
	r->in = str_skip(r->in, n);
	char *text = arena_alloc(r->a, raw.len + 1);
	size_t used = 0;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		if (c != '\r' && c != '\n' && c != '\0')
			text[used++] = c;
	}
	return str_new(text, used);
}

/* "name*3*" is section 3, percent-encoded; "name*" a whole encoded value. RFC 2231 §3, §4.1. */
static void read_asterisks(struct piece *piece)
{
	str name = piece->name;

	piece->section = SECTION_NONE;
	if (name.len > 1 && name.ptr[name.len - 1] == '*') {
		piece->encoded = true;
		name.len--;
	}
	size_t star = str_rchr(name, '*');
	if (star != STR_NPOS && star > 0 && star + 1 < name.len && name.len - star <= 4) {
		int section = 0;
		for (size_t i = star + 1; i < name.len; i++) {
			if (!ascii_is_digit(name.ptr[i]))
				return;
			section = section * 10 + (name.ptr[i] - '0');
		}
		piece->section = section;
		name.len = star;
	}
	piece->name = name;
}

static void take_param(struct reader *r)
{
	str name = take_token(&r->in);

	skip_blanks(&r->in);
	if (name.len == 0 || r->in.len == 0 || r->in.ptr[0] != '=') {
		/* Not "name=": on to the next semicolon. */
		size_t end = str_chr(r->in, ';');
		r->in = str_skip(r->in, end == STR_NPOS ? r->in.len : end);
		return;
	}
	r->in = str_skip(r->in, 1);
	skip_blanks(&r->in);
	struct piece *piece = arena_push(r->a, &r->pieces, &r->count, &r->cap, sizeof(*r->pieces));
	*piece = (struct piece){ .name = lower(r->a, name) };
	if (r->in.len > 0 && r->in.ptr[0] == '"')
		piece->value = take_quoted(r);
	else
		piece->value = take_bare(r);
	read_asterisks(piece);
}

/* A bare "text", or anything else but token "/" token, is not a media type. */
static void take_main(struct reader *r, struct param_value *out)
{
	skip_blanks(&r->in);
	str type = take_token(&r->in);
	skip_blanks(&r->in);
	if (type.len == 0)
		return;
	if (r->in.len == 0 || r->in.ptr[0] != '/') {
		out->main = lower(r->a, type);
		return;
	}
	r->in = str_skip(r->in, 1);
	skip_blanks(&r->in);
	str subtype = take_token(&r->in);
	char *text = arena_alloc(r->a, type.len + subtype.len + 2);
	memcpy(text, type.ptr, type.len);
	text[type.len] = '/';
	if (subtype.len > 0)
		memcpy(text + type.len + 1, subtype.ptr, subtype.len);
	out->main = lower(r->a, str_new(text, type.len + 1 + subtype.len));
	out->valid = subtype.len > 0;
}

static bool is_attribute_char(char c)
{
	return is_token(c) && (unsigned char)c < 0x80 && c != '*' && c != '\'' && c != '%';
}

/* A plain section among encoded ones: what its text is in percent-encoding. RFC 2231 §4.1. */
static void add_encoded(struct buf *out, str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (is_attribute_char(text.ptr[i]))
			buf_addc(out, text.ptr[i]);
		else
			buf_addf(out, "%%%02X", (unsigned char)text.ptr[i]);
	}
}

static struct piece *find_section(struct reader *r, str name, int section)
{
	for (size_t i = 0; i < r->count; i++) {
		struct piece *p = &r->pieces[i];
		if (p->section == section && !p->joined && str_eq(p->name, name))
			return p;
	}
	return NULL;
}

/* Joins the sections from 0 up to the first that is missing. The whole is in the extended form when
 * its first section is. */
static struct param join(struct reader *r, struct piece *first)
{
	AUTO_BUF text = BUF_INIT((size_t)PARAM_VALUE_MAX_BYTES * 4);
	struct param whole = { .name = first->name, .extended = first->encoded };
	struct piece *p = first;

	for (int section = 1; p; section++) {
		p->joined = true;
		if (whole.extended && !p->encoded)
			add_encoded(&text, p->value);
		else
			buf_add(&text, p->value);
		p = find_section(r, first->name, section);
	}
	whole.value = arena_str(r->a, buf_str(&text));
	return whole;
}

static void finish(struct reader *r, struct param_value *out)
{
	out->params = arena_array(r->a, struct param, r->count + 1);
	for (size_t i = 0; i < r->count; i++) {
		struct piece *p = &r->pieces[i];
		if (p->section == 0 && !p->joined)
			out->params[out->count++] = join(r, p);
		else if (p->section == SECTION_NONE)
			out->params[out->count++] = (struct param){
				.name = p->name, .value = p->value, .extended = p->encoded
			};
	}
}

void param_parse(str field_value, struct arena *a, struct param_value *out)
{
	struct reader r = { .in = str_sub(field_value, 0, PARAM_VALUE_MAX_BYTES), .a = a };

	*out = (struct param_value){ .valid = false };
	take_main(&r, out);
	while (skip_blanks(&r.in), r.in.len > 0 && r.count < PARAM_MAX) {
		if (r.in.ptr[0] == ';' || !is_token(r.in.ptr[0]))
			r.in = str_skip(r.in, 1);
		else
			take_param(&r);
	}
	finish(&r, out);
}

const struct param *param_find(const struct param_value *value, str name)
{
	const struct param *plain = NULL;

	for (size_t i = 0; i < value->count; i++) {
		const struct param *p = &value->params[i];
		if (!str_eq(p->name, name))
			continue;
		if (p->extended)
			return p;
		if (!plain)
			plain = p;
	}
	return plain;
}

bool param_split_extended(str value, struct arena *a, str *out_charset, str *out_bytes)
{
	str charset, rest = value;
	size_t first = str_chr(rest, '\'');

	if (first == STR_NPOS)
		return false;
	charset = str_sub(rest, 0, first);
	rest = str_skip(rest, first + 1);
	size_t second = str_chr(rest, '\'');
	if (second == STR_NPOS)
		return false;
	rest = str_skip(rest, second + 1);
	char *bytes = arena_alloc(a, rest.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < rest.len; i++) {
		int high = i + 2 < rest.len ? ascii_hex_value(rest.ptr[i + 1]) : -1;
		int low = i + 2 < rest.len ? ascii_hex_value(rest.ptr[i + 2]) : -1;
		if (rest.ptr[i] == '%' && high >= 0 && low >= 0) {
			bytes[n++] = (char)(high * 16 + low);
			i += 2;
		} else {
			bytes[n++] = rest.ptr[i];
		}
	}
	*out_charset = charset;
	*out_bytes = str_new(bytes, n);
	return true;
}
