/* A page as bytes: version, count, eight columns, CRC-32C.
 *
 * A column is a mode and its numbers: COLUMN_SAME has one varint for all, COLUMN_EACH one each.
 * UIDs, message ids, modseqs and dates are stored as a first value and then differences, which are
 * the same or small in a mailbox that grows by appending; so the usual page has five columns of a
 * few bytes and three of one to three bytes an entry. */
#include "services/store/crc32c.h"
#include "services/store/page.h"

enum { PAGE_VERSION = 1, CRC_BYTES = 4, VARINT_MAX = 10 };
enum { COLUMN_SAME, COLUMN_EACH };

static uint64_t zigzag(uint64_t difference)
{
	return (difference << 1) ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t n)
{
	return (n >> 1) ^ (0 - (n & 1));
}

/* ---- writing ---- */

static unsigned char *put_varint(unsigned char *at, uint64_t n)
{
	while (n >= 0x80) {
		*at++ = (unsigned char)(n | 0x80);
		n >>= 7;
	}
	*at++ = (unsigned char)n;
	return at;
}

static bool all_same(const uint64_t *n, uint32_t count)
{
	uint64_t differs = 0;

	for (uint32_t i = 1; i < count; i++)
		differs |= n[i] ^ n[0];
	return differs == 0;
}

static unsigned char *put_column(unsigned char *at, const uint64_t *n, uint32_t count)
{
	if (all_same(n, count)) {
		*at++ = COLUMN_SAME;
		return put_varint(at, n[0]);
	}
	*at++ = COLUMN_EACH;
	for (uint32_t i = 0; i < count; i++)
		at = put_varint(at, n[i]);
	return at;
}

/* The first value, then a column of the differences; n is used up. */
static unsigned char *put_differences(unsigned char *at, uint64_t *n, uint32_t count)
{
	at = put_varint(at, n[0]);
	for (uint32_t i = count - 1; i > 0; i--)
		n[i] = zigzag(n[i] - n[i - 1]);
	return count > 1 ? put_column(at, n + 1, count - 1) : at;
}

#define FILL(expression) \
	for (uint32_t i = 0; i < p->count; i++) { \
		const struct store_entry *e = &p->entries[i]; \
		n[i] = (uint64_t)(expression); \
	}

void page_encode(const struct store_page *p, struct buf *out)
{
	uint64_t n[STORE_PAGE_ENTRIES];
	unsigned char *start = (unsigned char *)buf_space(out, PAGE_BYTES_MAX);

	if (!start)
		return;
	unsigned char *at = start;
	*at++ = PAGE_VERSION;
	at = put_varint(at, p->count);
	if (p->count > 0) {
		FILL(e->uid);
		at = put_differences(at, n, p->count);
		FILL(e->message);
		at = put_differences(at, n, p->count);
		FILL(e->modseq);
		at = put_differences(at, n, p->count);
		FILL(e->internal_at);
		at = put_differences(at, n, p->count);
		FILL(zigzag((uint64_t)e->saved_at - (uint64_t)e->internal_at));
		at = put_column(at, n, p->count);
		FILL(e->size);
		at = put_column(at, n, p->count);
		FILL(e->flags);
		at = put_column(at, n, p->count);
		FILL(e->keywords);
		at = put_column(at, n, p->count);
	}
	buf_grow(out, (size_t)(at - start));
	buf_add_u32(out, crc32c(str_new(start, (size_t)(at - start))));
}

/* ---- reading ---- */

/* take_varint with the lengths that are usual here first. */
static int get_varint(str *in, uint64_t *out)
{
	const unsigned char *at = (const unsigned char *)in->ptr;

	if (in->len >= 3) {
		size_t length = at[0] < 0x80 ? 1 : at[1] < 0x80 ? 2 : at[2] < 0x80 ? 3 : 0;
		uint64_t n = at[0] & 0x7fu;
		if (length > 1)
			n |= (uint64_t)(at[1] & 0x7f) << 7;
		if (length > 2)
			n |= (uint64_t)at[2] << 14;
		if (length > 0) {
			*out = n;
			*in = (str){ in->ptr + length, in->len - length };
			return 0;
		}
	}
	return take_varint(in, out);
}

