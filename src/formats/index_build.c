/* index_build.c: a message_index from a message. One walk over the message for its parts, one over
 * its header; after that only the fields and the beginning of the text that people see first. */
#include "formats/bodystructure.h"
#include "formats/date.h"
#include "formats/envelope.h"
#include "formats/part_text.h"
#include "formats/word.h"

enum {
	ENVELOPE_MAX_BYTES = 16 << 20, /* never reached: its members have limits */
	SCRATCH_MAX_BYTES = 64 << 20,
	SUBJECT_MAX_BYTES = 16 * 1024,
	SEARCH_MAX_BYTES = 128 * 1024,
	FROM_MAX_BYTES = 64 * 1024,
	DELIVERED_TO_MAX_BYTES = 64 * 1024,
	MESSAGE_ID_MAX_BYTES = 998,
	THREAD_REFS_MAX = 50,
	PREVIEW_CHARACTERS = 200,
	PREVIEW_RAW_BYTES = 4 * 1024,
	PREVIEW_HTML_RAW_BYTES = 16 * 1024, /* styles stand at the beginning */
	PREVIEW_TEXT_BYTES = 64 * 1024,
	BCC_RANGES_MAX = 8,
};

struct builder {
	str message;
	struct arena *a, *scratch;
	struct mime_tree tree;
	struct header_facts facts;
	struct message_index *out;
};

static str keep(struct builder *b, const struct buf *text)
{
	return text->len > 0 ? arena_str(b->a, buf_str(text)) : STR_NONE;
}

static str fact_text(struct builder *b, enum fact fact)
{
	return header_unfold(b->facts.first[fact], b->scratch);
}

/* ---- message ids ---- */

/* Without blanks. False when it is empty or too long to be an id. */
static bool copy_message_id(str id, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < id.len && out->len < MESSAGE_ID_MAX_BYTES; i++) {
		if ((unsigned char)id.ptr[i] > ' ')
			buf_addc(out, id.ptr[i]);
	}
	return out->len > 2 && out->ptr[out->len - 1] == '>';
}

/* The next "<...>" of a field. RFC 5322 §3.6.4. */
static bool next_message_id(str *rest, struct buf *out)
{
	for (;;) {
		size_t open = str_chr(*rest, '<');
		if (open == STR_NPOS)
			return false;
		str id = str_skip(*rest, open);
		size_t close = str_chr(id, '>');
		if (close == STR_NPOS)
			return false;
		*rest = str_skip(id, close + 1);
		if (copy_message_id(str_sub(id, 0, close + 1), out))
			return true;
	}
}

static void find_message_id(struct builder *b)
{
	AUTO_BUF id = BUF_INIT(MESSAGE_ID_MAX_BYTES + 8);
	str text = fact_text(b, FACT_MESSAGE_ID), rest = text;

	if (text.len == 0)
		return;
	b->out->flags |= INDEX_HAS_MESSAGE_ID;
	if (!next_message_id(&rest, &id)) {
		/* An id that lost its brackets: up to the first blank. */
		str word = STR_NONE;
		if (take_word(&text, MESSAGE_ID_MAX_BYTES, &word) < 0)
			return;
		buf_reset(&id);
		buf_addc(&id, '<');
		for (size_t i = 0; i < word.len; i++) {
			if (word.ptr[i] != '<' && word.ptr[i] != '>')
				buf_addc(&id, word.ptr[i]);
		}
		buf_addc(&id, '>');
	}
	b->out->message_id = keep(b, &id);
}

struct refs {
	str ids[THREAD_REFS_MAX];
	size_t count;
};

/* Of too many the first (the root of the thread) and the last (the nearest parents) are kept. */
static void add_ref(struct builder *b, struct refs *refs, str id)
{
	for (size_t i = 0; i < refs->count; i++) {
		if (str_eq(refs->ids[i], id))
			return;
	}
	if (refs->count == THREAD_REFS_MAX) {
		memmove(&refs->ids[1], &refs->ids[2], sizeof(str) * (THREAD_REFS_MAX - 2));
		refs->count--;
	}
	refs->ids[refs->count++] = arena_str(b->scratch, id);
}

