/* pack_private.h: what pack.c (writing) and pack_map.c (reading) share.
 *
 * Threads    The maps are guarded by lock; all else is the writer's.
 */
#ifndef BUZON_SERVICES_STORE_PACK_PRIVATE_H
#define BUZON_SERVICES_STORE_PACK_PRIVATE_H

#include <pthread.h>

#include "services/store/io.h"
#include "services/store/pack.h"

enum { PACK_PATH_MAX = 4096 };

struct packs {
	char *dir;
	uint64_t limit;

	uint64_t current, newest;
	struct io_file file;
	struct buf buffer;     /* appended, not written yet */
	uint64_t flushed, end; /* written; written and buffered */
	/* How long the file may be, counting what was undone and what was filled ahead. */
	uint64_t longest;
	char *zeros;
	uint64_t synced, synced_pack;
	uint64_t failures;
	bool sync_failed;
	bool is_new; /* its name may not be on stable storage */

	pthread_mutex_t lock;
	struct store_pack_map *maps; /* newest used first */
};

void packs_maps_fini(struct packs *p);

#endif
