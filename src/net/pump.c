#include "net/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"

enum { READ_BYTES = 64 * 1024 };

struct pump {
	struct conn *conn;
	int fd;
	struct watch *watch;
	pump_end_fn *on_end;
	void *owner;
	bool is_fd_done; /* the other role's stream has ended */
	bool is_fd_full; /* waiting for it to take more */
	bool is_eof_due; /* the client has finished; pass it on when all is written */
	bool is_eof_sent;
	bool is_going_on; /* the last thing the client was told is to go on */
};

/* Not watched at all when there is nothing to wait for: a hang-up would wake us for ever. */
static void update_watch(struct pump *p)
{
	unsigned want = 0;

	if (!p->is_fd_done && !conn_is_congested(p->conn))
		want |= WATCH_READ;
	if (p->is_fd_full)
		want |= WATCH_WRITE;
	watch_set(p->watch, want);
}

static void pass_eof(struct pump *p)
{
	if (!p->is_eof_due || p->is_eof_sent || conn_input(p->conn).len > 0)
		return;
	p->is_eof_sent = true;
	(void)shutdown(p->fd, SHUT_WR);
}

/* Straight from the conn's input to the socket: what does not fit stays where it is, and the conn
 * stops reading by itself. */
static void to_fd(struct pump *p)
{
	str in;

	p->is_fd_full = false;
	while ((in = conn_input(p->conn)).len > 0) {
		ssize_t n = send(p->fd, in.ptr, in.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			conn_consume(p->conn, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			p->is_fd_full = true;
			break;
		}
		/* The session at the other end takes no more. What it has sent is still to be read;
		 * its end closes the conn. */
		conn_consume(p->conn, in.len);
	}
	pass_eof(p);
}

static void to_conn(struct pump *p)
{
	char scratch[READ_BYTES];

	while (!p->is_fd_done && !conn_is_congested(p->conn)) {
		ssize_t n = recv(p->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n > 0) {
			conn_write(p->conn, str_new(scratch, (size_t)n));
			p->is_going_on = str_starts(str_new(scratch, (size_t)n), STR("+ "));
		}
		if (n == (ssize_t)sizeof(scratch) || (n < 0 && errno == EINTR))
			continue;
		if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
			return;
		p->is_fd_done = true;
		conn_close(p->conn);
	}
}

static void on_fd(void *arg, unsigned events)
{
	struct pump *p = arg;

	if (events & WATCH_WRITE)
		to_fd(p);
	if (events & WATCH_READ)
		to_conn(p);
	update_watch(p);
}

static void on_data(void *owner, struct conn *c)
{
	struct pump *p = owner;

	to_fd(p);
	if (p->is_going_on)
		conn_acknowledge(c);
	update_watch(p);
}

static void on_eof(void *owner, struct conn *c)
{
	struct pump *p = owner;

	(void)c;
	p->is_eof_due = true;
	pass_eof(p);
}

static void on_drained(void *owner, struct conn *c)
{
	(void)c;
	update_watch(owner);
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct pump *p = owner;

	(void)c;
	watch_free(p->watch);
	fd_close(&p->fd);
	if (p->on_end)
		p->on_end(p->owner, reason);
	free(p);
}

void pump_start(struct conn *c, int fd, pump_end_fn *on_end, void *owner)
{
	static const struct conn_handlers handlers = {
		.on_data = on_data,
		.on_eof = on_eof,
		.on_drained = on_drained,
		.on_closed = on_closed,
	};
	struct pump *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->conn = c;
	p->fd = fd;
	p->on_end = on_end;
	p->owner = owner;
	conn_hand_over(c, &handlers, p);
	conn_set_deadline(c, 0, "");
	p->watch = watch_new(conn_loop(c), fd, 0, on_fd, p);
	to_fd(p);
	conn_resume(c);
	update_watch(p);
}
