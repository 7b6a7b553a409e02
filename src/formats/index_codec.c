/* index_codec.c: message_index as bytes and back.
 *
 * The order is: version, envelope, body structure (so that a peek reads nothing else), numbers,
 * texts, ranges, parts. Decoding takes nothing on trust: what comes back can be used to cut slices
 * out of a message of index->bytes bytes without further checks. */
#include "formats/message_index.h"

#include "formats/mime.h"

enum { TEXT_MAX_BYTES = 16 << 20, BCC_MAX = 8 };

/* The texts behind envelope and body structure, in the order of the encoding. */
static const size_t texts[] = {
	offsetof(struct message_index, message_id),
	offsetof(struct message_index, subject),
	offsetof(struct message_index, from),
	offsetof(struct message_index, sender),
	offsetof(struct message_index, search_from),
	offsetof(struct message_index, search_to),
	offsetof(struct message_index, search_cc),
	offsetof(struct message_index, search_bcc),
	offsetof(struct message_index, delivered_to),
	offsetof(struct message_index, thread_refs),
	offsetof(struct message_index, preview),
};
enum { TEXT_COUNT = sizeof(texts) / sizeof(texts[0]) };

static str *text_at(struct message_index *index, size_t i)
{
	return (str *)(void *)((char *)index + texts[i]);
}

static str text_of(const struct message_index *index, size_t i)
{
	str s;

	memcpy(&s, (const char *)index + texts[i], sizeof(s));
	return s;
}

static uint64_t zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)((n >> 1) ^ (n & 1 ? UINT64_MAX : 0));
}

/* Offsets are written as distances, most of which fit one or two bytes: the parent's number plus one,
 * the header from the parent's body, the body from the header. */
static void encode_part(const struct message_index *index, uint32_t i, struct buf *out)
{
	const struct index_part *p = &index->parts[i];
	uint64_t base = i > 0 ? index->parts[p->parent].body_at : 0;

	buf_add_varint(out, i > 0 ? (uint64_t)p->parent + 1 : 0);
	buf_add_varint(out, p->number);
	buf_add_u8(out, (uint8_t)(p->kind | p->encoding << 4));
	buf_add_varint(out, p->header_at - base);
	buf_add_varint(out, p->header_bytes);
	buf_add_varint(out, p->body_at - (p->header_at + p->header_bytes));
	buf_add_varint(out, p->body_bytes);
	buf_add_varint(out, p->lines);
	buf_add_counted(out, p->type);
	buf_add_counted(out, p->charset);
}

void message_index_encode(const struct message_index *index, struct buf *out)
{
	buf_add_u8(out, INDEX_VERSION);
	buf_add_counted(out, index->envelope);
	buf_add_counted(out, index->bodystructure);
	buf_add_varint(out, index->flags);
	buf_add_varint(out, index->received_count);
	buf_add_varint(out, index->bytes);
	buf_add_varint(out, index->header_bytes);
	buf_add_varint(out, zigzag(index->sent_at));
	for (size_t i = 0; i < TEXT_COUNT; i++)
		buf_add_counted(out, text_of(index, i));
	buf_add_varint(out, index->bcc_count);
	for (uint32_t i = 0; i < index->bcc_count; i++) {
		buf_add_varint(out, index->bcc[i].at);
		buf_add_varint(out, index->bcc[i].bytes);
	}
	buf_add_varint(out, index->part_count);
	for (uint32_t i = 0; i < index->part_count; i++)
		encode_part(index, i, out);
}

