/* What every kind of job uses: statements inside the job's savepoint, references, events. */
#include <stdlib.h>

#include "services/store/internal.h"

int txn_failed(struct store_txn *t, const struct err *err)
{
	if (!t->broken && err)
		t->broken_err = *err;
	t->broken = true;
	return -1;
}

/* The rule of ERR_DENIED: a constraint said no, the transaction is as it was. */
static int judge(struct store_txn *t, struct err *err, const struct err *why)
{
	if (err)
		*err = *why;
	return why->kind == ERR_DENIED ? -1 : txn_failed(t, why);
}

/* The first statement of a job that changes something opens its savepoint; many jobs change only
 * mailboxes, which are undone in memory. */
int txn_savepoint(struct store_txn *t, struct err *err)
{
	struct err why = { .kind = ERR_NONE };

	t->changed = t->job_changed = true;
	if (t->has_savepoint)
		return 0;
	if (db_run(t->db, DB_SAVEPOINT, DB_NO_ARGS, &why) < 0) {
		if (err)
			*err = why;
		return txn_failed(t, &why);
	}
	t->has_savepoint = true;
	return 0;
}

int txn_run(struct store_txn *t, enum db_statement id, const struct db_args *args, struct err *err)
{
	struct err why = { .kind = ERR_NONE };

	if (txn_savepoint(t, err) < 0)
		return -1;
	return db_run(t->db, id, args, &why) < 0 ? judge(t, err, &why) : 0;
}

int txn_number(struct store_txn *t, enum db_statement id, const struct db_args *args, int64_t *out,
    struct err *err)
{
	struct err why = { .kind = ERR_NONE };

	if (txn_savepoint(t, err) < 0)
		return -1;
	int found = db_number(t->db, id, args, out, &why);
	return found < 0 ? judge(t, err, &why) : found;
}

int txn_look_up(struct store_txn *t, enum db_statement id, const struct db_args *args, int64_t *out,
    struct err *err)
{
	struct err why = { .kind = ERR_NONE };

	int found = db_number(t->db, id, args, out, &why);
	return found < 0 ? judge(t, err, &why) : found;
}

static void *grow(void *array, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 64;
	array = realloc(array, *cap * size);
	if (!array)
		abort();
	return array;
}

void txn_ref(struct store_txn *t, uint64_t message, int64_t delta)
{
	t->changed = t->job_changed = true;
	t->refs = grow(t->refs, t->ref_count, &t->ref_cap, sizeof(*t->refs));
	t->refs[t->ref_count++] = (struct ref_change){ message, delta };
}

void txn_event(struct store_txn *t, uint64_t account, uint64_t mailbox)
{
	t->events = grow(t->events, t->event_count, &t->event_cap, sizeof(*t->events));
	t->events[t->event_count++] = (struct touched_event){ account, mailbox };
}

struct store *store_of(struct store_txn *t)
{
	return t->store;
}
