#include "sessions/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum {
	READ_STEP = 16 * 1024,
	BLOCK_FIRST = 1024, /* most replies are short */
	BLOCK_NEXT = 16 * 1024,
	REF_COPIED = 1024,       /* references up to this are copied: cheaper than an iovec */
	FLUSH_EVERY = 64 * 1024, /* a command that writes on sends this often */
	PIECES_FIRST = 8,
};

/* Part of the output: a block of copied bytes (block, with room behind the end) or a reference. */
struct piece {
	const char *ptr;
	size_t len;
	char *block;
	size_t room;
	void (*release)(void *arg);
	void *arg;
};

struct stream {
	struct loop *loop;
	struct watch *watch;
	const struct stream_handlers *handlers;
	void *owner;
	int fd;
	unsigned holds; /* callbacks and deferred calls that still need the struct */
	bool dead;      /* freed by its owner; the struct goes with the last hold */
	/* The loop's thread only. */
	bool lent, told_closed;
	unsigned watched;
	/* Whoever has the stream. */
	bool eof, closing, was_congested;
	const char *broken; /* why; NULL while it works */
	struct buf in;
	size_t in_at;
	struct piece *pieces; /* a ring */
	size_t head, count, cap;
	size_t queued, copied, tried_at;
	char *spare; /* a block of BLOCK_NEXT bytes */
};

/* ---- output queue ---- */

static struct piece *piece_at(const struct stream *s, size_t i)
{
	return &s->pieces[(s->head + i) & (s->cap - 1)];
}

static struct piece *piece_push(struct stream *s)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : PIECES_FIRST;
		struct piece *bigger = calloc(cap, sizeof(*bigger));
		if (!bigger)
			abort();
		for (size_t i = 0; i < s->count; i++)
			bigger[i] = *piece_at(s, i);
		free(s->pieces);
		s->pieces = bigger;
		s->head = 0;
		s->cap = cap;
	}
	struct piece *p = piece_at(s, s->count++);
	*p = (struct piece){ .ptr = NULL };
	return p;
}

static void piece_done(struct stream *s, struct piece *p, size_t block_bytes)
{
	if (p->release)
		p->release(p->arg);
	if (!p->block)
		return;
	if (!s->spare && block_bytes == BLOCK_NEXT)
		s->spare = p->block;
	else
		free(p->block);
}

/* Takes sent bytes off the front of the queue. */
static void queue_advance(struct stream *s, size_t sent)
{
	s->queued -= sent;
	while (s->count > 0) {
		struct piece *p = piece_at(s, 0);
		size_t step = sent < p->len ? sent : p->len;
		p->ptr += step;
		p->len -= step;
		sent -= step;
		if (p->block)
			s->copied -= step;
		if (p->len > 0)
			break;
		piece_done(s, p, p->block ? (size_t)(p->ptr - p->block) + p->room : 0);
		s->head = (s->head + 1) & (s->cap - 1);
		s->count--;
	}
}

static void queue_drop(struct stream *s)
{
	queue_advance(s, s->queued);
	free(s->pieces);
	s->pieces = NULL;
	s->head = s->count = s->cap = 0;
	free(TAKE(s->spare));
}

static void fail(struct stream *s, const char *why)
{
	if (!s->broken)
		s->broken = why;
	queue_advance(s, s->queued);
}

static struct piece *block_with_room(struct stream *s, size_t want)
{
	struct piece *last = s->count ? piece_at(s, s->count - 1) : NULL;

	if (last && last->block && last->room > 0)
		return last;
	size_t bytes = s->count || want > BLOCK_FIRST ? BLOCK_NEXT : BLOCK_FIRST;
	char *block = bytes == BLOCK_NEXT && s->spare ? TAKE(s->spare) : malloc(bytes);
	if (!block)
		abort();
	struct piece *p = piece_push(s);
	*p = (struct piece){ .ptr = block, .block = block, .room = bytes };
	return p;
}

static void flush_now_and_then(struct stream *s)
{
	if (s->queued >= s->tried_at + FLUSH_EVERY || s->count >= STREAM_IOVECS)
		stream_flush(s);
}

