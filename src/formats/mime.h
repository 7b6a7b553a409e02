/* mime.h: the parts of a message, found in one pass.
 *
 * Purpose    Where each header and body begins and ends: RFC 2045, RFC 2046, with what the wild adds:
 *            missing end boundaries, boundaries inside part headers, boundaries that begin like
 *            another one, parts without an empty line, bare LF.
 * Shape      Parts in depth-first order; part 0 is the message itself. A message/rfc822 part has one
 *            child, the body of the inner message with the inner header. A multipart always has
 *            children: one without a usable boundary, or in which no boundary line was found, is
 *            text/plain, so that people can still read it.
 * Ownership  Raw values point into the message, the rest lives in the arena.
 * Threads    No state, usable from any thread.
 * Limits     MIME_DEPTH_MAX, MIME_PARTS_MAX, MIME_BOUNDARY_MAX. What is deeper stays one
 *            application/octet-stream leaf; the last allowed part takes all the rest likewise.
 * Errors     None: every input is a message.
 * Not here   Decoding of bodies (formats/part_text), what IMAP shows (formats/bodystructure).
 */
#ifndef BUZON_FORMATS_MIME_H
#define BUZON_FORMATS_MIME_H

#include "formats/message_index.h"
#include "formats/param.h"

enum {
	MIME_DEPTH_MAX = 64,
	MIME_PARTS_MAX = 10000,
	MIME_BOUNDARY_MAX = 1024,
	MIME_TYPE_MAX = 128,
	MIME_CHARSET_MAX = 64,
};

struct mime_part {
	struct index_part at; /* place, kind, encoding, type, charset */
	bool typed;           /* its own Content-Type is what at.type says */
	/* Field values as written, first occurrence; empty when absent. */
	str content_type, transfer_encoding, id, description, disposition, language, location, md5;
};

struct mime_tree {
	struct mime_part *parts;
	uint32_t count;
	uint32_t flags; /* INDEX_HAS_8BIT, _NUL, _BARE_LF, _LONG_LINE, INDEX_HEADER_UTF8 */
};

void mime_parse(str message, struct arena *a, struct mime_tree *out);

#endif
