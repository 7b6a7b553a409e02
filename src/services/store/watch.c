/* Who wants to know when a mailbox, or the list of an account's mailboxes, changes. */
#include <stdlib.h>

#include "services/store/internal.h"

struct store_watch {
	struct store_watch *next;
	struct store *store;
	uint64_t account, mailbox;
	store_watch_fn *fn;
	void *arg;
};

struct key {
	uint64_t kind, id;
};

static str key_of(struct key *key, uint64_t account, uint64_t mailbox)
{
	*key = (struct key){ mailbox ? 1 : 0, mailbox ? mailbox : account };
	return str_new(key, sizeof(*key));
}

void watchers_init(struct watchers *w)
{
	w->by_key = table_new();
	pthread_mutex_init(&w->lock, NULL);
}

void watchers_fini(struct watchers *w)
{
	table_free(w->by_key);
	pthread_mutex_destroy(&w->lock);
}

struct store_watch *store_watch_new(
    struct store *s, uint64_t account, uint64_t mailbox, store_watch_fn *fn, void *arg)
{
	struct store_watch *w = malloc(sizeof(*w));
	struct key key;

	if (!w)
		abort();
	*w = (struct store_watch){
		.store = s, .account = account, .mailbox = mailbox, .fn = fn, .arg = arg
	};
	pthread_mutex_lock(&s->watchers.lock);
	w->next = table_set(s->watchers.by_key, key_of(&key, account, mailbox), w);
	pthread_mutex_unlock(&s->watchers.lock);
	return w;
}

/* The lock is held while watches are called, so that none is called after its free. */
void store_watch_free(struct store_watch *w)
{
	struct key key;

	if (!w)
		return;
	struct watchers *all = &w->store->watchers;
	str name = key_of(&key, w->account, w->mailbox);
	pthread_mutex_lock(&all->lock);
	struct store_watch *first = table_remove(all->by_key, name);
	for (struct store_watch **at = &first; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			break;
		}
	}
	if (first)
		table_set(all->by_key, name, first);
	pthread_mutex_unlock(&all->lock);
	free(w);
}

void watchers_tell(struct store *s, const struct touched_event *events, size_t count)
{
	struct watchers *all = &s->watchers;
	struct key key;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < count && table_count(all->by_key) > 0; i++) {
		uint64_t account = events[i].account, mailbox = events[i].mailbox;
		struct store_watch *w = table_get(all->by_key, key_of(&key, account, mailbox));
		for (; w; w = w->next)
			w->fn(w->arg, account, mailbox);
	}
	pthread_mutex_unlock(&all->lock);
}
