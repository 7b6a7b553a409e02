#include "protocols/smtp/data.h"

static const char *find(const char *from, const char *end, char c)
{
	return from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
}

/* Scans lines from p, in the middle of one, while they need no decoding. Stops behind the last byte
 * that belongs to the run and leaves the state for what follows there; NULL for a lone CR or LF. */
static const char *scan_lines(struct smtp_data *d, const char *p, const char *end, bool stop_at_dot)
{
	while (p < end) {
		const char *cr = find(p, end, '\r');
		if (find(p, cr ? cr : end, '\n'))
			return NULL;
		if (!cr) {
			d->state = SMTP_DATA_IN_LINE;
			return end;
		}
		if (cr + 1 == end) {
			d->state = SMTP_DATA_AFTER_CR;
			return end;
		}
		if (cr[1] != '\n')
			return NULL;
		p = cr + 2;
		d->state = SMTP_DATA_LINE_START;
		if (stop_at_dot && p < end && *p == '.')
			return p;
	}
	return p;
}

/* The bytes of "." CR LF at the start of a line, one at a time. Moves *p past what is swallowed;
 * MORE means that the line goes on as text. */
static enum smtp_data_result eat_dot(struct smtp_data *d, const char **p, const char *end)
{
	if (d->state == SMTP_DATA_LINE_START && **p == '.') {
		d->state = SMTP_DATA_AFTER_DOT;
		++*p;
	}
	if (d->state == SMTP_DATA_AFTER_DOT && *p < end && **p == '\r') {
		d->state = SMTP_DATA_AFTER_DOT_CR;
		++*p;
	}
	if (d->state == SMTP_DATA_AFTER_DOT_CR && *p < end) {
		if (**p != '\n')
			return SMTP_DATA_BARE;
		++*p;
		d->state = SMTP_DATA_LINE_START;
		return SMTP_DATA_END;
	}
	return SMTP_DATA_MORE;
}

/* RFC 5321 §2.3.8, §4.1.1.4: only CRLF ends a line and only CRLF.CRLF the message. Two servers that
 * disagree about that can be made to see a second, forged message in this one, so anything else is
 * reported and never passed on. */
enum smtp_data_result smtp_data_next(struct smtp_data *d, str *in, str *out)
{
	const char *p = in->ptr, *end = p + in->len;

	*out = STR_NONE;
	if (p == end)
		return SMTP_DATA_MORE;
	enum smtp_data_result dot = eat_dot(d, &p, end);
	if (dot != SMTP_DATA_MORE || p == end) {
		*in = str_skip(*in, (size_t)(p - in->ptr));
		return dot;
	}
	const char *start = p;
	if (d->state == SMTP_DATA_AFTER_CR) {
		if (*p != '\n')
			return SMTP_DATA_BARE;
		p++;
		d->state = SMTP_DATA_LINE_START;
	}
	if (d->state != SMTP_DATA_LINE_START || p == end || *p != '.')
		p = scan_lines(d, p, end, true);
	if (!p)
		return SMTP_DATA_BARE;
	*out = str_new(start, (size_t)(p - start));
	d->has_nul |= find(start, p, '\0') != NULL;
	*in = str_skip(*in, (size_t)(p - in->ptr));
	return in->len ? SMTP_DATA_BLOCK : SMTP_DATA_MORE;
}

bool smtp_data_check(struct smtp_data *d, str piece)
{
	const char *p = piece.ptr, *end = p + piece.len;

	if (piece.len == 0)
		return true;
	d->has_nul |= find(p, end, '\0') != NULL;
	if (d->state == SMTP_DATA_AFTER_CR) {
		if (*p++ != '\n')
			return false;
		d->state = SMTP_DATA_LINE_START;
	}
	return scan_lines(d, p, end, false) != NULL;
}

bool smtp_data_check_end(const struct smtp_data *d)
{
	return d->state != SMTP_DATA_AFTER_CR;
}
