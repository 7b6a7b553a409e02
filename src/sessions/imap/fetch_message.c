#include "sessions/imap/fetch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "formats/message_index.h"

enum {
	INDEX_ARENA_MAX = 64 << 20,
	BODY_MAX = 64 << 20,
	MADE_MAX = 1 << 30,
	BY_REFERENCE = 8192, /* shorter values are cheaper to copy than to count references to */
};

/* A mapped body that stays until the last piece of it has been sent. */
struct held_blob {
	struct store_blob blob;
	atomic_uint users;
};

static void held_release(void *arg)
{
	struct held_blob *held = arg;

	if (atomic_fetch_sub(&held->users, 1) != 1)
		return;
	store_blob_release(&held->blob);
	free(held);
}

struct fetched_row {
	struct store_message message;
	str envelope, bodystructure;
	struct message_index index;
	struct held_blob *held; /* NULL until a body is needed */
	bool is_surrogate;
};

/* ---- getting ----------------------------------------------------------------------------------
 */

static bool needs_index(const struct fetch *f)
{
	const struct imap_fetch_atts *atts = &f->args->atts;

	if (f->simple & ATT_PREVIEW)
		return true;
	for (size_t i = 0; i < atts->section_count; i++) {
		const struct imap_section *s = &atts->sections[i];
		if (s->depth || (s->form == FORM_BODY && s->text != SECTION_WHOLE))
			return true;
	}
	return false;
}

static enum fetched get_row(
    struct fetch *f, const struct store_entry *e, struct fetched_row *row, struct err *err)
{
	if (!f->reader && store_reader_open(f->conn->store, &f->reader, err) < 0)
		return FETCH_FAILED;
	if (store_reader_message(f->reader, e->message, &row->message, err) < 0)
		return err->kind == ERR_DENIED ? FETCH_GONE : FETCH_FAILED;
	row->is_surrogate = surrogate_is_needed(f, row->message.index);
	if (needs_index(f)) {
		arena_reset(f->message_arena);
		if (message_index_decode(row->message.index, f->message_arena, &row->index, err) <
		    0)
			return FETCH_FAILED;
		row->envelope = row->index.envelope;
		row->bodystructure = row->index.bodystructure;
	} else if (f->simple & ATT_OF_ROW && message_index_peek(row->message.index, &row->envelope,
	                                         &row->bodystructure, err) < 0) {
		return FETCH_FAILED;
	}
	return FETCHED;
}

static int map_body(struct fetch *f, struct fetched_row *row, struct err *err)
{
	struct held_blob *held = calloc(1, sizeof(*held));

	if (!held)
		abort();
	atomic_init(&held->users, 1);
	if (store_blob_map(f->conn->store, &row->message.blob, &held->blob, err) < 0) {
		free(held);
		return -1;
	}
	row->held = held;
	return 0;
}

static enum fetched get_values(
    struct fetch *f, const struct store_entry *e, struct fetched_row *row, struct err *err)
{
	const struct imap_fetch_atts *atts = &f->args->atts;
	bool needs_body = atts->section_count || (row->is_surrogate && surrogate_needs_body(f));

	if (needs_body && map_body(f, row, err) < 0)
		return err->kind == ERR_DENIED ? FETCH_GONE : FETCH_FAILED;
	str message = row->held ? row->held->blob.bytes : STR_NONE;
	if (row->is_surrogate)
		surrogate_make(f, e->uid, message, &row->envelope, &row->bodystructure);
	for (size_t i = 0; i < atts->section_count; i++) {
		struct fetch_value *v = &f->values[i];
		buf_reset(&v->made);
		v->bytes = v->more = STR_NONE;
		v->found = SECTION_FOUND;
		if (row->is_surrogate && surrogate_section(f, &atts->sections[i], message, v))
			continue;
		v->found =
		    section_get(&atts->sections[i], &row->index, message, &v->made, &v->bytes);
		if (v->found == SECTION_UNKNOWN_CTE)
			return FETCH_UNKNOWN_CTE;
	}
	return FETCHED;
}

/* ---- printing ---------------------------------------------------------------------------------
 */

