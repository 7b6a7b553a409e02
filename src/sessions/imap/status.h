/* status.h: the items of STATUS, shared with LIST RETURN (STATUS). RFC 9051 §6.3.11, RFC 5819.
 *
 * Threads    The running command's.
 */
#ifndef BUZON_SESSIONS_IMAP_STATUS_H
#define BUZON_SESSIONS_IMAP_STATUS_H

#include "sessions/imap/imap.h"

/* "(MESSAGES UNSEEN)" to bits. */
int imap_take_status_items(struct imap_lexer *in, unsigned *out_items, struct err *err);
/* To be called before the first imap_write_status: HIGHESTMODSEQ switches CONDSTORE on. */
void imap_status_begin(struct imap_conn *c, unsigned bits);
/* "* STATUS name (MESSAGES 3 UNSEEN 1)"; bits of imap_take_status_items. */
void imap_write_status(struct imap_conn *c, const struct store_mailbox *box, unsigned bits);

#endif
