/* Mailboxes as the writer sees them: kept between groups, changed by jobs, written once a group.
 *
 * Three states: now, what the running job found (saved) and what the database has (committed). A
 * job that fails puts saved back; lists and pages are shared until somebody changes them, so a
 * state costs a few references. A mailbox that only receives is loaded as far as its last page. */
#include <stdlib.h>

#include "services/store/internal.h"

enum { BOXES_MAX = 2048, CAP_FIRST = 16 };

static void state_drop(struct box_state *state)
{
	keywords_unref(state->keywords);
	page_list_unref(state->list);
	*state = (struct box_state){ .list = NULL };
}

static void state_set(struct box_state *to, const struct box_state *from)
{
	struct box_state copy = { .head = from->head,
		.keywords = keywords_ref(from->keywords),
		.list = page_list_ref(from->list) };

	state_drop(to);
	*to = copy;
}

static void box_free(struct box *b)
{
	state_drop(&b->now);
	state_drop(&b->saved);
	state_drop(&b->committed);
	free(b);
}

/* ---- loading ---- */

int box_load_head(struct db *db, struct box *b, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	struct box_head *h = &b->now.head;

	if (db_query(db, DB_MAILBOX_HEAD_GET, DB_ARGS(DB_INT(b->id)), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 0 || (found == 1 && !db_int(&rows, 1)))
		return err_set(err, ERR_DENIED, "there is no such mailbox");
	if (found < 0)
		return -1;
	b->account = db_u64(&rows, 0);
	b->selectable = true;
	b->uidvalidity = db_u32(&rows, 2);
	h->uidnext = db_u32(&rows, 3);
	h->count = db_u32(&rows, 4);
	h->unseen = db_u32(&rows, 5);
	h->deleted = db_u32(&rows, 6);
	h->recent = db_u32(&rows, 7);
	h->recent_uid = db_u32(&rows, 8);
	h->size_bytes = db_u64(&rows, 9);
	h->deleted_bytes = db_u64(&rows, 10);
	h->modseq = db_u64(&rows, 11);
	h->vanished_floor = db_u64(&rows, 12);
	h->vanished_rows = db_u32(&rows, 13);
	return keywords_decode(db_bytes(&rows, 14), &b->now.keywords, err);
}

static int load_rows(struct db *db, enum db_statement id, uint64_t from, uint64_t to,
    struct page_list *list, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	int more;

	if (db_query(db, id, DB_ARGS(DB_INT(from), DB_INT(to)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_page *p;
		if (page_decode(db_bytes(&rows, 1), db_u32(&rows, 0), &p, err) < 0)
			return err_wrap(err, "mailbox %llu", (unsigned long long)(from >> 32));
		page_list_push(list, p);
	}
	return more;
}

static int load_box(struct store_txn *t, uint64_t mailbox, struct box **out, struct err *err)
{
	struct store *s = t->store;
	struct box *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->id = mailbox;
	if (box_load_head(t->db, b, err) < 0) {
		free(b);
		return -1;
	}
	b->now.list = view_cache_pages(s, mailbox, b->now.head.modseq);
	if (!b->now.list) {
		b->now.list = page_list_new(2);
		b->partial = b->now.head.count > 0;
	}
	state_set(&b->committed, &b->now);
	b->next_loaded = t->new_boxes;
	t->new_boxes = b;
	table_set_id(s->boxes, mailbox, b);
	s->box_count++;
	*out = b;
	return 0;
}

/* A partial list without any page has not even loaded its tail. */
static int load_tail(struct store_txn *t, struct box *b, struct err *err)
{
	struct page_list *tail;

	if (!b->partial || b->now.list->count > 0)
		return 0;
	tail = page_list_new(2);
	if (load_rows(t->db, DB_PAGE_LAST, b->id << 32, (b->id + 1) << 32, tail, err) < 0) {
		page_list_unref(tail);
		return -1;
	}
	/* Nothing was changed yet, or there would be a page. */
	page_list_unref(b->now.list);
	b->now.list = tail;
	page_list_unref(b->committed.list);
	b->committed.list = page_list_ref(tail);
	if (b->saved.list) {
		page_list_unref(b->saved.list);
		b->saved.list = page_list_ref(tail);
	}
	return 0;
}

static void put_in_front(struct page_list **list, const struct page_list *head)
{
	struct page_list *joined = page_list_join(head, *list);

	page_list_unref(*list);
	*list = joined;
}

/* The committed pages in front of the tail, from the view when there is one. */
static int load_head_pages(
    struct store_txn *t, struct box *b, struct page_list **out, struct err *err)
{
	uint32_t before = b->now.list->pages[0]->start;
	struct page_list *all = view_cache_pages(t->store, b->id, b->committed.head.modseq);
	struct page_list *head = page_list_new(all ? all->count : 16);

	if (all) {
		for (size_t i = 0; i < all->count && all->pages[i]->start < before; i++)
			page_list_push(head, page_ref(all->pages[i]));
		page_list_unref(all);
	} else if (load_rows(t->db, DB_PAGE_LIST, b->id << 32, b->id << 32 | before, head, err) <
	           0) {
		page_list_unref(head);
		return -1;
	}
	*out = head;
	return 0;
}

static int load_all(struct store_txn *t, struct box *b, struct err *err)
{
	struct page_list *head;

	if (!b->partial)
		return 0;
	if (load_tail(t, b, err) < 0)
		return -1;
	if (b->now.list->count == 0)
		return err_set(
		    err, ERR_SYSTEM, "mailbox %llu has lost its pages", (unsigned long long)b->id);
	if (load_head_pages(t, b, &head, err) < 0)
		return -1;
	put_in_front(&b->now.list, head);
	put_in_front(&b->committed.list, head);
	if (b->saved.list)
		put_in_front(&b->saved.list, head);
	page_list_unref(head);
	b->partial = false;
	return 0;
}

int box_get(
    struct store_txn *t, uint64_t mailbox, enum box_need need, struct box **out, struct err *err)
{
	struct box *b = table_get_id(t->store->boxes, mailbox);
	struct err why = { .kind = ERR_NONE };

	if (b && b->removed)
		return err_set(err, ERR_DENIED, "there is no such mailbox");
	if ((!b && load_box(t, mailbox, &b, &why) < 0) ||
	    (need >= BOX_TAIL && load_tail(t, b, &why) < 0) ||
	    (need >= BOX_ALL && load_all(t, b, &why) < 0)) {
		if (err)
			*err = why;
		if (why.kind != ERR_DENIED)
			txn_failed(t, &why);
		return -1;
	}
	b->used = t->store->group;
	*out = b;
	return 0;
}

/* ---- changing ---- */

void box_touch(struct store_txn *t, struct box *b)
{
	t->changed = t->job_changed = true;
	if (!b->touched) {
		b->touched = true;
		b->next_touched = t->boxes;
		t->boxes = b;
	}
	if (b->job == t->job)
		return;
	b->job = t->job;
	state_set(&b->saved, &b->now);
	txn_event(t, b->account, b->id);
}

struct page_list *box_own_list(struct store_txn *t, struct box *b)
{
	(void)t;
	if (atomic_load_explicit(&b->now.list->refs, memory_order_acquire) > 1) {
		struct page_list *own = page_list_copy(b->now.list, 2);
		page_list_unref(b->now.list);
		b->now.list = own;
	}
	return b->now.list;
}

struct store_page *box_own_page(struct store_txn *t, struct box *b, size_t i, uint32_t cap)
{
	struct page_list *list = box_own_list(t, b);
	struct store_page *p = list->pages[i];

	if (p->job == t->job && p->cap >= cap &&
	    atomic_load_explicit(&p->refs, memory_order_acquire) == 1)
		return p;
	struct store_page *own = page_copy(p, cap);
	own->dirty = true;
	own->job = t->job;
	page_list_replace(list, i, own);
	return own;
}

void box_count(struct box_head *head, const struct store_entry *e, int sign)
{
	uint32_t one = sign > 0 ? 1u : UINT32_MAX;
	uint64_t size = sign > 0 ? e->size : 0 - (uint64_t)e->size;

	head->count += one;
	head->size_bytes += size;
	if (!(e->flags & STORE_SEEN))
		head->unseen += one;
	if (e->uid > head->recent_uid)
		head->recent += one;
	if (e->flags & STORE_DELETED) {
		head->deleted += one;
		head->deleted_bytes += size;
	}
}

static uint32_t grown(uint32_t count)
{
	uint32_t cap = count < CAP_FIRST ? CAP_FIRST : count + count / 2;

	return cap > STORE_PAGE_ENTRIES ? STORE_PAGE_ENTRIES : cap;
}

/* The page that takes the next entry: the last one, or a new one. */
static struct store_page *tail_page(struct store_txn *t, struct box *b, uint32_t uid)
{
	struct page_list *list = b->now.list;
	size_t count = list->count;

	if (count > 0 && list->pages[count - 1]->count < STORE_PAGE_ENTRIES) {
		struct store_page *p = list->pages[count - 1];
		uint32_t cap = p->count < p->cap ? p->cap : grown(p->count);
		return box_own_page(t, b, count - 1, cap);
	}
	struct store_page *fresh = page_new(uid, count > 0 ? STORE_PAGE_ENTRIES : CAP_FIRST);
	fresh->dirty = true;
	fresh->job = t->job;
	page_list_push(box_own_list(t, b), fresh);
	return fresh;
}

int box_append(struct store_txn *t, struct box *b, struct store_entry *e, struct err *err)
{
	struct box_head *head = &b->now.head;

	if (head->uidnext == UINT32_MAX)
		return err_set(err, ERR_LIMIT, "mailbox has used up its UIDs");
	box_touch(t, b);
	e->uid = head->uidnext++;
	struct store_page *p = tail_page(t, b, e->uid);
	p->entries[p->count++] = *e;
	box_count(head, e, 1);
	return 0;
}

int box_keywords(struct store_txn *t, struct box *b, const str *names, size_t count, bool may_add,
    uint64_t *out, struct err *err)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < count; i++) {
		int bit = keywords_find(b->now.keywords, names[i]);
		if (bit < 0 && !may_add)
			continue;
		if (bit < 0) {
			if (b->now.keywords->count == STORE_KEYWORDS_MAX ||
			    names[i].len > STORE_NAME_MAX || names[i].len == 0)
				return err_set(err, ERR_LIMIT,
				    "mailbox has %d keywords, there is no room for '" STR_FMT "'",
				    (int)b->now.keywords->count, STR_ARG(str_sub(names[i], 0, 60)));
			box_touch(t, b);
			struct keywords *with = keywords_with(b->now.keywords, names[i]);
			keywords_unref(b->now.keywords);
			b->now.keywords = with;
			bit = (int)with->count - 1;
		}
		bits |= 1ull << bit;
	}
	*out = bits;
	return 0;
}

int box_remove(struct store_txn *t, uint64_t mailbox, struct err *err)
{
	struct box *b;

	if (box_get(t, mailbox, BOX_ALL, &b, err) < 0)
		return -1;
	box_touch(t, b);
	for (size_t i = 0; i < b->now.list->count; i++) {
		const struct store_page *p = b->now.list->pages[i];
		for (uint32_t k = 0; k < p->count; k++)
			txn_ref(t, p->entries[k].message, -1);
	}
	if (purse_charge(t, b->account, -(int64_t)b->now.head.size_bytes,
	        -(int64_t)b->now.head.count, false, err) < 0)
		return -1;
	if (txn_run(t, DB_PAGE_CLEAR, DB_ARGS(DB_INT(mailbox << 32), DB_INT((mailbox + 1) << 32)),
	        err) < 0 ||
	    txn_run(t, DB_VANISHED_CLEAR, DB_ARGS(DB_INT(mailbox)), err) < 0 ||
	    txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(mailbox)), err) < 0)
		return -1;
	b->removed = true;
	return 0;
}