static int take_u32_varint(str *in, uint32_t max, uint32_t *out)
{
	uint64_t n;

	if (take_varint(in, &n) < 0 || n > max)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

static int decode_numbers(str *in, struct message_index *out)
{
	uint64_t sent_at;

	if (take_u32_varint(in, UINT32_MAX, &out->flags) < 0 ||
	    take_u32_varint(in, UINT32_MAX, &out->received_count) < 0 ||
	    take_varint(in, &out->bytes) < 0 || take_varint(in, &out->header_bytes) < 0 ||
	    take_varint(in, &sent_at) < 0)
		return -1;
	out->sent_at = unzigzag(sent_at);
	return out->header_bytes > out->bytes ? -1 : 0;
}

static bool is_within(uint64_t at, uint64_t bytes, uint64_t end)
{
	return at <= end && bytes <= end - at;
}

static int decode_bcc(str *in, struct message_index *out)
{
	if (take_u32_varint(in, BCC_MAX, &out->bcc_count) < 0)
		return -1;
	uint64_t from = 0;
	for (uint32_t i = 0; i < out->bcc_count; i++) {
		struct index_range *r = &out->bcc[i];
		if (take_varint(in, &r->at) < 0 || take_varint(in, &r->bytes) < 0)
			return -1;
		/* Ascending and apart, so that whoever cuts them out goes forward only. */
		if (r->at < from || !is_within(r->at, r->bytes, out->header_bytes))
			return -1;
		from = r->at + r->bytes;
	}
	return 0;
}

/* The numbers of one part; -1 unless they lie inside the message. */
static int decode_place(
    str *in, const struct message_index *index, uint32_t i, struct index_part *p)
{
	uint64_t base = i > 0 ? index->parts[p->parent].body_at : 0, header_at, gap;

	if (take_varint(in, &header_at) < 0 || take_varint(in, &p->header_bytes) < 0 ||
	    take_varint(in, &gap) < 0 || take_varint(in, &p->body_bytes) < 0 ||
	    take_u32_varint(in, UINT32_MAX, &p->lines) < 0)
		return -1;
	if (header_at > index->bytes - base)
		return -1;
	p->header_at = base + header_at;
	if (!is_within(p->header_at, p->header_bytes, index->bytes))
		return -1;
	p->body_at = p->header_at + p->header_bytes;
	if (gap > index->bytes - p->body_at)
		return -1;
	p->body_at += gap;
	return is_within(p->body_at, p->body_bytes, index->bytes) ? 0 : -1;
}

/* A parent comes before its children and is a container; depth-first, so a part's parent is the part
 * before it or an ancestor of that. */
static bool is_parent_possible(const struct message_index *index, uint32_t i, uint32_t parent)
{
	if (parent >= i || index->parts[parent].kind == PART_LEAF)
		return false;
	uint32_t at = i - 1;
	while (at != parent && at > parent)
		at = index->parts[at].parent;
	return at == parent;
}

static int decode_part(str *in, struct message_index *index, uint32_t i)
{
	struct index_part *p = &index->parts[i];
	uint32_t parent;
	uint8_t kinds;

	if (take_u32_varint(in, i, &parent) < 0 || (i == 0) != (parent == 0) ||
	    take_u32_varint(in, MIME_PARTS_MAX, &p->number) < 0 || p->number == 0 ||
	    take_u8(in, &kinds) < 0)
		return -1;
	p->parent = i > 0 ? parent - 1 : UINT32_MAX;
	p->kind = kinds & 0xf;
	p->encoding = kinds >> 4;
	if (p->kind > PART_MESSAGE || p->encoding > ENCODING_OTHER)
		return -1;
	if (i > 0 && !is_parent_possible(index, i, p->parent))
		return -1;
	if (decode_place(in, index, i, p) < 0 || take_counted(in, MIME_TYPE_MAX, &p->type) < 0)
		return -1;
	return take_counted(in, MIME_CHARSET_MAX, &p->charset);
}

/* Every container has a child; a message exactly one. Depth-first: the first child comes next. */
static bool is_tree_whole(const struct message_index *index)
{
	for (uint32_t i = 0; i < index->part_count; i++) {
		const struct index_part *p = &index->parts[i];
		bool is_message_child = i > 0 && index->parts[p->parent].kind == PART_MESSAGE;
		if (is_message_child && p->parent != i - 1)
			return false;
		if (p->kind != PART_LEAF &&
		    (i + 1 == index->part_count || index->parts[i + 1].parent != i))
			return false;
	}
	return true;
}

static int decode_parts(str *in, struct arena *a, struct message_index *out)
{
	if (take_u32_varint(in, MIME_PARTS_MAX, &out->part_count) < 0 || out->part_count == 0)
		return -1;
	out->parts = arena_array(a, struct index_part, out->part_count);
	for (uint32_t i = 0; i < out->part_count; i++) {
		if (decode_part(in, out, i) < 0)
			return -1;
	}
	return is_tree_whole(out) ? 0 : -1;
}

static int decode_head(str *in, str *out_envelope, str *out_bodystructure, struct err *err)
{
	uint8_t version;

	if (take_u8(in, &version) < 0)
		return err_set(err, ERR_INPUT, "the message index is empty");
	if (version != INDEX_VERSION)
		return err_set(err, ERR_INPUT,
		    "the message index is of version %u, this program reads %u", version,
		    (unsigned)INDEX_VERSION);
	if (take_counted(in, TEXT_MAX_BYTES, out_envelope) < 0 ||
	    take_counted(in, TEXT_MAX_BYTES, out_bodystructure) < 0)
		return err_set(err, ERR_INPUT, "the message index is damaged at its beginning");
	return 0;
}

/* Everything up to the ranges. */
static int decode_texts(str *in, struct message_index *index, struct err *err)
{
	if (decode_head(in, &index->envelope, &index->bodystructure, err) < 0)
		return -1;
	if (decode_numbers(in, index) < 0)
		return err_set(err, ERR_INPUT, "the message index has damaged numbers");
	for (size_t i = 0; i < TEXT_COUNT; i++) {
		if (take_counted(in, TEXT_MAX_BYTES, text_at(index, i)) < 0)
			return err_set(err, ERR_INPUT, "the message index has damaged texts");
	}
	return 0;
}

int message_index_decode(str bytes, struct arena *a, struct message_index *out, struct err *err)
{
	struct message_index index = { .flags = 0 };
	str in = bytes;

	if (decode_texts(&in, &index, err) < 0)
		return -1;
	if (decode_bcc(&in, &index) < 0)
		return err_set(err, ERR_INPUT, "the message index has damaged ranges");
	if (decode_parts(&in, a, &index) < 0)
		return err_set(err, ERR_INPUT, "the message index has a damaged part");
	if (in.len > 0)
		return err_set(err, ERR_INPUT, "the message index has %zu bytes too many", in.len);
	*out = index;
	return 0;
}

int message_index_peek_texts(str bytes, struct message_index *out, struct err *err)
{
	struct message_index index = { .flags = 0 };

	if (decode_texts(&bytes, &index, err) < 0)
		return -1;
	*out = index;
	return 0;
}

int message_index_peek(str bytes, str *out_envelope, str *out_bodystructure, struct err *err)
{
	str in = bytes, envelope, bodystructure;

	if (decode_head(&in, &envelope, &bodystructure, err) < 0)
		return -1;
	*out_envelope = envelope;
	*out_bodystructure = bodystructure;
	return 0;
}

int message_index_peek_flags(str bytes, uint32_t *out, struct err *err)
{
	str in = bytes, envelope, bodystructure;
	uint64_t flags;

	if (decode_head(&in, &envelope, &bodystructure, err) < 0)
		return -1;
	if (take_varint(&in, &flags) < 0 || flags > UINT32_MAX)
		return err_set(err, ERR_INPUT, "the message index is cut short");
	*out = (uint32_t)flags;
	return 0;
}

void message_index_shift(struct message_index *index, uint64_t delta)
{
	index->bytes += delta;
	index->header_bytes += delta;
	for (uint32_t i = 0; i < index->bcc_count; i++)
		index->bcc[i].at += delta;
	for (uint32_t i = 0; i < index->part_count; i++) {
		struct index_part *p = &index->parts[i];
		p->body_at += delta;
		/* The new field became part of the first header, which still begins at 0. */
		if (i == 0)
			p->header_bytes += delta;
		else
			p->header_at += delta;
	}
}

static const struct index_part *find_child(
    const struct message_index *index, uint32_t parent, uint32_t number)
{
	for (uint32_t i = parent + 1; i < index->part_count; i++) {
		const struct index_part *p = &index->parts[i];
		if (p->parent < parent)
			return NULL; /* behind the parent's subtree */
		if (p->parent == parent && p->number == number)
			return p;
	}
	return NULL;
}

const struct index_part *message_index_part(
    const struct message_index *index, const uint32_t *numbers, size_t count)
{
	const struct index_part *part = &index->parts[0];

	for (size_t i = 0; i < count; i++) {
		/* A number inside a message part counts the parts of the inner message. */
		if (i > 0 && part->kind == PART_LEAF)
			return NULL;
		if (i > 0 && part->kind == PART_MESSAGE)
			part++;
		if (part->kind == PART_MULTIPART)
			part = find_child(index, (uint32_t)(part - index->parts), numbers[i]);
		else if (numbers[i] != 1)
			return NULL;
		if (!part)
			return NULL;
	}
	return part;
}
