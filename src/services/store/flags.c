/* Flags and keywords of many entries at once: one pass over the pages, one new modseq. */
#include "services/store/entries.h"

struct change {
	const struct store_flag_change *asked;
	uint32_t flags;
	uint64_t keywords;
	uint64_t modseq;
	struct range_walk walk;
	struct range_list failed;
	bool any;
};

static uint64_t combine(enum store_flag_op op, uint64_t old, uint64_t given)
{
	switch (op) {
	case STORE_FLAGS_SET:
		return given;
	case STORE_FLAGS_ADD:
		return old | given;
	case STORE_FLAGS_REMOVE:
		return old & ~given;
	}
	return old;
}

/* New values of an entry; false when nothing would change or must not. */
static bool new_values(
    struct change *c, const struct store_entry *e, uint32_t *out_flags, uint64_t *out_keywords)
{
	if (e->modseq > c->asked->unchanged_since) {
		range_list_add(&c->failed, e->uid, e->uid);
		return false;
	}
	*out_flags = (uint32_t)combine(c->asked->op, e->flags, c->flags);
	*out_keywords = combine(c->asked->op, e->keywords, c->keywords);
	return *out_flags != e->flags || *out_keywords != e->keywords;
}

static void recount(struct box_head *head, const struct store_entry *e, uint32_t flags)
{
	uint32_t differs = e->flags ^ flags;

	if (differs & STORE_SEEN)
		head->unseen += flags & STORE_SEEN ? UINT32_MAX : 1u;
	if (differs & STORE_DELETED) {
		head->deleted += flags & STORE_DELETED ? 1u : UINT32_MAX;
		head->deleted_bytes += flags & STORE_DELETED ? e->size : 0 - (uint64_t)e->size;
	}
}

static void begin_change(struct store_txn *t, struct box *b, struct change *c)
{
	if (c->any)
		return;
	box_touch(t, b);
	c->modseq = ++b->now.head.modseq;
	c->any = true;
}

static void change_page(struct store_txn *t, struct box *b, size_t i, struct change *c)
{
	struct store_page *p = b->now.list->pages[i], *own = NULL;
	uint32_t flags, count = p->count;
	uint64_t keywords;

	if (!range_walk_meets(&c->walk, p->entries[0].uid, p->entries[count - 1].uid))
		return;
	for (uint32_t k = 0; k < count; k++) {
		const struct store_entry *e = own ? &own->entries[k] : &p->entries[k];
		if (!range_walk_wants(&c->walk, e->uid) || !new_values(c, e, &flags, &keywords))
			continue;
		if (!own) {
			begin_change(t, b, c);
			own = box_own_page(t, b, i, 0);
		}
		struct store_entry *mine = &own->entries[k];
		recount(&b->now.head, mine, flags);
		mine->flags = flags;
		mine->keywords = keywords;
		mine->modseq = c->modseq;
	}
}

static bool is_any_changeable(const struct box *b, const struct store_flag_change *asked)
{
	struct range_walk walk = { .ranges = asked->uids, .count = asked->uid_count };
	size_t i = asked->uid_count ? page_list_seek(b->now.list, asked->uids[0].first)
	                            : b->now.list->count;

	for (; i < b->now.list->count; i++) {
		const struct store_page *p = b->now.list->pages[i];
		for (uint32_t k = 0; k < p->count; k++)
			if (range_walk_wants(&walk, p->entries[k].uid) &&
			    p->entries[k].modseq <= asked->unchanged_since)
				return true;
	}
	return false;
}

int txn_flags(struct store_txn *t, const struct store_flag_change *c, struct arena *a,
    struct store_range **out_failed, size_t *out_failed_count, struct err *err)
{
	struct change change = { .asked = c,
		.flags = c->flags & STORE_FLAGS_ALL,
		.walk = { .ranges = c->uids, .count = c->uid_count },
		.failed = { .arena = a } };
	struct box *b;

	if (box_get(t, c->mailbox, BOX_ALL, &b, err) < 0)
		return -1;
	/* A keyword that no message gets is not kept: the condition may protect all of them. */
	bool keeps_keywords = c->op != STORE_FLAGS_REMOVE && is_any_changeable(b, c);
	if (box_keywords(
	        t, b, c->keywords, c->keyword_count, keeps_keywords, &change.keywords, err) < 0)
		return -1;
	if (c->uid_count > 0) {
		size_t first = page_list_seek(b->now.list, c->uids[0].first);
		for (size_t i = first; i < b->now.list->count; i++)
			change_page(t, b, i, &change);
	}
	*out_failed = change.failed.items;
	*out_failed_count = change.failed.count;
	return 0;
}
