#include <stdlib.h>

#include "services/store/entries.h"

void range_list_add(struct range_list *l, uint32_t first, uint32_t last)
{
	if (l->count > 0 && l->items[l->count - 1].last + 1 == first) {
		l->items[l->count - 1].last = last;
		return;
	}
	struct store_range *r =
	    arena_push(l->arena, &l->items, &l->count, &l->cap, sizeof(*l->items));
	*r = (struct store_range){ first, last };
}

static int by_first(const void *a, const void *b)
{
	uint32_t x = ((const struct store_range *)a)->first;
	uint32_t y = ((const struct store_range *)b)->first;

	return x < y ? -1 : x > y;
}

void range_list_tidy(struct range_list *l)
{
	size_t kept = 0;

	if (l->count == 0)
		return;
	qsort(l->items, l->count, sizeof(*l->items), by_first);
	for (size_t i = 1; i < l->count; i++) {
		struct store_range *last = &l->items[kept];
		if (l->items[i].first <= last->last || l->items[i].first - last->last == 1) {
			if (l->items[i].last > last->last)
				last->last = l->items[i].last;
		} else {
			l->items[++kept] = l->items[i];
		}
	}
	l->count = kept + 1;
}

bool range_walk_wants(struct range_walk *w, uint32_t uid)
{
	if (w->all)
		return true;
	while (w->at < w->count && w->ranges[w->at].last < uid)
		w->at++;
	return w->at < w->count && w->ranges[w->at].first <= uid;
}

bool range_walk_meets(struct range_walk *w, uint32_t first, uint32_t last)
{
	if (w->all)
		return true;
	while (w->at < w->count && w->ranges[w->at].last < first)
		w->at++;
	return w->at < w->count && w->ranges[w->at].first <= last;
}
