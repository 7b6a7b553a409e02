#include "services/queue/queue.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/secret.h"
#include "base/time.h"
#include "services/queue/internal.h"

enum {
	RETRY_FIRST_S = 5 * 60,
	RETRY_MAX_S = 4 * 60 * 60,
	SOON_S = 60, /* after trouble of our own */
	SWEEP_MS = 60 * 1000,
	LOAD_STEP = 1000,
	JOB_ARENA_MAX = 256 << 20,
};

static void start_jobs(struct queue *q);
static void add_row(struct queue *q, const struct store_queue_item *row, struct arena *a);

/* ---- jobs ---- */

struct queue_job *queue_job_new(struct queue *q)
{
	struct arena *a = arena_new(NULL, "queue job", JOB_ARENA_MAX);
	struct queue_job *job = arena_one(a, struct queue_job);

	*job = (struct queue_job){
		.queue = q, .arena = a, .id = q->next_job++, .fd = -1, .now = time_wall_s()
	};
	buf_init(&job->notice, 256 << 10);
	q->at_work++;
	return job;
}

void queue_job_free(struct queue_job *job)
{
	job->queue->at_work--;
	if (job->has_blob)
		store_blob_release(&job->blob);
	fd_close(&job->fd);
	buf_fini(&job->notice);
	arena_free(job->arena);
}

/* Soon; what the sweep held back waits as it did before. */
static void put_off_item(struct queue_job *job, const struct store_queue_item *row)
{
	struct schedule *s = job->queue->schedule;

	if (job->number)
		schedule_retry(s, row->id, job->now + SOON_S, row->attempts);
	else
		schedule_release(s, row->id, row->next_at);
}

/* After trouble of our own nothing is known: everything of the job is tried again soon. */
static void put_off(struct queue_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		put_off_item(job, &job->items[i].row);
	/* Not even the rows could be read. */
	for (size_t i = 0; !job->count && i < job->id_count; i++)
		put_off_item(job,
		    &(struct store_queue_item){ .id = job->ids[i], .next_at = job->now + SOON_S });
}

static void apply(struct queue_job *job, const struct queue_item *item)
{
	struct schedule *s = job->queue->schedule;
	uint64_t id = item->row.id;

	switch (item->fate) {
	case FATE_DELIVERED:
	case FATE_FAILED:
		schedule_remove(s, id);
		break;
	case FATE_RETRY:
		schedule_retry(s, id, item->next_at, item->row.attempts);
		break;
	case FATE_DELAYED:
		/* It was held back meanwhile: now it waits as before. */
		schedule_remove(s, id);
		add_row(job->queue, &item->row, job->arena);
		break;
	case FATE_SOON:
		put_off_item(job, &item->row);
		break;
	case FATE_READY:
		break;
	}
}

void queue_job_end(struct queue_job *job)
{
	struct queue *q = job->queue;
	uint64_t number = job->number;
	enum schedule_verdict verdict = job->verdict;

	if (job->outcome < 0) {
		log_warn(q->log, "queue: trouble of our own, trying again soon",
		    F_INT("job", job->id), F_CSTR("why", job->err.text));
		put_off(job);
	} else {
		for (size_t i = 0; i < job->count; i++)
			apply(job, &job->items[i]);
	}
	queue_job_free(job);
	if (number)
		schedule_done(q->schedule, number, verdict, time_wall_s());
	start_jobs(q);
}

static void on_answer(void *arg, const struct frame_deliver_result *result)
{
	struct queue_job *job = arg;

	job->now = time_wall_s();
	if (!result) {
		job->outcome = err_set(&job->err, ERR_RETRY, "role relay ended during the attempt");
		queue_job_end(job);
		return;
	}
	queue_judge(job, result);
	queue_settle(job);
}

/* Rows that went meanwhile: the administrator dropped them. */
static void forget_missing(struct queue_job *job)
{
	for (size_t i = 0; i < job->id_count; i++) {
		bool found = false;
		for (size_t k = 0; k < job->count && !found; k++)
			found = job->items[k].row.id == job->ids[i];
		if (!found)
			schedule_remove(job->queue->schedule, job->ids[i]);
	}
}

static void on_loaded(void *arg)
{
	struct queue_job *job = arg;
	struct queue *q = job->queue;

	if (job->outcome == 0)
		forget_missing(job);
	if (job->outcome < 0 || job->count == 0) {
		queue_job_end(job);
		return;
	}
	if (!q->is_stopping && q->env.deliver(q->env.owner, &job->frame, job->fd, on_answer, job))
		return;
	queue_job_end(job);
}

static void work_load(void *arg)
{
	queue_load(arg);
}

static void start_job(struct queue *q, const struct schedule_job *from)
{
	struct queue_job *job = queue_job_new(q);

	job->number = from->number;
	job->ids = from->ids;
	job->id_count = from->count;
	q->env.blocking(q->env.owner, work_load, on_loaded, job);
}

