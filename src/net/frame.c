#include "net/frame.h"

#include <string.h>

/* Struct members are reached with memcpy at their offset: no casts between types, and the compiler
 * makes plain loads and stores of them. */
static uint64_t load_number(const struct frame_field *f, const char *at)
{
	bool b;
	uint32_t u32;
	uint64_t u64;
	int64_t i64;

	switch (f->type) {
	case FIELD_BOOL:
		memcpy(&b, at, sizeof(b));
		return b;
	case FIELD_U32:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	case FIELD_I64:
		/* Zigzag, so that small negative numbers stay short. */
		memcpy(&i64, at, sizeof(i64));
		return ((uint64_t)i64 << 1) ^ (i64 < 0 ? UINT64_MAX : 0);
	case FIELD_U64:
	case FIELD_STR:
		break;
	}
	memcpy(&u64, at, sizeof(u64));
	return u64;
}

static void store_number(const struct frame_field *f, char *at, uint64_t n)
{
	bool b = n != 0;
	uint32_t u32 = (uint32_t)n;
	int64_t i64 = (int64_t)((n >> 1) ^ (n & 1 ? UINT64_MAX : 0));

	switch (f->type) {
	case FIELD_BOOL:
		memcpy(at, &b, sizeof(b));
		return;
	case FIELD_U32:
		memcpy(at, &u32, sizeof(u32));
		return;
	case FIELD_I64:
		memcpy(at, &i64, sizeof(i64));
		return;
	case FIELD_U64:
	case FIELD_STR:
		break;
	}
	memcpy(at, &n, sizeof(n));
}

int frame_encode(const struct frame_def *def, const void *in, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < def->field_count; i++) {
		const struct frame_field *f = &def->fields[i];
		const char *at = (const char *)in + f->offset;
		str s;

		if (f->type != FIELD_STR) {
			buf_add_varint(out, load_number(f, at));
			continue;
		}
		memcpy(&s, at, sizeof(s));
		if (s.len > f->max)
			return err_set(err, ERR_LIMIT,
			    "frame '%s': field '%s' has %zu bytes, more than %zu", def->name,
			    f->name, s.len, f->max);
		buf_add_counted(out, s);
	}
	if (!buf_ok(out))
		return err_set(
		    err, ERR_LIMIT, "frame '%s' is larger than %zu bytes", def->name, out->max);
	return 0;
}

/* The shortest form only, so that each struct has exactly one encoding. */
static int take_shortest(str *in, uint64_t *out)
{
	str at = *in;

	if (take_varint(&at, out) < 0)
		return -1;
	size_t used = in->len - at.len;
	if (used > 1 && in->ptr[used - 1] == 0)
		return -1;
	*in = at;
	return 0;
}

static uint64_t field_max(const struct frame_field *f)
{
	switch (f->type) {
	case FIELD_BOOL:
		return 1;
	case FIELD_U32:
		return UINT32_MAX;
	case FIELD_STR:
		return f->max;
	case FIELD_U64:
	case FIELD_I64:
		break;
	}
	return UINT64_MAX;
}

static int decode_field(const struct frame_field *f, str *in, char *at)
{
	uint64_t n;

	if (take_shortest(in, &n) < 0 || n > field_max(f))
		return -1;
	if (f->type != FIELD_STR) {
		store_number(f, at, n);
		return 0;
	}
	if (n > in->len)
		return -1;
	str s = str_sub(*in, 0, (size_t)n);
	*in = str_skip(*in, (size_t)n);
	memcpy(at, &s, sizeof(s));
	return 0;
}

int frame_decode(const struct frame_def *def, str payload, void *out, struct err *err)
{
	memset(out, 0, def->struct_bytes);
	for (size_t i = 0; i < def->field_count; i++) {
		const struct frame_field *f = &def->fields[i];
		if (decode_field(f, &payload, (char *)out + f->offset) < 0) {
			memset(out, 0, def->struct_bytes);
			return err_set(err, ERR_INPUT, "frame '%s': field '%s' is malformed",
			    def->name, f->name);
		}
	}
	if (payload.len > 0) {
		memset(out, 0, def->struct_bytes);
		return err_set(
		    err, ERR_INPUT, "frame '%s': %zu bytes too many", def->name, payload.len);
	}
	return 0;
}
