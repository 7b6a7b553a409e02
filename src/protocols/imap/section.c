#include "protocols/imap/section.h"

#include "formats/header.h"
#include "formats/part_text.h"

static bool is_listed(str name, const str *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(fields[i], name))
			return true;
	return false;
}

void section_header_fields(
    str header, const str *fields, size_t count, bool except, struct buf *out)
{
	struct header_field field;

	while (header_next(&header, &field)) {
		bool listed = field.name.len && is_listed(field.name, fields, count);
		if (listed != except)
			buf_add(out, field.whole);
	}
	/* RFC 9051 §7.5.2: subsetting keeps the delimiting line, where there is one. */
	buf_add(out, header);
}

/* ---- parts ------------------------------------------------------------------------------------
 */

static bool cut(str message, uint64_t at, uint64_t bytes, str *out)
{
	if (at > message.len || bytes > message.len - at)
		return false;
	*out = str_sub(message, (size_t)at, (size_t)bytes);
	return true;
}

/* HEADER and TEXT behind a path are those of the message inside that part. RFC 9051 §6.4.5. */
static const struct index_part *inner_message(
    const struct message_index *index, const struct index_part *part)
{
	if (part->kind != PART_MESSAGE)
		return NULL;
	uint32_t at = (uint32_t)(part - index->parts);
	return at + 1 < index->part_count && index->parts[at + 1].parent == at ? part + 1 : NULL;
}

static const struct index_part *find_part(
    const struct imap_section *s, const struct message_index *index)
{
	if (!index->part_count)
		return NULL;
	if (!s->depth)
		return &index->parts[0];
	const struct index_part *part = message_index_part(index, s->path, s->depth);
	if (part && s->text != SECTION_WHOLE && s->text != SECTION_MIME)
		return inner_message(index, part);
	return part;
}

static str keep_partial(const struct imap_section *s, str bytes)
{
	if (!s->partial)
		return bytes;
	if (s->offset >= bytes.len)
		return str_sub(bytes, bytes.len, 0);
	uint64_t left = bytes.len - s->offset;
	return str_sub(bytes, (size_t)s->offset, (size_t)(s->length < left ? s->length : left));
}

static enum section_found get_binary(const struct imap_section *s,
    const struct message_index *index, str message, struct buf *made, str *out)
{
	if (!s->depth) {
		*out = message;
		return SECTION_FOUND;
	}
	const struct index_part *part = find_part(s, index);
	str body;
	if (!part || !cut(message, part->body_at, part->body_bytes, &body))
		return SECTION_MISSING;
	if (part->kind != PART_LEAF) {
		*out = body;
		return SECTION_FOUND;
	}
	size_t start = made->len;
	if (part_decode(part, message, made, NULL) < 0)
		return SECTION_UNKNOWN_CTE;
	*out = str_skip(buf_str(made), start);
	return SECTION_FOUND;
}

static enum section_found get_text(const struct imap_section *s, const struct message_index *index,
    str message, struct buf *made, str *out)
{
	const struct index_part *part = find_part(s, index);
	str header, body;

	if (!part || !cut(message, part->header_at, part->header_bytes, &header) ||
	    !cut(message, part->body_at, part->body_bytes, &body))
		return SECTION_MISSING;
	size_t start = made->len;
	switch (s->text) {
	case SECTION_WHOLE:
	case SECTION_TEXT:
		*out = body;
		break;
	case SECTION_HEADER:
	case SECTION_MIME:
		*out = header;
		break;
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		section_header_fields(
		    header, s->fields, s->field_count, s->text == SECTION_FIELDS_NOT, made);
		*out = str_skip(buf_str(made), start);
		break;
	}
	return SECTION_FOUND;
}

enum section_found section_get(const struct imap_section *s, const struct message_index *index,
    str message, struct buf *made, str *out)
{
	enum section_found found = SECTION_FOUND;
	str bytes = message;

	if (s->form != FORM_BODY)
		found = get_binary(s, index, message, made, &bytes);
	else if (s->depth || s->text != SECTION_WHOLE)
		found = get_text(s, index, message, made, &bytes);
	if (found == SECTION_FOUND)
		*out = keep_partial(s, bytes);
	return found;
}
