/* schedule.h: which queued recipients are tried next, how many at once, and when again.
 *
 * Purpose    Holds one small entry for each queued recipient and hands out jobs: recipients of one
 *            message for one destination. Destinations take turns, and senders within a destination;
 *            a destination that answers well gets more connections at once, one that asks us to slow
 *            down fewer, and one that cannot be reached rests while its mail waits.
 * Ownership  Entries are copied in. A job belongs to the schedule until schedule_done.
 * Threads    One owner at a time. No clock: every call is told the time, which never goes back.
 * Units      Unix seconds.
 * Shape      An entry is waiting (for its time), ready, in a job, or held. schedule_take moves ready
 *            entries into a job; schedule_retry puts an entry of a job back to waiting and
 *            schedule_remove forgets it; schedule_done ends the job, and entries of it about which
 *            nothing was said are ready again.
 * Not here   Rows on disk, messages, what replies mean (queue.h).
 */
#ifndef BUZON_SERVICES_QUEUE_SCHEDULE_H
#define BUZON_SERVICES_QUEUE_SCHEDULE_H

#include "base/str.h"

struct schedule;

struct schedule_limits {
	uint32_t jobs;        /* at once, over all destinations */
	uint32_t connections; /* at once to one destination, at most */
	uint32_t recipients;  /* in one job */
	uint32_t retry_first_s, retry_max_s;
	uint64_t seed; /* of the jitter */
};

struct schedule_entry {
	uint64_t id;      /* unique */
	uint64_t batch;   /* the message and its envelope: entries of a batch can share a job */
	uint64_t account; /* whose turn it is within a destination; 0: nobody's */
	str destination;  /* compared as bytes */
	int64_t next_at;
	uint32_t attempts;
	bool is_held;
};

struct schedule_job {
	uint64_t number;
	uint64_t batch;
	str destination;
	const uint64_t *ids;
	size_t count;
};

/* How the peer behaved in a job. */
enum schedule_verdict {
	SCHEDULE_WELL,        /* it answered; more at once is worth trying */
	SCHEDULE_SLOW_DOWN,   /* it asked for fewer connections or messages */
	SCHEDULE_UNREACHABLE, /* no host of the destination spoke with us */
};

struct schedule *schedule_new(const struct schedule_limits *limits);
void schedule_free(struct schedule *s);
void schedule_set_limits(struct schedule *s, const struct schedule_limits *limits);

/* False: an entry of that id is there. */
bool schedule_add(struct schedule *s, const struct schedule_entry *e);
/* Also in a job or held. False: there is none. */
bool schedule_remove(struct schedule *s, uint64_t id);
/* Not while it is in a job: false; schedule_hold_later then holds it when the job leaves it in the queue.
 * Release has it wait for next_at, or makes it ready when that has come. False: it is in a job, or not there. */
bool schedule_hold(struct schedule *s, uint64_t id);
void schedule_hold_later(struct schedule *s, uint64_t id);
bool schedule_release(struct schedule *s, uint64_t id, int64_t next_at);
/* By hand: the destination of this entry is tried again although it rests. */
void schedule_end_rest(struct schedule *s, uint64_t id);

/* The next job that may start now; false: none. The slices are good until schedule_done. */
bool schedule_take(struct schedule *s, int64_t now, struct schedule_job *out);
/* When the recipient would be tried again after one more failure: never less than retry_first_s, at most
 * retry_max_s with the jitter. attempts: those already made, this one included. */
int64_t schedule_next_at(struct schedule *s, uint32_t attempts, int64_t now);
/* An entry of a job waits until next_at. */
void schedule_retry(struct schedule *s, uint64_t id, int64_t next_at, uint32_t attempts);
void schedule_done(struct schedule *s, uint64_t number, enum schedule_verdict verdict, int64_t now);

/* When schedule_take may have something new without any other call; INT64_MAX: never. */
int64_t schedule_due(const struct schedule *s);

struct schedule_counts {
	size_t entries, waiting, ready, working, held;
	size_t destinations, jobs;
};
void schedule_counts(const struct schedule *s, struct schedule_counts *out);

/* What is known of one destination; false when nothing is queued for it. */
struct schedule_destination {
	size_t entries;
	uint32_t jobs, window;
	int64_t rests_until; /* 0: it does not rest */
};
bool schedule_destination(
    const struct schedule *s, str destination, struct schedule_destination *out);

#endif
