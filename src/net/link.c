#include "net/link.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/secret.h"
#include "base/table.h"
#include "base/time.h"
#include "net/packet.h"

enum {
	HEADER_BYTES = 12,
	PAYLOAD_MAX = FRAME_MAX_BYTES - HEADER_BYTES,
	FLAG_REPLY = 1,
	BATCH = 32,
	SMALL_BYTES = 4096,
	SOCKET_BUFFER = 1024 * 1024,
	NO_BUFFERS_RETRY_MS = 10,
};

struct pending {
	const struct frame_def *reply_def;
	link_reply_fn *fn; /* NULL: a call that timed out; its late reply is thrown away */
	void *arg;
	uint32_t request;
};

struct link {
	struct loop *loop;
	struct link_options o;
	int fd; /* -1: down */
	struct watch *watch;
	struct timer *retry; /* the kernel is short of buffers */
	struct table *pending;
	uint32_t next_request;
	uint32_t overdue;          /* calls that timed out and whose reply is still to come */
	struct packet_queue queue; /* what the socket did not take yet */
	char *input;               /* FRAME_MAX_BYTES; one packet at a time */
	bool is_lost_unreported;
	bool is_notify_deferred;
	bool is_dispatching;
	bool is_freed;
	char why[200];
};

struct header {
	uint16_t type, flags;
	uint32_t request, len;
};

static void on_ready(void *arg, unsigned events);
static void notify(void *arg);

/* ---- losing a link ---- */

static void defer_notify(struct link *k)
{
	if (k->is_notify_deferred)
		return;
	k->is_notify_deferred = true;
	loop_defer(k->loop, notify, k);
}

/* From here on the link is down; who has to know is told from the loop, never from inside a call
 * that somebody is making on this link. */
static void lose(struct link *k, const char *why)
{
	if (k->fd < 0)
		return;
	watch_free(k->watch);
	k->watch = NULL;
	timer_stop(k->retry);
	fd_close(&k->fd);
	packet_queue_clear(&k->queue);
	snprintf(k->why, sizeof(k->why), "link to %s lost: %s", k->o.peer, why);
	k->is_lost_unreported = true;
	defer_notify(k);
}

static void fail_pending(struct link *k)
{
	struct table *waiting = k->pending;
	size_t at = 0;
	str key;
	void *value;

	if (table_count(waiting) == 0)
		return;
	k->pending = table_new();
	k->overdue = 0;
	while (table_next(waiting, &at, &key, &value)) {
		struct pending *p = value;
		if (p->fn)
			p->fn(p->arg, NULL);
		free(p);
	}
	table_free(waiting);
}

static void report_loss(struct link *k)
{
	if (k->is_lost_unreported) {
		k->is_lost_unreported = false;
		if (k->o.on_lost)
			k->o.on_lost(k->o.owner, k, str_c(k->why));
	}
	if (k->fd < 0)
		fail_pending(k);
}

static void release(struct link *k)
{
	table_free(k->pending);
	free(k->input);
	free(k);
}

/* is_dispatching keeps the link while handlers run that may free it. */
static void notify(void *arg)
{
	struct link *k = arg;

	k->is_notify_deferred = false;
	if (k->is_freed) {
		release(k);
		return;
	}
	k->is_dispatching = true;
	report_loss(k);
	k->is_dispatching = false;
	if (k->is_freed && !k->is_notify_deferred)
		release(k);
}

/* ---- sending ---- */

/* Waits for room: the socket says when there is some, but not when the kernel has memory again. */
static void wait_for_room(struct link *k, enum packet_sent sent)
{
	if (sent == PACKET_NO_BUFFERS) {
		watch_set(k->watch, WATCH_READ);
		timer_set(k->retry, NO_BUFFERS_RETRY_MS);
	} else {
		watch_set(k->watch, WATCH_READ | WATCH_WRITE);
	}
}

static void lose_by_error(struct link *k, const char *what)
{
	char why[100];

	snprintf(why, sizeof(why), "%s: %m", what);
	lose(k, why);
}

static int enqueue(struct link *k, str bytes, const int *fds, size_t fd_count, struct err *err)
{
	if (packet_queue_add(&k->queue, bytes, fds, fd_count) < 0)
		return err_set(err, ERR_RETRY, "cannot keep a descriptor for %s: %m", k->o.peer);
	if (k->queue.bytes <= k->o.queue_max)
		return 0;
	lose(k, "too much is waiting to be sent");
	return err_set(err, ERR_RETRY, "%s", k->why);
}

