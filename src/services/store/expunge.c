/* Entries leave a mailbox: what stays is kept page by page, sparse neighbours become one page, and
 * the UIDs that went are kept by modseq for QRESYNC (RFC 7162 §3.2.10.2). */
#include "services/store/expunge.h"

enum { MERGED_MAX = 192, SCRATCH_ARENA = 64 << 20 };

struct pass {
	struct store_txn *txn;
	struct box *box;
	const struct removal *what;
	struct range_walk walk;
	struct page_list *kept;
	bool last_changed; /* the last page of kept is not as it was */
	struct range_list gone;
	uint32_t count;
};

static bool goes(struct pass *p, const struct store_entry *e)
{
	return range_walk_wants(&p->walk, e->uid) && (p->what->any || e->flags & STORE_DELETED);
}

static bool any_goes(struct pass *p, const struct store_page *page)
{
	struct range_walk walk = p->walk;
	bool found = false;

	if (!range_walk_meets(&p->walk, page->entries[0].uid, page->entries[page->count - 1].uid))
		return false;
	for (uint32_t i = 0; i < page->count && !found; i++)
		found = goes(p, &page->entries[i]);
	p->walk = walk;
	return found;
}

/* Whoever is interested in the entry hears of it before it goes. */
static int take_out(struct pass *p, const struct store_entry *e, struct err *err)
{
	if (p->what->each && p->what->each(p->what->arg, e, err) < 0)
		return -1;
	box_count(&p->box->now.head, e, -1);
	range_list_add(&p->gone, e->uid, e->uid);
	p->count++;
	return 0;
}

/* A copy of the page without what goes. */
static int thin_out(
    struct pass *p, const struct store_page *page, struct store_page **out, struct err *err)
{
	struct store_page *left = page_new(page->start, page->count);

	for (uint32_t i = 0; i < page->count; i++) {
		const struct store_entry *e = &page->entries[i];
		if (!goes(p, e)) {
			left->entries[left->count++] = *e;
		} else if (take_out(p, e, err) < 0) {
			page_unref(left);
			return -1;
		}
	}
	left->dirty = true;
	left->job = p->txn->job;
	*out = left;
	return 0;
}

static void merge_into(struct pass *p, struct store_page *last, const struct store_page *more)
{
	struct store_page *both = page_copy(last, last->count + more->count);

	memcpy(both->entries + both->count, more->entries, more->count * sizeof(*more->entries));
	both->count += more->count;
	both->dirty = true;
	both->job = p->txn->job;
	page_list_replace(p->kept, p->kept->count - 1, both);
	p->last_changed = true;
}

/* Takes over the page. Untouched neighbours are never rewritten for being sparse. */
static void keep(struct pass *p, struct store_page *page, bool changed)
{
	struct store_page *last = p->kept->count ? p->kept->pages[p->kept->count - 1] : NULL;

	if (page->count == 0) {
		page_unref(page);
	} else if (last && (changed || p->last_changed) &&
	           last->count + page->count <= MERGED_MAX) {
		merge_into(p, last, page);
		page_unref(page);
	} else {
		page_list_push(p->kept, page);
		p->last_changed = changed;
	}
}

static int run_pass(struct pass *p, struct err *err)
{
	struct page_list *list = p->box->now.list;

	for (size_t i = 0; i < list->count; i++) {
		struct store_page *page = list->pages[i], *left;
		if (!any_goes(p, page)) {
			keep(p, page_ref(page), false);
			continue;
		}
		if (thin_out(p, page, &left, err) < 0)
			return -1;
		keep(p, left, true);
	}
	return 0;
}

/* ---- which UIDs went ---- */

static void encode_ranges(const struct range_list *l, struct buf *out)
{
	uint32_t last = 0;

	for (size_t i = 0; i < l->count; i++) {
		buf_add_varint(out, l->items[i].first - last);
		buf_add_varint(out, l->items[i].last - l->items[i].first);
		last = l->items[i].last;
	}
}

