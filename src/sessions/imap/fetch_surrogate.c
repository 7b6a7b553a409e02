/* fetch_surrogate.c: what a client without UTF-8 sees of a message with UTF-8 in its header fields. */
#include "formats/downgrade.h"
#include "formats/envelope.h"
#include "sessions/imap/fetch.h"
#include "sessions/imap/sets.h"

enum {
	SURROGATE_MAX = 64 << 20,
	SCRATCH_MAX = 64 << 20,
	TOLD_RANGES_MAX = 1000, /* RFC 6858 §3: DOWNGRADED need not name all */
};

struct surrogate {
	struct buf header, envelope, bodystructure;
	struct arena *scratch;
	struct arena *arena; /* of the command */
	struct ranges told;
};

void surrogate_init(struct fetch *f, struct imap_cmd *cmd)
{
	f->surrogate = arena_one(cmd->arena, struct surrogate);
	buf_init(&f->surrogate->header, SURROGATE_MAX);
	buf_init(&f->surrogate->envelope, SURROGATE_MAX);
	buf_init(&f->surrogate->bodystructure, SURROGATE_MAX);
	f->surrogate->scratch = arena_new(cmd->arena, "surrogate", SCRATCH_MAX);
	f->surrogate->arena = cmd->arena;
}

void surrogate_fini(struct fetch *f)
{
	if (!f->surrogate)
		return;
	buf_fini(&f->surrogate->header);
	buf_fini(&f->surrogate->envelope);
	buf_fini(&f->surrogate->bodystructure);
}

bool surrogate_is_needed(const struct fetch *f, str index)
{
	uint32_t flags = 0;

	return !imap_is_utf8(f->conn) && message_index_peek_flags(index, &flags, NULL) == 0 &&
	       flags & INDEX_HEADER_UTF8;
}

static bool shows_header(const struct imap_section *s)
{
	return !s->depth && s->text != SECTION_TEXT;
}

bool surrogate_needs_body(const struct fetch *f)
{
	const struct imap_fetch_atts *atts = &f->args->atts;

	for (size_t i = 0; i < atts->section_count; i++)
		if (shows_header(&atts->sections[i]))
			return true;
	return f->simple & ATT_ENVELOPE;
}

static void make_header(struct surrogate *s, str message, str *envelope)
{
	struct header_facts facts;

	buf_reset(&s->header);
	downgrade_header(header_block(message), &s->header);
	header_facts_find(buf_str(&s->header), &facts);
	buf_reset(&s->envelope);
	envelope_write(&facts, s->scratch, &s->envelope);
	*envelope = buf_str(&s->envelope);
}

void surrogate_make(struct fetch *f, uint32_t uid, str message, str *envelope, str *bodystructure)
{
	struct surrogate *s = f->surrogate;
	bool shows_structure = f->simple & (ATT_BODY | ATT_BODYSTRUCTURE);

	if (surrogate_needs_body(f))
		make_header(s, message, envelope);
	if (shows_structure) {
		buf_reset(&s->bodystructure);
		downgrade_strings(*bodystructure, &s->bodystructure);
		*bodystructure = buf_str(&s->bodystructure);
	}
	if ((shows_structure || surrogate_needs_body(f)) && s->told.count < TOLD_RANGES_MAX)
		ranges_add(s->arena, &s->told, uid, uid);
}

/* The partial range of one slice behind another. */
static void take_whole(const struct imap_section *s, str header, str body, struct fetch_value *out)
{
	uint64_t at = s->partial ? s->offset : 0, left = s->partial ? s->length : UINT64_MAX;

	if (at < header.len) {
		out->bytes = str_skip(header, (size_t)at);
		if (left < out->bytes.len)
			out->bytes.len = (size_t)left;
		left -= out->bytes.len;
		at = header.len;
	}
	at -= header.len;
	out->more = at < body.len ? str_skip(body, (size_t)at) : STR_NONE;
	if (left < out->more.len)
		out->more.len = (size_t)left;
}

bool surrogate_section(
    struct fetch *f, const struct imap_section *s, str message, struct fetch_value *out)
{
	str header = buf_str(&f->surrogate->header);
	struct index_part top = { .header_bytes = header.len, .body_at = header.len };
	struct message_index index = { .parts = &top, .part_count = 1 };

	if (!shows_header(s))
		return false;
	if (s->form == FORM_BODY && s->text != SECTION_WHOLE)
		out->found = section_get(s, &index, header, &out->made, &out->bytes);
	else
		take_whole(s, header, str_skip(message, header_block(message).len), out);
	return true;
}

str surrogate_code(const struct fetch *f)
{
	const struct surrogate *s = f->surrogate;

	if (!s->told.count)
		return STR_NONE;
	str set = ranges_print(s->arena, s->told.at, s->told.count);
	return arena_strf(s->arena, "DOWNGRADED " STR_FMT, STR_ARG(set));
}
