/* entries.h: what the functions that change entries share.
 *
 * Threads    The writer's only, but for the ranges, which have no state.
 */
#ifndef BUZON_SERVICES_STORE_ENTRIES_H
#define BUZON_SERVICES_STORE_ENTRIES_H

#include "services/store/internal.h"

enum { STORE_FLAGS_ALL = 31 };

/* ERR_DENIED when the message is gone. One that this group made need not be looked up. */
int entries_need_message(struct store_txn *t, uint64_t message, struct err *err);

/* Ranges that grow at the end, in an arena; what touches the last one is merged with it. */
struct range_list {
	struct arena *arena;
	struct store_range *items;
	size_t count, cap;
};

void range_list_add(struct range_list *l, uint32_t first, uint32_t last);
/* Sorts and merges. */
void range_list_tidy(struct range_list *l);

/* Walks the pages of a mailbox along given ranges (all of it when ranges is NULL): */
struct range_walk {
	const struct store_range *ranges;
	size_t count, at;
	bool all;
};

/* Is this UID wanted? UIDs must be asked for in ascending order. */
bool range_walk_wants(struct range_walk *w, uint32_t uid);
/* Might a page with UIDs first to last have wanted ones? */
bool range_walk_meets(struct range_walk *w, uint32_t first, uint32_t last);

#endif
