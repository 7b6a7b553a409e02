/* bounce_internal.h: what the readers of bounces share. */
#ifndef BUZON_FORMATS_BOUNCE_INTERNAL_H
#define BUZON_FORMATS_BOUNCE_INTERNAL_H

#include "formats/bounce.h"

struct bounce_reader {
	struct arena *a;
	struct bounce *out;
	size_t cap;
};

/* An empty recipient at the end of the list; NULL when there are enough. */
struct bounce_recipient *bounce_add(struct bounce_reader *r);
/* The recipient of that address, in any case; NULL when there is none. */
struct bounce_recipient *bounce_find(struct bounce_reader *r, str address);
/* One line in the arena: white space squeezed, control characters gone, invalid UTF-8 replaced, at most max bytes. */
str bounce_line(struct arena *a, str text, size_t max);
/* Without comment, brackets, quotes around it and the type in front; empty when it is none. */
str bounce_address(str text);
/* Whether it looks like local@domain. */
bool bounce_is_address(str text);
/* The next line of a text without its line end and without the '>' of a quotation; false at the end. */
bool bounce_next_line(str *rest, str *out, bool *out_quoted);

/* bounce_fields.c: the groups of fields of RFC 3464 §2.1. strict: the text is a delivery-status part; else the
 * fields are looked for between other lines, and the returned message is not. Returns how many were found. */
size_t bounce_read_fields(struct bounce_reader *r, str text, bool strict);

/* bounce_body.c: what the text for people says. */
struct bounce_signs {
	bool from_daemon, subject;
	str self; /* who the bounce was sent to: no recipient */
};
/* Recipients of the forms that have no fields; true when it is a bounce. */
bool bounce_read_body(struct bounce_reader *r, str text, const struct bounce_signs *signs);
/* Adds to recipients what only a transcript says; sets the context. */
void bounce_read_transcript(struct bounce_reader *r, str text);
/* Where the copy of the returned message begins; the length of the text when nowhere. */
size_t bounce_original_at(str text);
/* Amazon SNS: true when it was one; sets kind. */
bool bounce_read_ses(struct bounce_reader *r, str text);

#endif