int vanished_decode(str in, struct range_list *out, struct err *err)
{
	uint64_t gap, length, last = 0;

	while (in.len > 0) {
		if (take_varint(&in, &gap) < 0 || take_varint(&in, &length) < 0 ||
		    gap > UINT32_MAX || length > UINT32_MAX || last + gap + length > UINT32_MAX)
			return err_set(err, ERR_SYSTEM, "a list of expunged UIDs makes no sense");
		struct store_range *r =
		    arena_push(out->arena, &out->items, &out->count, &out->cap, sizeof(*r));
		*r =
		    (struct store_range){ (uint32_t)(last + gap), (uint32_t)(last + gap + length) };
		last += gap + length;
	}
	return 0;
}

/* The older half is forgotten; who asks for more is told all UIDs that are not there. */
static int prune(struct store_txn *t, struct box *b, struct err *err)
{
	int64_t modseq;

	int found = txn_look_up(t, DB_VANISHED_NTH,
	    DB_ARGS(DB_INT(b->id), DB_INT(VANISHED_ROWS_MAX / 2)), &modseq, err);
	if (found <= 0)
		return found;
	if (txn_run(t, DB_VANISHED_PRUNE, DB_ARGS(DB_INT(b->id), DB_INT(modseq)), err) < 0)
		return -1;
	b->now.head.vanished_floor = (uint64_t)modseq;
	b->now.head.vanished_rows -= VANISHED_ROWS_MAX / 2 + 1;
	return 0;
}

static int record_vanished(
    struct store_txn *t, struct box *b, const struct range_list *gone, struct err *err)
{
	if (b->now.head.vanished_rows >= VANISHED_ROWS_MAX && prune(t, b, err) < 0)
		return -1;
	b->now.head.vanished_rows++;
	buf_reset(&t->scratch);
	encode_ranges(gone, &t->scratch);
	if (!buf_ok(&t->scratch))
		return err_set(err, ERR_LIMIT, "too many separate UIDs in one expunge");
	return txn_run(t, DB_VANISHED_ADD,
	    DB_ARGS(DB_INT(b->id), DB_INT(b->now.head.modseq), DB_BLOB(buf_str(&t->scratch))), err);
}

int entries_remove(struct store_txn *t, struct box *b, const struct removal *what,
    uint32_t *out_count, struct err *err)
{
	AUTO_ARENA scratch = arena_new(NULL, "expunge", SCRATCH_ARENA);
	struct pass p = { .txn = t,
		.box = b,
		.what = what,
		.walk = { .ranges = what->uids, .count = what->uid_count, .all = !what->uids },
		.kept = page_list_new(b->now.list->count),
		.gone = { .arena = scratch } };

	box_touch(t, b);
	if (run_pass(&p, err) < 0) {
		page_list_unref(p.kept);
		return -1;
	}
	*out_count = p.count;
	if (p.count == 0) {
		page_list_unref(p.kept);
		return 0;
	}
	page_list_unref(b->now.list);
	b->now.list = p.kept;
	b->now.head.modseq++;
	return record_vanished(t, b, &p.gone, err);
}

/* ---- EXPUNGE ---- */

struct released {
	struct store_txn *txn;
	int64_t bytes;
};

static int release(void *arg, const struct store_entry *e, struct err *err)
{
	struct released *r = arg;

	(void)err;
	r->bytes += e->size;
	txn_ref(r->txn, e->message, -1);
	return 0;
}

int txn_expunge(struct store_txn *t, uint64_t mailbox, const struct store_range *uids,
    size_t uid_count, bool any, uint32_t *out_count, struct err *err)
{
	struct released r = { .txn = t };
	struct box *b;
	uint32_t count = 0;

	if (box_get(t, mailbox, BOX_HEAD, &b, err) < 0)
		return -1;
	bool nothing = any ? b->now.head.count == 0 : b->now.head.deleted == 0;
	if (!nothing &&
	    (box_get(t, mailbox, BOX_ALL, &b, err) < 0 || entries_remove(t, b,
	                                                      &(struct removal){ .uids = uids,
	                                                          .uid_count = uid_count,
	                                                          .any = any,
	                                                          .each = release,
	                                                          .arg = &r },
	                                                      &count, err) < 0))
		return -1;
	if (count > 0 && purse_charge(t, b->account, -r.bytes, -(int64_t)count, false, err) < 0)
		return -1;
	if (out_count)
		*out_count = count;
	return 0;
}
