/* The queue: one row per recipient that waits. What is due when is services/queue's to know. */
#include "services/store/entries.h"

static void fill(const struct db_rows *r, struct arena *a, struct store_queue_item *out)
{
	*out = (struct store_queue_item){
		.id = db_u64(r, 0),
		.batch = db_u64(r, 1),
		.message = db_u64(r, 2),
		.account = db_u64(r, 3),
		.sender = arena_str(a, db_bytes(r, 4)),
		.recipient = arena_str(a, db_bytes(r, 5)),
		.orcpt = arena_str(a, db_bytes(r, 6)),
		.envid = arena_str(a, db_bytes(r, 7)),
		.notify = db_u32(r, 8),
		.ret = db_u32(r, 9),
		.flags = db_u32(r, 10),
		.state = (enum store_queue_state)db_int(r, 11),
		.attempts = db_u32(r, 12),
		.created_at = db_int(r, 13),
		.next_at = db_int(r, 14),
		.expires_at = db_int(r, 15),
		.last_error = arena_str(a, db_bytes(r, 16)),
	};
}

int txn_queue_add(
    struct store_txn *t, const struct store_queue_item *item, uint64_t *out_id, struct err *err)
{
	uint64_t id = item->id ? item->id : store_next_id(t->store);

	if (entries_need_message(t, item->message, err) < 0)
		return -1;
	if (txn_run(t, DB_QUEUE_ADD,
	        DB_ARGS(DB_INT(id), DB_INT(item->batch), DB_INT(item->message),
	            DB_INT(item->account), DB_TEXT(item->sender), DB_TEXT(item->recipient),
	            DB_TEXT(item->orcpt), DB_TEXT(item->envid), DB_INT(item->notify),
	            DB_INT(item->ret), DB_INT(item->flags), DB_INT(item->state),
	            DB_INT(item->attempts), DB_INT(item->created_at ? item->created_at : t->now),
	            DB_INT(item->next_at), DB_INT(item->expires_at), DB_TEXT(item->last_error)),
	        err) < 0)
		return -1;
	txn_ref(t, item->message, 1);
	if (out_id)
		*out_id = id;
	return 0;
}

static int gone(struct err *err)
{
	return err_set(err, ERR_DENIED, "the queue has no such entry");
}

int txn_queue_update(struct store_txn *t, const struct store_queue_item *item, struct err *err)
{
	int64_t id;
	int found = txn_number(t, DB_QUEUE_UPDATE,
	    DB_ARGS(DB_INT(item->id), DB_INT(item->state), DB_INT(item->attempts),
	        DB_INT(item->next_at), DB_INT(item->expires_at), DB_INT(item->flags),
	        DB_TEXT(item->last_error), DB_INT(item->notify), DB_INT(item->ret),
	        DB_INT(item->batch)),
	    &id, err);

	return found == 0 ? gone(err) : found < 0 ? -1 : 0;
}

static int change(
    struct store_txn *t, enum db_statement id, const struct db_args *args, struct err *err)
{
	int64_t found_id;
	int found = txn_number(t, id, args, &found_id, err);

	return found == 0 ? gone(err) : found < 0 ? -1 : 0;
}

int txn_queue_flag(struct store_txn *t, uint64_t id, uint32_t flag, struct err *err)
{
	return change(t, DB_QUEUE_FLAG, DB_ARGS(DB_INT(id), DB_INT(flag)), err);
}

int txn_queue_retry(struct store_txn *t, uint64_t id, uint32_t attempts, int64_t next_at,
    str last_error, struct err *err)
{
	return change(t, DB_QUEUE_RETRY,
	    DB_ARGS(DB_INT(id), DB_INT(attempts), DB_INT(next_at), DB_TEXT(last_error)), err);
}

int txn_queue_state(struct store_txn *t, uint64_t id, enum store_queue_state state, int64_t next_at,
    struct err *err)
{
	return change(t, DB_QUEUE_STATE, DB_ARGS(DB_INT(id), DB_INT(state), DB_INT(next_at)), err);
}

int txn_queue_remove(struct store_txn *t, uint64_t id, struct err *err)
{
	int64_t message;
	int found = txn_number(t, DB_QUEUE_REMOVE, DB_ARGS(DB_INT(id)), &message, err);

	if (found <= 0)
		return found == 0 ? gone(err) : -1;
	txn_ref(t, (uint64_t)message, -1);
	return 0;
}

static int read_items(struct db *db, enum db_statement id, const struct db_args *args,
    struct arena *a, struct store_queue_item **out, size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	struct store_queue_item *items = NULL;
	size_t count = 0, cap = 0;
	int more;

	if (db_query(db, id, args, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1)
		fill(&rows, a, arena_push(a, &items, &count, &cap, sizeof(*items)));
	if (more < 0)
		return -1;
	*out = items;
	*out_count = count;
	return 0;
}

static int read_queue(struct store *s, enum db_statement id, const struct db_args *args,
    struct arena *a, struct store_queue_item **out, size_t *out_count, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_items(db, id, args, a, out, out_count, err);
	reader_release(s, db);
	return result;
}

int store_queue_list(struct store *s, uint64_t after_id, size_t max, struct arena *a,
    struct store_queue_item **out, size_t *out_count, struct err *err)
{
	uint64_t limit = max > INT64_MAX ? INT64_MAX : max;

	return read_queue(
	    s, DB_QUEUE_LIST, DB_ARGS(DB_INT(after_id), DB_INT(limit)), a, out, out_count, err);
}

int store_queue_get(
    struct store *s, uint64_t id, struct arena *a, struct store_queue_item *out, struct err *err)
{
	struct store_queue_item *items;
	size_t count;

	if (read_queue(s, DB_QUEUE_GET, DB_ARGS(DB_INT(id)), a, &items, &count, err) < 0)
		return -1;
	if (count == 0)
		return gone(err);
	*out = items[0];
	return 0;
}