static int transmit(struct link *k, str bytes, const int *fds, size_t fd_count, struct err *err)
{
	bool was_empty = k->queue.count == 0;
	enum packet_sent sent = was_empty ? packet_send(k->fd, bytes, fds, fd_count) : PACKET_LATER;

	if (sent == PACKET_SENT)
		return 0;
	if (sent == PACKET_FAILED) {
		lose_by_error(k, "cannot send");
		return err_set(err, ERR_RETRY, "%s", k->why);
	}
	if (enqueue(k, bytes, fds, fd_count, err) < 0)
		return -1;
	if (was_empty)
		wait_for_room(k, sent);
	return 0;
}

static int send_frame(struct link *k, const struct frame_def *def, uint16_t flags, uint32_t request,
    const void *in, const int *fds, size_t fd_count, struct err *err)
{
	AUTO_BUF out = BUF_INIT(FRAME_MAX_BYTES);

	/* Room for a frame with a password, which would leave copies if it grew. */
	(void)buf_space(&out, SMALL_BYTES);
	if (k->fd < 0)
		return err_set(err, ERR_RETRY, "link to %s is down", k->o.peer);
	if (fd_count > def->fd_count || fd_count > LINK_MAX_FDS)
		return err_set(err, ERR_INPUT, "frame '%s' takes %u descriptors, not %zu",
		    def->name, def->fd_count, fd_count);
	buf_add_u16(&out, def->type);
	buf_add_u16(&out, flags);
	buf_add_u32(&out, request);
	buf_add_u32(&out, 0);
	int rc = frame_encode(def, in, &out, err);
	if (rc == 0) {
		uint32_t len = (uint32_t)(out.len - HEADER_BYTES);
		for (size_t i = 0; i < 4; i++)
			out.ptr[8 + i] = (char)(unsigned char)(len >> (8 * i));
		rc = transmit(k, buf_str(&out), fds, fd_count, err);
	}
	if (out.ptr)
		secret_wipe(out.ptr, out.len);
	return rc;
}

static void flush(struct link *k)
{
	while (k->fd >= 0 && k->queue.count > 0) {
		enum packet_sent sent = packet_queue_send(&k->queue, k->fd);
		if (sent == PACKET_FAILED) {
			lose_by_error(k, "cannot send");
			return;
		}
		if (sent != PACKET_SENT) {
			wait_for_room(k, sent);
			return;
		}
	}
	if (k->fd >= 0)
		watch_set(k->watch, WATCH_READ);
}

static void on_retry(void *arg)
{
	flush(arg);
}

/* ---- receiving ---- */

/* 1: a packet; 0: none now; -1: lost. */
static int receive_packet(struct link *k, str *out_packet, int *out_fds)
{
	switch (packet_receive(k->fd, k->input, out_packet, out_fds)) {
	case PACKET_CAME:
		return 1;
	case PACKET_NONE:
		return 0;
	case PACKET_END:
		lose(k, "closed by peer");
		return -1;
	case PACKET_TOO_LARGE:
		lose(k, "frame larger than allowed");
		return -1;
	case PACKET_BROKEN:
		break;
	}
	lose_by_error(k, "cannot receive");
	return -1;
}

static int read_header(struct link *k, str packet, struct header *h, struct link_frame *frame)
{
	str at = packet;

	if (take_u16(&at, &h->type) < 0 || take_u16(&at, &h->flags) < 0 ||
	    take_u32(&at, &h->request) < 0 || take_u32(&at, &h->len) < 0 || h->len != at.len ||
	    (h->flags & ~FLAG_REPLY) != 0) {
		lose(k, "malformed frame header");
		return -1;
	}
	frame->request = h->request;
	frame->payload = at;
	return 0;
}

/* The peer chooses the type; what we look it up in is what this peer may send. */
static const struct frame_def *find_accepted(const struct link *k, uint16_t type)
{
	for (size_t i = 0; k->o.accepts && k->o.accepts[i]; i++) {
		if (k->o.accepts[i]->type == type)
			return k->o.accepts[i];
	}
	return NULL;
}

