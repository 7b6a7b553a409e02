/* recover.h: walking a pack record by record.
 *
 * Threads    No state.
 */
#ifndef BUZON_SERVICES_STORE_RECOVER_H
#define BUZON_SERVICES_STORE_RECOVER_H

#include "services/store/internal.h"

struct record {
	struct pack_header header;
	uint64_t offset; /* of the body */
	uint64_t end;
};

/* The record that begins at `at`: 1; 0 when there is none that lies whole within size; -1. */
int record_read(int fd, uint64_t at, uint64_t size, struct record *out, struct err *err);
/* Does the message's row point at this record? 1, 0, -1. */
int record_is_alive(struct db *db, uint64_t pack, const struct record *r, struct err *err);

/* Starts looking through the whole database in a thread of its own. */
void recheck_start(struct store *s);

#endif
