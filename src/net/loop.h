/* loop.h: the event loop of a process: descriptors, timers, signals, work posted by other threads.
 *
 * Purpose    A thin layer over libuv, so that the rest of the code sees few types and no callbacks
 *            that free themselves.
 * Ownership  loop_new/loop_free. A watch or timer belongs to whoever made it and must be freed
 *            before the loop; *_free may be called from inside its own callback.
 * Threads    Everything on the loop's own thread, but loop_post, which any thread may call.
 * Units      Milliseconds of the monotonic clock.
 */
#ifndef BUZON_NET_LOOP_H
#define BUZON_NET_LOOP_H

#include "base/err.h"
#include "base/str.h"

struct loop;
struct watch;
struct timer;

typedef void loop_fn(void *arg);

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
typedef void watch_fn(void *arg, unsigned events); /* WATCH_READ | WATCH_WRITE that are ready */

struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l);
uint64_t loop_now_ms(const struct loop *l);

/* From any thread: runs fn(arg) on the loop's thread, in the order posted. */
void loop_post(struct loop *l, loop_fn *fn, void *arg);
/* At the end of the current turn, once; for batching writes. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);

/* Something that outlives its owner for a moment (a connection whose last words are on their way):
 * loop_free calls fn(arg) for what has not been taken back by then. The struct belongs to the
 * caller. */
struct loop_left {
	struct loop_left *next, *prev;
	loop_fn *fn;
	void *arg;
};
void loop_leave(struct loop *l, struct loop_left *left);
void loop_take_back(struct loop_left *left);

/* The watch does not own fd. events may be 0 (paused). */
struct watch *watch_new(struct loop *l, int fd, unsigned events, watch_fn *fn, void *arg);
void watch_set(struct watch *w, unsigned events);
void watch_free(struct watch *w);

struct timer *timer_new(struct loop *l, loop_fn *fn, void *arg);
void timer_set(struct timer *t, uint64_t after_ms); /* once; a new call replaces the old time */
void timer_stop(struct timer *t);
void timer_free(struct timer *t);

/* Calls fn(arg) for a Unix signal. */
int loop_on_signal(struct loop *l, int signum, loop_fn *fn, void *arg, struct err *err);

#endif
