/* story.h: pruning of stories in steps, for upkeep.
 *
 * Threads    The writer's only.
 */
#ifndef BUZON_SERVICES_STORE_STORY_H
#define BUZON_SERVICES_STORE_STORY_H

#include "services/store/internal.h"

/* Removes some of the stories that began before; *out_more: call again. */
int story_prune_step(struct store_txn *t, int64_t before, bool *out_more, struct err *err);
/* Adds to what is known of today. */
int story_note_bytes(struct store_txn *t, uint64_t bytes, struct err *err);
/* Stories that began before this must go so that max_bytes are kept; 0: none. */
int story_oldest_kept(struct db *db, uint64_t max_bytes, int64_t *out_before, struct err *err);
/* Goes on pruning when nobody waits. */
void upkeep_prune_stories(struct store *s, int64_t before);

#endif
