#include "formats/part_text.h"

#include "formats/charset.h"
#include "formats/header.h"
#include "formats/html_text.h"
#include "formats/word.h"

str part_body(const struct index_part *part, str message)
{
	return str_sub(message, part->body_at, part->body_bytes);
}

str part_header(const struct index_part *part, str message)
{
	return str_sub(message, part->header_at, part->header_bytes);
}

bool part_is_text(const struct index_part *part)
{
	return part->kind == PART_LEAF && str_starts(part->type, STR("text/"));
}

/* ---- decoding ---- */

/* RFC 2045 §6.4: multiparts and messages are never encoded, whatever their header says. */
static void begin(struct part_decoder *d, const struct index_part *part, str message)
{
	*d = (struct part_decoder){ .rest = part_body(part, message),
		.encoding = part->kind == PART_LEAF ? (enum part_encoding)part->encoding
		                                    : ENCODING_BINARY };
}

int part_decoder_init(
    struct part_decoder *d, const struct index_part *part, str message, struct err *err)
{
	if (part->kind == PART_LEAF && part->encoding == ENCODING_OTHER)
		return err_set(err, ERR_INPUT,
		    "the part has a transfer encoding that this server does not know");
	begin(d, part, message);
	return 0;
}

static void decode_piece(struct part_decoder *d, str piece, struct buf *out)
{
	if (d->encoding == ENCODING_BASE64)
		base64_stream_feed(&d->base64, piece, out);
	else if (d->encoding == ENCODING_QP)
		qp_stream_feed(&d->qp, piece, out);
	else
		buf_add(out, piece);
}

static void decode_end(struct part_decoder *d, struct buf *out)
{
	if (d->encoding == ENCODING_BASE64)
		base64_stream_end(&d->base64, out);
	else if (d->encoding == ENCODING_QP)
		qp_stream_end(&d->qp, out);
}

bool part_decoder_next(struct part_decoder *d, struct buf *out)
{
	if (d->done)
		return false;
	decode_piece(d, str_sub(d->rest, 0, PART_CHUNK_BYTES), out);
	d->rest = str_skip(d->rest, PART_CHUNK_BYTES);
	if (d->rest.len == 0) {
		decode_end(d, out);
		d->done = true;
	}
	return true;
}

int part_decode(const struct index_part *part, str message, struct buf *out, struct err *err)
{
	struct part_decoder d;

	if (part_decoder_init(&d, part, message, err) < 0)
		return -1;
	while (buf_ok(out) && part_decoder_next(&d, out))
		;
	if (!buf_ok(out))
		return err_set(
		    err, ERR_LIMIT, "the decoded part is larger than %zu bytes", out->max);
	return 0;
}

int part_decoded_bytes(const struct index_part *part, str message, uint64_t *out, struct err *err)
{
	AUTO_BUF piece = BUF_INIT((size_t)2 * PART_CHUNK_BYTES);
	struct part_decoder d;
	uint64_t bytes = 0;

	if (part_decoder_init(&d, part, message, err) < 0)
		return -1;
	while (part_decoder_next(&d, &piece)) {
		bytes += piece.len;
		buf_reset(&piece);
	}
	*out = bytes;
	return 0;
}

/* ---- text ---- */

/* A cut can leave half a character, which would make UTF-8 look like something else. */
static str without_half_character(str s)
{
	for (int i = 0; i < 4 && s.len > 0 && (unsigned char)s.ptr[s.len - 1] >= 0x80; i++)
		s.len--;
	return s;
}

/* Body without its transfer encoding; no copy when there is none. */
static str decoded(const struct index_part *part, str message, size_t max_raw, struct buf *keep)
{
	struct part_decoder d;

	begin(&d, part, message);
	bool is_cut = d.rest.len > max_raw;
	d.rest = str_sub(d.rest, 0, max_raw);
	str text = d.rest;
	if (d.encoding == ENCODING_BASE64 || d.encoding == ENCODING_QP) {
		while (part_decoder_next(&d, keep))
			;
		text = buf_str(keep);
	}
	return is_cut ? without_half_character(text) : text;
}

