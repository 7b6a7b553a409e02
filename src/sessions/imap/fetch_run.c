#include "sessions/imap/fetch.h"
#include "sessions/imap/sync.h"

/* Flags are told when asked for, and when this FETCH has just set \Seen. RFC 9051 §6.4.5 */
static bool is_newly_seen(struct fetch *f, const struct store_entry *e)
{
	if (!f->before || !(e->flags & STORE_SEEN))
		return false;
	const struct store_entry *old = cursor_find(&f->old, e->uid);
	return old && !(old->flags & STORE_SEEN);
}

void fetch_item(struct fetch *f, struct print *p, str name)
{
	if (!f->is_first_item)
		print_c(p, ' ');
	f->is_first_item = false;
	print_str(p, name);
	print_c(p, ' ');
}

static void print_dates(struct fetch *f, struct print *p, const struct store_entry *e)
{
	if (f->simple & ATT_INTERNALDATE) {
		fetch_item(f, p, STR("INTERNALDATE"));
		print_date(p, e->internal_at);
	}
	if (f->simple & ATT_SAVEDATE) {
		fetch_item(f, p, STR("SAVEDATE"));
		if (e->saved_at)
			print_date(p, e->saved_at);
		else
			print_lit(p, "NIL");
	}
}

/* "* 5 FETCH (UID 9 FLAGS () ..." up to what needs the message itself. */
static void print_head(struct fetch *f, struct print *p, const struct store_entry *e)
{
	uint32_t simple = f->simple;

	if (is_newly_seen(f, e)) {
		simple |= ATT_FLAGS;
		if (f->conn->enabled & (IMAP_ON_CONDSTORE | IMAP_ON_QRESYNC))
			simple |= ATT_MODSEQ;
	}
	print_lit(p, "* ");
	print_u64(p, cursor_seq(&f->known));
	print_lit(p, " FETCH (");
	f->is_first_item = true;
	if (simple & ATT_UID) {
		fetch_item(f, p, STR("UID"));
		print_u64(p, e->uid);
	}
	if (simple & ATT_FLAGS) {
		fetch_item(f, p, STR("FLAGS"));
		print_flags(p, e, imap_is_recent(f->conn->selected, e->uid));
	}
	if (simple & ATT_MODSEQ) {
		fetch_item(f, p, STR("MODSEQ"));
		print_c(p, '(');
		print_u64(p, e->modseq);
		print_c(p, ')');
	}
	if (simple & ATT_SIZE) {
		fetch_item(f, p, STR("RFC822.SIZE"));
		print_u64(p, e->size);
	}
	print_dates(f, p, e);
}

static int fetch_one(struct fetch *f, struct print *p, const struct store_entry *e, struct err *err)
{
	if (!(f->simple & ATT_OF_ROW) && !f->args->atts.section_count) {
		print_head(f, p, e);
		print_lit(p, ")\r\n");
		return 0;
	}
	switch (fetch_message(f, p, e, print_head, err)) {
	case FETCHED:
		print_lit(p, ")\r\n");
		return 0;
	case FETCH_GONE:
		f->some_gone = true;
		return 0;
	case FETCH_UNKNOWN_CTE:
		f->some_unknown_cte = true;
		return 0;
	case FETCH_FAILED:
		break;
	}
	return -1;
}

/* The entry as it is now, for the message the client means; NULL when it was expunged meanwhile. */
static const struct store_entry *newest(struct fetch *f, const struct store_entry *known)
{
	const struct imap_selected *sel = f->conn->selected;

	return sel->told == sel->known ? known : cursor_find(&f->now, known->uid);
}

static int fetch_entry(
    struct fetch *f, struct print *p, const struct store_entry *known, struct err *err)
{
	const struct imap_fetch_modifiers *m = &f->args->modifiers;
	const struct store_entry *e = newest(f, known);

	if (!e) {
		f->some_gone = true;
		return 0;
	}
	if (m->has_changed_since && e->modseq <= m->changed_since)
		return 0;
	return fetch_one(f, p, e, err);
}

static int walk_range(struct fetch *f, struct print *p, struct err *err)
{
	uint32_t last = f->uids[f->range].last;
	const struct store_entry *e;

	if (f->next_uid < f->uids[f->range].first)
		f->next_uid = f->uids[f->range].first;
	e = cursor_seek(&f->known, f->next_uid);
	for (; e && e->uid <= last; cursor_next(&f->known), e = cursor_entry(&f->known)) {
		if (p->congested) {
			f->next_uid = e->uid;
			return IMAP_RUN_MORE;
		}
		if (fetch_entry(f, p, e, err) < 0)
			return -1;
	}
	return IMAP_RUN_DONE;
}

int fetch_walk(struct fetch *f, struct err *err)
{
	const struct imap_selected *sel = f->conn->selected;
	struct print p;
	int rc = IMAP_RUN_DONE;

	print_init(&p, f->conn, sel->told);
	cursor_init(&f->known, sel->known);
	cursor_init(&f->now, sel->told);
	if (f->before)
		cursor_init(&f->old, f->before);
	for (; f->range < f->uid_count; f->range++) {
		rc = walk_range(f, &p, err);
		if (rc != IMAP_RUN_DONE)
			break;
	}
	print_fini(&p);
	/* A reader belongs to this thread, and holds back the store's housekeeping. */
	if (f->reader)
		store_reader_close(f->reader);
	f->reader = NULL;
	return rc;
}
