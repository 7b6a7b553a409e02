#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/conn_impl.h"

enum { READ_BYTES_MIN = 4096, LINGER_MS = 1000 };

static void conn_turn(void *arg);

/* ---- the end ---- */

static void close_socket(struct conn *c)
{
	watch_free(c->watch);
	c->watch = NULL;
	c->watching = 0;
	fd_close(&c->fd);
	if (c->deadline)
		timer_stop(c->deadline);
	bytes_free(&c->output);
	conn_tls_free(c);
}

void conn_finish(struct conn *c, const char *why)
{
	if (c->reason || c->is_lingering)
		return;
	c->reason = strdup(why);
	if (!c->reason)
		abort();
	close_socket(c);
	conn_defer_turn(c);
}

static void finish_errno(struct conn *c, const char *doing)
{
	char why[160];

	snprintf(why, sizeof(why), "%s: %m", doing);
	conn_finish(c, errno == ECONNRESET || errno == EPIPE ? "connection reset by peer" : why);
}

static void conn_free(struct conn *c)
{
	close_socket(c);
	timer_free(c->deadline);
	bytes_free(&c->input);
	free(c->reason);
	free(c);
}

static void tell_closed(struct conn *c)
{
	const struct conn_handlers *h = c->handlers;

	c->is_closing = true;
	c->handlers = NULL;
	if (h && h->on_closed)
		h->on_closed(c->owner, c, str_c(c->reason));
}

/* ---- what to wait for ---- */

static bool wants_input(const struct conn *c)
{
	if (c->is_lingering)
		return true;
	if (c->tls && c->tls->is_handshaking)
		return !c->is_eof && !c->is_closing;
	return !c->is_paused && !c->is_eof && !c->is_closing && c->input.len < c->input_max &&
	       !(c->tls && conn_tls_has_left(c));
}

static void watch_for(struct conn *c, unsigned events)
{
	if (!c->watch)
		return;
	c->watching =
	    events; /* it may be the same, and the watch stopped by an error: that is still to be read */
	watch_set(c->watch, events);
}

/* Interest in reading is added at once and dropped only when a descriptor that nobody wants to read
 * turns out to be readable: a pause between two lines then costs no system call. */
static void update_watch(struct conn *c, bool exactly)
{
	unsigned want = wants_input(c) ? WATCH_READ : 0;

	if (c->output.len > 0)
		want |= WATCH_WRITE;
	if (!exactly && !c->is_eof)
		want |= c->watching & WATCH_READ;
	watch_for(c, want);
}

/* ---- output ---- */

int conn_send(struct conn *c)
{
	while (c->output.len > 0) {
		str s = bytes_str(&c->output);
		ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0) {
			finish_errno(c, "cannot send");
			return -1;
		}
		bytes_consume(&c->output, (size_t)n);
	}
	return 1;
}

static int flush(struct conn *c)
{
	int rc;

	do {
		if (c->tls && conn_tls_output(c) < 0)
			return -1;
		rc = conn_send(c);
	} while (rc > 0 && c->tls && c->tls->clear_out.len > 0 && !c->tls->is_handshaking);
	return rc;
}

static void check_drained(struct conn *c)
{
	if (!c->is_above_low || conn_queued(c) > c->low_water || c->is_closing)
		return;
	c->is_above_low = false;
	if (c->handlers && c->handlers->on_drained)
		c->handlers->on_drained(c->owner, c);
}

static void end_linger(void *arg)
{
	struct conn *c = arg;

	loop_take_back(&c->left);
	c->is_lingering = false;
	close_socket(c);
	conn_defer_turn(c);
}

/* After conn_close: the peer must be able to read our last words. Closing a socket with unread input
 * sends a reset that may overtake them, so we end our side and read on for a moment. */
static void linger(struct conn *c)
{
	c->reason = strdup("closed by us");
	if (!c->reason)
		abort();
	conn_tls_free(c);
	if (!c->is_tcp || c->is_eof || shutdown(c->fd, SHUT_WR) < 0) {
		close_socket(c);
		return;
	}
	c->is_lingering = true;
	c->left.fn = end_linger;
	c->left.arg = c;
	loop_leave(c->loop, &c->left);
	bytes_free(&c->input);
	conn_set_deadline(c, LINGER_MS, "closing");
}

