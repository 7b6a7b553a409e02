/* message_rows.h: reading message rows, and making those who do let go of the log. */
#ifndef BUZON_SERVICES_STORE_MESSAGE_ROWS_H
#define BUZON_SERVICES_STORE_MESSAGE_ROWS_H

#include "services/store/internal.h"

/* The index goes to copy and out points there. ERR_DENIED: the message is gone. */
int message_row_get(
    struct db *db, uint64_t message, struct buf *copy, struct store_message *out, struct err *err);
/* Ends the transactions of open readers; they begin new ones. Any thread. */
void readers_let_go(struct store *s);

#endif
