/* table.h: a hash table from bytes, or a 64-bit number, to a pointer.
 *
 * Purpose    Look-ups by address, name, id. Keys are hashed with SipHash and a key of this process,
 *            so that strangers cannot choose collisions.
 * Ownership  Keys are copied; values are the caller's.
 * Threads    One owner at a time.
 * Errors     None: small allocations do not fail.
 */
#ifndef BUZON_BASE_TABLE_H
#define BUZON_BASE_TABLE_H

#include "base/str.h"

struct table;

struct table *table_new(void);
void table_free(struct table *t);
void *table_get(const struct table *t, str key);
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *table_set(struct table *t, str key, void *value);
void *table_remove(struct table *t, str key);
size_t table_count(const struct table *t);
/* Walk: start with *at = 0; false at the end. The entry just returned may be removed. */
bool table_next(const struct table *t, size_t *at, str *out_key, void **out_value);

void *table_get_id(const struct table *t, uint64_t id);
void *table_set_id(struct table *t, uint64_t id, void *value);
void *table_remove_id(struct table *t, uint64_t id);

/* SipHash-1-3 with the key of this process: good for tables, not for signatures or for disk. */
uint64_t hash_bytes(str s);

#endif
