/* precis.h: names and passwords in the one form in which they are compared.
 *
 * Purpose    OpaqueString (passwords) and UsernameCaseMapped (account names) of RFC 8265, by
 *            libunistring.
 * Threads    No state, usable from any thread.
 * Units      Bytes of UTF-8.
 * Errors     ERR_INPUT: empty, not UTF-8, or with a character that the profile forbids; ERR_LIMIT:
 *            out is full. out keeps what it held before.
 *
 * RFC 7677 still names SASLprep (RFC 4013); RFC 8265 is what follows it. The two differ for
 * compatibility characters only (a circled digit, a ligature), which RFC 8265 keeps apart and
 * SASLprep folds.
 *
 * DEVIATION RFC 8264 §4.3: the contextual rules of RFC 5892 and the bidi rule are not checked. They
 * forbid strings, they never make two strings equal, and a password that one release of Unicode
 * refuses would lock its owner out.
 */
#ifndef BUZON_PROTOCOLS_SASL_PRECIS_H
#define BUZON_PROTOCOLS_SASL_PRECIS_H

#include "base/buf.h"
#include "base/err.h"

/* RFC 8265 §4.2.2: other spaces become U+0020, then NFC; case stays. */
int precis_password(str in, struct buf *out, struct err *err);
/* RFC 8265 §3.3.3: width mapping, lower case, NFC. Takes an address: ASCII punctuation is fine. */
int precis_username(str in, struct buf *out, struct err *err);

#endif