/* ---- the end of a job, and of a group ---- */

static void forget(struct store *s, struct box *b)
{
	table_remove_id(s->boxes, b->id);
	s->box_count--;
	box_free(b);
}

static void untouch(struct store_txn *t, const struct box *b)
{
	struct box **at = &t->boxes;

	while (*at && *at != b)
		at = &(*at)->next_touched;
	if (*at)
		*at = b->next_touched;
}

/* A box that the job loaded may be of a mailbox that it made: its number will be given out again,
 * with another UIDVALIDITY. */
void boxes_undo_job(struct store_txn *t)
{
	for (struct box *b = t->boxes; b; b = b->next_touched) {
		if (b->job != t->job)
			continue;
		state_set(&b->now, &b->saved);
		/* A job that removed it is undone; an earlier one would have kept us out. */
		b->removed = false;
	}
	for (struct box *b = t->new_boxes, *next; b; b = next) {
		next = b->next_loaded;
		untouch(t, b);
		forget(t->store, b);
	}
	t->new_boxes = NULL;
}

static int put_head(struct store_txn *t, const struct box *b, struct err *err)
{
	const struct box_head *h = &b->now.head;

	buf_reset(&t->scratch);
	keywords_encode(b->now.keywords, &t->scratch);
	return db_run(t->db, DB_MAILBOX_HEAD_PUT,
	    DB_ARGS(DB_INT(b->id), DB_INT(h->uidnext), DB_INT(h->count), DB_INT(h->unseen),
	        DB_INT(h->deleted), DB_INT(h->recent), DB_INT(h->recent_uid), DB_INT(h->size_bytes),
	        DB_INT(h->deleted_bytes), DB_INT(h->modseq), DB_INT(h->vanished_floor),
	        DB_INT(h->vanished_rows), DB_BLOB(buf_str(&t->scratch))),
	    err);
}

