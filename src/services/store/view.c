/* Views of mailboxes: shared by all that look, replaced after each commit.
 *
 * A slot per mailbox says which commit it shows: a load from the database that was overtaken by a
 * commit (generation moved on) is not kept but done again. Views that somebody holds are never
 * dropped from the cache, so that the next view shares their pages. */
#include <assert.h>
#include <stdlib.h>

#include "services/store/internal.h"

enum { LOAD_TRIES = 3 };

struct view {
	struct store_view shown; /* first: callers get a pointer to it */
	atomic_uint refs;
	struct page_list *list;
	struct keywords *keywords;
	size_t bytes;
};

struct view_slot {
	uint64_t mailbox;
	uint64_t generation;
	struct view *view; /* NULL while it is loaded */
	bool loading;
	struct view_slot *newer, *older;
};

static struct view *of(struct store_view *v)
{
	return (struct view *)v;
}

static struct view *view_new(const struct box *b)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	atomic_init(&v->refs, 1);
	v->list = page_list_ref(b->now.list);
	v->keywords = keywords_ref(b->now.keywords);
	v->bytes = page_list_bytes(v->list) + sizeof(*v);
	v->shown = (struct store_view){
		.mailbox = b->id,
		.account = b->account,
		.uidvalidity = b->uidvalidity,
		.uidnext = b->now.head.uidnext,
		.count = b->now.head.count,
		.unseen_count = b->now.head.unseen,
		.recent_uid = b->now.head.recent_uid,
		.size_bytes = b->now.head.size_bytes,
		.highest_modseq = b->now.head.modseq,
		.keyword_count = v->keywords->count,
		.keywords = v->keywords->names,
		.page_count = v->list->count,
		.pages = v->list->pages,
		.first_seq = v->list->first_seq,
	};
	return v;
}

static void view_unref(struct view *v)
{
	if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
		return;
	page_list_unref(v->list);
	keywords_unref(v->keywords);
	free(v);
}

struct store_view *store_view_ref(struct store_view *v)
{
	atomic_fetch_add_explicit(&of(v)->refs, 1, memory_order_relaxed);
	return v;
}

void store_view_unref(struct store_view *v)
{
	if (v)
		view_unref(of(v));
}

/* ---- looking into a view ---- */

/* The page that has this sequence number. */
static size_t page_of(const struct store_view *v, uint32_t seq)
{
	size_t low = 0, high = v->page_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (v->first_seq[middle] <= seq)
			low = middle;
		else
			high = middle;
	}
	return low;
}

const struct store_entry *store_view_at(const struct store_view *v, uint32_t seq)
{
	assert(seq >= 1 && seq <= v->count);
	size_t i = page_of(v, seq);

	return &v->pages[i]->entries[seq - v->first_seq[i]];
}

uint32_t store_view_seek(const struct store_view *v, uint32_t uid)
{
	size_t low = 0, high = v->page_count;

	/* The first page whose last UID is not below uid. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct store_page *p = v->pages[middle];
		if (p->entries[p->count - 1].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == v->page_count)
		return v->count + 1;
	return v->first_seq[low] + page_seek(v->pages[low], uid);
}

const struct store_entry *store_view_find(
    const struct store_view *v, uint32_t uid, uint32_t *out_seq)
{
	uint32_t seq = store_view_seek(v, uid);

	if (seq > v->count)
		return NULL;
	const struct store_entry *e = store_view_at(v, seq);
	if (e->uid != uid)
		return NULL;
	if (out_seq)
		*out_seq = seq;
	return e;
}

const struct store_entry *store_view_page(const struct store_view *v, size_t i, uint32_t *out_count)
{
	*out_count = v->pages[i]->count;
	return v->pages[i]->entries;
}

bool store_view_same_page(const struct store_view *a, const struct store_view *b, size_t i)
{
	return i < a->page_count && i < b->page_count && a->pages[i] == b->pages[i];
}

/* ---- the cache; all under its lock ---- */

void view_cache_init(struct view_cache *c, size_t max_bytes)
{
	*c = (struct view_cache){ .max_bytes = max_bytes, .slots = table_new() };
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
}

static void unlink_slot(struct view_cache *c, struct view_slot *slot)
{
	*(slot->newer ? &slot->newer->older : &c->newest) = slot->older;
	*(slot->older ? &slot->older->newer : &c->oldest) = slot->newer;
	slot->newer = slot->older = NULL;
}

static void push_newest(struct view_cache *c, struct view_slot *slot)
{
	slot->newer = NULL;
	slot->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = slot;
	c->newest = slot;
}

static struct view_slot *slot_for(struct view_cache *c, uint64_t mailbox)
{
	struct view_slot *slot = table_get_id(c->slots, mailbox);

	if (slot) {
		unlink_slot(c, slot);
	} else {
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			abort();
		slot->mailbox = mailbox;
		table_set_id(c->slots, mailbox, slot);
	}
	push_newest(c, slot);
	return slot;
}

static void set_view(struct view_cache *c, struct view_slot *slot, struct view *v)
{
	if (slot->view) {
		c->bytes -= slot->view->bytes;
		view_unref(slot->view);
	}
	slot->view = v;
	if (v)
		c->bytes += v->bytes;
}

static void remove_slot(struct view_cache *c, struct view_slot *slot)
{
	set_view(c, slot, NULL);
	unlink_slot(c, slot);
	table_remove_id(c->slots, slot->mailbox);
	free(slot);
}

static void trim(struct view_cache *c)
{
	struct view_slot *slot = c->oldest;

	while (slot && c->bytes > c->max_bytes) {
		struct view_slot *newer = slot->newer;
		bool is_idle =
		    !slot->loading && (!slot->view || atomic_load(&slot->view->refs) == 1);
		if (is_idle)
			remove_slot(c, slot);
		slot = newer;
	}
}

void view_cache_fini(struct view_cache *c)
{
	while (c->newest)
		remove_slot(c, c->newest);
	table_free(c->slots);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->loaded);
}

