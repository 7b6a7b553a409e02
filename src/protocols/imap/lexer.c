/* lexer.c: single bytes, atoms, numbers. Strings: lexer_string.c; sets, flags, dates: lexer_set.c.
 */
#include "protocols/imap/lexer.h"

#include "base/num.h"
#include "protocols/imap/lexer_internal.h"

/* One class per byte, RFC 9051 §9. */
#define SPECIAL(c) [c] = IMAP_SPECIAL
/* clang-format off */
static const unsigned char byte_class[256] = {
	[0x00 ... 0x1f] = IMAP_CONTROL, [0x7f] = IMAP_CONTROL,
	[0x80 ... 0xff] = IMAP_HIGH,
	SPECIAL(' '), SPECIAL('('), SPECIAL(')'), SPECIAL('{'), SPECIAL('"'), SPECIAL('\\'),
	['%'] = IMAP_WILDCARD, ['*'] = IMAP_WILDCARD,
	[']'] = IMAP_CLOSING,
	['+'] = IMAP_PLUS,
};
/* clang-format on */

enum imap_class imap_class_of(char c)
{
	return byte_class[(unsigned char)c];
}

void imap_lexer_init(struct imap_lexer *l, str text, struct arena *arena)
{
	*l = (struct imap_lexer){ .in = text, .start = text.ptr, .arena = arena };
}

int imap_expected(const struct imap_lexer *l, const char *what, struct err *err)
{
	if (str_empty(l->in))
		return err_set(err, ERR_INPUT, "the command ends where %s should be", what);
	str next = str_sub(l->in, 0, 20);
	size_t end = 0;
	while (end < next.len && imap_class_of(next.ptr[end]) != IMAP_CONTROL &&
	       imap_class_of(next.ptr[end]) != IMAP_HIGH)
		end++;
	return err_set(err, ERR_INPUT, "%s should be where '%.*s%s' stands", what, (int)end,
	    next.ptr, end < l->in.len ? "..." : "");
}

bool imap_peek_char(const struct imap_lexer *l, char c)
{
	return l->in.len > 0 && l->in.ptr[0] == c;
}

bool imap_try_char(struct imap_lexer *l, char c)
{
	if (!imap_peek_char(l, c))
		return false;
	l->in = str_skip(l->in, 1);
	return true;
}

int imap_take_char(struct imap_lexer *l, char c, struct err *err)
{
	char what[] = { '\'', c, '\'', '\0' };

	return imap_try_char(l, c) ? 0 : imap_expected(l, what, err);
}

int imap_take_sp(struct imap_lexer *l, struct err *err)
{
	return imap_try_char(l, ' ') ? 0 : imap_expected(l, "a space", err);
}

int imap_take_end(struct imap_lexer *l, struct err *err)
{
	return str_empty(l->in) ? 0 : imap_expected(l, "the end of the command", err);
}

/* Bytes of these classes from the front; may be none. */
str imap_span(const struct imap_lexer *l, unsigned classes)
{
	size_t len = 0;

	while (len < l->in.len && (classes & (1U << imap_class_of(l->in.ptr[len]))))
		len++;
	return str_sub(l->in, 0, len);
}

static int take_span(
    struct imap_lexer *l, unsigned classes, const char *what, str *out, struct err *err)
{
	str span = imap_span(l, classes);

	if (str_empty(span))
		return imap_expected(l, what, err);
	*out = span;
	l->in = str_skip(l->in, span.len);
	return 0;
}

int imap_take_atom(struct imap_lexer *l, str *out, struct err *err)
{
	return take_span(l, IMAP_ATOM_BYTES, "a word", out, err);
}

bool imap_try_atom(struct imap_lexer *l, str word)
{
	if (!str_ieq(imap_span(l, IMAP_ATOM_BYTES), word) || str_empty(word))
		return false;
	l->in = str_skip(l->in, word.len);
	return true;
}

/* RFC 9051 §9: tag is 1*<any ASTRING-CHAR except "+">. */
int imap_take_tag(struct imap_lexer *l, str *out, struct err *err)
{
	str tag = imap_span(l, IMAP_TAG_BYTES);

	if (tag.len > IMAP_TAG_MAX)
		return err_set(
		    err, ERR_INPUT, "the tag is longer than %d characters", IMAP_TAG_MAX);
	return take_span(l, IMAP_TAG_BYTES, "a tag", out, err);
}

int imap_take_u64(struct imap_lexer *l, uint64_t *out, struct err *err)
{
	/* RFC 9051 §9: number64 is below 2^63. */
	if (num_take_u64(&l->in, INT64_MAX, out) < 0)
		return imap_expected(l, "a number", err);
	return 0;
}

int imap_take_u32(struct imap_lexer *l, uint32_t *out, struct err *err)
{
	if (num_take_u32(&l->in, UINT32_MAX, out) < 0)
		return imap_expected(l, "a number below 2^32", err);
	return 0;
}

int imap_take_nz_u32(struct imap_lexer *l, uint32_t *out, struct err *err)
{
	str before = l->in;
	uint32_t n;

	if (num_take_u32(&l->in, UINT32_MAX, &n) == 0 && n > 0) {
		*out = n;
		return 0;
	}
	l->in = before;
	return imap_expected(l, "a number from 1 to 2^32-1", err);
}
