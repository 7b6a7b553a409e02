/* part_text.h: what is inside a part: its decoded bytes, its text for people, a search in it.
 *
 * Purpose    Undo the transfer encoding for BINARY[] (RFC 3516 §4.3); give UTF-8 text of text
 *            parts, HTML without its tags; look for text in header and body for SEARCH (RFC 9051
 *            §6.4.4).
 * Ownership  A decoder borrows the message. Results are added to the caller's buf.
 * Threads    As formats/charset.
 * Units      Bytes.
 * Limits     The ceiling of the buf; SEARCH_PART_MAX_BYTES of a part are searched.
 * Errors     Only an unknown transfer encoding (ERR_INPUT: RFC 3516 §4.3 [UNKNOWN-CTE]) and a result
 *            that does not fit (ERR_LIMIT). Damaged base64 or quoted-printable decodes as far as it
 *            can.
 */
#ifndef BUZON_FORMATS_PART_TEXT_H
#define BUZON_FORMATS_PART_TEXT_H

#include "formats/base64.h"
#include "formats/message_index.h"
#include "formats/qp.h"

enum { PART_CHUNK_BYTES = 64 * 1024, SEARCH_PART_MAX_BYTES = 32 << 20 };

/* The raw bytes of a part's body; message is the one that was indexed. */
str part_body(const struct index_part *part, str message);
str part_header(const struct index_part *part, str message);
bool part_is_text(const struct index_part *part);

/* Decoding in pieces, so that a large part is never in memory as a whole. */
struct part_decoder {
	str rest;
	enum part_encoding encoding;
	struct base64_stream base64;
	struct qp_stream qp;
	bool done;
};
int part_decoder_init(
    struct part_decoder *d, const struct index_part *part, str message, struct err *err);
/* Adds what the next PART_CHUNK_BYTES of the body decode to. False when there was nothing left. */
bool part_decoder_next(struct part_decoder *d, struct buf *out);

/* The same in one go; the size alone for BINARY.SIZE[]. */
int part_decode(const struct index_part *part, str message, struct buf *out, struct err *err);
int part_decoded_bytes(const struct index_part *part, str message, uint64_t *out, struct err *err);

/* UTF-8 text made of the first max_raw bytes of the body; nothing unless part_is_text. */
void part_text(const struct index_part *part, str message, size_t max_raw, struct buf *out);

/* ---- searching: needles and haystacks are folded with text_fold (formats/charset) ---- */

enum search_where { SEARCH_IN_HEADER = 1, SEARCH_IN_BODY = 2 };

bool text_contains(str folded_haystack, str folded_needle);
/* In the header: names and decoded values of its fields. In the body: the text of text parts, and
 * the headers of messages inside; together with the header (TEXT) those of all parts. */
bool search_text(const struct message_index *index, str message, unsigned where, str folded_needle);
/* HEADER name needle: an empty needle asks whether there is such a field. */
bool search_header(str header_block, str name, str folded_needle);

#endif
