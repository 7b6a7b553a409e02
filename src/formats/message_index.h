/* message_index.h: what buzon knows about a message without reading it again.
 *
 * Purpose    Made once by the worker when a message arrives (or is appended), stored beside the
 *            body, and the source of ENVELOPE, BODYSTRUCTURE, part fetches, header searches and
 *            submission checks.
 * Shape      message_index_build() parses and fills the struct; _encode() packs it to bytes with a
 *            version byte in front; _decode() is total and borrows from those bytes (parts go to
 *            the arena). Offsets count from the first byte of the message as given to build.
 * Ownership  Slices point into the arena (build) or the bytes (decode).
 * Limits     Header 4 MiB, depth 64, parts 10,000; what lies beyond is kept as one opaque leaf
 *            part.
 * Errors     build never fails for content: broken mail gets the best index that can be made.
 *            decode: -1 with ERR_INPUT for bytes that encode did not make.
 */
#ifndef BUZON_FORMATS_MESSAGE_INDEX_H
#define BUZON_FORMATS_MESSAGE_INDEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { INDEX_VERSION = 1 };

enum part_encoding {
	ENCODING_7BIT,
	ENCODING_8BIT,
	ENCODING_BINARY,
	ENCODING_QP,
	ENCODING_BASE64,
	ENCODING_OTHER
};
enum part_kind { PART_LEAF, PART_MULTIPART, PART_MESSAGE };

/* Depth-first order; part 0 is the message itself. A PART_MESSAGE has exactly one child: the inner
 * body. */
struct index_part {
	uint32_t parent;                  /* index; UINT32_MAX for part 0 */
	uint32_t number;                  /* 1.. among the children of parent */
	uint8_t kind;                     /* enum part_kind */
	uint8_t encoding;                 /* enum part_encoding */
	uint64_t header_at, header_bytes; /* up to and with the empty line */
	uint64_t body_at, body_bytes;
	uint32_t lines;
	str type;    /* "text/plain", lower case */
	str charset; /* lower case; empty when none */
};

enum index_flag {
	INDEX_HAS_DATE = 1,
	INDEX_HAS_MESSAGE_ID = 2,
	INDEX_HAS_8BIT = 4,    /* a byte above 0x7f anywhere */
	INDEX_HEADER_UTF8 = 8, /* raw UTF-8 in a header field: needs SMTPUTF8 to travel */
	INDEX_HAS_NUL = 16,
	INDEX_HAS_BARE_LF = 32,
	INDEX_MANY_FROM = 64,  /* more than one From field */
	INDEX_LONG_LINE = 128, /* a line over 998 bytes */
	INDEX_BAD_FROM = 256, /* From or Sender is not a clean address list: from is a best guess */
	INDEX_MANY_BCC = 512, /* more Bcc fields than bcc has room for */
};

struct index_range {
	uint64_t at, bytes;
};

struct message_index {
	uint32_t flags;          /* enum index_flag */
	uint32_t received_count; /* Received fields at the top level: loop detection */
	uint64_t bytes;
	uint64_t header_bytes;
	int64_t sent_at;   /* Date, Unix seconds; 0 when absent or senseless */
	str envelope;      /* IMAP ENVELOPE value, parentheses included, ready to send */
	str bodystructure; /* IMAP BODYSTRUCTURE value, likewise */
	str message_id;    /* with angle brackets; empty when absent */
	str subject;       /* decoded, UTF-8 */
	str from;          /* addresses of the From field, lower-case domains, '\n'-separated */
	str sender;        /* address of Sender, or empty */
	str search_from, search_to, search_cc,
	    search_bcc;   /* decoded text of the field, UTF-8, for SEARCH */
	str delivered_to; /* Delivered-To addresses, '\n'-separated: loop detection */
	str thread_refs;  /* References then In-Reply-To message ids, '\n'-separated, at most 50 */
	str preview;      /* first 200 characters of readable text, UTF-8, one line */
	struct index_range bcc[8]; /* whole Bcc / Resent-Bcc fields with their CRLF; at most 8 */
	uint32_t bcc_count;
	struct index_part *parts;
	uint32_t part_count;
};

void message_index_build(str message, struct arena *a, struct message_index *out);
/* out's ceiling must be 16 MiB or more. */
void message_index_encode(const struct message_index *index, struct buf *out);
int message_index_decode(str bytes, struct arena *a, struct message_index *out, struct err *err);
/* Only what FETCH ENVELOPE/BODYSTRUCTURE needs, without walking the parts. */
int message_index_peek(str bytes, str *out_envelope, str *out_bodystructure, struct err *err);
/* Only enum index_flag, likewise. */
int message_index_peek_flags(str bytes, uint32_t *out, struct err *err);
/* All but bcc and parts, whose counts are then 0: for searches through many messages. */
int message_index_peek_texts(str bytes, struct message_index *out, struct err *err);
/* Adds delta to every offset: a Received field was put in front. header_bytes and bytes grow as
 * well. */
void message_index_shift(struct message_index *index, uint64_t delta);

/* "1.2.MIME" paths are split by the caller; numbers is the path. NULL when there is no such part.
 * RFC 9051 §6.4.5. */
const struct index_part *message_index_part(
    const struct message_index *index, const uint32_t *numbers, size_t count);
/* BODY (without extension data) from a BODYSTRUCTURE value. */
void bodystructure_to_body(str bodystructure, struct buf *out);

#endif
