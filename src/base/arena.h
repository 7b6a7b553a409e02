/* arena.h: memory that lives as long as one thing: a connection, a command, a message.
 *
 * Purpose    Allocate without freeing one by one; descriptors and statements can be hung on as
 *            well.
 * Ownership  Everything from an arena dies with it. An arena made with a parent dies with the
 *            parent.
 * Threads    One owner at a time.
 * Units      Bytes. The ceiling counts what was handed out, not the blocks behind it.
 * Errors     arena_alloc and friends never return NULL: passing the ceiling or running out of
 *            memory stops the process, because sizes a peer can choose are checked before they get
 *            here. arena_try_alloc returns NULL instead, for exactly those sizes.
 */
#ifndef BUZON_BASE_ARENA_H
#define BUZON_BASE_ARENA_H

#include "base/str.h"

struct arena;

typedef void arena_defer_fn(void *arg);

/* parent may be NULL. name is a literal, for messages. */
struct arena *arena_new(struct arena *parent, const char *name, size_t max_bytes);
void arena_free(struct arena *a);
/* Runs what was deferred, frees the children, forgets all allocations; keeps the first block. */
void arena_reset(struct arena *a);

void *arena_alloc(struct arena *a, size_t bytes);
void *arena_try_alloc(struct arena *a, size_t bytes);
void *arena_alloc_array(struct arena *a, size_t size, size_t count);
#define arena_array(a, type, count) ((type *)arena_alloc_array((a), sizeof(type), (count)))
#define arena_one(a, type) arena_array(a, type, 1)
/* A copy, with a NUL behind it that is not counted. */
str arena_str(struct arena *a, str s);
char *arena_cstr(struct arena *a, str s);
str arena_strf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Grows an array kept in an arena: returns the place for one more element. */
void *arena_push(struct arena *a, void *array_ptr, size_t *count, size_t *cap, size_t size);

/* Runs fn(arg) when the arena is reset or freed, last first. */
void arena_defer(struct arena *a, arena_defer_fn *fn, void *arg);
size_t arena_used(const struct arena *a);

#define AUTO_ARENA __attribute__((cleanup(arena_free_ptr))) struct arena *
static inline void arena_free_ptr(struct arena **a)
{
	arena_free(*a);
}

#endif
