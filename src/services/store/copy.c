/* COPY and MOVE: entries go over, bodies stay where they are. */
#include "services/store/expunge.h"

struct transfer {
	struct store_txn *txn;
	struct box *from, *to;
	bool moves;
	uint64_t modseq;
	unsigned char bit[STORE_KEYWORDS_MAX]; /* where a keyword of from is in to */
	uint64_t mapped;                       /* keywords of from that have a place */
	struct range_list from_uids, to_uids;
	int64_t bytes, count;
};

static int map_keyword(struct transfer *x, unsigned i, struct err *err)
{
	uint64_t bit;

	if (x->mapped & 1ull << i)
		return 0;
	str name = x->from->now.keywords->names[i];
	if (box_keywords(x->txn, x->to, &name, 1, true, &bit, err) < 0)
		return -1;
	x->bit[i] = (unsigned char)__builtin_ctzll(bit);
	x->mapped |= 1ull << i;
	return 0;
}

static int translate(struct transfer *x, uint64_t keywords, uint64_t *out, struct err *err)
{
	uint64_t translated = 0;

	for (uint64_t left = keywords; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		if (map_keyword(x, i, err) < 0)
			return -1;
		translated |= 1ull << x->bit[i];
	}
	*out = translated;
	return 0;
}

/* Pairs stay of equal length: a range grows only when both sides go on by one. */
static void add_pair(struct transfer *x, uint32_t from, uint32_t to)
{
	struct range_list *f = &x->from_uids, *t = &x->to_uids;

	if (f->count > 0 && f->items[f->count - 1].last + 1 == from &&
	    t->items[t->count - 1].last + 1 == to) {
		f->items[f->count - 1].last = from;
		t->items[t->count - 1].last = to;
		return;
	}
	struct store_range *r = arena_push(f->arena, &f->items, &f->count, &f->cap, sizeof(*r));
	*r = (struct store_range){ from, from };
	r = arena_push(t->arena, &t->items, &t->count, &t->cap, sizeof(*r));
	*r = (struct store_range){ to, to };
}

static int take_over(void *arg, const struct store_entry *e, struct err *err)
{
	struct transfer *x = arg;
	struct store_entry copy = *e;

	if (e->keywords && translate(x, e->keywords, &copy.keywords, err) < 0)
		return -1;
	if (x->modseq == 0) {
		box_touch(x->txn, x->to);
		x->modseq = ++x->to->now.head.modseq;
	}
	copy.modseq = x->modseq;
	copy.saved_at = (uint32_t)x->txn->now;
	if (box_append(x->txn, x->to, &copy, err) < 0)
		return -1;
	if (!x->moves)
		txn_ref(x->txn, e->message, 1);
	add_pair(x, e->uid, copy.uid);
	x->bytes += e->size;
	x->count++;
	return 0;
}

/* Copying within one mailbox must not see its own copies, so the list is held as it was. */
static int copy_all(
    struct transfer *x, const struct store_range *uids, size_t uid_count, struct err *err)
{
	struct page_list *list = page_list_ref(x->from->now.list);
	struct range_walk walk = { .ranges = uids, .count = uid_count };
	int result = 0;

	for (size_t i = 0; i < list->count && result == 0; i++) {
		struct store_page *p = page_ref(list->pages[i]);
		uint32_t count = p->count;
		if (!range_walk_meets(&walk, p->entries[0].uid, p->entries[count - 1].uid))
			count = 0;
		for (uint32_t k = 0; k < count && result == 0; k++) {
			if (range_walk_wants(&walk, p->entries[k].uid))
				result = take_over(x, &p->entries[k], err);
		}
		page_unref(p);
	}
	page_list_unref(list);
	return result;
}

static int settle(struct transfer *x, struct err *err)
{
	bool same = x->from->account == x->to->account;

	if (x->count == 0 || (x->moves && same))
		return 0;
	if (x->moves &&
	    purse_charge(x->txn, x->from->account, -x->bytes, -x->count, false, err) < 0)
		return -1;
	return purse_charge(x->txn, x->to->account, x->bytes, x->count, true, err);
}

static int open_both(struct store_txn *t, uint64_t from, uint64_t to, struct arena *a,
    struct transfer *x, struct err *err)
{
	*x = (struct transfer){ .txn = t, .from_uids = { .arena = a }, .to_uids = { .arena = a } };
	if (box_get(t, from, BOX_ALL, &x->from, err) < 0)
		return -1;
	return box_get(t, to, BOX_TAIL, &x->to, err);
}

static void answer(const struct transfer *x, struct store_uid_pairs *out)
{
	*out = (struct store_uid_pairs){ .from = x->from_uids.items,
		.to = x->to_uids.items,
		.count = x->from_uids.count,
		.uidvalidity = x->to->uidvalidity };
}

int txn_copy(struct store_txn *t, uint64_t from, uint64_t to, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct store_uid_pairs *out, struct err *err)
{
	struct transfer x;

	if (open_both(t, from, to, a, &x, err) < 0 || copy_all(&x, uids, uid_count, err) < 0 ||
	    settle(&x, err) < 0)
		return -1;
	answer(&x, out);
	return 0;
}

/* RFC 6851 §3.3: moving to the same mailbox is a copy and an expunge, with new UIDs. */
static int move_within(
    struct transfer *x, const struct store_range *uids, size_t uid_count, struct err *err)
{
	uint32_t gone;

	if (copy_all(x, uids, uid_count, err) < 0)
		return -1;
	if (x->count == 0)
		return 0;
	return entries_remove(x->txn, x->from,
	    &(struct removal){
	        .uids = x->from_uids.items, .uid_count = x->from_uids.count, .any = true },
	    &gone, err);
}

int txn_move(struct store_txn *t, uint64_t from, uint64_t to, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct store_uid_pairs *out, struct err *err)
{
	struct transfer x;
	uint32_t gone;

	if (open_both(t, from, to, a, &x, err) < 0)
		return -1;
	x.moves = true;
	if (from == to) {
		if (move_within(&x, uids, uid_count, err) < 0)
			return -1;
	} else if (uid_count > 0 && entries_remove(t, x.from,
	                                &(struct removal){ .uids = uids,
	                                    .uid_count = uid_count,
	                                    .any = true,
	                                    .each = take_over,
	                                    .arg = &x },
	                                &gone, err) < 0) {
		return -1;
	}
	if (settle(&x, err) < 0)
		return -1;
	answer(&x, out);
	return 0;
}