void part_text(const struct index_part *part, str message, size_t max_raw, struct buf *out)
{
	if (!part_is_text(part))
		return;
	if (max_raw > SEARCH_PART_MAX_BYTES)
		max_raw = SEARCH_PART_MAX_BYTES;
	AUTO_BUF keep = BUF_INIT(2 * max_raw + QP_HELD);
	str raw = decoded(part, message, max_raw, &keep);
	str charset = part->charset.len > 0 ? part->charset : STR("us-ascii");
	if (!str_eq(part->type, STR("text/html"))) {
		charset_to_utf8(charset, raw, out->max - out->len, out);
		return;
	}
	/* One byte of a single-byte charset becomes three at most. */
	AUTO_BUF html = BUF_INIT(3 * raw.len + 16);
	charset_to_utf8(charset, raw, html.max, &html);
	html_text(buf_str(&html), out);
}

/* ---- searching ---- */

bool text_contains(str folded_haystack, str folded_needle)
{
	return str_find(folded_haystack, folded_needle) != STR_NPOS;
}

static bool contains_unfolded(str utf8, str folded_needle)
{
	/* Compatibility forms can grow: U+FDFA becomes eighteen characters. */
	AUTO_BUF folded = BUF_INIT(utf8.len * 12 + 64);

	text_fold(utf8, &folded);
	return text_contains(buf_str(&folded), folded_needle);
}

/* Most fields have nothing to decode, and searching reads very many of them. */
static void add_decoded(str value, struct buf *out)
{
	if (!str_is_ascii(value) || str_find(value, STR("=?")) != STR_NPOS) {
		word_decode(value, out);
		return;
	}
	while (value.len > 0) {
		size_t n = 0;
		while (n < value.len && value.ptr[n] != '\r' && value.ptr[n] != '\n')
			n++;
		buf_add(out, str_sub(value, 0, n));
		value = str_skip(value, n + 1);
	}
}

/* "Name: value" of each field, a line each. Folded field by field: one with letters outside ASCII,
 * which cost much more, does not slow the others down. */
static bool in_header(str block, str needle)
{
	AUTO_BUF text = BUF_INIT(4 * block.len + 64);
	AUTO_BUF folded = BUF_INIT(48 * block.len + 64);
	struct header_field field;

	while (header_next(&block, &field)) {
		if (field.name.len == 0)
			continue;
		buf_reset(&text);
		buf_add(&text, field.name);
		buf_addc(&text, ':');
		add_decoded(field.value, &text);
		buf_addc(&text, '\n');
		text_fold(buf_str(&text), &folded);
	}
	return text_contains(buf_str(&folded), needle);
}

static bool in_part(const struct index_part *part, str message, str needle)
{
	/* Reports (message/delivery-status and the like) are text as well. */
	bool is_report = part->kind == PART_LEAF && str_starts(part->type, STR("message/"));
	if (!part_is_text(part) && !is_report)
		return false;
	AUTO_BUF text = BUF_INIT((size_t)3 * SEARCH_PART_MAX_BYTES);
	part_text(part, message, SEARCH_PART_MAX_BYTES, &text);
	return contains_unfolded(buf_str(&text), needle);
}

/* Headers of inner messages belong to the body; MIME headers of other parts only to TEXT. RFC 9051
 * §6.4.4. */
static bool has_searched_header(
    const struct message_index *index, const struct index_part *part, unsigned where)
{
	if (part->parent == UINT32_MAX)
		return where & SEARCH_IN_HEADER;
	bool is_message = index->parts[part->parent].kind == PART_MESSAGE;
	return (where & SEARCH_IN_BODY) && (is_message || (where & SEARCH_IN_HEADER));
}

bool search_text(const struct message_index *index, str message, unsigned where, str folded_needle)
{
	for (uint32_t i = 0; i < index->part_count; i++) {
		const struct index_part *part = &index->parts[i];
		if (has_searched_header(index, part, where) &&
		    in_header(part_header(part, message), folded_needle))
			return true;
		if ((where & SEARCH_IN_BODY) && in_part(part, message, folded_needle))
			return true;
	}
	return false;
}

bool search_header(str header_block, str name, str folded_needle)
{
	struct header_field field;

	while (header_next(&header_block, &field)) {
		if (!str_ieq(field.name, name))
			continue;
		AUTO_BUF text = BUF_INIT(4 * field.value.len + 64);
		add_decoded(field.value, &text);
		if (folded_needle.len == 0 || contains_unfolded(buf_str(&text), folded_needle))
			return true;
	}
	return false;
}
