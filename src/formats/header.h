/* header.h: the header block of a message or part, field by field.
 *
 * Purpose    Walk the fields of a header as it came, however broken: RFC 5322 §2.2, with bare LF,
 *            lines without a colon, NUL and 8-bit bytes, white space before the colon (§4.5).
 * Ownership  Slices point into the header; header_unfold copies to the arena only when it must.
 * Threads    No state, usable from any thread.
 * Limits     HEADER_MAX_BYTES for a block: what follows counts as body. HEADER_FIELD_MAX_BYTES for
 *            one value: the rest of a longer one is not looked at.
 * Errors     None: every input has a header, perhaps an empty one.
 * Not here   What the values mean (formats/address, param, word, date).
 */
#ifndef BUZON_FORMATS_HEADER_H
#define BUZON_FORMATS_HEADER_H

#include "base/arena.h"

enum { HEADER_MAX_BYTES = 4 << 20, HEADER_FIELD_MAX_BYTES = 1 << 20 };

struct header_field {
	str name;  /* as written, without white space before the colon; empty: not a field */
	str value; /* behind the colon up to the last line end, folding inside */
	str whole; /* all of it with its line ends */
};

/* The header of a message, with the empty line that ends it when there is one. */
str header_block(str message);
/* The next field of a block; moves *rest past it. False at the empty line or the end. */
bool header_next(str *rest, struct header_field *out);
/* The first field of that name, in any case. */
bool header_find(str block, str name, struct header_field *out);
/* The value on one line, RFC 5322 §2.2.3: without CR, LF, NUL, and without blanks at both ends. */
str header_unfold(str value, struct arena *a);
/* True when the text starts with an empty line; *out_bytes is its length. */
bool header_is_end(str text, size_t *out_bytes);

#endif
