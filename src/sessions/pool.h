/* pool.h: a few threads for work that blocks, in front of a bounded queue.
 *
 * Purpose    Sessions in core live on the event loop; a command that may block on the store or on
 *            another role is run here. One job per session at a time, so the queue is as long as
 *            the number of busy sessions at most.
 * Ownership  pool_new/pool_free. Whoever submits keeps arg alive until fn has run.
 * Threads    pool_submit from any thread. Threads are all started by pool_new, before the sandbox;
 *            they block every signal.
 * Errors     pool_submit answers false when the queue is full or the pool is stopping: the caller
 *            says "try again later" to its peer.
 * Not here   Results: fn posts them where they are wanted (loop_post).
 */
#ifndef BUZON_SESSIONS_POOL_H
#define BUZON_SESSIONS_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool;

enum {
	POOL_THREADS_MAX = 64,
	POOL_QUEUE_MAX = 65536, /* jobs that wait; more than sessions can be */
};

typedef void pool_fn(void *arg);

/* threads: 1..POOL_THREADS_MAX, clamped. NULL when not even one could be started. */
struct pool *pool_new(unsigned threads);
bool pool_submit(struct pool *p, pool_fn *fn, void *arg);
/* Any thread: some threads have nothing to do, so a job may wait a moment for its peer's next command. */
bool pool_has_idle(struct pool *p);
/* Runs what is queued, then ends the threads. Not from a thread of the pool. */
void pool_free(struct pool *p);

#endif
