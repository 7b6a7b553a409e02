/* stuffing.h: a message made ready for DATA, in pieces.
 *
 * Purpose    Double the dot at the front of a line and say the end of the message. RFC 5321 §4.5.2.
 *            A CR or LF that stands alone becomes CRLF: a peer that takes "LF . LF" for the end must not
 *            be made to see a second message (RFC 5321 §2.3.8). What is stored here has none of them.
 * Ownership  Output is added to the caller's buf: at most twice the input and STUFFING_END bytes.
 * Threads    No state but the caller's.
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_STUFFING_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_STUFFING_H

#include "base/buf.h"

enum { STUFFING_END = 6 }; /* LF, CRLF and ".CRLF" fit */

/* Starts as { 0 }. */
struct stuffing {
	enum { STUFFING_LINE_START, STUFFING_IN_LINE, STUFFING_AFTER_CR } state;
};

void stuffing_add(struct stuffing *s, str piece, struct buf *out);
/* CRLF when the last line has none, then ".". */
void stuffing_end(struct stuffing *s, struct buf *out);

#endif
