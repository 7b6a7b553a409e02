/* data.h: where a message ends, and which bytes are its own.
 *
 * Purpose    Undo dot-stuffing and find the end of DATA (RFC 5321 §4.5.2); look for lone CR or LF and
 *            NUL in DATA and BDAT. Works on blocks: memchr finds the bytes that matter, what lies between
 *            is not touched.
 * Ownership  Blocks handed out are slices of the input.
 * Threads    No state but the caller's.
 * Not here   Sizes, replies (body.c).
 */
#ifndef BUZON_PROTOCOLS_SMTP_DATA_H
#define BUZON_PROTOCOLS_SMTP_DATA_H

#include "base/str.h"

/* Starts as { 0 }. */
struct smtp_data {
	enum smtp_data_state {
		SMTP_DATA_LINE_START,
		SMTP_DATA_IN_LINE,
		SMTP_DATA_AFTER_CR,
		SMTP_DATA_AFTER_DOT,    /* the first byte of the line was a dot; it is gone */
		SMTP_DATA_AFTER_DOT_CR, /* the CR is held back: only the end can follow */
	} state;
	bool has_nul;
};

enum smtp_data_result {
	SMTP_DATA_MORE,  /* all used; *out may hold bytes */
	SMTP_DATA_BLOCK, /* *out holds bytes, call again */
	SMTP_DATA_END,   /* CRLF "." CRLF was taken; *out is empty */
	SMTP_DATA_BARE,  /* a CR or LF alone: nobody may guess where this message ends */
};

/* Takes from *in the longest run whose decoded bytes are one slice. */
enum smtp_data_result smtp_data_next(struct smtp_data *d, str *in, str *out);

/* BDAT: nothing is decoded; false when a lone CR or LF is in it. A CR may be the last byte of a piece.
 */
bool smtp_data_check(struct smtp_data *d, str piece);
/* After the last piece: false when a CR was left alone. */
bool smtp_data_check_end(const struct smtp_data *d);

#endif