void stream_write(struct stream *s, str bytes)
{
	if (s->broken || s->closing)
		return;
	if (bytes.len > STREAM_QUEUE_MAX - s->copied) {
		fail(s, "more output waits than is kept");
		return;
	}
	while (bytes.len > 0) {
		struct piece *p = block_with_room(s, bytes.len);
		size_t step = bytes.len < p->room ? bytes.len : p->room;
		char *end = p->block + (p->ptr - p->block) + p->len;
		memcpy(end, bytes.ptr, step);
		p->len += step;
		p->room -= step;
		s->queued += step;
		s->copied += step;
		bytes = str_skip(bytes, step);
	}
	flush_now_and_then(s);
}

void stream_write_ref(struct stream *s, str bytes, void (*release)(void *arg), void *arg)
{
	if (s->broken || s->closing || bytes.len <= REF_COPIED) {
		stream_write(s, bytes);
		if (release)
			release(arg);
		return;
	}
	struct piece *p = piece_push(s);
	*p = (struct piece){ .ptr = bytes.ptr, .len = bytes.len, .release = release, .arg = arg };
	s->queued += bytes.len;
	flush_now_and_then(s);
}

static ssize_t send_some(struct stream *s)
{
	struct iovec iov[STREAM_IOVECS];
	size_t n = s->count < STREAM_IOVECS ? s->count : STREAM_IOVECS;

	for (size_t i = 0; i < n; i++) {
		/* sendmsg reads only; iov_base has no const form. */
		union {
			const char *in;
			char *out;
		} base = { .in = piece_at(s, i)->ptr };
		iov[i] = (struct iovec){ .iov_base = base.out, .iov_len = piece_at(s, i)->len };
	}
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	return sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void stream_flush(struct stream *s)
{
	while (s->queued > 0 && !s->broken) {
		ssize_t sent = send_some(s);
		if (sent >= 0) {
			queue_advance(s, (size_t)sent);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
			break;
		} else if (errno != EINTR) {
			fail(s, errno == EPIPE || errno == ECONNRESET
			            ? "closed by peer"
			            : "cannot write to the front");
		}
	}
	s->tried_at = s->queued;
}

bool stream_is_congested(struct stream *s)
{
	if (s->queued >= STREAM_HIGH_WATER)
		stream_flush(s);
	bool congested = s->queued >= (s->was_congested ? STREAM_LOW_WATER : STREAM_HIGH_WATER);
	s->was_congested = congested;
	return congested;
}

bool stream_is_broken(const struct stream *s)
{
	return s->broken != NULL;
}

size_t stream_queued(const struct stream *s)
{
	return s->queued;
}

/* ---- input ---- */

str stream_input(const struct stream *s)
{
	return str_skip(buf_str(&s->in), s->in_at);
}

void stream_consume(struct stream *s, size_t count)
{
	s->in_at += count;
	if (s->in_at >= s->in.len) {
		buf_fini(&s->in);
		s->in_at = 0;
	}
}

/* Moves the unread rest to the front before more is put behind it. */
static char *input_space(struct stream *s)
{
	if (s->in_at > 0) {
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	size_t left = s->in.max - s->in.len;
	return left ? buf_space(&s->in, left < READ_STEP ? left : READ_STEP) : NULL;
}

/* Bytes that came; 0 when nothing is there, the end has come, or no room is left. */
static size_t read_some(struct stream *s)
{
	char *to = s->eof || s->broken || s->closing ? NULL : input_space(s);
	size_t space = s->in.max - s->in.len;
	ssize_t n = -1;

	if (!to)
		return 0;
	/* Whoever sent the descriptor may have kept a copy of it, and make the socket block. */
	do
		n = recv(s->fd, to, space < READ_STEP ? space : READ_STEP, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		buf_grow(&s->in, (size_t)n);
		return (size_t)n;
	}
	if (n == 0)
		s->eof = true;
	else if (errno == ECONNRESET)
		fail(s, "closed by peer");
	else if (errno != EAGAIN && errno != EWOULDBLOCK)
		fail(s, "cannot read from the front");
	if (s->in.len == 0)
		buf_fini(&s->in);
	return 0;
}

bool stream_read_now(struct stream *s)
{
	return read_some(s) > 0;
}

bool stream_read_soon(struct stream *s, int ms)
{
	struct pollfd wanted = { .fd = s->fd, .events = POLLIN };

	if (s->broken || s->eof || s->closing || poll(&wanted, 1, ms) <= 0)
		return false;
	return stream_read_now(s);
}

/* ---- the loop's side ---- */

static void hold_end(struct stream *s)
{
	if (--s->holds == 0 && s->dead)
		free(s);
}

static void tell_closed(void *arg)
{
	struct stream *s = arg;

	if (!s->dead) {
		const char *why = s->broken ? s->broken : s->closing ? "closed" : "closed by peer";
		s->handlers->on_closed(s->owner, s, why);
	}
	hold_end(s);
}

static bool is_over(const struct stream *s)
{
	if (s->broken)
		return true;
	if (s->queued > 0)
		return false;
	return s->closing || (s->eof && str_empty(stream_input(s)));
}

static unsigned wanted_events(const struct stream *s)
{
	/* Also when the queue went empty while somebody else had the stream: on_drained is owed. */
	unsigned events = s->queued > 0 || s->was_congested ? WATCH_WRITE : 0;

	if (!s->eof && !s->closing && stream_input(s).len < STREAM_INPUT_MAX)
		events |= WATCH_READ;
	return events;
}

static void watch_events(struct stream *s, unsigned events)
{
	if (events == s->watched)
		return;
	s->watched = events;
	watch_set(s->watch, events);
}

/* After whatever changed the state on the loop's side: watch for what is needed, or end. */
static void settle(struct stream *s)
{
	if (s->dead || s->lent || s->told_closed)
		return;
	if (s->queued == 0)
		queue_drop(s);
	if (!is_over(s)) {
		watch_events(s, wanted_events(s));
		return;
	}
	watch_events(s, 0);
	s->told_closed = true;
	s->holds++;
	loop_defer(s->loop, tell_closed, s);
}

static void read_turn(struct stream *s)
{
	size_t got = 0, n;

	while (got < STREAM_READ_MAX && (n = read_some(s)) > 0) {
		got += n;
		if (n < READ_STEP)
			break;
	}
	if (got > 0 && !s->broken)
		s->handlers->on_input(s->owner, s);
}

static void write_turn(struct stream *s)
{
	stream_flush(s);
	if (s->was_congested && s->queued <= STREAM_LOW_WATER && !s->broken) {
		s->was_congested = false;
		s->handlers->on_drained(s->owner, s);
	}
}

static void on_ready(void *arg, unsigned events)
{
	struct stream *s = arg;

	if (s->lent) {
		/* Somebody is working on it: look again when it is back. */
		watch_events(s, 0);
		return;
	}
	s->holds++;
	if (events & WATCH_WRITE && (s->queued > 0 || s->was_congested))
		write_turn(s);
	if (events & WATCH_READ && !s->dead && !s->lent)
		read_turn(s);
	if (!s->dead && !s->lent)
		stream_flush(s);
	settle(s);
	hold_end(s);
}

void stream_lend(struct stream *s)
{
	s->lent = true;
}

void stream_take_back(struct stream *s)
{
	s->lent = false;
	stream_flush(s);
	settle(s);
}

void stream_close(struct stream *s)
{
	if (!s->broken)
		stream_flush(s);
	s->closing = true;
	settle(s);
}

struct stream *stream_new(
    struct loop *l, int fd, const struct stream_handlers *handlers, void *owner)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->loop = l;
	s->fd = fd;
	s->handlers = handlers;
	s->owner = owner;
	buf_init(&s->in, STREAM_INPUT_MAX);
	fd_set_nonblocking(fd);
	s->watched = WATCH_READ;
	s->watch = watch_new(l, fd, WATCH_READ, on_ready, s);
	return s;
}

void stream_free(struct stream *s)
{
	if (!s || s->dead)
		return;
	s->dead = true;
	watch_free(s->watch);
	queue_drop(s);
	buf_fini(&s->in);
	fd_close(&s->fd);
	s->holds++;
	hold_end(s);
}