static int get_column(str *in, uint64_t *n, uint32_t count)
{
	uint8_t mode;

	if (take_u8(in, &mode) < 0 || mode > COLUMN_EACH || get_varint(in, &n[0]) < 0)
		return -1;
	if (mode == COLUMN_SAME) {
		for (uint32_t i = 1; i < count; i++)
			n[i] = n[0];
		return 0;
	}
	for (uint32_t i = 1; i < count; i++) {
		if (get_varint(in, &n[i]) < 0)
			return -1;
	}
	return 0;
}

static int get_differences(str *in, uint64_t *n, uint32_t count)
{
	if (get_varint(in, &n[0]) < 0)
		return -1;
	if (count > 1 && get_column(in, n + 1, count - 1) < 0)
		return -1;
	for (uint32_t i = 1; i < count; i++)
		n[i] = n[i - 1] + unzigzag(n[i]);
	return 0;
}

/* UIDs ascend; nothing exceeds its field. */
static int check_uids(const uint64_t *n, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (n[i] == 0 || n[i] >= UINT32_MAX || (i > 0 && n[i] <= n[i - 1]))
			return -1;
	}
	return 0;
}

static int check_below(const uint64_t *n, uint32_t count, uint64_t limit)
{
	for (uint32_t i = 0; i < count; i++) {
		if (n[i] >= limit)
			return -1;
	}
	return 0;
}

#define STORE_TO(field, type) \
	for (uint32_t i = 0; i < p->count; i++) \
		p->entries[i].field = (type)(n[i]);

static int get_entries(str *in, struct store_page *p)
{
	uint64_t n[STORE_PAGE_ENTRIES];

	if (get_differences(in, n, p->count) < 0 || check_uids(n, p->count) < 0)
		return -1;
	STORE_TO(uid, uint32_t);
	if (get_differences(in, n, p->count) < 0)
		return -1;
	STORE_TO(message, uint64_t);
	if (get_differences(in, n, p->count) < 0)
		return -1;
	STORE_TO(modseq, uint64_t);
	if (get_differences(in, n, p->count) < 0)
		return -1;
	STORE_TO(internal_at, int64_t);
	if (get_column(in, n, p->count) < 0)
		return -1;
	for (uint32_t i = 0; i < p->count; i++)
		n[i] = (uint64_t)p->entries[i].internal_at + unzigzag(n[i]);
	if (check_below(n, p->count, 1ull << 32) < 0)
		return -1;
	STORE_TO(saved_at, uint32_t);
	if (get_column(in, n, p->count) < 0 || check_below(n, p->count, 1ull << 32) < 0)
		return -1;
	STORE_TO(size, uint32_t);
	if (get_column(in, n, p->count) < 0 || check_below(n, p->count, 32) < 0)
		return -1;
	STORE_TO(flags, uint32_t);
	if (get_column(in, n, p->count) < 0)
		return -1;
	STORE_TO(keywords, uint64_t);
	return 0;
}

int page_decode(str bytes, uint32_t start, struct store_page **out, struct err *err)
{
	uint8_t version;
	uint64_t count;
	uint32_t sum;

	if (bytes.len < CRC_BYTES)
		return err_set(err, ERR_INPUT, "mailbox page is cut short");
	str in = str_sub(bytes, 0, bytes.len - CRC_BYTES);
	str tail = str_skip(bytes, in.len);
	if (take_u32(&tail, &sum) < 0 || sum != crc32c(in))
		return err_set(err, ERR_INPUT, "mailbox page has a wrong checksum");
	if (take_u8(&in, &version) < 0 || version != PAGE_VERSION || take_varint(&in, &count) < 0 ||
	    count > STORE_PAGE_ENTRIES)
		return err_set(err, ERR_INPUT, "mailbox page is of an unknown kind");
	struct store_page *p = page_new(start, (uint32_t)count);
	p->count = (uint32_t)count;
	if ((count > 0 && get_entries(&in, p) < 0) || in.len > 0) {
		page_unref(p);
		return err_set(err, ERR_INPUT, "mailbox page makes no sense");
	}
	*out = p;
	return 0;
}
