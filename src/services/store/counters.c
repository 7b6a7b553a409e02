/* Counters that outlive restarts: message ids, UIDVALIDITY, the ids of queue and stories. */
#include "base/secret.h"
#include "base/time.h"
#include "services/store/internal.h"

/* Ids are milliseconds since 1970 and 20 bits of counting; the floor on disk runs a minute ahead,
 * so that it is written once a minute and a clock that was set back cannot repeat an id. */
enum { ID_COUNT_BITS = 20, ID_AHEAD_MS = 60000 };

int64_t id_time(uint64_t id)
{
	return (int64_t)((id >> ID_COUNT_BITS) / 1000);
}

uint64_t id_from_time(int64_t at)
{
	return at <= 0 ? 0 : ((uint64_t)at * 1000) << ID_COUNT_BITS;
}

uint64_t store_next_id(struct store *s)
{
	uint64_t now = (uint64_t)time_wall_ms() << ID_COUNT_BITS;
	unsigned long long last = atomic_load(&s->last_id);
	uint64_t id;

	do
		id = last + 1 > now ? last + 1 : now;
	while (!atomic_compare_exchange_weak(&s->last_id, &last, id));
	return id;
}

static int meta_number(struct db *db, str name, uint64_t *out, struct err *err)
{
	int64_t n = 0;

	if (db_number(db, DB_META_GET, DB_ARGS(DB_TEXT(name)), &n, err) < 0)
		return -1;
	*out = (uint64_t)n;
	return 0;
}

static int raise_to_newest(struct db *db, enum db_statement id, uint64_t *n, struct err *err)
{
	int64_t newest = 0;

	if (db_number(db, id, DB_NO_ARGS, &newest, err) < 0)
		return -1;
	if ((uint64_t)newest > *n)
		*n = (uint64_t)newest;
	return 0;
}

int story_key_load(struct store *s, struct db *db, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, DB_META_GET, DB_ARGS(DB_TEXT(STR("story_key"))), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 1 && db_bytes(&rows, 1).len == STORY_KEY_BYTES)
		memcpy(s->story_key, db_bytes(&rows, 1).ptr, STORY_KEY_BYTES);
	return found;
}

static int need_story_key(struct store *s, struct err *err)
{
	int found = story_key_load(s, s->db, err);

	if (found != 0)
		return found < 0 ? -1 : 0;
	random_bytes(s->story_key, STORY_KEY_BYTES);
	return db_run(s->db, DB_META_PUT,
	    DB_ARGS(DB_TEXT(STR("story_key")), DB_INT(0),
	        DB_BLOB(str_new(s->story_key, STORY_KEY_BYTES))),
	    err);
}

int counters_load(struct store *s, struct err *err)
{
	struct counters *c = &s->counters;
	uint64_t newest = 0, limit = 0, uidvalidity = 0, floor = 0;

	if (need_story_key(s, err) < 0 ||
	    meta_number(s->db, STR("message_limit"), &limit, err) < 0 ||
	    meta_number(s->db, STR("uidvalidity"), &uidvalidity, err) < 0 ||
	    meta_number(s->db, STR("id_floor"), &floor, err) < 0 ||
	    raise_to_newest(s->db, DB_MESSAGE_MAX, &newest, err) < 0 ||
	    raise_to_newest(s->db, DB_QUEUE_MAX, &floor, err) < 0 ||
	    raise_to_newest(s->db, DB_STORY_MAX, &floor, err) < 0)
		return -1;
	uint64_t next = newest + 1 > limit ? newest + 1 : limit;
	if (next > c->next_message)
		c->next_message = next;
	c->message_limit = c->message_limit_saved = limit;
	if ((uint32_t)uidvalidity > c->uidvalidity)
		c->uidvalidity = (uint32_t)uidvalidity;
	c->uidvalidity_saved = (uint32_t)uidvalidity;
	c->id_floor = c->id_floor_saved = floor;
	if (atomic_load(&s->last_id) < floor)
		atomic_store(&s->last_id, floor);
	return 0;
}

/* 0 is never an id. */
uint64_t counters_message(struct store_txn *t)
{
	struct counters *c = &t->store->counters;

	if (c->next_message == 0)
		c->next_message = 1;
	uint64_t id = c->next_message++;
	if (id >= c->message_limit)
		c->message_limit = id + MESSAGE_ID_STRIDE;
	return id;
}

/* Grows with the clock, so that a store restored from an old backup does not repeat one. */
uint32_t counters_uidvalidity(struct store_txn *t)
{
	struct counters *c = &t->store->counters;
	uint32_t now = (uint32_t)t->now;

	c->uidvalidity = c->uidvalidity + 1 > now ? c->uidvalidity + 1 : now;
	return c->uidvalidity;
}

static int put(struct store_txn *t, str name, uint64_t n, struct err *err)
{
	return db_run(t->db, DB_META_PUT, DB_ARGS(DB_TEXT(name), DB_INT(n), DB_BLOB(STR(""))), err);
}

int counters_flush(struct store_txn *t, struct err *err)
{
	struct counters *c = &t->store->counters;
	uint64_t last = atomic_load(&t->store->last_id);

	if (last >= c->id_floor)
		c->id_floor = last + ((uint64_t)ID_AHEAD_MS << ID_COUNT_BITS);
	if (c->message_limit != c->message_limit_saved &&
	    put(t, STR("message_limit"), c->message_limit, err) < 0)
		return -1;
	if (c->uidvalidity != c->uidvalidity_saved &&
	    put(t, STR("uidvalidity"), c->uidvalidity, err) < 0)
		return -1;
	if (c->id_floor != c->id_floor_saved && put(t, STR("id_floor"), c->id_floor, err) < 0)
		return -1;
	return 0;
}

void counters_committed(struct store *s)
{
	struct counters *c = &s->counters;

	c->message_limit_saved = c->message_limit;
	c->uidvalidity_saved = c->uidvalidity;
	c->id_floor_saved = c->id_floor;
}
