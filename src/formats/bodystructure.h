/* bodystructure.h: the parts of a message as IMAP shows them.
 *
 * Purpose    Write RFC 9051 §7.5.2 BODYSTRUCTURE with its extension data; strings as in
 *            formats/envelope. The form without extension data: bodystructure_to_body in
 *            formats/message_index.
 * Threads    No state, usable from any thread.
 * Limits     Above BODYSTRUCTURE_SOFT_BYTES, what is optional is written as NIL.
 * Errors     None but those of the buf.
 */
#ifndef BUZON_FORMATS_BODYSTRUCTURE_H
#define BUZON_FORMATS_BODYSTRUCTURE_H

#include "formats/mime.h"

enum { BODYSTRUCTURE_SOFT_BYTES = 2 << 20 };

/* scratch is reset. */
void bodystructure_write(
    str message, const struct mime_tree *tree, struct arena *scratch, struct buf *out);

#endif
