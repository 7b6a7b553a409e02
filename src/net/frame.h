/* frame.h: structs to bytes and back, described by tables.
 *
 * Purpose    Every message between two roles is a struct described by one table of fields. Encoding
 *            and decoding walk the table, so there is one encoder and one decoder to get right.
 * Shape      On the wire: varint field values in table order; FIELD_STR is varint length and bytes.
 *            Integers are checked against their width, strings against the field's max.
 * Ownership  After frame_decode the str fields point into the payload given to it.
 * Errors     frame_decode is total: -1 with ERR_INPUT for anything but exactly one well-formed
 *            struct.
 * Not here   The list of frames and what they mean (services/frames). Sending (net/link).
 */
#ifndef BUZON_NET_FRAME_H
#define BUZON_NET_FRAME_H

#include "base/buf.h"
#include "base/err.h"

enum { FRAME_MAX_BYTES = 64 * 1024 };

enum frame_field_type { FIELD_BOOL, FIELD_U32, FIELD_U64, FIELD_I64, FIELD_STR };

struct frame_field {
	const char *name;
	enum frame_field_type type;
	size_t offset; /* in the struct */
	size_t max;    /* FIELD_STR: longest allowed */
};

struct frame_def {
	const char *name;
	uint16_t type;
	uint8_t fd_count; /* descriptors that travel with it, at most */
	size_t struct_bytes;
	const struct frame_field *fields;
	size_t field_count;
};

int frame_encode(const struct frame_def *def, const void *in, struct buf *out, struct err *err);
int frame_decode(const struct frame_def *def, str payload, void *out, struct err *err);

#endif
