/* The writer thread: takes what waits, runs it in one transaction, syncs, commits, tells.
 *
 * While one commit is on its way to disk the next group gathers; there is no other delay. A group
 * is bounded in jobs and time, so that the first job does not wait for the last of a long row.
 *
 * A failed sync or commit is never retried: after it nobody knows what is on disk. All jobs of the
 * group get ERR_RETRY, the pack is left as it is, everything in memory is forgotten, the database
 * is closed, opened and checked again; until that works the store refuses all writing. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "services/store/internal.h"
#include "services/store/writer.h"

enum {
	GROUP_JOBS_MAX = 512,
	GROUP_US_MAX = 10000,
};

struct job {
	struct job *next;
	store_job_fn *fn;
	store_done_fn *done;
	void *arg;
	int result;
	struct err err;
	bool on_heap;
};

/* ---- one job ---- */

static void job_begin(struct store_txn *t)
{
	t->job = ++t->store->job;
	t->has_savepoint = false;
	t->job_changed = false;
	t->new_boxes = NULL;
	t->new_purses = NULL;
	t->marks = (struct txn_marks){ .refs = t->ref_count,
		.events = t->event_count,
		.story_bytes = t->story_bytes,
		.directory_changed = t->directory_changed };
	t->pack_mark = packs_mark(t->store->packs);
	t->job_first_message = t->store->counters.next_message;
}

static void job_undo(struct store_txn *t)
{
	struct err err = { .kind = ERR_NONE };

	if (t->has_savepoint && (db_run(t->db, DB_SAVEPOINT_ROLLBACK, DB_NO_ARGS, &err) < 0 ||
	                            db_run(t->db, DB_SAVEPOINT_RELEASE, DB_NO_ARGS, &err) < 0))
		txn_failed(t, &err);
	boxes_undo_job(t);
	purses_undo_job(t);
	packs_rewind(t->store->packs, t->pack_mark);
	t->ref_count = t->marks.refs;
	t->event_count = t->marks.events;
	t->story_bytes = t->marks.story_bytes;
	t->directory_changed = t->marks.directory_changed;
}

static void run_job(struct store_txn *t, struct job *j)
{
	job_begin(t);
	j->err = (struct err){ .kind = ERR_NONE };
	j->result = j->fn(t, j->arg, &j->err);
	if (t->broken)
		return;
	if (j->result < 0)
		job_undo(t);
	else if (t->has_savepoint && db_run(t->db, DB_SAVEPOINT_RELEASE, DB_NO_ARGS, &j->err) < 0)
		txn_failed(t, &j->err);
}

/* ---- one group ---- */

static void group_begin(struct store *s, struct store_txn *t)
{
	struct err err = { .kind = ERR_NONE };

	t->store = s;
	t->db = s->db;
	t->now = time_wall_s();
	t->broken = t->changed = t->directory_changed = false;
	t->broken_err = err;
	t->ref_count = t->event_count = 0;
	t->story_bytes = 0;
	t->commit_tried = false;
	t->group_mark = packs_mark(s->packs);
	t->first_new_message = s->counters.next_message;
	s->group++;
	if (db_run(t->db, DB_BEGIN_WRITE, DB_NO_ARGS, &err) < 0)
		txn_failed(t, &err);
}

/* Packs that were begun get a row, with what they hold once they are left. */
static int flush_pack_rows(struct store_txn *t, struct err *err)
{
	struct store *s = t->store;
	struct pack_mark at = packs_current(s->packs);

	if (at.pack <= s->pack_rows)
		return 0;
	for (uint64_t pack = s->pack_rows ? s->pack_rows : at.pack; pack <= at.pack; pack++) {
		uint64_t bytes = packs_file_bytes(s->packs, pack);
		if (bytes > 0 &&
		    db_run(t->db, DB_PACK_PUT, DB_ARGS(DB_INT(pack), DB_INT(bytes)), err) < 0)
			return -1;
	}
	return 0;
}

static int group_flush(struct store_txn *t, struct err *err)
{
	if (refs_flush(t, err) < 0 || boxes_flush(t, err) < 0 || purses_flush(t, err) < 0 ||
	    counters_flush(t, err) < 0 || packs_sync(t->store->packs, err) < 0 ||
	    flush_pack_rows(t, err) < 0)
		return -1;
	t->commit_tried = true;
	return db_run(t->db, DB_COMMIT, DB_NO_ARGS, err);
}

static void group_committed(struct store *s, struct store_txn *t)
{
	struct pack_mark at = packs_current(s->packs);

	if (at.end > 0)
		s->pack_rows = at.pack;
	boxes_committed(t);
	purses_committed(t);
	counters_committed(s);
	upkeep_note_story_bytes(s, t->story_bytes);
	if (t->directory_changed)
		atomic_fetch_add(&s->directory_version, 1);
	boxes_trim(s);
}

static void group_end(struct store *s, struct store_txn *t)
{
	struct err err = { .kind = ERR_NONE };

	if (!t->broken && t->changed && group_flush(t, &err) < 0)
		txn_failed(t, &err);
	if (t->broken) {
		store_failed(s, t);
		return;
	}
	if (!t->changed) {
		db_run(t->db, DB_ROLLBACK, DB_NO_ARGS, NULL);
		return;
	}
	group_committed(s, t);
}

