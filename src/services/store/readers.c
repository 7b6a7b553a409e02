/* Connections that read: a pool, as many as threads read at once; and rows of many messages. */
#include <stdlib.h>

#include "services/store/internal.h"
#include "services/store/message_rows.h"

int reader_acquire(struct store *s, struct db **out, struct err *err)
{
	struct read_pool *pool = &s->readers;
	char path[STORE_PATH_MAX + 100];
	struct db *db = NULL;

	pthread_mutex_lock(&pool->lock);
	if (pool->idle_count > 0)
		db = pool->idle[--pool->idle_count];
	pthread_mutex_unlock(&pool->lock);
	if (!db) {
		store_file(s, "buzon.db", path);
		if (db_open_sqlite(&(struct db_options){ .path = path }, &db, err) < 0)
			return -1;
	}
	*out = db;
	return 0;
}

void reader_release(struct store *s, struct db *db)
{
	struct read_pool *pool = &s->readers;

	if (!db)
		return;
	pthread_mutex_lock(&pool->lock);
	if (pool->idle_count < READERS_IDLE_MAX) {
		pool->idle[pool->idle_count++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	db_close(db);
}

/* ---- messages ---- */

/* Reads many rows inside one transaction, because taking the locks costs more than the row. The
 * transaction is renewed now and then, and the writer may end it while the caller is busy, so that
 * the log can start over. Messages never change, so it does not matter which moment is seen. */
struct store_reader {
	struct store *store;
	struct db *db;
	pthread_mutex_t lock;
	bool in_transaction;
	unsigned rows;
	uint64_t last;      /* the message asked for before */
	struct db_rows run; /* stands on row last; its statement is NULL when there is none */
	struct buf copy;
	struct store_reader *next, **link;
};

enum {
	ROWS_PER_TRANSACTION = 512,
	COPY_MAX = 64 << 20,
	GAP_MAX = 16, /* rows that a run steps over rather than being looked up anew */
};

static int take_row(
    const struct db_rows *rows, struct buf *copy, struct store_message *out, struct err *err)
{
	*out = (struct store_message){
		.id = db_u64(rows, 0),
		.blob = { .pack = db_u64(rows, 1),
		    .offset = db_u64(rows, 2),
		    .bytes = db_u64(rows, 3) },
		.sent_at = db_int(rows, 5),
	};
	str hash = db_bytes(rows, 4);
	if (hash.len != sizeof(out->blob.sha256))
		return err_set(err, ERR_SYSTEM, "the row of message %llu makes no sense",
		    (unsigned long long)out->id);
	memcpy(out->blob.sha256, hash.ptr, hash.len);
	buf_reset(copy);
	buf_add(copy, db_bytes(rows, 6));
	if (!buf_ok(copy))
		return err_set(err, ERR_SYSTEM, "the row of message %llu is too large",
		    (unsigned long long)out->id);
	out->index = buf_str(copy);
	return 0;
}

static int is_gone(struct err *err)
{
	return err_set(err, ERR_DENIED, "the message is gone");
}

int message_row_get(
    struct db *db, uint64_t message, struct buf *copy, struct store_message *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, DB_MESSAGE_GET, DB_ARGS(DB_INT(message)), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found <= 0)
		return found < 0 ? -1 : is_gone(err);
	return take_row(&rows, copy, out, err);
}

/* ---- many in a row ---- */

/* Most readers want messages in the order they came: stepping on costs less than looking up. */
static bool is_near(const struct store_reader *r, uint64_t message)
{
	return r->last && message > r->last && message - r->last <= GAP_MAX;
}

static int read_in_run(
    struct store_reader *r, uint64_t message, struct store_message *out, struct err *err)
{
	uint64_t at = 0;

	if (!r->run.statement &&
	    db_query(r->db, DB_MESSAGE_RUN, DB_ARGS(DB_INT(message)), &r->run, err) < 0)
		return -1;
	while (at < message) {
		int found = db_next(&r->run, err);
		if (found <= 0) {
			db_end(&r->run);
			return found < 0 ? -1 : is_gone(err);
		}
		at = db_u64(&r->run, 0);
	}
	if (at == message)
		return take_row(&r->run, &r->copy, out, err);
	db_end(&r->run);
	return is_gone(err);
}

static int read_near_or_far(
    struct store_reader *r, uint64_t message, struct store_message *out, struct err *err)
{
	bool near = is_near(r, message);

	r->last = message;
	if (near)
		return read_in_run(r, message, out, err);
	db_end(&r->run);
	return message_row_get(r->db, message, &r->copy, out, err);
}

int store_reader_open(struct store *s, struct store_reader **out, struct err *err)
{
	struct store_reader *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	if (reader_acquire(s, &r->db, err) < 0) {
		free(r);
		return -1;
	}
	r->store = s;
	buf_init(&r->copy, COPY_MAX);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_lock(&s->open_readers_lock);
	r->next = s->open_readers;
	r->link = &s->open_readers;
	if (r->next)
		r->next->link = &r->next;
	s->open_readers = r;
	pthread_mutex_unlock(&s->open_readers_lock);
	*out = r;
	return 0;
}

/* Under the reader's lock. */
static void let_go(struct store_reader *r)
{
	db_end(&r->run);
	if (r->in_transaction)
		db_run(r->db, DB_ROLLBACK, DB_NO_ARGS, NULL);
	r->in_transaction = false;
	r->rows = 0;
}

static int read_row(
    struct store_reader *r, uint64_t message, struct store_message *out, struct err *err)
{
	if (r->rows++ >= ROWS_PER_TRANSACTION)
		let_go(r);
	if (!r->in_transaction) {
		if (db_run(r->db, DB_BEGIN_READ, DB_NO_ARGS, err) < 0)
			return -1;
		r->in_transaction = true;
	}
	struct err why = { .kind = ERR_NONE };
	int result = read_near_or_far(r, message, out, &why);
	if (result < 0 && why.kind == ERR_DENIED) {
		/* Perhaps it is younger than this transaction. */
		let_go(r);
		result = message_row_get(r->db, message, &r->copy, out, &why);
	}
	if (result < 0 && err)
		*err = why;
	return result;
}

int store_reader_message(
    struct store_reader *r, uint64_t message, struct store_message *out, struct err *err)
{
	pthread_mutex_lock(&r->lock);
	int result = read_row(r, message, out, err);
	pthread_mutex_unlock(&r->lock);
	return result;
}

void store_reader_close(struct store_reader *r)
{
	if (!r)
		return;
	struct store *s = r->store;
	pthread_mutex_lock(&s->open_readers_lock);
	*r->link = r->next;
	if (r->next)
		r->next->link = r->link;
	pthread_mutex_unlock(&s->open_readers_lock);
	let_go(r);
	reader_release(s, r->db);
	pthread_mutex_destroy(&r->lock);
	buf_fini(&r->copy);
	free(r);
}

void readers_let_go(struct store *s)
{
	pthread_mutex_lock(&s->open_readers_lock);
	for (struct store_reader *r = s->open_readers; r; r = r->next) {
		pthread_mutex_lock(&r->lock);
		let_go(r);
		pthread_mutex_unlock(&r->lock);
	}
	pthread_mutex_unlock(&s->open_readers_lock);
}
