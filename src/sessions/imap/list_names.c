#include "sessions/imap/list_names.h"

#include <stdlib.h>

#include "protocols/imap/list_match.h"

enum { DEPTH_MAX = 64 }; /* the store has half of that */

struct builder {
	struct arena *arena;
	struct list_name *names;
	size_t count, cap;
};

static struct list_name *add(struct builder *b, str name)
{
	struct list_name *n = arena_push(b->arena, &b->names, &b->count, &b->cap, sizeof(*n));

	*n = (struct list_name){ .name = name };
	return n;
}

/* '/' before every other byte: what is below a name follows it, and nothing comes between. */
static int order(str a, str b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		unsigned x = a.ptr[i] == '/' ? 0 : (unsigned char)a.ptr[i] + 1U;
		unsigned y = b.ptr[i] == '/' ? 0 : (unsigned char)b.ptr[i] + 1U;
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
	const struct list_name *x = a, *y = b;

	return order(x->name, y->name);
}

static void sort_and_merge(struct builder *b)
{
	size_t kept = 0;

	if (b->count == 0)
		return;
	qsort(b->names, b->count, sizeof(*b->names), by_name);
	for (size_t i = 1; i < b->count; i++) {
		struct list_name *last = &b->names[kept];
		const struct list_name *next = &b->names[i];
		if (!str_eq(last->name, next->name)) {
			b->names[++kept] = *next;
			continue;
		}
		if (!last->box)
			last->box = next->box;
		last->subscribed |= next->subscribed;
	}
	b->count = kept + 1;
}

static bool is_above(str above, str name)
{
	return name.len > above.len && name.ptr[above.len] == '/' && str_starts(name, above);
}

/* Names above that are nobody's: "a" and "a/b" for "a/b/c". The list is sorted; those above the
 * name before are there already. */
static void add_above(struct builder *b)
{
	size_t count = b->count;

	for (size_t i = 0; i < count; i++) {
		str name = b->names[i].name, before = i ? b->names[i - 1].name : STR("");
		for (size_t at = 0; at < name.len; at++) {
			str above = str_sub(name, 0, at);
			if (name.ptr[at] == '/' && !str_eq(above, before) &&
			    !is_above(above, before))
				add(b, above);
		}
	}
	if (b->count > count)
		sort_and_merge(b);
}

static int add_mailboxes(struct builder *b, struct store *s, uint64_t account, struct err *err)
{
	struct store_mailbox *boxes;
	size_t count;

	if (store_mailbox_list(s, account, b->arena, &boxes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct list_name *n = add(b, boxes[i].name);
		n->box = &boxes[i];
		n->subscribed = boxes[i].subscribed;
	}
	return 0;
}

static int add_subscriptions(struct builder *b, struct store *s, uint64_t account, struct err *err)
{
	str *names;
	size_t count;

	if (store_subscription_list(s, account, b->arena, &names, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		add(b, names[i])->subscribed = true;
	return 0;
}

static void judge(struct list_name *n, unsigned criteria, const str *patterns, size_t count)
{
	n->meets = criteria || n->box;
	if (criteria & LIST_SUBSCRIBED && !n->subscribed)
		n->meets = false;
	if (criteria & LIST_SPECIAL_USE && (!n->box || n->box->special_use == SPECIAL_NONE))
		n->meets = false;
	for (size_t i = 0; i < count && !n->matches; i++)
		n->matches = imap_list_match(patterns[i], n->name);
}

static void tell_above(struct list_name *const *above, size_t depth, const struct list_name *n)
{
	for (size_t i = 0; i < depth; i++) {
		above[i]->has_children |= n->box != NULL;
		above[i]->meets_below |= n->meets;
		above[i]->meets_hidden |= n->meets && !n->matches;
	}
}

static void judge_all(struct builder *b, unsigned criteria, const str *patterns, size_t count)
{
	struct list_name *above[DEPTH_MAX];
	size_t depth = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct list_name *n = &b->names[i];
		judge(n, criteria, patterns, count);
		while (depth > 0 && !is_above(above[depth - 1]->name, n->name))
			depth--;
		tell_above(above, depth, n);
		if (depth < DEPTH_MAX)
			above[depth++] = n;
	}
}

int list_names_collect(struct store *s, uint64_t account, unsigned criteria, const str *patterns,
    size_t pattern_count, struct arena *a, struct list_names *out, struct err *err)
{
	struct builder b = { .arena = a };

	if (add_mailboxes(&b, s, account, err) < 0)
		return -1;
	if (criteria & LIST_SUBSCRIBED && add_subscriptions(&b, s, account, err) < 0)
		return -1;
	sort_and_merge(&b);
	add_above(&b);
	judge_all(&b, criteria, patterns, pattern_count);
	*out = (struct list_names){ b.names, b.count };
	return 0;
}