static void tell(struct store_txn *t, struct job *jobs)
{
	struct err lost = t->broken_err;

	lost.kind = ERR_RETRY;
	for (struct job *j = jobs, *next; j; j = next) {
		next = j->next;
		bool on_heap = j->on_heap;
		if (t->broken)
			j->done(j->arg, -1, &lost);
		else
			j->done(j->arg, j->result, &j->err);
		if (on_heap)
			free(j);
	}
}

static struct job *take_job(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	struct job *j = w->first;
	if (j) {
		w->first = j->next;
		if (!w->first)
			w->last = &w->first;
		j->next = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void run_group(struct store *s, struct job *first)
{
	struct store_txn *t = &s->txn;
	struct job *jobs = first, **last = &first->next;
	uint64_t until_us = time_mono_us() + GROUP_US_MAX;
	unsigned count = 0;

	space_care(s, true);
	group_begin(s, t);
	for (struct job *j = first; j; j = take_job(&s->writer)) {
		if (j != first) {
			*last = j;
			last = &j->next;
		}
		if (!t->broken)
			run_job(t, j);
		if (t->broken || ++count == GROUP_JOBS_MAX || time_mono_us() > until_us)
			break;
	}
	group_end(s, t);
	if (!t->broken && t->changed)
		watchers_tell(s, t->events, t->event_count);
	tell(t, jobs);
	upkeep_after_group(s);
}

static void own_done(void *arg, int result, const struct err *err)
{
	struct job *j = arg;

	j->result = result;
	j->err = *err;
}

int writer_run_own(struct store *s, store_job_fn *fn, void *arg, struct err *err)
{
	struct store_txn *t = &s->txn;
	struct job j = { .fn = fn, .done = own_done, .arg = arg };

	if (atomic_load(&s->state) != STORE_WORKING)
		return err_set(err, ERR_RETRY, "the store cannot write at the moment");
	group_begin(s, t);
	if (!t->broken)
		run_job(t, &j);
	group_end(s, t);
	if (t->broken) {
		j.result = -1;
		j.err = t->broken_err;
		j.err.kind = ERR_RETRY;
	} else if (t->changed) {
		watchers_tell(s, t->events, t->event_count);
	}
	if (j.result < 0 && err)
		*err = j.err;
	return j.result;
}

/* ---- the thread ---- */

static void refuse(struct store *s, struct job *j)
{
	struct err err;
	bool on_heap = j->on_heap;

	err_set(&err, ERR_RETRY,
	    atomic_load(&s->state) == STORE_READ_ONLY
	        ? "the store was opened for reading only"
	        : "the store cannot write at the moment; the log says why");
	j->done(j->arg, -1, &err);
	if (on_heap)
		free(j);
}

/* Waits for a job, at most until the next upkeep step is due; NULL when there is none. */
static struct job *await_job(struct store *s, unsigned wait_ms, bool *out_stop)
{
	struct writer *w = &s->writer;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stopping && wait_ms > 0) {
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	*out_stop = w->stopping && !w->first;
	pthread_mutex_unlock(&w->lock);
	return take_job(w);
}

static void *writer_main(void *arg)
{
	struct store *s = arg;
	bool stop = false;

	while (!stop) {
		struct job *j = await_job(s, upkeep_wait_ms(s), &stop);
		if (j && atomic_load(&s->state) == STORE_FAILED)
			store_try_again(s);
		if (j && atomic_load(&s->state) == STORE_WORKING)
			run_group(s, j);
		else if (j)
			refuse(s, j);
		else if (!stop)
			upkeep_step(s);
	}
	return NULL;
}

int writer_start(struct store *s, struct err *err)
{
	struct writer *w = &s->writer;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	w->first = NULL;
	w->last = &w->first;
	errno = pthread_create(&w->thread, NULL, writer_main, s);
	if (errno)
		return err_set(err, ERR_SYSTEM, "cannot start the writer thread: %m");
	w->started = true;
	return 0;
}

void writer_stop(struct store *s)
{
	struct writer *w = &s->writer;

	if (!w->started)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->started = false;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
}

static void enqueue(struct store *s, struct job *j)
{
	struct writer *w = &s->writer;

	if (!w->started) {
		refuse(s, j);
		return;
	}
	pthread_mutex_lock(&w->lock);
	bool was_empty = !w->first;
	*w->last = j;
	w->last = &j->next;
	if (was_empty)
		pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void store_submit(struct store *s, store_job_fn *job, store_done_fn *done, void *arg)
{
	struct job *j = malloc(sizeof(*j));

	if (!j)
		abort();
	*j = (struct job){ .fn = job, .done = done, .arg = arg, .on_heap = true };
	enqueue(s, j);
}

/* ---- waiting for a job ---- */

struct waiter {
	store_job_fn *fn;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool is_done;
	int result;
	struct err err;
};

static int waiter_job(struct store_txn *t, void *arg, struct err *err)
{
	struct waiter *w = arg;

	return w->fn(t, w->arg, err);
}

static void waiter_done(void *arg, int result, const struct err *err)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->result = result;
	w->err = *err;
	w->is_done = true;
	pthread_cond_signal(&w->woken);
	pthread_mutex_unlock(&w->lock);
}

int store_write(struct store *s, store_job_fn *job, void *arg, struct err *err)
{
	struct waiter w = { .fn = job, .arg = arg };

	assert(!s->writer.started || !pthread_equal(pthread_self(), s->writer.thread));
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.woken, NULL);
	struct job j = { .fn = waiter_job, .done = waiter_done, .arg = &w };
	enqueue(s, &j);
	pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		pthread_cond_wait(&w.woken, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.woken);
	if (w.result < 0 && err)
		*err = w.err;
	return w.result;
}
