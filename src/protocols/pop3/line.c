#include "protocols/pop3/line.h"

#include "base/secret.h"

static str without_cr(str line)
{
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

enum pop3_line_result pop3_line_take(struct pop3_line *l, str *in, size_t max_bytes, str *out)
{
	if (l->is_given)
		pop3_line_wipe(l);
	size_t lf = str_chr(*in, '\n');
	str piece = str_sub(*in, 0, lf == STR_NPOS ? in->len : lf);
	bool is_end = lf != STR_NPOS;
	*in = str_skip(*in, piece.len + is_end);
	if (l->held.len + piece.len + is_end > max_bytes)
		l->is_too_long = true;
	if (l->is_too_long) {
		pop3_line_wipe(l);
		l->is_too_long = !is_end;
		return is_end ? POP3_LINE_TOO_LONG : POP3_LINE_MORE;
	}
	if (is_end && l->held.len == 0) {
		*out = without_cr(piece);
		return POP3_LINE_WHOLE;
	}
	l->held.max = max_bytes;
	buf_add(&l->held, piece);
	if (!is_end)
		return POP3_LINE_MORE;
	l->is_given = true;
	*out = without_cr(buf_str(&l->held));
	return POP3_LINE_WHOLE;
}

void pop3_line_wipe(struct pop3_line *l)
{
	if (l->held.len)
		secret_wipe(l->held.ptr, l->held.len);
	buf_reset(&l->held);
	l->is_given = false;
}

void pop3_line_fini(struct pop3_line *l)
{
	pop3_line_wipe(l);
	buf_fini(&l->held);
}
