/* canon.h: the two canonical forms of DKIM, RFC 6376 §3.4.
 *
 * Purpose    Bring header fields and bodies into the form that is hashed; bodies as a stream, in pieces cut
 *            anywhere.
 * Shape      struct dkim_body_canon starts as { .kind = … }; feed any number of times, then end once. What
 *            comes out goes to the sink at once or a little later, never after end.
 * Ownership  Pieces given to the sink are good during the call.
 * Threads    No state but the caller's.
 * Units      Bytes. Lines end with CRLF; a CR or LF alone is a byte like others.
 * Errors     None.
 * Not here   Hashing (body_hash).
 */
#ifndef BUZON_PROTOCOLS_DKIM_CANON_H
#define BUZON_PROTOCOLS_DKIM_CANON_H

#include "formats/header.h"

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

typedef void dkim_sink_fn(void *arg, str piece);

enum { DKIM_CANON_STAGE = 2048 };

struct dkim_body_canon {
	enum dkim_canon kind;
	bool has_data;    /* something other than line ends came out */
	bool is_after_cr; /* the last byte was a CR, its meaning open */
	bool
	    is_after_blank; /* relaxed: white space that counts only when something follows on the line */
	uint64_t line_ends; /* CRLFs that count only when something follows */
	size_t staged;
	char stage[DKIM_CANON_STAGE];
};

void dkim_body_canon_feed(struct dkim_body_canon *c, str in, dkim_sink_fn *sink, void *arg);
void dkim_body_canon_end(struct dkim_body_canon *c, dkim_sink_fn *sink, void *arg);

/* One field with its CRLF. omit is a slice of the field that is left out (the value of b=, RFC 6376 §3.7);
 * with it the CRLF is left out as well. */
void dkim_header_canon(enum dkim_canon kind, const struct header_field *field, str omit,
    dkim_sink_fn *sink, void *arg);

#endif
