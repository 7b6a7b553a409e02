#include "formats/header.h"

bool header_is_end(str text, size_t *out_bytes)
{
	if (text.len > 0 && text.ptr[0] == '\n') {
		*out_bytes = 1;
		return true;
	}
	if (text.len > 1 && text.ptr[0] == '\r' && text.ptr[1] == '\n') {
		*out_bytes = 2;
		return true;
	}
	return false;
}

static size_t line_bytes(str text)
{
	size_t at = str_chr(text, '\n');

	return at == STR_NPOS ? text.len : at + 1;
}

str header_block(str message)
{
	str rest = message;
	size_t used = 0, last;

	while (rest.len > 0) {
		if (header_is_end(rest, &last))
			return str_sub(message, 0, used + last);
		size_t line = line_bytes(rest);
		if (line > HEADER_MAX_BYTES - used)
			break;
		used += line;
		rest = str_skip(rest, line);
	}
	return str_sub(message, 0, used);
}

/* Length of a field with its continuation lines: those that begin with a space or tab. */
static size_t field_bytes(str text)
{
	size_t used = line_bytes(text);

	while (used < text.len && (text.ptr[used] == ' ' || text.ptr[used] == '\t'))
		used += line_bytes(str_skip(text, used));
	return used;
}

static str without_line_end(str line)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* RFC 5322 §2.2: printable ASCII but the colon; §4.5.3 lets white space stand before the colon. */
static str field_name(str before_colon)
{
	while (before_colon.len > 0 && (before_colon.ptr[before_colon.len - 1] == ' ' ||
	                                   before_colon.ptr[before_colon.len - 1] == '\t'))
		before_colon.len--;
	for (size_t i = 0; i < before_colon.len; i++) {
		unsigned char c = (unsigned char)before_colon.ptr[i];
		if (c <= 0x20 || c >= 0x7f)
			return STR_NONE;
	}
	return before_colon;
}

bool header_next(str *rest, struct header_field *out)
{
	size_t last;

	if (rest->len == 0 || header_is_end(*rest, &last))
		return false;
	str whole = str_sub(*rest, 0, field_bytes(*rest));
	str text = without_line_end(whole);
	/* The colon must be on the first line: a name is never folded. */
	size_t colon = str_chr(str_sub(text, 0, line_bytes(text)), ':');
	*out = (struct header_field){ .whole = whole, .value = str_sub(text, text.len, 0) };
	if (colon != STR_NPOS)
		out->name = field_name(str_sub(text, 0, colon));
	if (out->name.len > 0)
		out->value = str_sub(text, colon + 1, HEADER_FIELD_MAX_BYTES);
	*rest = str_skip(*rest, whole.len);
	return true;
}

bool header_find(str block, str name, struct header_field *out)
{
	struct header_field field;

	while (header_next(&block, &field)) {
		if (str_ieq(field.name, name)) {
			*out = field;
			return true;
		}
	}
	return false;
}

static bool is_dropped(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

str header_unfold(str value, struct arena *a)
{
	value = str_trim(value);
	size_t clean = 0;
	while (clean < value.len && !is_dropped(value.ptr[clean]))
		clean++;
	if (clean == value.len)
		return value;
	char *copy = arena_alloc(a, value.len);
	memcpy(copy, value.ptr, clean);
	for (size_t i = clean; i < value.len; i++) {
		if (!is_dropped(value.ptr[i]))
			copy[clean++] = value.ptr[i];
	}
	return str_trim(str_new(copy, clean));
}
