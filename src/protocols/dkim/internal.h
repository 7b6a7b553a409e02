/* internal.h: SHA-256 as the parts of DKIM use it. Included by protocols/dkim only. */
#ifndef BUZON_PROTOCOLS_DKIM_INTERNAL_H
#define BUZON_PROTOCOLS_DKIM_INTERNAL_H

#include "protocols/dkim/body_hash.h"

/* Lives in the arena, and is released with it. */
struct dkim_sha256;
struct dkim_sha256 *dkim_sha256_new(struct arena *a);
void dkim_sha256_add(struct dkim_sha256 *s, str piece);
void dkim_sha256_end(struct dkim_sha256 *s, unsigned char out[DKIM_HASH_BYTES]);
/* A dkim_sink_fn. */
void dkim_sha256_sink(void *sha256, str piece);

/* Which fields of a header h= means: the last of a name first, each once, RFC 6376 §5.4.2. */
struct dkim_fields {
	struct header_field *list;
	bool *is_taken;
	size_t count;
	bool is_cut; /* there were more than DKIM_FIELDS_MAX */
};
enum { DKIM_FIELDS_MAX = 2000 };
void dkim_fields_read(struct arena *a, str header, struct dkim_fields *out);
void dkim_fields_reset(struct dkim_fields *f);
/* The next one of that name from below; NULL when none is left. */
const struct header_field *dkim_fields_take(struct dkim_fields *f, str name);
/* One of that name has not been taken. */
bool dkim_fields_left(const struct dkim_fields *f, str name);

#endif
