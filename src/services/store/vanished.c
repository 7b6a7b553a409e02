/* Which UIDs went since a modseq (QRESYNC, RFC 7162 §3.2.5). */
#include "services/store/expunge.h"

struct answer {
	struct range_list ranges;
	uint64_t floor;
};

static int read_recorded(
    struct db *db, uint64_t mailbox, uint64_t modseq, struct answer *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	int more;

	if (db_query(db, DB_VANISHED_SINCE, DB_ARGS(DB_INT(mailbox), DB_INT(modseq)), &rows, err) <
	    0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (vanished_decode(db_bytes(&rows, 0), &out->ranges, err) < 0)
			return -1;
	}
	return more;
}

static int read_answer(
    struct db *db, uint64_t mailbox, uint64_t modseq, struct answer *out, struct err *err)
{
	struct box b = { .id = mailbox };

	if (db_run(db, DB_BEGIN_READ, DB_NO_ARGS, err) < 0)
		return -1;
	int result = box_load_head(db, &b, err);
	if (result == 0) {
		out->floor = b.now.head.vanished_floor;
		keywords_unref(b.now.keywords);
		if (modseq >= out->floor)
			result = read_recorded(db, mailbox, modseq, out, err);
	}
	db_run(db, DB_ROLLBACK, DB_NO_ARGS, NULL);
	return result;
}

/* What was recorded does not reach back that far: everything that is not there. */
static void add_gaps(const struct store_view *v, struct range_list *out)
{
	uint32_t next = 1;

	for (size_t i = 0; i < v->page_count; i++) {
		uint32_t count;
		const struct store_entry *e = store_view_page(v, i, &count);
		for (uint32_t k = 0; k < count; k++) {
			if (e[k].uid > next)
				range_list_add(out, next, e[k].uid - 1);
			next = e[k].uid + 1;
		}
	}
	if (next < v->uidnext)
		range_list_add(out, next, v->uidnext - 1);
}

int store_vanished_since(struct store *s, uint64_t mailbox, uint64_t modseq, struct arena *a,
    struct store_range **out, size_t *out_count, struct err *err)
{
	struct answer answer = { .ranges = { .arena = a } };
	struct store_view *view;
	struct db *db;

	if (modseq > INT64_MAX)
		modseq = INT64_MAX;
	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_answer(db, mailbox, modseq, &answer, err);
	reader_release(s, db);
	if (result < 0)
		return -1;
	if (modseq < answer.floor) {
		if (store_view_get(s, mailbox, &view, err) < 0)
			return -1;
		add_gaps(view, &answer.ranges);
		store_view_unref(view);
	}
	range_list_tidy(&answer.ranges);
	*out = answer.ranges.items;
	*out_count = answer.ranges.count;
	return 0;
}