static void end_if_sent(struct conn *c)
{
	if (!c->is_closing || c->reason || c->output.len > 0)
		return;
	if (c->tls && c->tls->clear_out.len > 0 && !c->tls->is_handshaking)
		return;
	if (c->tls && !c->tls->is_shut) {
		conn_tls_shutdown(c);
		if (flush(c) <= 0)
			return;
	}
	linger(c);
}

/* ---- input ---- */

static void tell_data(struct conn *c)
{
	if (!c->is_input_news || c->is_closing || c->reason)
		return;
	c->is_input_news = false;
	if (c->input.len > 0 && c->handlers->on_data)
		c->handlers->on_data(c->owner, c);
}

static void tell_eof(struct conn *c)
{
	if (!c->is_eof || c->is_closing || c->reason)
		return;
	if (c->handlers->on_eof) {
		bool was_told = c->is_eof_told;
		c->is_eof_told = true;
		if (!was_told && !(c->tls && conn_tls_has_left(c)))
			c->handlers->on_eof(c->owner, c);
	} else if (c->input.len == 0 && conn_queued(c) == 0 && !c->is_paused) {
		conn_finish(c, "closed by peer");
	}
}

/* 1: some; 0: none now, or the end; -1: finished. */
static int read_clear(struct conn *c, size_t room)
{
	size_t want = room < c->read_bytes ? room : c->read_bytes;
	char *to = bytes_space(&c->input, want);
	ssize_t n = recv(c->fd, to, want, MSG_DONTWAIT);

	if (n > 0) {
		c->input.len += (size_t)n;
		c->is_input_news = true;
		if ((size_t)n == want && c->read_bytes < CONN_READ_BYTES)
			c->read_bytes *= 2;
		return 1;
	}
	int saved = errno;
	if (c->input.len == 0)
		bytes_free(&c->input);
	errno = saved;
	if (n == 0)
		c->is_eof = true;
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		finish_errno(c, "cannot receive");
		return -1;
	}
	return 0;
}

static int read_cipher(struct conn *c)
{
	char scratch[CONN_READ_BYTES];
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (n > 0)
		return conn_tls_input(c, str_new(scratch, (size_t)n)) < 0 ? -1 : 1;
	if (n == 0) {
		c->is_eof = true;
		if (!c->tls->is_handshaking)
			return 0;
		conn_finish(c, "closed by peer during the TLS handshake");
		return -1;
	}
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		finish_errno(c, "cannot receive");
		return -1;
	}
	return 0;
}

/* One read is the rule. A short read has emptied the socket; asking again would only be told so. */
static void receive(struct conn *c)
{
	size_t before = c->input.len;

	while (wants_input(c) && c->input.len - before < CONN_TURN_BYTES) {
		size_t had = c->input.len, asked = c->read_bytes;
		int rc = c->tls ? read_cipher(c) : read_clear(c, c->input_max - c->input.len);
		if (rc < 0)
			return;
		if (rc == 0 || c->tls || c->input.len - had < asked)
			break;
	}
	tell_data(c);
}

static void discard(struct conn *c)
{
	char scratch[CONN_READ_BYTES];
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
		return;
	end_linger(c);
}

/* ---- turns ---- */

static void on_ready(void *arg, unsigned events)
{
	struct conn *c = arg;

	/* An error stops the watch below us; what comes next must set it anew. */
	if (c->is_lingering) {
		discard(c);
		return;
	}
	if (events & WATCH_READ) {
		if (wants_input(c))
			receive(c);
		else
			update_watch(c, true);
	}
	conn_defer_turn(c);
}

/* There is room again for what TLS holds back. */
static bool can_go_on(const struct conn *c)
{
	return c->tls && !c->reason && !c->is_paused && !c->is_closing &&
	       c->input.len < c->input_max && conn_tls_has_left(c);
}

void conn_defer_turn(struct conn *c)
{
	if (c->is_flush_due)
		return;
	c->is_flush_due = true;
	loop_defer(c->loop, conn_turn, c);
}

/* Everything that must not happen inside a call of the owner happens here, at the end of the loop's
 * turn: sending, going on with input that had no room, telling what has ended, freeing. */
