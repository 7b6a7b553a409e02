#include "sessions/imap/selected.h"

#include <stdlib.h>

enum { SELECTED_MAX = 1 << 20, SAVED_MAX = 64 << 20 };

int imap_select(struct imap_conn *c, uint64_t mailbox, str name, bool read_only, struct err *err)
{
	struct store_view *view;

	imap_unselect(c);
	if (store_view_get(c->store, mailbox, &view, err) < 0)
		return -1;
	struct arena *a = arena_new(c->arena, "selected", SELECTED_MAX);
	struct imap_selected *sel = arena_one(a, struct imap_selected);
	*sel = (struct imap_selected){
		.mailbox = mailbox,
		.name = arena_str(a, name),
		.read_only = read_only,
		.known = view,
		.told = store_view_ref(view),
		.saved_arena = arena_new(a, "saved", SAVED_MAX),
		.arena = a,
	};
	c->selected = sel;
	c->state = IMAP_SELECTED;
	return 0;
}

void imap_unselect(struct imap_conn *c)
{
	struct imap_selected *sel = c->selected;

	if (!sel)
		return;
	c->selected = NULL;
	c->state = IMAP_AUTHENTICATED;
	if (sel->watch)
		store_watch_free(sel->watch);
	store_view_unref(sel->told);
	store_view_unref(sel->known);
	arena_free(sel->arena);
}
