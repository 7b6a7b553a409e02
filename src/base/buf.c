#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_fini(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf)BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Small allocations do not fail: the process stops, and its supervisor starts another. */
static void buf_resize(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > b->max)
		cap = b->max;
	char *grown = realloc(b->ptr, cap);
	if (!grown)
		abort();
	b->ptr = grown;
	b->cap = cap;
}

char *buf_space(struct buf *b, size_t count)
{
	if (b->failed || count > b->max - b->len) {
		b->failed = true;
		return NULL;
	}
	if (count > b->cap - b->len || !b->ptr)
		buf_resize(b, b->len + (count ? count : 1));
	return b->ptr + b->len;
}

void buf_grow(struct buf *b, size_t used)
{
	b->len += used;
}

void buf_add(struct buf *b, str s)
{
	if (s.len == 0)
		return;
	char *to = buf_space(b, s.len);
	if (!to)
		return;
	memcpy(to, s.ptr, s.len);
	b->len += s.len;
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, (str){ &c, 1 });
}

void buf_addz(struct buf *b, const char *text)
{
	buf_add(b, str_c(text));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char small[512];
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		buf_add(b, (str){ small, (size_t)n });
	} else if (n >= 0) {
		char *big = malloc((size_t)n + 1);
		if (!big)
			abort();
		vsnprintf(big, (size_t)n + 1, fmt, again);
		buf_add(b, (str){ big, (size_t)n });
		free(big);
	}
	va_end(again);
}

void buf_addu(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	buf_add(b, (str){ digits + at, sizeof(digits) - at });
}

void buf_consume(struct buf *b, size_t count)
{
	if (count >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->ptr, b->ptr + count, b->len - count);
	b->len -= count;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len < b->len)
		b->len = len;
}

static void add_le(struct buf *b, uint64_t n, size_t bytes)
{
	unsigned char le[8];

	for (size_t i = 0; i < bytes; i++)
		le[i] = (unsigned char)(n >> (8 * i));
	buf_add(b, str_new(le, bytes));
}

void buf_add_u8(struct buf *b, uint8_t n)
{
	add_le(b, n, 1);
}

void buf_add_u16(struct buf *b, uint16_t n)
{
	add_le(b, n, 2);
}

void buf_add_u32(struct buf *b, uint32_t n)
{
	add_le(b, n, 4);
}

void buf_add_u64(struct buf *b, uint64_t n)
{
	add_le(b, n, 8);
}

void buf_add_varint(struct buf *b, uint64_t n)
{
	unsigned char out[10];
	size_t len = 0;

	while (n >= 0x80) {
		out[len++] = (unsigned char)(n | 0x80);
		n >>= 7;
	}
	out[len++] = (unsigned char)n;
	buf_add(b, str_new(out, len));
}

void buf_add_counted(struct buf *b, str s)
{
	buf_add_varint(b, s.len);
	buf_add(b, s);
}

static int take_le(str *in, size_t bytes, uint64_t *out)
{
	uint64_t n = 0;

	if (in->len < bytes)
		return -1;
	for (size_t i = 0; i < bytes; i++)
		n |= (uint64_t)(unsigned char)in->ptr[i] << (8 * i);
	*in = str_skip(*in, bytes);
	*out = n;
	return 0;
}

int take_u8(str *in, uint8_t *out)
{
	uint64_t n;

	if (take_le(in, 1, &n) < 0)
		return -1;
	*out = (uint8_t)n;
	return 0;
}

int take_u16(str *in, uint16_t *out)
{
	uint64_t n;

	if (take_le(in, 2, &n) < 0)
		return -1;
	*out = (uint16_t)n;
	return 0;
}

int take_u32(str *in, uint32_t *out)
{
	uint64_t n;

	if (take_le(in, 4, &n) < 0)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

int take_u64(str *in, uint64_t *out)
{
	return take_le(in, 8, out);
}

int take_varint(str *in, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < in->len && i < 10; i++) {
		unsigned char c = (unsigned char)in->ptr[i];
		if (i == 9 && c > 1)
			return -1;
		n |= (uint64_t)(c & 0x7f) << (7 * i);
		if (!(c & 0x80)) {
			*in = str_skip(*in, i + 1);
			*out = n;
			return 0;
		}
	}
	return -1;
}

int take_counted(str *in, size_t max, str *out)
{
	str at = *in;
	uint64_t len;

	if (take_varint(&at, &len) < 0 || len > at.len || len > max)
		return -1;
	*out = str_sub(at, 0, (size_t)len);
	*in = str_skip(at, (size_t)len);
	return 0;
}