static void conn_turn(void *arg)
{
	struct conn *c = arg;

	c->is_flush_due = false;
	if (can_go_on(c) && conn_tls_input(c, STR_NONE) == 0)
		tell_data(c);
	if (!c->reason && flush(c) >= 0) {
		check_drained(c);
		tell_eof(c);
		end_if_sent(c);
	}
	if (c->reason && c->handlers)
		tell_closed(c);
	if (c->reason && !c->is_lingering) {
		/* A call from on_closed may have deferred another turn; that one frees. */
		if (!c->is_flush_due)
			conn_free(c);
		return;
	}
	update_watch(c, c->is_eof);
}

/* ---- life ---- */

struct conn *conn_new(struct loop *l, int fd, const struct conn_options *o)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (!c)
		abort();
	c->loop = l;
	c->fd = fd;
	c->handlers = o->handlers;
	c->owner = o->owner;
	c->input_max = o->input_max;
	c->input.is_secret = true;
	c->high_water = o->high_water;
	c->low_water = o->low_water;
	c->read_bytes = READ_BYTES_MIN;
	conn_read_addresses(c);
	if (c->is_tcp) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	c->watching = WATCH_READ;
	c->watch = watch_new(l, fd, WATCH_READ, on_ready, c);
	return c;
}

void conn_hand_over(struct conn *c, const struct conn_handlers *handlers, void *owner)
{
	c->handlers = handlers;
	c->owner = owner;
	c->is_eof_told = false;
	if (c->is_eof)
		conn_defer_turn(c);
}

str conn_input(const struct conn *c)
{
	return c->is_closing || c->reason ? STR_NONE : bytes_str(&c->input);
}

/* Room in the input queue: read on, or take what TLS still holds. */
static void input_wanted(struct conn *c)
{
	if (c->reason || c->is_closing)
		return;
	if (c->is_eof || (c->tls && conn_tls_has_left(c)))
		conn_defer_turn(c);
	else
		update_watch(c, false);
}

void conn_consume(struct conn *c, size_t count)
{
	if (count == 0 || c->input.len == 0)
		return;
	bytes_consume(&c->input, count);
	input_wanted(c);
}

void conn_discard_input(struct conn *c)
{
	bytes_free(&c->input);
	if (c->tls)
		conn_tls_discard(c);
	input_wanted(c);
}

void conn_acknowledge(struct conn *c)
{
	int on = 1;

	if (c->is_tcp && c->fd >= 0)
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void conn_pause(struct conn *c)
{
	c->is_paused = true;
}

void conn_resume(struct conn *c)
{
	if (!c->is_paused)
		return;
	c->is_paused = false;
	input_wanted(c);
}

void conn_write(struct conn *c, str bytes)
{
	if (c->reason || c->is_closing || bytes.len == 0)
		return;
	bytes_add(c->tls ? &c->tls->clear_out : &c->output, bytes);
	if (conn_queued(c) > c->low_water)
		c->is_above_low = true;
	conn_defer_turn(c);
}

size_t conn_queued(const struct conn *c)
{
	return c->output.len + (c->tls ? c->tls->clear_out.len : 0);
}

bool conn_is_congested(const struct conn *c)
{
	return conn_queued(c) >= c->high_water;
}

static void on_deadline(void *arg)
{
	struct conn *c = arg;
	char why[160];

	if (c->is_lingering) {
		end_linger(c);
		return;
	}
	snprintf(why, sizeof(why), "timed out %s", c->deadline_what);
	conn_finish(c, why);
}

void conn_set_deadline(struct conn *c, uint64_t after_ms, const char *what)
{
	if (c->fd < 0)
		return;
	c->deadline_what = what;
	if (after_ms == 0) {
		if (c->deadline)
			timer_stop(c->deadline);
		return;
	}
	if (!c->deadline)
		c->deadline = timer_new(c->loop, on_deadline, c);
	timer_set(c->deadline, after_ms);
}

struct loop *conn_loop(const struct conn *c)
{
	return c->loop;
}

void conn_close(struct conn *c)
{
	if (c->is_closing || c->reason)
		return;
	c->is_closing = true;
	bytes_free(&c->input);
	conn_defer_turn(c);
}

void conn_abort(struct conn *c, const char *reason)
{
	conn_finish(c, reason);
}
