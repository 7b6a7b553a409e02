/* names.h: mailbox names, and making and removing the rows behind them.
 *
 * Threads    mailbox_name_canonical has no state; the rest is the writer's only.
 */
#ifndef BUZON_SERVICES_STORE_NAMES_H
#define BUZON_SERVICES_STORE_NAMES_H

#include "services/store/internal.h"

struct mailbox_name {
	char bytes[STORE_NAME_MAX];
	str text;
};

/* UTF-8 without controls, no empty component, INBOX in upper case. ERR_INPUT, ERR_LIMIT. */
int mailbox_name_canonical(str name, struct mailbox_name *out, struct err *err);
/* The row alone: no parents, no check. */
int mailbox_add(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    bool selectable, uint64_t *out_id, struct err *err);
/* All mailboxes of an account and what is in them. */
int mailboxes_clear(struct store_txn *t, uint64_t account, struct err *err);

#endif
