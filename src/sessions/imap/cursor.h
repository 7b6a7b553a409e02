/* cursor.h: walk a view from its first entry to its last, page by page.
 *
 * Purpose    Long walks over 100,000 entries without a search for each; two views side by side.
 * Ownership  Borrows the view; it must outlive the cursor.
 * Threads    As its owner.
 */
#ifndef BUZON_SESSIONS_IMAP_CURSOR_H
#define BUZON_SESSIONS_IMAP_CURSOR_H

#include "services/store/store.h"

struct cursor {
	const struct store_view *view;
	const struct store_entry *entries; /* of the page; NULL at the end */
	size_t page;
	uint32_t at, count;
};

static inline void cursor_load(struct cursor *c)
{
	c->entries = NULL;
	c->at = c->count = 0;
	for (; c->page < c->view->page_count; c->page++) {
		c->entries = store_view_page(c->view, c->page, &c->count);
		if (c->count)
			return;
	}
	c->entries = NULL;
}

static inline void cursor_init(struct cursor *c, const struct store_view *view)
{
	*c = (struct cursor){ .view = view };
	cursor_load(c);
}

/* NULL at the end. */
static inline const struct store_entry *cursor_entry(const struct cursor *c)
{
	return c->entries ? &c->entries[c->at] : NULL;
}

static inline uint32_t cursor_seq(const struct cursor *c)
{
	return c->view->first_seq[c->page] + c->at;
}

static inline void cursor_skip_page(struct cursor *c)
{
	c->page++;
	cursor_load(c);
}

static inline void cursor_next(struct cursor *c)
{
	if (++c->at == c->count)
		cursor_skip_page(c);
}

/* Forward to the first entry whose UID is uid or higher. */
static inline const struct store_entry *cursor_seek(struct cursor *c, uint32_t uid)
{
	while (c->entries && c->entries[c->count - 1].uid < uid)
		cursor_skip_page(c);
	if (!c->entries)
		return NULL;
	uint32_t low = c->at, high = c->count - 1;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (c->entries[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	c->at = low;
	return &c->entries[low];
}

/* Forward to exactly this UID, or NULL. */
static inline const struct store_entry *cursor_find(struct cursor *c, uint32_t uid)
{
	const struct store_entry *e = cursor_seek(c, uid);

	return e && e->uid == uid ? e : NULL;
}

/* Both stand at the start of one page that their views share. */
static inline bool cursor_same_page(const struct cursor *a, const struct cursor *b)
{
	return a->entries && a->entries == b->entries && !a->at && !b->at;
}

#endif