static void set_timer(struct queue *q, int64_t now)
{
	int64_t due = schedule_due(q->schedule);
	struct schedule_counts n;

	schedule_counts(q->schedule, &n);
	/* Ready, but relay is not there: it comes back without a word. */
	if (n.ready > 0 && !q->env.is_ready(q->env.owner))
		due = now;
	if (due == INT64_MAX || q->is_stopping)
		timer_stop(q->timer);
	else
		timer_set(q->timer, due <= now ? 1000 : (uint64_t)(due - now) * 1000);
}

static void start_jobs(struct queue *q)
{
	struct schedule_job job;
	int64_t now = time_wall_s();

	while (!q->is_stopping && q->env.is_ready(q->env.owner) &&
	       schedule_take(q->schedule, now, &job))
		start_job(q, &job);
	set_timer(q, now);
}

static void on_timer(void *arg)
{
	start_jobs(arg);
}

static void on_sweep(void *arg)
{
	struct queue *q = arg;

	queue_sweep(q);
	timer_set(q->sweep, SWEEP_MS);
}

/* ---- in and out ---- */

str queue_destination(const struct queue *q, str recipient, struct arena *a)
{
	size_t at = str_rchr(recipient, '@');

	if (!str_empty(q->config->smart_host))
		return STR("smart host");
	str domain = at == STR_NPOS ? recipient : str_skip(recipient, at + 1);
	char *copy = arena_cstr(a, domain);
	for (size_t i = 0; i < domain.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return str_new(copy, domain.len);
}

static void add_row(struct queue *q, const struct store_queue_item *row, struct arena *a)
{
	schedule_add(q->schedule, &(struct schedule_entry){
	                              .id = row->id,
	                              .batch = row->batch,
	                              .account = row->account,
	                              .destination = queue_destination(q, row->recipient, a),
	                              .next_at = row->next_at,
	                              .attempts = row->attempts,
	                              .is_held = row->state == QUEUE_HELD,
	                          });
}

void queue_take(struct queue *q, const struct delivery *d)
{
	AUTO_ARENA a = arena_new(NULL, "queue", 1 << 20);

	for (size_t i = 0; i < d->target_count; i++) {
		const struct delivery_target *t = &d->targets[i];
		if (t->account)
			continue;
		add_row(q,
		    &(struct store_queue_item){ .id = t->queue_id,
		        .batch = d->id,
		        .account = d->submitter,
		        .recipient = t->address,
		        .next_at = d->now },
		    a);
	}
	start_jobs(q);
}

void queue_refresh(struct queue *q, uint64_t id)
{
	AUTO_ARENA a = arena_new(NULL, "queue", 1 << 20);
	struct store_queue_item row;
	struct err err = { .kind = ERR_NONE };
	int64_t now = time_wall_s();

	if (store_queue_get(q->store, id, a, &row, &err) < 0) {
		if (err.kind == ERR_DENIED)
			schedule_remove(q->schedule, id);
	} else if (row.state == QUEUE_HELD) {
		if (!schedule_hold(q->schedule, id))
			schedule_hold_later(q->schedule, id);
	} else {
		/* An attempt that was under way may have given it a new time since: that one counts. */
		schedule_release(q->schedule, id, row.next_at);
		if (row.next_at <= now)
			schedule_end_rest(q->schedule, id);
	}
	start_jobs(q);
}

/* ---- life ---- */

static int load_all(struct queue *q, struct err *err)
{
	uint64_t after = 0;

	for (;;) {
		AUTO_ARENA a = arena_new(NULL, "queue", 64 << 20);
		struct store_queue_item *rows;
		size_t count;
		if (store_queue_list(q->store, after, LOAD_STEP, a, &rows, &count, err) < 0)
			return -1;
		for (size_t i = 0; i < count; i++)
			add_row(q, &rows[i], a);
		if (count < LOAD_STEP)
			return 0;
		after = rows[count - 1].id;
	}
}

struct queue *queue_new(const struct queue_options *o, struct err *err)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		abort();
	*q = (struct queue){ .store = o->store,
		.loop = o->loop,
		.log = o->log,
		.config = o->config,
		.signer = o->signer,
		.env = o->env,
		.next_job = 1 };
	q->schedule = schedule_new(&(struct schedule_limits){
	    .jobs = QUEUE_JOBS_MAX,
	    .connections = QUEUE_CONNECTIONS_MAX,
	    .recipients = RELAY_RECIPIENTS_MAX,
	    .retry_first_s = RETRY_FIRST_S,
	    .retry_max_s = RETRY_MAX_S,
	    .seed = random_u64(),
	});
	q->timer = timer_new(o->loop, on_timer, q);
	q->sweep = timer_new(o->loop, on_sweep, q);
	timer_set(q->sweep, SWEEP_MS);
	if (load_all(q, err) < 0) {
		queue_free(q);
		return NULL;
	}
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	timer_free(q->timer);
	timer_free(q->sweep);
	schedule_free(q->schedule);
	free(q);
}

void queue_set_config(struct queue *q, const struct config *config)
{
	q->config = config;
}

void queue_stop(struct queue *q)
{
	q->is_stopping = true;
	timer_stop(q->timer);
	timer_stop(q->sweep);
}

size_t queue_at_work(const struct queue *q)
{
	return q->at_work;
}
