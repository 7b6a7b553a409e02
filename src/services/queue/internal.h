/* internal.h: what the files of services/queue share: one job from the schedule to the commit.
 *
 * Life       load.c reads rows and message on a thread; queue.c has relay try; settle.c decides, writes the
 *            notification and commits; queue.c tells the schedule.
 */
#ifndef BUZON_SERVICES_QUEUE_INTERNAL_H
#define BUZON_SERVICES_QUEUE_INTERNAL_H

#include "services/frames/outbound.h"
#include "services/queue/queue.h"
#include "services/queue/schedule.h"

enum queue_item_flag {
	QUEUE_WARNED = 1 << 16
}; /* beside enum relay_flag: the sender knows of the delay */

enum queue_fate {
	FATE_READY, /* nothing happened to it: again at once */
	FATE_SOON,  /* trouble of our own: again soon, and nothing is noted */
	FATE_RETRY,
	FATE_DELIVERED,
	FATE_FAILED,
	FATE_DELAYED, /* goes on waiting as it does, but the sender is told */
};

struct queue_item {
	struct store_queue_item row;
	enum queue_fate fate;
	struct outbound_result
	    result; /* text in the job's arena; outcome counts only where there was an attempt */
	bool was_tried;
	int64_t next_at; /* FATE_RETRY */
	bool is_told;    /* stands in the notification */
};

struct queue_job {
	struct queue *queue;
	struct arena *arena;
	uint64_t number; /* of the schedule; 0: not from there (old.c) */
	uint64_t id;     /* for logs and frames */
	const uint64_t *ids;
	size_t id_count;
	struct queue_item *items;
	size_t count;

	struct store_message message;
	struct store_blob blob;
	str body;   /* as it goes out: without our Return-Path field */
	str fields; /* that it gets in front: signatures */
	bool has_blob;
	struct frame_deliver frame;
	int fd;
	struct err err;
	int outcome;

	enum schedule_verdict verdict;
	str host, address, tls_version, tls_cipher, tls_why, trace;
	int64_t now;

	struct buf notice;
	bool notice_utf8;
	str notice_to;
};

struct queue {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	const struct config *config;
	struct signer *signer;
	struct queue_env env;
	struct schedule *schedule;
	struct timer *timer, *sweep;
	uint64_t next_job;
	size_t at_work;
	bool is_stopping, is_sweeping;
};

/* Where a recipient's mail goes, as the schedule's key; in the arena. */
str queue_destination(const struct queue *q, str recipient, struct arena *a);

struct queue_job *queue_job_new(struct queue *q);
void queue_job_free(struct queue_job *job);
/* After the commit, or when it failed (job->outcome < 0): tells the schedule, frees the job, starts others. */
void queue_job_end(struct queue_job *job);

/* load.c, on a thread: rows of job->ids, the message, the frame. job->outcome < 0: job->err. */
void queue_load(struct queue_job *job);
int queue_load_message(struct queue_job *job, struct err *err);

/* settle.c */
/* Fates from relay's answer. */
void queue_judge(struct queue_job *job, const struct frame_deliver_result *r);
/* Commits the fates of all items, with the notification when one is due; then queue_job_end. */
void queue_settle(struct queue_job *job);

/* notice.c, on a thread: writes job->notice; leaves it empty when nobody is to be told. */
void queue_write_notice(struct queue_job *job);
bool queue_needs_notice(const struct queue_job *job);
/* The sender cannot be told now: of whom she was to be told, the fate is left open. */
void queue_put_off_told(struct queue_job *job);

/* old.c: expired and delayed mail that is not being tried. */
void queue_sweep(void *queue);

#endif