static bool is_within(str whole, str part)
{
	return part.len && part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void print_bytes(struct print *p, struct held_blob *held, str bytes)
{
	if (bytes.len < BY_REFERENCE || !is_within(held->blob.bytes, bytes)) {
		print_str(p, bytes);
		return;
	}
	print_flush(p);
	atomic_fetch_add(&held->users, 1);
	imap_write_ref(p->conn, bytes, held_release, held);
	p->congested = imap_out_is_congested(p->conn);
}

/* RFC 9051 §7.5.2: literal8 only for what a string cannot hold. */
static void print_value(struct print *p, struct held_blob *held, const struct imap_section *s,
    const struct fetch_value *v)
{
	if (!v->bytes.len && !v->more.len) {
		print_lit(p, "\"\"");
		return;
	}
	if (s->form == FORM_BINARY &&
	    (str_chr(v->bytes, '\0') != STR_NPOS || str_chr(v->more, '\0') != STR_NPOS))
		print_c(p, '~');
	print_c(p, '{');
	print_u64(p, v->bytes.len + v->more.len);
	print_lit(p, "}\r\n");
	print_bytes(p, held, v->bytes);
	print_bytes(p, held, v->more);
}

static void print_sections(struct fetch *f, struct print *p, struct fetched_row *row)
{
	const struct imap_fetch_atts *atts = &f->args->atts;

	for (size_t i = 0; i < atts->section_count; i++) {
		const struct imap_section *s = &atts->sections[i];
		const struct fetch_value *v = &f->values[i];
		fetch_item(f, p, s->label);
		if (s->form == FORM_BINARY_SIZE)
			print_u64(p, v->bytes.len + v->more.len);
		else if (v->found == SECTION_FOUND)
			print_value(p, row->held, s, v);
		else
			print_lit(p, "NIL");
	}
}

static void print_row(struct fetch *f, struct print *p, struct fetched_row *row)
{
	if (f->simple & ATT_ENVELOPE) {
		fetch_item(f, p, STR("ENVELOPE"));
		print_str(p, row->envelope);
	}
	if (f->simple & ATT_BODY) {
		buf_reset(&f->body);
		bodystructure_to_body(row->bodystructure, &f->body);
		fetch_item(f, p, STR("BODY"));
		print_str(p, buf_str(&f->body));
	}
	if (f->simple & ATT_BODYSTRUCTURE) {
		fetch_item(f, p, STR("BODYSTRUCTURE"));
		print_str(p, row->bodystructure);
	}
	if (f->simple & ATT_PREVIEW) {
		fetch_item(f, p, STR("PREVIEW"));
		print_string(p, row->index.preview);
	}
}

enum fetched fetch_message(struct fetch *f, struct print *p, const struct store_entry *e,
    void (*head)(struct fetch *f, struct print *p, const struct store_entry *e), struct err *err)
{
	struct fetched_row row = { .held = NULL };
	enum fetched got = get_row(f, e, &row, err);

	if (got == FETCHED)
		got = get_values(f, e, &row, err);
	if (got == FETCHED) {
		head(f, p, e);
		print_row(f, p, &row);
		print_sections(f, p, &row);
	}
	if (row.held)
		held_release(row.held);
	return got;
}

void fetch_message_init(struct fetch *f, struct imap_cmd *cmd)
{
	size_t count = f->args->atts.section_count;

	f->message_arena = arena_new(cmd->arena, "index", INDEX_ARENA_MAX);
	f->values = arena_array(cmd->arena, struct fetch_value, count ? count : 1);
	for (size_t i = 0; i < count; i++)
		buf_init(&f->values[i].made, MADE_MAX);
	buf_init(&f->body, BODY_MAX);
	surrogate_init(f, cmd);
}

void fetch_message_fini(struct fetch *f)
{
	for (size_t i = 0; f->values && i < f->args->atts.section_count; i++)
		buf_fini(&f->values[i].made);
	buf_fini(&f->body);
	surrogate_fini(f);
	if (f->reader)
		store_reader_close(f->reader);
	f->reader = NULL;
}
