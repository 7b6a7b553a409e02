/* buf.h: text that grows, with a ceiling from birth.
 *
 * Purpose    Build output; a writer adds and adds, and asks once at the end whether all of it
 *            fitted.
 * Ownership  The buf owns its bytes; buf_fini releases them and leaves an empty, usable buf.
 * Threads    One owner at a time.
 * Units      Bytes.
 * Errors     Passing max sets failed, drops what did not fit and all that comes after; buf_ok
 *            tells.
 * Not here   Queues of output (net/conn).
 */
#ifndef BUZON_BASE_BUF_H
#define BUZON_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *ptr;
	size_t len, cap, max;
	bool failed;
};

/* clang-format off */
#define BUF_INIT(limit) { .max = (limit) }
/* clang-format on */
#define AUTO_BUF __attribute__((cleanup(buf_fini))) struct buf

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Empty again, memory kept, failed forgotten. */
void buf_reset(struct buf *b);

void buf_add(struct buf *b, str s);
void buf_addc(struct buf *b, char c);
void buf_addz(struct buf *b, const char *text);
/* printf for what is ours to format: numbers, short names. */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A decimal number, without the cost of printf. */
void buf_addu(struct buf *b, uint64_t n);
/* Room for count bytes at the end; NULL when it would pass max. Follow with buf_grow(count used).
 */
char *buf_space(struct buf *b, size_t count);
void buf_grow(struct buf *b, size_t used);
/* Drops count bytes at the front. */
void buf_consume(struct buf *b, size_t count);
void buf_truncate(struct buf *b, size_t len);

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

static inline str buf_str(const struct buf *b)
{
	return (str){ b->ptr, b->len };
}

/* Little-endian fixed numbers and LEB128 varints, for what goes to disk or over a link. */
void buf_add_u8(struct buf *b, uint8_t n);
void buf_add_u16(struct buf *b, uint16_t n);
void buf_add_u32(struct buf *b, uint32_t n);
void buf_add_u64(struct buf *b, uint64_t n);
void buf_add_varint(struct buf *b, uint64_t n);
/* A varint length and then the bytes. */
void buf_add_counted(struct buf *b, str s);

/* The inverse; total on any input. */
int take_u8(str *in, uint8_t *out);
int take_u16(str *in, uint16_t *out);
int take_u32(str *in, uint32_t *out);
int take_u64(str *in, uint64_t *out);
int take_varint(str *in, uint64_t *out);
int take_counted(str *in, size_t max, str *out);

#endif
