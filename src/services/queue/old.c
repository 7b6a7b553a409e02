/* old.c: mail that waits too long: the sender is told of the delay once, and in the end that it failed, also while
 * the destination rests and nothing is tried. */
#include <stdlib.h>

#include "base/time.h"
#include "services/queue/internal.h"

enum { LIST_STEP = 1000, OLD_AT_ONCE = 1000 };

struct sweep {
	struct queue *queue;
	struct arena *arena;
	struct store_queue_item *rows;
	size_t count, cap;
	int64_t now;
	uint32_t warn_s;
};

static bool is_old(const struct sweep *s, const struct store_queue_item *row)
{
	if (row->state == QUEUE_HELD)
		return false;
	return row->expires_at <= s->now || (!(row->flags & QUEUE_WARNED) && row->attempts > 0 &&
	                                        s->now - row->created_at >= s->warn_s);
}

static void find_old(void *arg)
{
	struct sweep *s = arg;
	struct arena *step = arena_new(s->arena, "step", 64 << 20);
	uint64_t after = 0;

	for (;;) {
		struct store_queue_item *rows;
		size_t count;
		arena_reset(step);
		if (store_queue_list(s->queue->store, after, LIST_STEP, step, &rows, &count, NULL) <
		    0)
			return;
		for (size_t i = 0; i < count && s->count < OLD_AT_ONCE; i++) {
			if (!is_old(s, &rows[i]))
				continue;
			struct store_queue_item *kept =
			    arena_push(s->arena, &s->rows, &s->count, &s->cap, sizeof(*s->rows));
			kept->id = rows[i].id;
		}
		if (count < LIST_STEP || s->count == OLD_AT_ONCE)
			return;
		after = rows[count - 1].id;
	}
}

static void on_old_loaded(void *arg)
{
	struct queue_job *job = arg;

	if (job->outcome < 0 || job->count == 0) {
		queue_job_end(job);
		return;
	}
	struct queue_item *item = &job->items[0];
	item->fate = job->now >= item->row.expires_at ? FATE_FAILED : FATE_DELAYED;
	/* RFC 3463 §3.5: X.4.7, delivery time expired. */
	item->result = (struct outbound_result){ .is_local = true,
		.status = { item->fate == FATE_FAILED ? 5 : 4, 4, 7 } };
	queue_settle(job);
}

static void load_old(void *arg)
{
	queue_load(arg);
}

/* One job each: they have little in common, and are few. */
static void deal_with(struct queue *q, uint64_t id)
{
	/* Held back from the schedule while we are at it; what is being tried has its outcome soon. */
	if (!schedule_hold(q->schedule, id))
		return;
	struct queue_job *job = queue_job_new(q);
	uint64_t *ids = arena_one(job->arena, uint64_t);
	*ids = id;
	job->ids = ids;
	job->id_count = 1;
	q->env.blocking(q->env.owner, load_old, on_old_loaded, job);
}

static void on_found(void *arg)
{
	struct sweep *s = arg;
	struct queue *q = s->queue;

	q->at_work--;
	q->is_sweeping = false;
	for (size_t i = 0; i < s->count && !q->is_stopping; i++)
		deal_with(q, s->rows[i].id);
	arena_free(s->arena);
}

void queue_sweep(void *queue)
{
	struct queue *q = queue;

	if (q->is_sweeping || q->is_stopping)
		return;
	struct arena *a = arena_new(NULL, "old mail", 64 << 20);
	struct sweep *s = arena_one(a, struct sweep);
	*s = (struct sweep){
		.queue = q, .arena = a, .now = time_wall_s(), .warn_s = q->config->queue_warn_s
	};
	q->is_sweeping = true;
	q->at_work++;
	q->env.blocking(q->env.owner, find_old, on_found, s);
}