/* ---- loading ---- */

static int load_pages(struct db *db, struct box *b, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	int more;

	if (db_query(db, DB_PAGE_LIST, DB_ARGS(DB_INT(b->id << 32), DB_INT((b->id + 1) << 32)),
	        &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_page *p;
		if (page_decode(db_bytes(&rows, 1), db_u32(&rows, 0), &p, err) < 0)
			return err_wrap(err, "mailbox %llu", (unsigned long long)b->id);
		page_list_push(b->now.list, p);
	}
	return more;
}

/* One snapshot: head and pages of the same commit. */
static int load_snapshot(struct db *db, struct box *b, struct err *err)
{
	if (db_run(db, DB_BEGIN_READ, DB_NO_ARGS, err) < 0)
		return -1;
	int result = box_load_head(db, b, err);
	if (result == 0)
		result = load_pages(db, b, err);
	db_run(db, DB_ROLLBACK, DB_NO_ARGS, NULL);
	return result;
}

static int load(struct store *s, uint64_t mailbox, struct view **out, struct err *err)
{
	struct box b = { .id = mailbox, .now.list = page_list_new(16) };
	struct db *db;

	int result = reader_acquire(s, &db, err);
	if (result == 0) {
		result = load_snapshot(db, &b, err);
		reader_release(s, db);
	}
	if (result == 0) {
		page_list_number(b.now.list);
		*out = view_new(&b);
	}
	page_list_unref(b.now.list);
	keywords_unref(b.now.keywords);
	return result;
}

/* Called and returns with the lock held; lets go of it to read. A mailbox that changes faster than
 * it can be read is handed out as it was read, newer than the call, and not kept. */
static int fill_slot(
    struct store *s, struct view_slot *slot, struct store_view **out, struct err *err)
{
	struct view_cache *c = &s->views;
	uint64_t generation;
	struct view *v = NULL;
	int result, tries = 0;

	slot->loading = true;
	do {
		generation = slot->generation;
		pthread_mutex_unlock(&c->lock);
		view_unref(v);
		v = NULL;
		result = load(s, slot->mailbox, &v, err);
		pthread_mutex_lock(&c->lock);
	} while (result == 0 && generation != slot->generation && ++tries < LOAD_TRIES);
	slot->loading = false;
	pthread_cond_broadcast(&c->loaded);
	if (result < 0) {
		remove_slot(c, slot);
		return -1;
	}
	*out = &v->shown;
	if (generation == slot->generation) {
		store_view_ref(*out);
		set_view(c, slot, v);
	}
	return 0;
}

int store_view_get(struct store *s, uint64_t mailbox, struct store_view **out, struct err *err)
{
	struct view_cache *c = &s->views;
	struct view_slot *slot;
	int result = 0;

	pthread_mutex_lock(&c->lock);
	while ((slot = slot_for(c, mailbox))->loading)
		pthread_cond_wait(&c->loaded, &c->lock);
	if (slot->view)
		*out = store_view_ref(&slot->view->shown);
	else
		result = fill_slot(s, slot, out, err);
	trim(c);
	pthread_mutex_unlock(&c->lock);
	return result;
}

/* ---- the writer's side ---- */

struct page_list *view_cache_pages(struct store *s, uint64_t mailbox, uint64_t modseq)
{
	struct view_cache *c = &s->views;
	struct page_list *list = NULL;

	pthread_mutex_lock(&c->lock);
	struct view_slot *slot = table_get_id(c->slots, mailbox);
	if (slot && slot->view && slot->view->shown.highest_modseq == modseq)
		list = page_list_ref(slot->view->list);
	pthread_mutex_unlock(&c->lock);
	return list;
}

bool view_is_wanted(struct store *s, uint64_t mailbox)
{
	struct view_cache *c = &s->views;

	pthread_mutex_lock(&c->lock);
	struct view_slot *slot = table_get_id(c->slots, mailbox);
	bool wanted = slot && slot->view;
	pthread_mutex_unlock(&c->lock);
	return wanted;
}

void view_publish(struct store *s, struct box *b)
{
	struct view_cache *c = &s->views;

	pthread_mutex_lock(&c->lock);
	struct view_slot *slot = table_get_id(c->slots, b->id);
	if (slot) {
		slot->generation++;
		if (slot->view)
			set_view(c, slot, b->partial ? NULL : view_new(b));
	}
	pthread_mutex_unlock(&c->lock);
}

void view_drop(struct store *s, uint64_t mailbox)
{
	struct view_cache *c = &s->views;

	pthread_mutex_lock(&c->lock);
	struct view_slot *slot = table_get_id(c->slots, mailbox);
	if (slot) {
		slot->generation++;
		set_view(c, slot, NULL);
		if (!slot->loading)
			remove_slot(c, slot);
	}
	pthread_mutex_unlock(&c->lock);
}

/* After a failure: nobody knows better than the database what was committed. */
void view_drop_all(struct store *s)
{
	struct view_cache *c = &s->views;

	pthread_mutex_lock(&c->lock);
	for (struct view_slot *slot = c->newest; slot; slot = slot->older) {
		slot->generation++;
		set_view(c, slot, NULL);
	}
	pthread_mutex_unlock(&c->lock);
}
