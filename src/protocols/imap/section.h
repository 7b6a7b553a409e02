/* section.h: the bytes that a FETCH section names.
 *
 * Purpose    From the message and its index: BODY[1.2.HEADER] as a slice, HEADER.FIELDS cut out of
 *            a header, BINARY decoded. RFC 9051 §6.4.5, RFC 3516 §4.2.
 * Ownership  Slices point into the message; what is made goes to the caller's buf.
 * Threads    No state.
 * Errors     As enum section_found; an index that does not fit the message gives SECTION_MISSING,
 *            never bytes outside it.
 */
#ifndef BUZON_PROTOCOLS_IMAP_SECTION_H
#define BUZON_PROTOCOLS_IMAP_SECTION_H

#include "formats/message_index.h"
#include "protocols/imap/fetch_att.h"

enum section_found {
	SECTION_FOUND,
	SECTION_MISSING,     /* no such part: the value is NIL */
	SECTION_UNKNOWN_CTE, /* BINARY of an encoding that nobody knows: NO [UNKNOWN-CTE] */
};

/* *out is a slice of message, or of made when the bytes had to be put together. The partial range
 * has been applied. */
enum section_found section_get(const struct imap_section *s, const struct message_index *index,
    str message, struct buf *made, str *out);

/* The fields of header whose names are (except: are not) in the list, with the empty line that ends
 * it, when it has one. */
void section_header_fields(
    str header, const str *fields, size_t count, bool except, struct buf *out);

#endif