static void find_thread_refs(struct builder *b)
{
	static const enum fact sources[] = { FACT_REFERENCES, FACT_IN_REPLY_TO };
	AUTO_BUF id = BUF_INIT(MESSAGE_ID_MAX_BYTES + 8);
	AUTO_BUF all = BUF_INIT((size_t)THREAD_REFS_MAX * (MESSAGE_ID_MAX_BYTES + 8));
	struct refs refs = { .count = 0 };

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		str rest = b->facts.first[sources[i]];
		while (next_message_id(&rest, &id))
			add_ref(b, &refs, buf_str(&id));
	}
	for (size_t i = 0; i < refs.count; i++) {
		if (i > 0)
			buf_addc(&all, '\n');
		buf_add(&all, refs.ids[i]);
	}
	b->out->thread_refs = keep(b, &all);
	arena_reset(b->scratch);
}

/* ---- addresses ---- */

/* The addresses of one value, one a line; false when they cannot be trusted to be all. */
static bool add_mailboxes(struct builder *b, str value, struct buf *out)
{
	struct address_list list;

	address_list_parse(value, b->scratch, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct address *item = &list.items[i];
		if (item->kind != ADDRESS_MAILBOX || item->local.len + item->domain.len == 0)
			continue;
		if (out->len > 0)
			buf_addc(out, '\n');
		address_print(item, out);
	}
	arena_reset(b->scratch);
	return !list.broken;
}

static void find_senders(struct builder *b)
{
	AUTO_BUF from = BUF_INIT(FROM_MAX_BYTES);
	AUTO_BUF sender = BUF_INIT(FROM_MAX_BYTES);
	str rest = b->facts.block, value;
	bool fine = true;

	while (header_facts_next(&b->facts, FACT_FROM, &rest, &value))
		fine &= add_mailboxes(b, value, &from);
	rest = b->facts.block;
	while (header_facts_next(&b->facts, FACT_SENDER, &rest, &value))
		fine &= add_mailboxes(b, value, &sender);
	if (!fine || !buf_ok(&from) || !buf_ok(&sender))
		b->out->flags |= INDEX_BAD_FROM;
	if (b->facts.count[FACT_FROM] > 1)
		b->out->flags |= INDEX_MANY_FROM;
	b->out->from = keep(b, &from);
	b->out->sender = keep(b, &sender);
}

static void find_delivered_to(struct builder *b)
{
	AUTO_BUF all = BUF_INIT(DELIVERED_TO_MAX_BYTES);
	str rest = b->facts.block, value;

	while (header_facts_next(&b->facts, FACT_DELIVERED_TO, &rest, &value))
		add_mailboxes(b, value, &all);
	b->out->delivered_to = keep(b, &all);
}

/* ---- decoded text ---- */

/* Cuts at a character, not inside one. */
static void cut_utf8(struct buf *text, size_t max)
{
	if (text->len <= max)
		return;
	while (max > 0 && ((unsigned char)text->ptr[max] & 0xc0) == 0x80)
		max--;
	buf_truncate(text, max);
}

static str decode_fact(struct builder *b, enum fact fact, size_t max)
{
	AUTO_BUF text = BUF_INIT(8 * max);
	str rest = b->facts.block, value;

	while (text.len < max && header_facts_next(&b->facts, fact, &rest, &value)) {
		if (text.len > 0)
			buf_addc(&text, ' ');
		word_decode(str_trim(str_sub(value, 0, max)), &text);
	}
	cut_utf8(&text, max);
	return keep(b, &text);
}

static void decode_texts(struct builder *b)
{
	AUTO_BUF subject = BUF_INIT((size_t)8 * SUBJECT_MAX_BYTES);

	word_decode(
	    str_sub(str_trim(b->facts.first[FACT_SUBJECT]), 0, SUBJECT_MAX_BYTES), &subject);
	cut_utf8(&subject, SUBJECT_MAX_BYTES);
	b->out->subject = keep(b, &subject);
	b->out->search_from = decode_fact(b, FACT_FROM, SEARCH_MAX_BYTES);
	b->out->search_to = decode_fact(b, FACT_TO, SEARCH_MAX_BYTES);
	b->out->search_cc = decode_fact(b, FACT_CC, SEARCH_MAX_BYTES);
	b->out->search_bcc = decode_fact(b, FACT_BCC, SEARCH_MAX_BYTES);
}

static void find_date(struct builder *b)
{
	int64_t at;

	if (b->facts.count[FACT_DATE] == 0)
		return;
	b->out->flags |= INDEX_HAS_DATE;
	if (date_parse(fact_text(b, FACT_DATE), &at, /* out_zone_min */ NULL) == 0)
		b->out->sent_at = at;
}

/* ---- Bcc ---- */

static bool is_bcc(enum fact fact)
{
	return fact == FACT_BCC || fact == FACT_RESENT_BCC;
}