static size_t count_fds(const struct link_frame *frame)
{
	size_t count = 0;

	for (size_t i = 0; i < LINK_MAX_FDS; i++)
		count += frame->fds[i] >= 0;
	return count;
}

static void take_request(struct link *k, const struct header *h, struct link_frame *frame)
{
	char why[100];

	frame->def = find_accepted(k, h->type);
	if (!frame->def || count_fds(frame) > frame->def->fd_count) {
		snprintf(why, sizeof(why), "unexpected frame of type %u", h->type);
		lose(k, why);
		return;
	}
	if (k->o.on_frame(k->o.owner, k, frame) < 0) {
		snprintf(why, sizeof(why), "frame '%s' was refused", frame->def->name);
		lose(k, why);
	}
}

static struct pending *take_pending(
    struct link *k, const struct header *h, struct link_frame *frame)
{
	struct pending *p = table_get_id(k->pending, h->request);

	if (!p || p->reply_def->type != h->type || count_fds(frame) > p->reply_def->fd_count) {
		char why[100];
		snprintf(why, sizeof(why), "unexpected reply of type %u", h->type);
		lose(k, why);
		return NULL;
	}
	table_remove_id(k->pending, h->request);
	if (!p->fn)
		k->overdue--;
	frame->def = p->reply_def;
	return p;
}

static void take_reply(struct link *k, const struct header *h, struct link_frame *frame)
{
	AUTO_FREE struct pending *p = take_pending(k, h, frame);

	if (p && p->fn)
		p->fn(p->arg, frame);
}

static void dispatch(struct link *k, str packet, struct link_frame *frame)
{
	struct header h;

	if (read_header(k, packet, &h, frame) == 0) {
		if (h.flags & FLAG_REPLY)
			take_reply(k, &h, frame);
		else
			take_request(k, &h, frame);
	}
	packet_close_fds(frame->fds);
}

static void receive(struct link *k)
{
	for (int i = 0; i < BATCH && k->fd >= 0 && !k->is_freed; i++) {
		struct link_frame frame = { .request = 0 };
		str packet;
		if (receive_packet(k, &packet, frame.fds) <= 0)
			return;
		dispatch(k, packet, &frame);
		/* Nobody may keep a slice of it, and a password does not wait here for the next frame. */
		secret_wipe(k->input, packet.len);
	}
}

static void on_ready(void *arg, unsigned events)
{
	struct link *k = arg;

	k->is_dispatching = true;
	if (events & WATCH_WRITE)
		flush(k);
	if (k->fd >= 0 && (events & WATCH_READ))
		receive(k);
	k->is_dispatching = false;
	if (k->is_freed && !k->is_notify_deferred)
		release(k);
}

/* ---- life ---- */

static void attach(struct link *k, int fd)
{
	k->fd = fd;
	if (fd >= 0)
		k->watch = watch_new(k->loop, fd, WATCH_READ, on_ready, k);
}

struct link *link_new(struct loop *l, int fd, const struct link_options *o)
{
	struct link *k = calloc(1, sizeof(*k));

	if (!k || !(k->input = malloc(FRAME_MAX_BYTES)))
		abort();
	k->loop = l;
	k->o = *o;
	k->retry = timer_new(l, on_retry, k);
	k->pending = table_new();
	k->next_request = 1;
	attach(k, fd);
	return k;
}

void link_free(struct link *k)
{
	if (!k || k->is_freed)
		return;
	k->is_freed = true;
	k->o.on_lost = NULL;
	lose(k, "closed by us");
	k->is_lost_unreported = false;
	fail_pending(k);
	timer_free(k->retry);
	/* A deferred notify still holds the link and releases it. */
	if (!k->is_dispatching && !k->is_notify_deferred)
		release(k);
}

bool link_is_up(const struct link *k)
{
	return k && k->fd >= 0;
}

void link_reconnect(struct link *k, int fd)
{
	lose(k, "replaced by a new one");
	bool was_dispatching = k->is_dispatching;
	k->is_dispatching = true;
	report_loss(k);
	k->is_dispatching = was_dispatching;
	attach(k, fd);
}

int link_send(struct link *k, const struct frame_def *def, const void *in, const int *fds,
    size_t fd_count, struct err *err)
{
	return send_frame(k, def, 0, 0, in, fds, fd_count, err);
}

