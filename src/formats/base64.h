/* base64.h: base64 as in SASL and as in MIME.
 *
 * Purpose    RFC 4648 §4 strictly, for protocols; RFC 2045 §6.8 leniently, in pieces, for bodies.
 * Ownership  Results are added to the caller's buf, whose ceiling is the limit.
 * Threads    No state but the caller's.
 * Units      Bytes. BASE64_ENCODED(n) is the size of n bytes encoded without line breaks.
 * Errors     base64_decode: 0, or -1 with ERR_INPUT (not base64) or ERR_LIMIT (does not fit); out is
 *            then as before. The stream never fails: it sets damaged and goes on.
 */
#ifndef BUZON_FORMATS_BASE64_H
#define BUZON_FORMATS_BASE64_H

#include "base/buf.h"
#include "base/err.h"

#define BASE64_ENCODED(n) (((n) + 2) / 3 * 4)

enum { BASE64_LINE = 76 }; /* RFC 2045 §6.8 */

/* The whole of in: no space, no line break, padding complete, unused bits zero. "" is "". */
int base64_decode(str in, struct buf *out, struct err *err);
/* The same in the alphabet of RFC 4648 §5 with '-' and '_', without padding. */
int base64url_decode(str in, struct buf *out, struct err *err);

void base64_encode(str in, struct buf *out);
void base64url_encode(str in, struct buf *out);
/* Lines of BASE64_LINE characters, each ended by CRLF, the last one as well. */
void base64_encode_lines(str in, struct buf *out);

/* Lenient decoding in pieces. Starts as { 0 }. What is not of the alphabet is passed over; padding
 * ends a group, and more data behind it is decoded as well (concatenated bodies). */
struct base64_stream {
	uint32_t bits;
	uint8_t count; /* characters held in bits, 0..3 */
	bool damaged;  /* something other than white space was passed over, or the end was cut */
};
void base64_stream_feed(struct base64_stream *s, str in, struct buf *out);
/* Gives out what an unpadded end still holds. */
void base64_stream_end(struct base64_stream *s, struct buf *out);

#endif
