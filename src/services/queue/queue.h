/* queue.h: mail that leaves this server: from the row on disk to delivered, returned or tried again.
 *
 * Purpose    Keeps the schedule of all queued recipients, asks relay for attempts, and commits what became of
 *            them: rows, stories and notifications to the sender in one transaction each.
 * Ownership  queue_new/queue_free. Jobs own what they need until they are settled.
 * Threads    The loop's thread; rows and messages are read on env.blocking's threads, commits run on the
 *            store's writer.
 * Units      Unix seconds.
 * Limits     QUEUE_JOBS_MAX attempts at once, QUEUE_CONNECTIONS_MAX to one destination.
 * Errors     queue_new: as the store's. Later ones are logged, and the recipients are tried again.
 * Not here   Fairness and pace (schedule.h), the dialogue with other servers (role relay), the words of a
 *            notification (formats/dsn).
 *
 * Promise    A recipient leaves the queue in the transaction that tells what became of it: exactly one
 *            notification for each that failed, however often core is killed. Delivery to others is at least
 *            once: an attempt whose answer is lost is made again.
 */
#ifndef BUZON_SERVICES_QUEUE_QUEUE_H
#define BUZON_SERVICES_QUEUE_QUEUE_H

#include "services/deliver/deliver.h"
#include "services/frames/frames.h"
#include "services/intake/intake.h"
#include "services/sign/sign.h"

enum { QUEUE_JOBS_MAX = 100, QUEUE_CONNECTIONS_MAX = 20 };

struct queue;

/* result NULL: relay is gone. Its slices are good during the call. */
typedef void queue_answer_fn(void *arg, const struct frame_deliver_result *result);

struct queue_env {
	void *owner;
	bool (*is_ready)(void *owner); /* relay is there */
	/* False: it is not. Else fn is called once, later. fd stays the caller's. */
	bool (*deliver)(
	    void *owner, const struct frame_deliver *f, int fd, queue_answer_fn *fn, void *arg);
	/* Mail of our own: intake_local. */
	void (*send)(void *owner, const struct intake_local *mail, intake_reply_fn *fn, void *arg);
	/* work runs on some thread, then done on the loop's. */
	void (*blocking)(void *owner, loop_fn *work, loop_fn *done, void *arg);
};

struct queue_options {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	const struct config *config;
	struct signer *signer; /* NULL: nothing is signed */
	struct queue_env env;
};

/* Reads all rows. */
struct queue *queue_new(const struct queue_options *o, struct err *err);
void queue_free(struct queue *q);
void queue_set_config(struct queue *q, const struct config *config);

/* The remote targets of a delivery that was committed. */
void queue_take(struct queue *q, const struct delivery *d);
/* No new attempts. */
void queue_stop(struct queue *q);
/* Attempts and commits under way: a clean stop waits for none. */
size_t queue_at_work(const struct queue *q);
/* The administrator changed or removed this row. */
void queue_refresh(struct queue *q, uint64_t id);

#endif