static int put_pages(struct store_txn *t, const struct box *b, struct err *err)
{
	for (size_t i = 0; i < b->now.list->count; i++) {
		struct store_page *p = b->now.list->pages[i];
		if (!p->dirty)
			continue;
		buf_reset(&t->scratch);
		page_encode(p, &t->scratch);
		if (db_run(t->db, DB_PAGE_PUT,
		        DB_ARGS(DB_INT(b->id << 32 | p->start), DB_BLOB(buf_str(&t->scratch))),
		        err) < 0)
			return -1;
		p->dirty = false;
	}
	return 0;
}

/* Both lists ascend by start: what the committed one has and the new one has not is removed. */
static int remove_pages(struct store_txn *t, const struct box *b, struct err *err)
{
	const struct page_list *old = b->committed.list, *new = b->now.list;
	size_t k = 0;

	for (size_t i = 0; i < old->count; i++) {
		uint32_t start = old->pages[i]->start;
		while (k < new->count &&new->pages[k]->start < start)
			k++;
		if (k < new->count &&new->pages[k]->start == start)
			continue;
		if (db_run(t->db, DB_PAGE_REMOVE, DB_ARGS(DB_INT(b->id << 32 | start)), err) < 0)
			return -1;
	}
	return 0;
}

int boxes_flush(struct store_txn *t, struct err *err)
{
	for (struct box *b = t->boxes; b; b = b->next_touched) {
		if (b->removed)
			continue;
		if (remove_pages(t, b, err) < 0 || put_pages(t, b, err) < 0 ||
		    put_head(t, b, err) < 0)
			return -1;
	}
	return 0;
}