/* Fields that touch become one range. */
static void add_bcc(struct builder *b, uint64_t at, uint64_t bytes)
{
	struct message_index *out = b->out;
	struct index_range *last = out->bcc_count > 0 ? &out->bcc[out->bcc_count - 1] : NULL;

	if (last && last->at + last->bytes == at)
		last->bytes += bytes;
	else if (out->bcc_count == BCC_RANGES_MAX)
		out->flags |= INDEX_MANY_BCC;
	else
		out->bcc[out->bcc_count++] = (struct index_range){ .at = at, .bytes = bytes };
}

static void find_bcc(struct builder *b)
{
	str rest = b->facts.block;
	struct header_field field;

	if (b->facts.count[FACT_BCC] + b->facts.count[FACT_RESENT_BCC] == 0)
		return;
	while (header_next(&rest, &field)) {
		if (is_bcc(header_fact_of(field.name)))
			add_bcc(b, (uint64_t)(field.whole.ptr - b->message.ptr), field.whole.len);
	}
}

/* ---- preview ---- */

static bool is_attachment(const struct mime_part *part)
{
	return str_istarts(str_trim(part->disposition), STR("attachment"));
}

/* The first plain text, else the first HTML. */
static const struct index_part *find_readable(const struct builder *b)
{
	const struct index_part *html = NULL;

	for (uint32_t i = 0; i < b->tree.count; i++) {
		const struct mime_part *part = &b->tree.parts[i];
		if (part->at.kind != PART_LEAF || part->at.body_bytes == 0 || is_attachment(part))
			continue;
		if (str_eq(part->at.type, STR("text/plain")))
			return &part->at;
		if (!html && str_eq(part->at.type, STR("text/html")))
			html = &part->at;
	}
	return html;
}

/* One line: blanks and control characters become one space, the rest stays. */
static void add_preview(str text, struct buf *out)
{
	size_t characters = 0;
	bool gap = false;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c <= ' ' || c == 0x7f) {
			gap = true;
			continue;
		}
		if ((c & 0xc0) != 0x80 &&
		    characters + 1 + (gap && out->len > 0) > PREVIEW_CHARACTERS)
			return;
		if (gap && out->len > 0) {
			buf_addc(out, ' ');
			characters++;
		}
		gap = false;
		characters += (c & 0xc0) != 0x80;
		buf_addc(out, text.ptr[i]);
	}
}

static void make_preview(struct builder *b)
{
	const struct index_part *part = find_readable(b);
	AUTO_BUF text = BUF_INIT(PREVIEW_TEXT_BYTES);
	AUTO_BUF preview = BUF_INIT((size_t)4 * PREVIEW_CHARACTERS + 16);

	if (!part)
		return;
	bool html = str_eq(part->type, STR("text/html"));
	part_text(part, b->message, html ? PREVIEW_HTML_RAW_BYTES : PREVIEW_RAW_BYTES, &text);
	add_preview(buf_str(&text), &preview);
	b->out->preview = keep(b, &preview);
}

/* ---- the whole ---- */

static void write_imap(struct builder *b)
{
	AUTO_BUF text = BUF_INIT(ENVELOPE_MAX_BYTES);

	envelope_write(&b->facts, b->scratch, &text);
	b->out->envelope = keep(b, &text);
	buf_reset(&text);
	bodystructure_write(b->message, &b->tree, b->scratch, &text);
	b->out->bodystructure = keep(b, &text);
}

static void copy_parts(struct builder *b)
{
	b->out->parts = arena_array(b->a, struct index_part, b->tree.count);
	b->out->part_count = b->tree.count;
	for (uint32_t i = 0; i < b->tree.count; i++)
		b->out->parts[i] = b->tree.parts[i].at;
}

void message_index_build(str message, struct arena *a, struct message_index *out)
{
	struct builder b = { .message = message, .a = a, .out = out };

	*out = (struct message_index){ .bytes = message.len };
	b.scratch = arena_new(a, "index scratch", SCRATCH_MAX_BYTES);
	mime_parse(message, a, &b.tree);
	out->flags = b.tree.flags;
	out->header_bytes = b.tree.parts[0].at.header_bytes;
	header_facts_find(str_sub(message, 0, out->header_bytes), &b.facts);
	out->received_count = b.facts.count[FACT_RECEIVED];
	copy_parts(&b);
	write_imap(&b);
	find_date(&b);
	find_message_id(&b);
	find_thread_refs(&b);
	find_senders(&b);
	find_delivered_to(&b);
	decode_texts(&b);
	find_bcc(&b);
	make_preview(&b);
	arena_free(b.scratch);
}
