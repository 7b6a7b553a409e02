/* envelope.h: the header fields that buzon cares about, and the IMAP ENVELOPE made from them.
 *
 * Purpose    Find them in one walk; write RFC 9051 §7.5.2 ENVELOPE (RFC 3501 §7.4.2 is the same),
 *            readable for clients of either revision: header text goes out as it is, RFC 2047 words
 *            and all; 8-bit bytes only ever inside literals; never a NUL.
 * Ownership  Slices of struct header_facts point into the header.
 * Threads    No state, usable from any thread.
 * Limits     ENVELOPE_LIST_MAX_BYTES an address list, ENVELOPE_TEXT_MAX_BYTES any other member: what
 *            is longer is cut, at an address or a byte.
 * Errors     None but those of the buf.
 */
#ifndef BUZON_FORMATS_ENVELOPE_H
#define BUZON_FORMATS_ENVELOPE_H

#include "formats/address.h"
#include "formats/header.h"

enum { ENVELOPE_LIST_MAX_BYTES = 512 * 1024, ENVELOPE_TEXT_MAX_BYTES = 32 * 1024 };

enum fact {
	FACT_DATE,
	FACT_SUBJECT,
	FACT_FROM,
	FACT_SENDER,
	FACT_REPLY_TO,
	FACT_TO,
	FACT_CC,
	FACT_BCC,
	FACT_IN_REPLY_TO,
	FACT_MESSAGE_ID,
	FACT_REFERENCES,
	FACT_DELIVERED_TO,
	FACT_RECEIVED,
	FACT_RESENT_BCC,
	FACT_COUNT,
};

struct header_facts {
	str block;
	str first[FACT_COUNT];      /* value of the first field of that name, folded */
	uint32_t count[FACT_COUNT]; /* how many there are */
};

void header_facts_find(str block, struct header_facts *out);
/* Walks all values of one field: start with *rest = facts->block. */
bool header_facts_next(const struct header_facts *facts, enum fact fact, str *rest, str *out_value);
enum fact header_fact_of(str name); /* FACT_COUNT: none of them */

/* scratch is reset. */
void envelope_write(const struct header_facts *facts, struct arena *scratch, struct buf *out);

/* An IMAP string: quoted when that is allowed for everybody, else a literal; without NUL. */
void envelope_string(str s, struct buf *out);
/* The same, but NIL for the empty string. */
void envelope_nstring(str s, struct buf *out);

#endif
