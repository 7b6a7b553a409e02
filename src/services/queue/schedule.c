#include "services/queue/schedule.h"

#include <stdlib.h>

#include "base/table.h"

enum {
	WINDOW_FIRST = 2,  /* connections to a destination nobody knows yet */
	REST_FIRST_S = 60, /* after the first failure to reach it; doubles */
	REST_MAX_S = 60 * 60,
	FAILURES_BEFORE_REST = 2,
	LOOK_AHEAD = 1000, /* entries looked at for others of the same batch */
};

enum entry_state { WAITING, READY, WORKING, HELD };

struct lane; /* the ready entries of one sender for one destination, in order */

/* A point in time in the heap: an entry that waits, or a destination that rests. */
struct due {
	int64_t at;
	uint64_t order; /* among those of the same time: first come, first served */
	size_t index;   /* in the heap; NOWHERE: not in it */
	bool is_destination;
};

enum { NOWHERE = (size_t)-1 };

struct entry {
	struct due due;
	uint64_t id, batch, account;
	struct destination *destination;
	struct job *job;
	struct lane *lane;
	struct entry *prev, *next; /* in the lane */
	uint32_t attempts;
	enum entry_state state;
	bool is_held_later;
};

struct lane {
	struct destination *destination;
	uint64_t account;
	struct entry *first, *last;
	struct lane *next; /* in the destination's ring of senders */
};

struct destination {
	struct due due; /* at: rests until */
	struct schedule *schedule;
	struct table *lanes; /* by account */
	struct lane *ring_first, *ring_last;
	struct destination *next; /* in the ring of those that may start something */
	bool is_in_ring;
	size_t entries, ready;
	uint32_t jobs, window, successes;
	uint32_t failures, rest_s;
	size_t name_len;
	char name[];
};

struct job {
	uint64_t number;
	struct destination *destination;
	size_t count;
	uint64_t ids[];
};

struct schedule {
	struct schedule_limits limits;
	struct table *entries, *destinations, *jobs; /* by id, name, number */
	struct destination *ring_first, *ring_last;
	struct due **heap;
	size_t heap_len, heap_cap;
	size_t by_state[HELD + 1];
	uint64_t next_job, random;
};

static void *must_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

/* ---- the heap of times ---- */

static void heap_put(struct schedule *s, size_t at, struct due *d)
{
	s->heap[at] = d;
	d->index = at;
}

