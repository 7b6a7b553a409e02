/* Accounts' counters as the writer sees them: what is used, and the quota. */
#include <stdlib.h>

#include "services/store/internal.h"

enum { PURSES_MAX = 4096 };

static int load(struct store_txn *t, uint64_t account, struct purse **out, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	struct store *s = t->store;

	if (db_query(t->db, DB_ACCOUNT_GET, DB_ARGS(DB_INT(account)), &rows, err) < 0)
		return txn_failed(t, err);
	int found = db_next(&rows, err);
	if (found < 0)
		return txn_failed(t, err);
	if (found == 0)
		return err_set(err, ERR_DENIED, "there is no such account");
	struct purse *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->id = account;
	p->quota_bytes = db_u64(&rows, 2);
	p->used_bytes = db_u64(&rows, 3);
	p->message_count = db_u64(&rows, 4);
	p->next_loaded = t->new_purses;
	t->new_purses = p;
	table_set_id(s->purses, account, p);
	s->purse_count++;
	*out = p;
	return 0;
}

int purse_get(struct store_txn *t, uint64_t account, struct purse **out, struct err *err)
{
	struct purse *p = table_get_id(t->store->purses, account);
	struct err why = { .kind = ERR_NONE };

	if (!p && load(t, account, &p, &why) < 0) {
		if (err)
			*err = why;
		return -1;
	}
	*out = p;
	return 0;
}

static void touch(struct store_txn *t, struct purse *p)
{
	if (!p->touched) {
		p->touched = true;
		p->next_touched = t->purses;
		t->purses = p;
	}
	if (p->job == t->job)
		return;
	p->job = t->job;
	p->saved_used = p->used_bytes;
	p->saved_count = p->message_count;
}

/* Never below nothing, whatever went wrong before: `buzon check` finds and says it. */
static uint64_t add(uint64_t value, int64_t change)
{
	if (change >= 0)
		return value + (uint64_t)change;
	uint64_t less = 0 - (uint64_t)change;
	return less > value ? 0 : value - less;
}

int purse_charge(struct store_txn *t, uint64_t account, int64_t bytes, int64_t messages,
    bool enforce, struct err *err)
{
	struct purse *p;

	if (purse_get(t, account, &p, err) < 0)
		return -1;
	uint64_t quota = p->quota_bytes ? p->quota_bytes : t->store->options.quota_bytes;
	uint64_t used = add(p->used_bytes, bytes);
	if (enforce && bytes > 0 && used > quota)
		return err_set(err, ERR_LIMIT, "the mailbox is full: %llu of %llu bytes are used",
		    (unsigned long long)p->used_bytes, (unsigned long long)quota);
	touch(t, p);
	p->used_bytes = used;
	p->message_count = add(p->message_count, messages);
	return 0;
}

int purses_flush(struct store_txn *t, struct err *err)
{
	for (struct purse *p = t->purses; p; p = p->next_touched) {
		if (db_run(t->db, DB_ACCOUNT_USED,
		        DB_ARGS(DB_INT(p->id), DB_INT(p->used_bytes), DB_INT(p->message_count)),
		        err) < 0)
			return -1;
	}
	return 0;
}

static void forget(struct store *s, struct purse *p)
{
	table_remove_id(s->purses, p->id);
	s->purse_count--;
	free(p);
}

static void untouch(struct store_txn *t, const struct purse *p)
{
	struct purse **at = &t->purses;

	while (*at && *at != p)
		at = &(*at)->next_touched;
	if (*at)
		*at = p->next_touched;
}

/* Like a box, one that the job loaded may be of an account that is not there after all. */
void purses_undo_job(struct store_txn *t)
{
	for (struct purse *p = t->purses; p; p = p->next_touched) {
		if (p->job != t->job)
			continue;
		p->used_bytes = p->saved_used;
		p->message_count = p->saved_count;
	}
	for (struct purse *p = t->new_purses, *next; p; p = next) {
		next = p->next_loaded;
		untouch(t, p);
		forget(t->store, p);
	}
	t->new_purses = NULL;
}

void purses_forget(struct store *s)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(s->purses, &at, &key, &value))
		free(value);
	table_free(s->purses);
	s->purses = table_new();
	s->purse_count = 0;
}

/* Its row was changed or removed by SQL. It stays until the group ends; writing it then harms
 * nothing: its columns are its own, and a removed row stays removed. */
void purse_drop(struct store_txn *t, uint64_t account)
{
	struct purse *p = table_get_id(t->store->purses, account);

	if (!p)
		return;
	p->stale = true;
	touch(t, p);
}

void purses_committed(struct store_txn *t)
{
	for (struct purse *p = t->purses, *next; p; p = next) {
		next = p->next_touched;
		p->touched = false;
		p->next_touched = NULL;
		if (p->stale)
			forget(t->store, p);
	}
	t->purses = NULL;
	if (t->store->purse_count > PURSES_MAX)
		purses_forget(t->store);
}
