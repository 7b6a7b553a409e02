#include "protocols/smtp_client/stuffing.h"

/* The length of the run up to the next CR or LF. */
static size_t run_length(str s)
{
	const char *lf = memchr(s.ptr, '\n', s.len);
	size_t len = lf ? (size_t)(lf - s.ptr) : s.len;
	const char *cr = len ? memchr(s.ptr, '\r', len) : NULL;

	return cr ? (size_t)(cr - s.ptr) : len;
}

static void add_run(struct stuffing *s, str run, struct buf *out)
{
	if (s->state == STUFFING_LINE_START && run.ptr[0] == '.')
		buf_addc(out, '.');
	buf_add(out, run);
	s->state = STUFFING_IN_LINE;
}

void stuffing_add(struct stuffing *s, str piece, struct buf *out)
{
	while (piece.len) {
		char c = piece.ptr[0];
		/* The CR is held back until it is known what follows. */
		if (s->state == STUFFING_AFTER_CR) {
			buf_add(out, STR("\r\n"));
			s->state = STUFFING_LINE_START;
			if (c == '\n') {
				piece = str_skip(piece, 1);
				continue;
			}
		}
		if (c == '\r') {
			s->state = STUFFING_AFTER_CR;
			piece = str_skip(piece, 1);
		} else if (c == '\n') {
			buf_add(out, STR("\r\n"));
			s->state = STUFFING_LINE_START;
			piece = str_skip(piece, 1);
		} else {
			str run = str_sub(piece, 0, run_length(piece));
			add_run(s, run, out);
			piece = str_skip(piece, run.len);
		}
	}
}

void stuffing_end(struct stuffing *s, struct buf *out)
{
	if (s->state != STUFFING_LINE_START)
		buf_add(out, STR("\r\n"));
	buf_add(out, STR(".\r\n"));
	s->state = STUFFING_LINE_START;
}
