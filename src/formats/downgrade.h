/* downgrade.h: a message with UTF-8 in its header, for clients that know nothing of it.
 *
 * Purpose    The surrogate header of RFC 6858 (RFC 6855 §7, RFC 6856 §2.1): readable, pure ASCII, not
 *            for replying to what cannot be replied to. The stored message stays as it is.
 * Ownership  The result is added to the caller's buf.
 * Threads    No state (formats/charset has some).
 * Errors     None; a header that does not fit sets out->failed.
 * Not here   Headers of the parts inside a multipart, which stay as they are.
 */
#ifndef BUZON_FORMATS_DOWNGRADE_H
#define BUZON_FORMATS_DOWNGRADE_H

#include "base/buf.h"

/* header: a whole header block (formats/header: header_block), the empty line included when there is
 * one. Fields that are ASCII come out byte for byte as they are. */
void downgrade_header(str header, struct buf *out);
/* value: IMAP data as formats/bodystructure writes it. Literals that hold UTF-8 come out as quoted
 * encoded words; all else stays byte for byte as it is. */
void downgrade_strings(str value, struct buf *out);

#endif
