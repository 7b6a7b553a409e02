/* lru.h: a table with a ceiling: what was not touched for longest makes room.
 *
 * Purpose    Bounded memory of this process for things that strangers can make many of.
 * Ownership  Entries belong to the table: made by lru_touch, gone by lru_remove or for room.
 * Threads    One owner at a time.
 * Not here   Expiry: the entry's owner looks at its own times.
 */
#ifndef BUZON_SERVICES_AUTH_LRU_H
#define BUZON_SERVICES_AUTH_LRU_H

#include "base/str.h"

struct lru;

/* entry_bytes: size of an entry, zeroed when new, wiped when it goes. */
struct lru *lru_new(size_t entry_bytes, size_t max);
void lru_free(struct lru *l);
/* NULL when there is none. */
void *lru_get(const struct lru *l, str key);
/* Finds or makes it, and puts it last in line to go. */
void *lru_touch(struct lru *l, str key);
void lru_remove(struct lru *l, str key);
size_t lru_count(const struct lru *l);

#endif
