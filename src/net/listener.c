#include "net/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"

enum { BATCH = 64, SHORTAGE_MS = 100 };

struct listener {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct timer *shortage;
	listener_fn *fn;
	void *arg;
	bool is_paused, is_short, is_accepting, is_freed;
};

static void update(struct listener *n)
{
	watch_set(n->watch, n->is_paused || n->is_short ? 0 : WATCH_READ);
}

static void on_shortage_over(void *arg)
{
	struct listener *n = arg;

	n->is_short = false;
	update(n);
}

static void release(struct listener *n)
{
	watch_free(n->watch);
	timer_free(n->shortage);
	fd_close(&n->fd);
	free(n);
}

/* accept(2): errors of the one connection are passed over; shortages end the batch. */
static bool is_of_one_connection(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
	       error == ENETDOWN || error == ENETUNREACH || error == EHOSTUNREACH;
}

static void on_ready(void *arg, unsigned events)
{
	struct listener *n = arg;

	(void)events;
	n->is_accepting = true;
	for (int i = 0; i < BATCH && !n->is_paused && !n->is_freed; i++) {
		int fd = accept4(n->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			n->fn(n->arg, fd);
			continue;
		}
		if (is_of_one_connection(errno))
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			n->is_short = true;
			timer_set(n->shortage, SHORTAGE_MS);
		}
		break;
	}
	n->is_accepting = false;
	if (n->is_freed)
		release(n);
	else
		update(n);
}

struct listener *listener_new(struct loop *l, int fd, listener_fn *fn, void *arg)
{
	struct listener *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->loop = l;
	n->fd = fd;
	n->fn = fn;
	n->arg = arg;
	n->shortage = timer_new(l, on_shortage_over, n);
	n->watch = watch_new(l, fd, WATCH_READ, on_ready, n);
	return n;
}

void listener_pause(struct listener *n)
{
	n->is_paused = true;
	update(n);
}

void listener_resume(struct listener *n)
{
	n->is_paused = false;
	update(n);
}

void listener_free(struct listener *n)
{
	if (!n)
		return;
	n->is_freed = true;
	if (!n->is_accepting)
		release(n);
}
