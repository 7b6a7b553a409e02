/* mbname.h: names of IMAP mailboxes.
 *
 * Purpose    Modified UTF-7 (RFC 3501 §5.1.3) to UTF-8 and back; one spelling for each name (NFC),
 *            and what a name may be.
 * Ownership  Results are added to the caller's buf.
 * Threads    No state.
 * Limits     MBNAME_MAX bytes, MBNAME_DEPTH_MAX components; the store has the same.
 * Errors     0, or -1 with ERR_INPUT or ERR_LIMIT and a sentence for the user; out is then as before.
 * Not here   Wildcards of LIST (protocols/imap). Whether the mailbox exists (services/store).
 */
#ifndef BUZON_FORMATS_MBNAME_H
#define BUZON_FORMATS_MBNAME_H

#include "base/buf.h"
#include "base/err.h"

enum { MBNAME_MAX = 1000, MBNAME_DEPTH_MAX = 32 };

/* Strict: only the one encoding that mbname_to_utf7 makes is accepted. */
int mbname_from_utf7(str in, struct buf *out, struct err *err);
/* utf8 must be well-formed. */
void mbname_to_utf7(str utf8, struct buf *out);

/* The name as it is kept: NFC; INBOX as first component in upper case; no control characters, no
 * empty component, no leading or trailing '/', none of "." and "..", not too long or deep, no
 * characters that may not appear (RFC 5198 §2, RFC 9051 §5.1: no C1 controls, no U+2028, U+2029). */
int mbname_normalise(str utf8, struct buf *out, struct err *err);

#endif