int link_reply(struct link *k, uint32_t request, const struct frame_def *def, const void *in,
    const int *fds, size_t fd_count, struct err *err)
{
	if (request == 0)
		return 0;
	return send_frame(k, def, FLAG_REPLY, request, in, fds, fd_count, err);
}

static struct pending *add_pending(
    struct link *k, const struct frame_def *reply_def, link_reply_fn *fn, void *arg)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	/* 0 means "no reply wanted"; after 4 billion requests one that still waits keeps its number.
	 */
	while (k->next_request == 0 || table_get_id(k->pending, k->next_request))
		k->next_request++;
	*p = (struct pending){ reply_def, fn, arg, k->next_request++ };
	table_set_id(k->pending, p->request, p);
	return p;
}

struct failed_request {
	link_reply_fn *fn;
	void *arg;
};

static void fail_request(void *arg)
{
	AUTO_FREE struct failed_request *f = arg;

	f->fn(f->arg, NULL);
}

void link_request(struct link *k, const struct frame_def *def, const void *in, const int *fds,
    size_t fd_count, const struct frame_def *reply_def, link_reply_fn *fn, void *arg)
{
	struct err err;
	struct pending *p = add_pending(k, reply_def, fn, arg);

	if (send_frame(k, def, 0, p->request, in, fds, fd_count, &err) == 0)
		return;
	struct failed_request *f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	*f = (struct failed_request){ fn, arg };
	table_remove_id(k->pending, p->request);
	free(p);
	loop_defer(k->loop, fail_request, f);
}

size_t link_queued(const struct link *k)
{
	return k->queue.bytes;
}

/* ---- calls that wait ---- */

/* Whatever comes before the reply is handled as always: late replies of calls that timed out. */
static int wait_for_reply(
    struct link *k, uint32_t request, uint64_t until_ms, struct link_frame *out_reply)
{
	for (;;) {
		struct link_frame frame = { .request = 0 };
		struct header h;
		str packet;
		int rc = receive_packet(k, &packet, frame.fds);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			str at = packet;
			bool is_ours = take_u16(&at, &h.type) == 0 &&
			               take_u16(&at, &h.flags) == 0 &&
			               take_u32(&at, &h.request) == 0 && h.flags == FLAG_REPLY &&
			               h.request == request;
			if (!is_ours) {
				dispatch(k, packet, &frame);
				continue;
			}
			AUTO_FREE struct pending *p = read_header(k, packet, &h, &frame) == 0
			                                  ? take_pending(k, &h, &frame)
			                                  : NULL;
			if (p)
				*out_reply = frame;
			else
				packet_close_fds(frame.fds);
			return p ? 1 : -1;
		}
		uint64_t now = time_mono_ms();
		if (now >= until_ms)
			return 0;
		struct pollfd pfd = { .fd = k->fd, .events = POLLIN };
		(void)poll(&pfd, 1, (int)(until_ms - now));
	}
}

static void no_reply(void *arg, struct link_frame *reply)
{
	(void)arg;
	(void)reply;
}

int link_call(struct link *k, const struct frame_def *def, const void *in,
    const struct frame_def *reply_def, uint32_t timeout_ms, struct link_frame *out_reply,
    struct err *err)
{
	if (k->overdue > 0)
		return err_set(
		    err, ERR_RETRY, "%s has not answered an earlier call yet", k->o.peer);
	struct pending *p = add_pending(k, reply_def, no_reply, NULL);
	uint32_t request = p->request;
	if (send_frame(k, def, 0, request, in, NULL, 0, err) < 0) {
		table_remove_id(k->pending, request);
		free(p);
		return -1;
	}
	int rc = wait_for_reply(k, request, time_mono_ms() + timeout_ms, out_reply);
	if (rc > 0)
		return 0;
	if (rc < 0)
		return err_set(err, ERR_RETRY, "%s", k->why);
	p->fn = NULL;
	k->overdue++;
	return err_set(err, ERR_RETRY, "%s did not answer within %u ms", k->o.peer, timeout_ms);
}

int link_pair(int out_fds[2], struct err *err)
{
	int size = SOCKET_BUFFER, fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return err_set(err, ERR_SYSTEM, "cannot make a pair of sockets: %m");
	for (size_t i = 0; i < 2; i++) {
		/* FORCE passes net.core.wmem_max and needs root; without it the kernel's maximum holds. */
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		out_fds[i] = fds[i];
	}
	return 0;
}