/* Somebody looks at a mailbox of which we have only the tail: the view has the rest. */
static void complete_from_view(struct store *s, struct box *b)
{
	struct page_list *all = view_cache_pages(s, b->id, b->committed.head.modseq);

	if (!all || b->now.list->count == 0) {
		page_list_unref(all);
		return;
	}
	uint32_t before = b->now.list->pages[0]->start;
	struct page_list *head = page_list_new(all->count);
	for (size_t i = 0; i < all->count && all->pages[i]->start < before; i++)
		page_list_push(head, page_ref(all->pages[i]));
	put_in_front(&b->now.list, head);
	page_list_unref(head);
	page_list_unref(all);
	b->partial = false;
}

/* Nobody looks: the last page is all that a box needs to receive. A view that is made later is read
 * from the database, and its pages are then the ones that everybody shares. */
static void keep_tail(struct box *b)
{
	struct page_list *list = b->now.list;

	b->partial = b->now.head.count > 0;
	if (list->count < 2)
		return;
	struct page_list *tail = page_list_new(2);
	page_list_push(tail, page_ref(list->pages[list->count - 1]));
	page_list_unref(list);
	b->now.list = tail;
}

void boxes_committed(struct store_txn *t)
{
	struct store *s = t->store;

	for (struct box *b = t->boxes, *next; b; b = next) {
		next = b->next_touched;
		b->touched = false;
		b->next_touched = NULL;
		if (b->removed) {
			view_drop(s, b->id);
			forget(s, b);
			continue;
		}
		bool is_wanted = view_is_wanted(s, b->id);
		if (b->partial && is_wanted)
			complete_from_view(s, b);
		if (!b->partial && !b->now.list->first_seq)
			page_list_number(b->now.list);
		if (b->partial || !is_wanted)
			keep_tail(b);
		state_drop(&b->saved);
		state_set(&b->committed, &b->now);
		view_publish(s, b);
	}
	t->boxes = NULL;
}

void boxes_forget(struct store *s)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(s->boxes, &at, &key, &value))
		box_free(value);
	table_free(s->boxes);
	s->boxes = table_new();
	s->box_count = 0;
}

/* Between groups: half of them go when there are too many, the longest unused first, roughly. */
void boxes_trim(struct store *s)
{
	size_t at = 0;
	str key;
	void *value;

	if (s->box_count <= BOXES_MAX)
		return;
	while (s->box_count > BOXES_MAX / 2 && table_next(s->boxes, &at, &key, &value)) {
		struct box *b = value;
		if (b->used + 64 < s->group || s->box_count > BOXES_MAX)
			forget(s, b);
	}
}
