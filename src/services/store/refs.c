/* Which messages are still referred to: one packed line per group, folded when nobody waits.
 *
 * A message has 1 + extra + what the lines say references. The 1 stands for the reference nearly
 * every message is born with, so a delivery to one mailbox writes no line: making a message counts
 * -1 and the mailbox entry +1. A line is (message difference, delta) pairs as varints. Lines wait a
 * while before they are folded, so that a session that has not heard of an expunge can still read. */
#include <stdlib.h>

#include "services/store/refs.h"

enum {
	LINE_CHANGES_MAX = 1024,
	FOLD_CHANGES_MAX = 2048,
	LINE_BYTES_MAX = LINE_CHANGES_MAX * 20,
};

/* ---- writing lines ---- */

static int by_message(const void *a, const void *b)
{
	uint64_t x = ((const struct ref_change *)a)->message;
	uint64_t y = ((const struct ref_change *)b)->message;

	return x < y ? -1 : x > y;
}

size_t refs_merge(struct ref_change *changes, size_t count)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 1; i < count && sorted; i++)
		sorted = changes[i - 1].message <= changes[i].message;
	if (!sorted)
		qsort(changes, count, sizeof(*changes), by_message);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && changes[kept - 1].message == changes[i].message)
			changes[kept - 1].delta += changes[i].delta;
		else
			changes[kept++] = changes[i];
	}
	size_t left = 0;
	for (size_t i = 0; i < kept; i++) {
		if (changes[i].delta != 0)
			changes[left++] = changes[i];
	}
	return left;
}

static uint64_t zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (0 - ((uint64_t)n >> 63));
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)((n >> 1) ^ (0 - (n & 1)));
}

static int add_line(
    struct store_txn *t, const struct ref_change *changes, size_t count, struct err *err)
{
	uint64_t last = 0;

	buf_reset(&t->scratch);
	for (size_t i = 0; i < count; i++) {
		buf_add_varint(&t->scratch, changes[i].message - last);
		buf_add_varint(&t->scratch, zigzag(changes[i].delta));
		last = changes[i].message;
	}
	return db_run(
	    t->db, DB_REF_LINE_ADD, DB_ARGS(DB_INT(t->now), DB_BLOB(buf_str(&t->scratch))), err);
}

int refs_flush(struct store_txn *t, struct err *err)
{
	size_t count = refs_merge(t->refs, t->ref_count);

	for (size_t at = 0; at < count; at += LINE_CHANGES_MAX) {
		size_t step = count - at < LINE_CHANGES_MAX ? count - at : LINE_CHANGES_MAX;
		if (add_line(t, t->refs + at, step, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- folding ---- */

int refs_parse(str line, struct ref_changes *out, struct err *err)
{
	uint64_t message = 0, difference, delta;

	while (line.len > 0) {
		if (take_varint(&line, &difference) < 0 || take_varint(&line, &delta) < 0)
			return err_set(err, ERR_SYSTEM, "a line of references makes no sense");
		message += difference;
		if (out->count == out->cap) {
			out->cap = out->cap ? out->cap * 2 : 1024;
			out->items = realloc(out->items, out->cap * sizeof(*out->items));
			if (!out->items)
				abort();
		}
		out->items[out->count++] = (struct ref_change){ message, unzigzag(delta) };
	}
	return 0;
}

struct fold {
	int64_t until;
	struct ref_changes changes;
	uint64_t ids[200];
	size_t id_count;
	bool more;
};

static int read_lines(struct store_txn *t, struct fold *f, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	int more;

	if (db_query(t->db, DB_REF_LINE_OLDEST, DB_ARGS(DB_INT(f->until)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (f->changes.count >= FOLD_CHANGES_MAX || f->id_count == 200) {
			f->more = true;
			return 0;
		}
		f->ids[f->id_count++] = db_u64(&rows, 0);
		if (refs_parse(db_bytes(&rows, 1), &f->changes, err) < 0)
			return -1;
	}
	f->more = f->id_count == 200;
	return more;
}

/* Nobody refers to it any more: the row goes, the body becomes dead space. */
static int remove_message(struct store_txn *t, uint64_t message, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	uint64_t pack, bytes;

	if (db_query(t->db, DB_MESSAGE_PLACE, DB_ARGS(DB_INT(message)), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found <= 0)
		return found;
	pack = db_u64(&rows, 0);
	bytes = db_u64(&rows, 2) + PACK_HEADER_BYTES;
	db_end(&rows);
	if (txn_run(t, DB_MESSAGE_REMOVE, DB_ARGS(DB_INT(message)), err) < 0)
		return -1;
	return txn_run(t, DB_PACK_DEAD, DB_ARGS(DB_INT(pack), DB_INT(bytes)), err);
}

static int apply(struct store_txn *t, const struct ref_change *change, struct err *err)
{
	int64_t extra = 0;
	int found = txn_look_up(t, DB_REF_EXTRA_GET, DB_ARGS(DB_INT(change->message)), &extra, err);

	if (found < 0)
		return -1;
	extra += change->delta;
	if (extra != 0 && extra > -1)
		return txn_run(
		    t, DB_REF_EXTRA_PUT, DB_ARGS(DB_INT(change->message), DB_INT(extra)), err);
	if (found == 1 &&
	    txn_run(t, DB_REF_EXTRA_REMOVE, DB_ARGS(DB_INT(change->message)), err) < 0)
		return -1;
	return extra < 0 ? remove_message(t, change->message, err) : 0;
}

static int fold_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fold *f = arg;

	if (read_lines(t, f, err) < 0)
		return -1;
	size_t count = refs_merge(f->changes.items, f->changes.count);
	for (size_t i = 0; i < count; i++) {
		if (apply(t, &f->changes.items[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < f->id_count; i++) {
		if (txn_run(t, DB_REF_LINE_REMOVE, DB_ARGS(DB_INT(f->ids[i])), err) < 0)
			return -1;
	}
	return 0;
}

int refs_fold(struct store *s, int64_t until, bool *out_more, struct err *err)
{
	struct fold f = { .until = until };
	int result = writer_run_own(s, fold_job, &f, err);

	free(f.changes.items);
	*out_more = f.more;
	return result;
}
