#include "sessions/imap/search.h"

#include "formats/charset.h"
#include "formats/date.h"
#include "formats/part_text.h"
#include "sessions/imap/sync.h"

enum { DAY_S = 86400 };

/* ---- entries ----------------------------------------------------------------------------------
 */

static bool match_day(enum imap_search_op op, int64_t day, int64_t wanted)
{
	switch (op) {
	case SEARCH_BEFORE:
		return day < wanted;
	case SEARCH_ON:
		return day == wanted;
	default:
		return day >= wanted;
	}
}

/* RFC 9051 §6.4.4: "disregarding time and timezone"; ours are told in UTC. */
static bool match_entry_date(const struct imap_search_key *key, const struct store_entry *e)
{
	int64_t at = key->which == DATE_SAVED ? e->saved_at : e->internal_at;

	if (key->op == SEARCH_ON)
		return at >= key->date && at < key->date + DAY_S;
	return (key->op == SEARCH_SINCE) == (at >= key->date);
}

bool search_match_entry(
    const struct search *s, const struct imap_search_key *key, const struct store_entry *e)
{
	switch (key->op) {
	case SEARCH_FLAG:
		return e->flags & key->which;
	case SEARCH_KEYWORD:
		return e->keywords & key->number;
	case SEARCH_RECENT:
		return imap_is_recent(s->conn->selected, e->uid);
	case SEARCH_LARGER:
		return e->size > key->number;
	case SEARCH_SMALLER:
		return e->size < key->number;
	case SEARCH_MODSEQ:
		return e->modseq >= key->number;
	case SEARCH_OLDER:
		return e->internal_at <= s->now - (int64_t)key->number;
	case SEARCH_YOUNGER:
		return e->internal_at >= s->now - (int64_t)key->number;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return match_entry_date(key, e);
	default:
		return false;
	}
}

/* ---- text -------------------------------------------------------------------------------------
 */

/* needle has been folded. Most text is ASCII, which needs no folding to be compared. */
static bool contains(struct search *s, str text, str needle)
{
	if (!needle.len)
		return true;
	if (str_is_ascii(text))
		return str_is_ascii(needle) && str_ifind(text, needle) != STR_NPOS;
	buf_reset(&s->folded);
	text_fold(text, &s->folded);
	return str_find(buf_str(&s->folded), needle) != STR_NPOS;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int need_row(struct search *s, struct search_message *m, struct err *err)
{
	if (m->has_row)
		return 0;
	if (!s->reader && store_reader_open(s->conn->store, &s->reader, err) < 0)
		return -1;
	if (store_reader_message(s->reader, m->entry->message, &m->row, err) < 0 ||
	    message_index_peek_texts(m->row.index, &m->index, err) < 0)
		return -1;
	m->has_row = true;
	return 0;
}

static int need_body(struct search *s, struct search_message *m, struct err *err)
{
	if (need_row(s, m, err) < 0)
		return -1;
	if (m->has_body)
		return 0;
	arena_reset(s->message_arena);
	if (message_index_decode(m->row.index, s->message_arena, &m->index, err) < 0 ||
	    store_blob_map(s->conn->store, &m->row.blob, &m->body, err) < 0)
		return -1;
	m->has_body = true;
	return 0;
}

void search_message_done(struct search_message *m)
{
	if (m->has_body)
		store_blob_release(&m->body);
	m->has_body = false;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

/* The Date field as it was written: the first string of the envelope. */
static bool envelope_date(str envelope, str *out)
{
	size_t end;

	if (!str_starts(envelope, STR("(\"")))
		return false; /* NIL, or too strange to be a date */
	envelope = str_skip(envelope, 2);
	end = str_chr(envelope, '"');
	if (end == STR_NPOS)
		return false;
	*out = str_sub(envelope, 0, end);
	return true;
}

static bool match_sent(const struct imap_search_key *key, const struct search_message *m)
{
	int64_t at = m->row.sent_at;
	int zone = 0;
	str text;

	/* The day on the sender's calendar, not ours. */
	if (envelope_date(m->index.envelope, &text) && date_parse(text, &at, &zone) < 0)
		zone = 0;
	return match_day(key->op, date_day_of(at, zone), key->date);
}

static str address_text(const struct message_index *index, uint32_t which)
{
	switch (which) {
	case ADDRESS_FROM:
		return index->search_from;
	case ADDRESS_TO:
		return index->search_to;
	case ADDRESS_CC:
		return index->search_cc;
	default:
		return index->search_bcc;
	}
}

/* ---- bytes ------------------------------------------------------------------------------------
 */

static bool match_bytes(const struct imap_search_key *key, const struct search_message *m)
{
	str message = m->body.bytes;
	unsigned where = SEARCH_IN_BODY;

	if (key->op == SEARCH_HEADER) {
		str header = str_sub(message, 0, (size_t)m->index.header_bytes);
		return search_header(header, key->field, key->text);
	}
	if (!key->text.len)
		return true;
	if (key->op == SEARCH_TEXT)
		where |= SEARCH_IN_HEADER;
	return search_text(&m->index, message, where, key->text);
}

int search_match_message(
    struct search *s, const struct imap_search_key *key, struct search_message *m, struct err *err)
{
	if (search_cost_of(key) == COST_ENTRY)
		return search_match_entry(s, key, m->entry);
	if (search_cost_of(key) == COST_ROW ? need_row(s, m, err) < 0 : need_body(s, m, err) < 0)
		return -1;
	switch (key->op) {
	case SEARCH_ADDRESS:
		return contains(s, address_text(&m->index, key->which), key->text);
	case SEARCH_SUBJECT:
		return contains(s, m->index.subject, key->text);
	case SEARCH_HEADER:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_bytes(key, m);
	default:
		return match_sent(key, m);
	}
}

/* ---- once before ------------------------------------------------------------------------------
 */

static uint64_t keyword_bit(const struct store_view *v, str name)
{
	for (size_t i = 0; i < v->keyword_count; i++)
		if (str_ieq(v->keywords[i], name))
			return (uint64_t)1 << i;
	return 0;
}

void search_prepare(struct search *s, struct imap_search_key *key)
{
	if (key->op == SEARCH_KEYWORD)
		key->number = keyword_bit(s->conn->selected->told, key->text);
	if (key->op >= SEARCH_ADDRESS) {
		buf_reset(&s->folded);
		text_fold(key->text, &s->folded);
		key->text = arena_str(s->arena, buf_str(&s->folded));
	}
	for (struct imap_search_key *k = key->children; k; k = k->next)
		search_prepare(s, k);
}
