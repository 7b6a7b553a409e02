#include "net/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/secret.h"

struct packet {
	size_t len;
	size_t fd_count;
	int fds[LINK_MAX_FDS];
	char bytes[];
};

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * LINK_MAX_FDS)];
};

/* ---- sending ---- */

enum packet_sent packet_send(int fd, str bytes, const int *fds, size_t fd_count)
{
	union control control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		if (sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return PACKET_SENT;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return PACKET_LATER;
		if (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
			return PACKET_NO_BUFFERS;
		return PACKET_FAILED;
	}
}

/* ---- receiving ---- */

void packet_close_fds(int *fds)
{
	for (size_t i = 0; i < LINK_MAX_FDS; i++)
		fd_close(&fds[i]);
}

/* They are ours as soon as they came, whatever the packet holds: an empty one, which looks like the
 * end of the connection, can bring some as well. */
static void take_fds(struct msghdr *msg, int *out_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(out_fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
}

enum packet_came packet_receive(int fd, char *space, str *out, int *out_fds)
{
	union control control;
	struct iovec iov = { .iov_base = space, .iov_len = FRAME_MAX_BYTES };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	for (size_t i = 0; i < LINK_MAX_FDS; i++)
		out_fds[i] = -1;
	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? PACKET_NONE : PACKET_BROKEN;
	take_fds(&msg, out_fds);
	bool is_cut = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
	if (n == 0 || is_cut) {
		packet_close_fds(out_fds);
		return n == 0 ? PACKET_END : PACKET_TOO_LARGE;
	}
	*out = str_new(space, (size_t)n);
	return PACKET_CAME;
}

/* ---- the queue ---- */

static void packet_free(struct packet *p)
{
	for (size_t i = 0; i < p->fd_count; i++)
		fd_close(&p->fds[i]);
	/* Passwords travel in frames. */
	secret_wipe(p->bytes, p->len);
	free(p);
}

/* NULL with errno when a descriptor could not be copied. */
static struct packet *packet_new(str bytes, const int *fds, size_t fd_count)
{
	struct packet *p = malloc(sizeof(*p) + bytes.len);

	if (!p)
		abort();
	p->len = bytes.len;
	p->fd_count = 0;
	memcpy(p->bytes, bytes.ptr, bytes.len);
	for (size_t i = 0; i < fd_count; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (copy < 0) {
			int why = errno;
			packet_free(p);
			errno = why;
			return NULL;
		}
		p->fds[p->fd_count++] = copy;
	}
	return p;
}

static void make_room(struct packet_queue *q)
{
	if (q->head > 0 && q->head + q->count == q->cap) {
		memmove(q->items, q->items + q->head, q->count * sizeof(struct packet *));
		q->head = 0;
	}
	if (q->count < q->cap)
		return;
	size_t cap = q->cap ? q->cap * 2 : 16;
	struct packet **grown = realloc(q->items, cap * sizeof(struct packet *));
	if (!grown)
		abort();
	q->items = grown;
	q->cap = cap;
}

int packet_queue_add(struct packet_queue *q, str bytes, const int *fds, size_t fd_count)
{
	struct packet *p = packet_new(bytes, fds, fd_count);

	if (!p)
		return -1;
	make_room(q);
	q->items[q->head + q->count++] = p;
	q->bytes += p->len;
	return 0;
}

static void drop_first(struct packet_queue *q)
{
	struct packet *p = q->items[q->head];

	q->bytes -= p->len;
	q->head++;
	q->count--;
	if (q->count == 0)
		q->head = 0;
	packet_free(p);
}

enum packet_sent packet_queue_send(struct packet_queue *q, int fd)
{
	const struct packet *p = q->items[q->head];
	enum packet_sent sent = packet_send(fd, str_new(p->bytes, p->len), p->fds, p->fd_count);

	if (sent == PACKET_SENT)
		drop_first(q);
	return sent;
}

void packet_queue_clear(struct packet_queue *q)
{
	while (q->count > 0)
		drop_first(q);
	free(q->items);
	*q = (struct packet_queue){ .items = NULL };
}
