#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 4096, ALIGN = 16 };

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

struct deferred {
	struct deferred *next;
	arena_defer_fn *fn;
	void *arg;
};

struct arena {
	struct arena *parent, *children, *prev, *next;
	const char *name;
	size_t used, max;
	struct block *blocks; /* newest first */
	struct deferred *deferred;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

struct arena *arena_new(struct arena *parent, const char *name, size_t max_bytes)
{
	struct arena *a = must(calloc(1, sizeof(*a)));

	a->name = name;
	a->max = max_bytes;
	a->parent = parent;
	if (parent) {
		a->next = parent->children;
		if (a->next)
			a->next->prev = a;
		parent->children = a;
	}
	return a;
}

static void run_deferred(struct arena *a)
{
	while (a->deferred) {
		struct deferred *d = a->deferred;
		a->deferred = d->next;
		d->fn(d->arg);
	}
}

static void empty(struct arena *a)
{
	while (a->children)
		arena_free(a->children);
	run_deferred(a);
}

static void free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;
		free(b);
		b = next;
	}
}

static void unhang(struct arena *a)
{
	if (a->prev)
		a->prev->next = a->next;
	else if (a->parent)
		a->parent->children = a->next;
	if (a->next)
		a->next->prev = a->prev;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	empty(a);
	unhang(a);
	free_blocks(a->blocks);
	free(a);
}

void arena_reset(struct arena *a)
{
	empty(a);
	if (a->blocks) {
		struct block *first = a->blocks;
		while (first->next) {
			struct block *next = first->next;
			free(first);
			first = next;
		}
		first->used = 0;
		a->blocks = first;
		if (first->size > BLOCK_BYTES) {
			free(first);
			a->blocks = NULL;
		}
	}
	a->used = 0;
}

static void *block_take(struct arena *a, size_t bytes)
{
	struct block *b = a->blocks;

	if (!b || bytes > b->size - b->used) {
		/* The first block is small: most arenas of idle connections hold next to nothing.
		 */
		size_t size = b ? BLOCK_BYTES : 512;
		if (size < bytes)
			size = bytes;
		b = must(malloc(sizeof(*b) + size));
		b->next = a->blocks;
		b->used = 0;
		b->size = size;
		a->blocks = b;
	}
	void *p = b->data + b->used;
	b->used += bytes;
	return p;
}

void *arena_try_alloc(struct arena *a, size_t bytes)
{
	if (bytes > SIZE_MAX - ALIGN)
		return NULL;
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (bytes > a->max - a->used)
		return NULL;
	a->used += bytes;
	void *p = block_take(a, bytes);
	memset(p, 0, bytes);
	return p;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	void *p = arena_try_alloc(a, bytes);

	if (!p) {
		fprintf(stderr, "arena '%s' is over its ceiling of %zu bytes\n", a->name, a->max);
		abort();
	}
	return p;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t count)
{
	size_t bytes;

	if (__builtin_mul_overflow(size, count, &bytes))
		abort();
	return arena_alloc(a, bytes);
}

char *arena_cstr(struct arena *a, str s)
{
	char *copy = arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

str arena_str(struct arena *a, str s)
{
	return (str){ arena_cstr(a, s), s.len };
}

str arena_strf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	size_t len = n > 0 ? (size_t)n : 0;
	char *out = arena_alloc(a, len + 1);
	vsnprintf(out, len + 1, fmt, again);
	va_end(again);
	return (str){ out, len };
}

void *arena_push(struct arena *a, void *array_ptr, size_t *count, size_t *cap, size_t size)
{
	void *array;

	memcpy(&array, array_ptr, sizeof(array));
	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 8;
		void *grown = arena_alloc_array(a, size, more);
		if (*count)
			memcpy(grown, array, *count * size);
		array = grown;
		*cap = more;
		memcpy(array_ptr, &array, sizeof(array));
	}
	return (char *)array + size * (*count)++;
}

void arena_defer(struct arena *a, arena_defer_fn *fn, void *arg)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	*d = (struct deferred){ .next = a->deferred, .fn = fn, .arg = arg };
	a->deferred = d;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
