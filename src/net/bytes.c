/* bytes.c: a queue of bytes that gives its memory back when it is empty. */
#include <stdlib.h>

#include "base/secret.h"
#include "net/conn_impl.h"

static void wipe(const struct bytes *b, char *from, size_t count)
{
	if (b->is_secret)
		secret_wipe(from, count);
}

void bytes_free(struct bytes *b)
{
	wipe(b, b->ptr, b->start + b->len);
	free(b->ptr);
	*b = (struct bytes){ .is_secret = b->is_secret };
}

/* Not realloc, which leaves the old bytes where they were. */
static void grow(struct bytes *b, size_t cap)
{
	char *grown = malloc(cap);

	if (!grown)
		abort();
	if (b->ptr)
		memcpy(grown, b->ptr + b->start, b->len);
	wipe(b, b->ptr, b->start + b->len);
	free(b->ptr);
	b->ptr = grown;
	b->start = 0;
	b->cap = cap;
}

char *bytes_space(struct bytes *b, size_t count)
{
	/* Moving costs no more than what was consumed since the last move. */
	if (b->start > 0 && b->start >= b->len && b->start + b->len + count > b->cap) {
		memmove(b->ptr, b->ptr + b->start, b->len);
		wipe(b, b->ptr + b->len, b->start);
		b->start = 0;
	}
	size_t need = b->start + b->len + count;
	if (need > b->cap || !b->ptr)
		grow(b, b->cap * 2 > need ? b->cap * 2 : need);
	return b->ptr + b->start + b->len;
}

void bytes_add(struct bytes *b, str s)
{
	if (s.len == 0)
		return;
	memcpy(bytes_space(b, s.len), s.ptr, s.len);
	b->len += s.len;
}

void bytes_consume(struct bytes *b, size_t count)
{
	if (count >= b->len) {
		bytes_free(b);
		return;
	}
	b->start += count;
	b->len -= count;
}
