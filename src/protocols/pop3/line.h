/* line.h: the client's lines, one by one.
 *
 * Purpose    Framing that both POP3 engines share. RFC 1939 §3: a command ends with CRLF; a bare LF
 *            is taken as well, because nothing is relayed from here and old clients send it.
 * Ownership  A line is a slice of the input, or of held when it came in pieces: good until the next
 *            take.
 * Limits     As given to each take; of a longer line nothing is kept.
 */
#ifndef BUZON_PROTOCOLS_POP3_LINE_H
#define BUZON_PROTOCOLS_POP3_LINE_H

#include "base/buf.h"

struct pop3_line {
	struct buf held;
	bool is_given;    /* held was the last result */
	bool is_too_long; /* the rest of the line at hand is thrown away */
};

enum pop3_line_result {
	POP3_LINE_MORE,  /* all of the input was taken, the line has no end yet */
	POP3_LINE_WHOLE, /* *out, without its line end */
	POP3_LINE_TOO_LONG,
};

/* max_bytes counts the line end, as RFC 2449 §4 does. */
enum pop3_line_result pop3_line_take(struct pop3_line *l, str *in, size_t max_bytes, str *out);
/* Forgets what is held, wiping it: it may have been a password. */
void pop3_line_wipe(struct pop3_line *l);
void pop3_line_fini(struct pop3_line *l);

#endif
