/* content.h: a message in, its packed index out. What a worker does with each message.
 *
 * Purpose    Get at the bytes of a message that came inline or by descriptor, and index them.
 * Ownership  struct content_body borrows inline bytes and owns its mapping; content_fini ends it.
 * Threads    One owner at a time.
 * Limits     CONTENT_BODY_MAX_BYTES a message, CONTENT_INDEX_MAX_BYTES an index.
 * Errors     content_map: -1 when the descriptor is not a file that holds these bytes. content_index:
 *            -1 with ERR_LIMIT; message content never fails (formats/message_index).
 */
#ifndef BUZON_SERVICES_CONTENT_CONTENT_H
#define BUZON_SERVICES_CONTENT_CONTENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
	CONTENT_BODY_MAX_BYTES = 1 << 30,
	CONTENT_INDEX_MAX_BYTES = 16 << 20,
	CONTENT_ARENA_BYTES = 256 << 20,
};

struct content_body {
	str bytes;
	void *map; /* NULL when the bytes came inline */
	size_t mapped;
};

/* fd stays the caller's and may be closed afterwards. The file must not shrink while it is mapped:
 * it is a sealed memfd, or a spool file that only core can touch. */
int content_map(int fd, uint64_t offset, uint64_t bytes, struct content_body *out, struct err *err);
void content_fini(struct content_body *body);

/* Adds the packed index to out; its ceiling should be CONTENT_INDEX_MAX_BYTES. a is reset. */
int content_index(str message, struct arena *a, struct buf *out, struct err *err);

#endif
