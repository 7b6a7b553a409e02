/* writer.h: what happens after a failed sync or commit.
 *
 * Threads    The writer's only.
 */
#ifndef BUZON_SERVICES_STORE_WRITER_H
#define BUZON_SERVICES_STORE_WRITER_H

#include "services/store/internal.h"

/* Forgets all that is not on disk for sure, refuses writing, tries to open again at once. */
void store_failed(struct store *s, struct store_txn *t);
/* Another try, at most one a second. */
void store_try_again(struct store *s);

#endif