static bool is_before(const struct due *a, const struct due *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_up(struct schedule *s, size_t at)
{
	struct due *d = s->heap[at];

	for (; at > 0 && is_before(d, s->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_put(s, at, s->heap[(at - 1) / 2]);
	heap_put(s, at, d);
}

static void heap_down(struct schedule *s, size_t at)
{
	struct due *d = s->heap[at];

	for (size_t child; (child = at * 2 + 1) < s->heap_len; at = child) {
		if (child + 1 < s->heap_len && is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_before(s->heap[child], d))
			break;
		heap_put(s, at, s->heap[child]);
	}
	heap_put(s, at, d);
}

static void due_set(struct schedule *s, struct due *d, int64_t at)
{
	d->at = at;
	if (s->heap_len == s->heap_cap) {
		s->heap_cap = s->heap_cap ? s->heap_cap * 2 : 64;
		s->heap = reallocarray(s->heap, s->heap_cap, sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	heap_put(s, s->heap_len, d);
	heap_up(s, s->heap_len++);
}

static void due_clear(struct schedule *s, struct due *d)
{
	size_t at = d->index;

	if (at == NOWHERE)
		return;
	d->index = NOWHERE;
	if (at == --s->heap_len)
		return;
	heap_put(s, at, s->heap[s->heap_len]);
	heap_up(s, at);
	heap_down(s, s->heap[at]->index);
}

/* ---- destinations ---- */

static bool may_start(const struct destination *d)
{
	return d->ready > 0 && d->jobs < d->window && d->due.index == NOWHERE;
}

static void ring_add(struct schedule *s, struct destination *d)
{
	if (d->is_in_ring || !may_start(d))
		return;
	d->is_in_ring = true;
	d->next = NULL;
	if (s->ring_last)
		s->ring_last->next = d;
	else
		s->ring_first = d;
	s->ring_last = d;
}

/* The first in turn that may start something; those that may not leave the ring. */
static struct destination *ring_take(struct schedule *s)
{
	struct destination *d;

	while ((d = s->ring_first)) {
		s->ring_first = d->next;
		if (!s->ring_first)
			s->ring_last = NULL;
		d->is_in_ring = false;
		if (may_start(d))
			return d;
	}
	return NULL;
}

static struct destination *destination_get(struct schedule *s, str name)
{
	struct destination *d = table_get(s->destinations, name);

	if (d)
		return d;
	d = must_alloc(sizeof(*d) + name.len);
	d->due = (struct due){ .index = NOWHERE, .is_destination = true };
	d->schedule = s;
	d->lanes = table_new();
	d->window = WINDOW_FIRST < s->limits.connections ? WINDOW_FIRST : s->limits.connections;
	d->name_len = name.len;
	memcpy(d->name, name.ptr, name.len);
	table_set(s->destinations, name, d);
	return d;
}

static void ring_remove(struct schedule *s, struct destination *d)
{
	struct destination **link = &s->ring_first, *before = NULL;

	if (!d->is_in_ring)
		return;
	while (*link != d) {
		before = *link;
		link = &(*link)->next;
	}
	*link = d->next;
	if (s->ring_last == d)
		s->ring_last = before;
	d->is_in_ring = false;
}

/* Nothing queued, nothing under way: what was learned about it goes with it. */
static void destination_forget_if_idle(struct schedule *s, struct destination *d)
{
	if (d->entries > 0 || d->jobs > 0)
		return;
	ring_remove(s, d);
	due_clear(s, &d->due);
	table_remove(s->destinations, str_new(d->name, d->name_len));
	table_free(d->lanes);
	free(d);
}

/* ---- lanes: whose turn it is within a destination ---- */

static struct lane *lane_get(struct destination *d, uint64_t account)
{
	struct lane *lane = table_get_id(d->lanes, account);

	if (lane)
		return lane;
	lane = must_alloc(sizeof(*lane));
	lane->destination = d;
	lane->account = account;
	table_set_id(d->lanes, account, lane);
	if (d->ring_last)
		d->ring_last->next = lane;
	else
		d->ring_first = lane;
	d->ring_last = lane;
	return lane;
}

static void lane_drop(struct destination *d, struct lane *lane)
{
	struct lane **link = &d->ring_first, *before = NULL;

	while (*link != lane) {
		before = *link;
		link = &(*link)->next;
	}
	*link = lane->next;
	if (d->ring_last == lane)
		d->ring_last = before;
	table_remove_id(d->lanes, lane->account);
	free(lane);
}

/* The lane that was served goes to the end of the turn. */
static void lane_rotate(struct destination *d)
{
	struct lane *lane = d->ring_first;

	if (!lane || lane == d->ring_last)
		return;
	d->ring_first = lane->next;
	lane->next = NULL;
	d->ring_last->next = lane;
	d->ring_last = lane;
}

static void make_ready(struct entry *e)
{
	struct destination *d = e->destination;
	struct lane *lane = lane_get(d, e->account);

	e->lane = lane;
	e->prev = lane->last;
	e->next = NULL;
	if (lane->last)
		lane->last->next = e;
	else
		lane->first = e;
	lane->last = e;
	d->ready++;
	ring_add(d->schedule, d);
}

static void unready(struct entry *e)
{
	struct lane *lane = e->lane;
	struct destination *d = e->destination;

	*(e->prev ? &e->prev->next : &lane->first) = e->next;
	*(e->next ? &e->next->prev : &lane->last) = e->prev;
	e->lane = NULL;
	d->ready--;
	if (!lane->first)
		lane_drop(d, lane);
}

/* ---- entries ---- */

static void leave_state(struct schedule *s, struct entry *e)
{
	s->by_state[e->state]--;
	if (e->state == WAITING)
		due_clear(s, &e->due);
	else if (e->state == READY)
		unready(e);
	else if (e->state == WORKING)
		e->job = NULL;
}

static void enter_state(struct schedule *s, struct entry *e, enum entry_state state)
{
	e->state = state;
	s->by_state[state]++;
	if (state == WAITING)
		due_set(s, &e->due, e->due.at);
	else if (state == READY)
		make_ready(e);
}

static void move(struct schedule *s, struct entry *e, enum entry_state state)
{
	leave_state(s, e);
	enter_state(s, e, state);
}

bool schedule_add(struct schedule *s, const struct schedule_entry *from)
{
	if (table_get_id(s->entries, from->id))
		return false;
	struct entry *e = must_alloc(sizeof(*e));
	*e = (struct entry){
		.due = { .at = from->next_at, .order = from->id, .index = NOWHERE },
		.id = from->id,
		.batch = from->batch,
		.account = from->account,
		.attempts = from->attempts,
		.destination = destination_get(s, from->destination),
	};
	e->destination->entries++;
	table_set_id(s->entries, from->id, e);
	enter_state(s, e, from->is_held ? HELD : WAITING);
	return true;
}

bool schedule_remove(struct schedule *s, uint64_t id)
{
	struct entry *e = table_remove_id(s->entries, id);

	if (!e)
		return false;
	struct destination *d = e->destination;
	leave_state(s, e);
	d->entries--;
	destination_forget_if_idle(s, d);
	free(e);
	return true;
}

bool schedule_hold(struct schedule *s, uint64_t id)
{
	struct entry *e = table_get_id(s->entries, id);

	if (!e || e->state == WORKING)
		return false;
	if (e->state != HELD)
		move(s, e, HELD);
	return true;
}

void schedule_hold_later(struct schedule *s, uint64_t id)
{
	struct entry *e = table_get_id(s->entries, id);

	if (e)
		e->is_held_later = e->state == WORKING;
}

/* Out of its job, unless it is to be held. */
static void leave_job(struct schedule *s, struct entry *e, enum entry_state state)
{
	move(s, e, e->is_held_later ? HELD : state);
	e->is_held_later = false;
}

bool schedule_release(struct schedule *s, uint64_t id, int64_t next_at)
{
	struct entry *e = table_get_id(s->entries, id);

	if (e)
		e->is_held_later = false;
	if (!e || e->state == WORKING)
		return false;
	/* What is ready keeps its place. */
	if (e->state == READY)
		return true;
	leave_state(s, e);
	e->due.at = next_at;
	enter_state(s, e, WAITING);
	return true;
}

void schedule_end_rest(struct schedule *s, uint64_t id)
{
	struct entry *e = table_get_id(s->entries, id);

	if (!e)
		return;
	due_clear(s, &e->destination->due);
	ring_add(s, e->destination);
}

/* ---- jobs ---- */

/* Entries whose time has come are ready; destinations that have rested may be tried again. */
static void wake(struct schedule *s, int64_t now)
{
	while (s->heap_len > 0 && s->heap[0]->at <= now) {
		struct due *first = s->heap[0];
		if (first->is_destination) {
			struct destination *d = (struct destination *)first;
			due_clear(s, first);
			ring_add(s, d);
		} else {
			move(s, (struct entry *)first, READY);
		}
	}
}

/* The first entry of the sender whose turn it is, and others of its message. */
static struct job *gather(struct schedule *s, struct destination *d)
{
	struct entry *e = d->ring_first->first;
	uint64_t batch = e->batch;
	struct job *job = must_alloc(sizeof(*job) + s->limits.recipients * sizeof(uint64_t));
	size_t looked = 0;

	lane_rotate(d);
	job->number = s->next_job++;
	job->destination = d;
	for (struct entry *next; e && looked < LOOK_AHEAD && job->count < s->limits.recipients;
	     e = next, looked++) {
		next = e->next;
		if (e->batch != batch)
			continue;
		job->ids[job->count++] = e->id;
		move(s, e, WORKING);
		e->job = job;
	}
	return job;
}

bool schedule_take(struct schedule *s, int64_t now, struct schedule_job *out)
{
	wake(s, now);
	if (table_count(s->jobs) >= s->limits.jobs)
		return false;
	struct destination *d = ring_take(s);
	if (!d)
		return false;
	uint64_t batch = d->ring_first->first->batch;
	struct job *job = gather(s, d);
	d->jobs++;
	ring_add(s, d);
	table_set_id(s->jobs, job->number, job);
	*out = (struct schedule_job){
		.number = job->number,
		.batch = batch,
		.destination = str_new(d->name, d->name_len),
		.ids = job->ids,
		.count = job->count,
	};
	return true;
}

/* splitmix64: the spread of retries needs no secret, and tests need the same one again. */
static uint64_t next_random(struct schedule *s)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

int64_t schedule_next_at(struct schedule *s, uint32_t attempts, int64_t now)
{
	uint64_t delay = s->limits.retry_first_s, most = s->limits.retry_max_s;

	for (uint32_t i = 1; i < attempts && delay < most; i++)
		delay *= 2;
	if (delay > most)
		delay = most;
	/* A fifth more or less, so that what failed together does not come back together. */
	uint64_t spread = delay / 5;
	int64_t jitter =
	    spread ? (int64_t)(next_random(s) % (2 * spread + 1)) - (int64_t)spread : 0;
	int64_t wait = (int64_t)delay + jitter;
	if (wait < (int64_t)s->limits.retry_first_s)
		wait = (int64_t)s->limits.retry_first_s;
	if (wait > (int64_t)most)
		wait = (int64_t)most;
	return now + wait;
}

void schedule_retry(struct schedule *s, uint64_t id, int64_t next_at, uint32_t attempts)
{
	struct entry *e = table_get_id(s->entries, id);

	if (!e || e->state != WORKING)
		return;
	e->due.at = next_at;
	e->attempts = attempts;
	leave_job(s, e, WAITING);
}

/* One more connection for each round of successes: fast enough, and never a flood. */
static void note_success(struct destination *d)
{
	d->failures = 0;
	d->rest_s = 0;
	if (++d->successes < d->window)
		return;
	d->successes = 0;
	if (d->window < d->schedule->limits.connections)
		d->window++;
}

static void note_slow_down(struct destination *d)
{
	d->failures = 0;
	d->successes = 0;
	d->window = d->window > 1 ? d->window / 2 : 1;
}

static void note_unreachable(struct destination *d, int64_t now)
{
	d->successes = 0;
	d->window = d->window > 1 ? d->window / 2 : 1;
	if (++d->failures < FAILURES_BEFORE_REST)
		return;
	d->window = 1; /* the next one is a probe */
	d->rest_s = d->rest_s ? d->rest_s * 2 : REST_FIRST_S;
	if (d->rest_s > REST_MAX_S)
		d->rest_s = REST_MAX_S;
	due_clear(d->schedule, &d->due);
	due_set(d->schedule, &d->due, now + d->rest_s);
}

void schedule_done(struct schedule *s, uint64_t number, enum schedule_verdict verdict, int64_t now)
{
	struct job *job = table_remove_id(s->jobs, number);

	if (!job)
		return;
	struct destination *d = job->destination;
	if (verdict == SCHEDULE_WELL)
		note_success(d);
	else if (verdict == SCHEDULE_SLOW_DOWN)
		note_slow_down(d);
	else
		note_unreachable(d, now);
	for (size_t i = 0; i < job->count; i++) {
		struct entry *e = table_get_id(s->entries, job->ids[i]);
		if (e && e->job == job)
			leave_job(s, e, READY);
	}
	d->jobs--;
	ring_add(s, d);
	destination_forget_if_idle(s, d);
	free(job);
}

int64_t schedule_due(const struct schedule *s)
{
	return s->heap_len > 0 ? s->heap[0]->at : INT64_MAX;
}

/* ---- life and looking ---- */

struct schedule *schedule_new(const struct schedule_limits *limits)
{
	struct schedule *s = must_alloc(sizeof(*s));

	s->limits = *limits;
	s->entries = table_new();
	s->destinations = table_new();
	s->jobs = table_new();
	s->next_job = 1;
	s->random = limits->seed;
	return s;
}

static void free_values(struct table *t, void (*release)(void *value))
{
	void *value;
	str key;

	for (size_t at = 0; table_next(t, &at, &key, &value);)
		release(value);
	table_free(t);
}

static void free_destination(void *value)
{
	struct destination *d = value;

	free_values(d->lanes, free);
	free(d);
}

void schedule_free(struct schedule *s)
{
	if (!s)
		return;
	free_values(s->jobs, free);
	free_values(s->destinations, free_destination);
	free_values(s->entries, free);
	free(s->heap);
	free(s);
}

void schedule_set_limits(struct schedule *s, const struct schedule_limits *limits)
{
	s->limits = *limits;
}

void schedule_counts(const struct schedule *s, struct schedule_counts *out)
{
	*out = (struct schedule_counts){
		.entries = table_count(s->entries),
		.waiting = s->by_state[WAITING],
		.ready = s->by_state[READY],
		.working = s->by_state[WORKING],
		.held = s->by_state[HELD],
		.destinations = table_count(s->destinations),
		.jobs = table_count(s->jobs),
	};
}

bool schedule_destination(
    const struct schedule *s, str destination, struct schedule_destination *out)
{
	const struct destination *d = table_get(s->destinations, destination);

	if (!d)
		return false;
	*out = (struct schedule_destination){
		.entries = d->entries,
		.jobs = d->jobs,
		.window = d->window,
		.rests_until = d->due.index == NOWHERE ? 0 : d->due.at,
	};
	return true;
}
