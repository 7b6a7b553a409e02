/* qp.h: quoted-printable, RFC 2045 §6.7.
 *
 * Purpose    Decode bodies in pieces, leniently; encode text so that it survives every relay.
 * Ownership  Results are added to the caller's buf, whose ceiling is the limit.
 * Threads    No state but the caller's.
 * Errors     None. A broken escape is left as it is, as RFC 2045 §6.7 advises, and sets damaged.
 */
#ifndef BUZON_FORMATS_QP_H
#define BUZON_FORMATS_QP_H

#include "base/buf.h"

enum { QP_LINE = 76, QP_HELD = 128 };

/* Starts as { 0 }. */
struct qp_stream {
	char held
	    [QP_HELD]; /* white space, or '=' and what followed, whose meaning is not yet known */
	uint8_t held_len;
	bool damaged;
};
void qp_stream_feed(struct qp_stream *s, str in, struct buf *out);
void qp_stream_end(struct qp_stream *s, struct buf *out);

enum qp_kind {
	QP_TEXT,   /* CRLF (and bare LF) are line breaks */
	QP_BINARY, /* CR and LF are data and are escaped */
};
/* Lines of at most QP_LINE characters; "From " and "." at a line start are escaped as well, so that
 * old software leaves them alone. */
void qp_encode(str in, enum qp_kind kind, struct buf *out);

#endif
