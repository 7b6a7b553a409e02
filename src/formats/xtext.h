/* xtext.h: parameter values of the DSN extension.
 *
 * Purpose    xtext (RFC 3461 §4) and utf-8-addr-xtext, utf-8-addr-unitext (RFC 6533 §3).
 * Ownership  Results are added to the caller's buf, whose ceiling is the limit.
 * Threads    No state.
 * Errors     0, or -1 with ERR_INPUT or ERR_LIMIT; out is then as before.
 */
#ifndef BUZON_FORMATS_XTEXT_H
#define BUZON_FORMATS_XTEXT_H

#include "base/buf.h"
#include "base/err.h"

/* "+2B" stands for '+'; two upper-case hex digits. The result must be printable ASCII. */
int xtext_decode(str in, struct buf *out, struct err *err);
void xtext_encode(str in, struct buf *out);

/* "\x{E9}" stands for U+00E9. utf8: raw UTF-8 may stand there as well (unitext, the peer asked for
 * SMTPUTF8). */
int xtext_utf8_decode(str in, bool utf8, struct buf *out, struct err *err);
/* utf8: leaves characters above U+007F as they are. in must be well-formed UTF-8. */
void xtext_utf8_encode(str in, bool utf8, struct buf *out);

#endif
