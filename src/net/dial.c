#include "net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

struct dial {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct timer *timer;
	dial_fn *fn;
	void *arg;
	struct err err; /* set: on_timer tells it */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static void dial_free(struct dial *d)
{
	watch_free(d->watch);
	timer_free(d->timer);
	fd_close(&d->fd);
	free(d);
}

static void finish(struct dial *d)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;
	struct err err = d->err;
	int fd = err.kind == ERR_NONE ? TAKE_FD(d->fd) : -1;

	dial_free(d);
	fn(arg, fd, fd < 0 ? &err : NULL);
}

static void on_timer(void *arg)
{
	struct dial *d = arg;

	if (d->err.kind == ERR_NONE)
		err_set(&d->err, ERR_RETRY, "the connection timed out");
	finish(d);
}

static void on_connected(void *arg, unsigned events)
{
	struct dial *d = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		errno = error;
		err_set(&d->err, ERR_RETRY, "%m");
	}
	finish(d);
}

/* 0: no address. */
static socklen_t parse_address(str text, uint16_t port, union address *out)
{
	char copy[sizeof(out->local.sun_path)];

	*out = (union address){ .any = { .sa_family = AF_UNSPEC } };
	if (str_starts(text, STR("unix:"))) {
		str path = str_skip(text, 5);
		if (!path.len || path.len >= sizeof(out->local.sun_path))
			return 0;
		out->local.sun_family = AF_UNIX;
		memcpy(out->local.sun_path, path.ptr, path.len);
		return sizeof(out->local);
	}
	if (!text.len || text.len >= sizeof(copy))
		return 0;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		return sizeof(out->v4);
	}
	if (inet_pton(AF_INET6, copy, &out->v6.sin6_addr) != 1)
		return 0;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	return sizeof(out->v6);
}

static int come_from(int fd, str source, struct err *err)
{
	union address from;
	socklen_t len = parse_address(source, 0, &from);

	if (!len)
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is not an address", STR_ARG(source));
	if (bind(fd, &from.any, len) < 0)
		return err_set(err, ERR_RETRY, "cannot come from " STR_FMT ": %m", STR_ARG(source));
	return 0;
}

/* 1: connected; 0: under way; -1. */
static int begin(struct dial *d, const struct dial_options *o, struct err *err)
{
	union address to;
	socklen_t len = parse_address(o->address, o->port, &to);

	if (!len)
		return err_set(
		    err, ERR_INPUT, "'" STR_FMT "' is not an address", STR_ARG(o->address));
	d->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return err_set(err, ERR_RETRY, "no socket: %m");
	if (o->source.len && come_from(d->fd, o->source, err) < 0)
		return -1;
	if (connect(d->fd, &to.any, len) == 0)
		return 1;
	return errno == EINPROGRESS ? 0 : err_set(err, ERR_RETRY, "%m");
}

struct dial *dial_start(struct loop *l, const struct dial_options *o, dial_fn *fn, void *arg)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct dial){ .loop = l, .fd = -1, .fn = fn, .arg = arg };
	d->timer = timer_new(l, on_timer, d);
	int begun = begin(d, o, &d->err);
	if (begun >= 0) {
		d->watch = watch_new(l, d->fd, WATCH_WRITE, on_connected, d);
		timer_set(d->timer, o->timeout_ms);
	} else {
		timer_set(d->timer, 0);
	}
	return d;
}

void dial_cancel(struct dial *d)
{
	if (d)
		dial_free(d);
}
