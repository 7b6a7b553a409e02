/* reclaim.h: space of bodies that nobody refers to any more.
 *
 * Threads    The writer's only; hold and unhold any.
 */
#ifndef BUZON_SERVICES_STORE_RECLAIM_H
#define BUZON_SERVICES_STORE_RECLAIM_H

#include "services/store/internal.h"

struct reclaim;

struct reclaim *reclaim_new(void);
void reclaim_free(struct reclaim *r);
/* Copies a little out of a mostly dead pack, or removes one that was emptied a while ago. True when
 * something was done. */
bool reclaim_step(struct store *s, struct reclaim *r);
/* While the descriptor is open no pack is removed, by no process. */
int reclaim_hold(struct store *s, int *out_fd, struct err *err);

#endif
