#include "services/auth/lru.h"

#include <stdlib.h>

#include "base/secret.h"
#include "base/table.h"

struct node {
	struct node *prev, *next; /* of a ring; the head's next is the oldest */
	char *key;
	size_t key_len;
	_Alignas(8) unsigned char entry[];
};

struct lru {
	struct table *table;
	struct node head;
	size_t entry_bytes, max;
};

static void unlink_node(struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}

static void link_newest(struct lru *l, struct node *n)
{
	n->prev = l->head.prev;
	n->next = &l->head;
	n->prev->next = n;
	l->head.prev = n;
}

static void drop(struct lru *l, struct node *n)
{
	table_remove(l->table, str_new(n->key, n->key_len));
	unlink_node(n);
	secret_wipe(n->entry, l->entry_bytes);
	free(n->key);
	free(n);
}

static struct node *make(struct lru *l, str key)
{
	struct node *n = calloc(1, sizeof(*n) + l->entry_bytes);
	char *copy = malloc(key.len + 1);

	if (!n || !copy)
		abort();
	if (key.len)
		memcpy(copy, key.ptr, key.len);
	n->key = copy;
	n->key_len = key.len;
	table_set(l->table, key, n);
	return n;
}

struct lru *lru_new(size_t entry_bytes, size_t max)
{
	struct lru *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->table = table_new();
	l->head.prev = l->head.next = &l->head;
	l->entry_bytes = entry_bytes;
	l->max = max;
	return l;
}

void lru_free(struct lru *l)
{
	if (!l)
		return;
	while (l->head.next != &l->head)
		drop(l, l->head.next);
	table_free(l->table);
	free(l);
}

void *lru_get(const struct lru *l, str key)
{
	struct node *n = table_get(l->table, key);

	return n ? n->entry : NULL;
}

void *lru_touch(struct lru *l, str key)
{
	struct node *n = table_get(l->table, key);

	if (n) {
		unlink_node(n);
	} else {
		if (table_count(l->table) >= l->max)
			drop(l, l->head.next);
		n = make(l, key);
	}
	link_newest(l, n);
	return n->entry;
}

void lru_remove(struct lru *l, str key)
{
	struct node *n = table_get(l->table, key);

	if (n)
		drop(l, n);
}

size_t lru_count(const struct lru *l)
{
	return table_count(l->table);
}
