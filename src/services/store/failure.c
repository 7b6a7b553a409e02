/* After a failed write, sync or commit: forget, refuse, open again, verify, go on. */
#include "base/time.h"
#include "services/store/message_rows.h"
#include "services/store/writer.h"

static void forget_group(struct store *s, struct store_txn *t)
{
	if (s->db && s->db->engine->in_transaction(s->db))
		db_run(s->db, DB_ROLLBACK, DB_NO_ARGS, NULL);
	boxes_forget(s);
	purses_forget(s);
	t->boxes = NULL;
	t->purses = NULL;
	packs_give_up(s->packs, t->group_mark, t->commit_tried);
	view_drop_all(s);
}

/* What a checkpoint brings to the database file is written and synced anew, not merely synced
 * again, so its success means that all that was committed is on disk. */
static int verify(struct store *s, struct err *err)
{
	struct err held = { .kind = ERR_NONE };

	readers_let_go(s);
	if (s->db->engine->checkpoint(s->db, DB_CHECKPOINT_GENTLE, &held) < 0 &&
	    held.kind != ERR_RETRY) {
		*err = held;
		return -1;
	}
	if (db_run(s->db, DB_BEGIN_WRITE, DB_NO_ARGS, err) < 0 ||
	    db_run(s->db, DB_META_PUT,
	        DB_ARGS(DB_TEXT(STR("reopened_at")), DB_INT(time_wall_s()), DB_BLOB(STR(""))),
	        err) < 0 ||
	    db_run(s->db, DB_COMMIT, DB_NO_ARGS, err) < 0)
		return -1;
	return recover_newest(s, err);
}

static int reopen(struct store *s, struct err *err)
{
	db_close(s->db);
	s->db = NULL;
	if (store_open_writer_db(s, err) < 0)
		return -1;
	if (counters_load(s, err) < 0)
		return -1;
	return verify(s, err);
}

void store_try_again(struct store *s)
{
	struct err err = { .kind = ERR_NONE };
	uint64_t now = time_mono_ms();

	if (s->failed_at_ms && now < s->failed_at_ms + (uint64_t)atomic_load(&s->again_after_ms))
		return;
	s->failed_at_ms = now;
	if (reopen(s, &err) < 0) {
		log_warn(&s->log, "store still cannot write", F_CSTR("why", err.text));
		return;
	}
	s->failed_at_ms = 0;
	atomic_store(&s->state, STORE_WORKING);
	log_event(&s->log, "store writes again");
}

void store_failed(struct store *s, struct store_txn *t)
{
	log_alert(&s->log, "store failed to write", F_CSTR("why", t->broken_err.text));
	atomic_store(&s->state, STORE_FAILED);
	forget_group(s, t);
	space_release_reserve(s, &t->broken_err);
	s->failed_at_ms = 0;
	store_try_again(s);
}
