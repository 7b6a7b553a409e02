#include "sessions/imap/fetch.h"
#include "sessions/imap/sync.h"

enum { GONE_EVERY = 256 };

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

/* One message that cannot be read must not hide the others. */
static void keep_failure(struct fetch *f, const struct err *why)
{
	if (f->failure.kind != ERR_NONE)
		return;
	f->failure = *why;
	/* A damaged index is our fault, not the client's. */
	if (why->kind == ERR_INPUT)
		f->failure.kind = ERR_SYSTEM;
}

static void fetch_one(struct fetch *f, struct print *p, const struct store_entry *e)
{
	struct err why = { .kind = ERR_NONE };

	if (!(f->simple & ATT_OF_ROW) && !f->args->atts.section_count) {
		print_head(f, p, e);
		print_lit(p, ")\r\n");
		return;
	}
	switch (fetch_message(f, p, e, print_head, &why)) {
	case FETCHED:
		print_lit(p, ")\r\n");
		break;
	case FETCH_GONE:
		f->some_gone = true;
		break;
	case FETCH_UNKNOWN_CTE:
		f->some_unknown_cte = true;
		break;
	case FETCH_FAILED:
		keep_failure(f, &why);
		break;
	}
}

/* The entry as it is now, for the message the client means; NULL when it was expunged meanwhile. */
static const struct store_entry *newest(struct fetch *f, const struct store_entry *known)
{
	const struct imap_selected *sel = f->conn->selected;

	return sel->told == sel->known ? known : cursor_find(&f->now, known->uid);
}

static void fetch_entry(struct fetch *f, struct print *p, const struct store_entry *known)
{
	const struct imap_fetch_modifiers *m = &f->args->modifiers;
	const struct store_entry *e = newest(f, known);

	if (!e)
		f->some_gone = true;
	else if (!m->has_changed_since || e->modseq > m->changed_since)
		fetch_one(f, p, e);
}

static bool is_for_nobody(struct fetch *f)
{
	return ++f->walked % GONE_EVERY == 0 && imap_is_gone(f->conn);
}

static enum imap_run walk_range(struct fetch *f, struct print *p)
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
		if (is_for_nobody(f)) {
			f->range = f->uid_count;
			return IMAP_RUN_DONE;
		}
		fetch_entry(f, p, e);
	}
	return IMAP_RUN_DONE;
}

enum imap_run fetch_walk(struct fetch *f)
{
	const struct imap_selected *sel = f->conn->selected;
	enum imap_run rc = IMAP_RUN_DONE;
	struct print p;

	print_init(&p, f->conn, sel->told);
	cursor_init(&f->known, sel->known);
	cursor_init(&f->now, sel->told);
	if (f->before)
		cursor_init(&f->old, f->before);
	for (; f->range < f->uid_count && rc == IMAP_RUN_DONE; f->range += rc == IMAP_RUN_DONE)
		rc = walk_range(f, &p);
	print_fini(&p);
	/* A reader belongs to this thread, and holds back the store's housekeeping. */
	if (f->reader)
		store_reader_close(f->reader);
	f->reader = NULL;
	return rc;
}
