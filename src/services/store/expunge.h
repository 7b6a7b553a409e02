/* expunge.h: taking entries out of a mailbox; EXPUNGE and MOVE do.
 *
 * Threads    The writer's only; vanished_decode has no state.
 */
#ifndef BUZON_SERVICES_STORE_EXPUNGE_H
#define BUZON_SERVICES_STORE_EXPUNGE_H

#include "services/store/entries.h"

struct removal {
	const struct store_range *uids; /* NULL: all */
	size_t uid_count;
	bool any; /* not only those with STORE_DELETED */
	int (*each)(void *arg, const struct store_entry *e, struct err *err); /* in UID order */
	void *arg;
};

/* The box must be loaded whole. Modseq moves, and the UIDs are recorded, when anything went. */
int entries_remove(struct store_txn *t, struct box *b, const struct removal *what,
    uint32_t *out_count, struct err *err);
int vanished_decode(str in, struct range_list *out, struct err *err);

#endif
