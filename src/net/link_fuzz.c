/* Any packets from a peer, with and without descriptors, while requests wait: each request that was
 * made gets exactly one answer, what the handler sees decodes or drops the link, and no descriptor
 * stays open. Input: a byte of choices, then packets, each behind its length of two bytes. */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/link.h"

struct note {
	uint64_t number;
	str text;
};

static const struct frame_field note_fields[] = {
	{ "number", FIELD_U64, offsetof(struct note, number), 0 },
	{ "text", FIELD_STR, offsetof(struct note, text), 100 },
};
static const struct frame_def ask = { "ask", 1, 0, sizeof(struct note), note_fields, 2 };
static const struct frame_def hand = { "hand", 2, 1, sizeof(struct note), note_fields, 1 };
static const struct frame_def answer = { "answer", 3, 1, sizeof(struct note), note_fields, 2 };
static const struct frame_def *const accepts[] = { &ask, &hand, NULL };

struct run {
	struct loop *loop;
	struct link *link;
	int far;
	unsigned asked, answered, turns, lost;
};

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct note n;

	(void)owner;
	assert(in->def == &ask || in->def == &hand);
	if (frame_decode(in->def, in->payload, &n, NULL) < 0)
		return -1;
	/* Half of the handlers keep what they are given. */
	if (n.number & 1 && in->fds[0] >= 0)
		close(TAKE_FD(in->fds[0]));
	(void)link_reply(link, in->request, &answer, &n, NULL, 0, NULL);
	return 0;
}

static void on_lost(void *owner, struct link *link, str why)
{
	struct run *r = owner;

	assert(!link_is_up(link) && why.len > 0);
	r->lost++;
}

static void on_reply(void *arg, struct link_frame *reply)
{
	struct run *r = arg;
	struct note n;

	r->answered++;
	if (reply)
		(void)frame_decode(reply->def, reply->payload, &n, NULL);
}

static void poke(void *arg)
{
	struct run *r = arg;
	int unread = 0;

	if (link_is_up(r->link))
		ioctl(r->far, SIOCOUTQ, &unread);
	if (unread > 0 || ++r->turns < 3)
		loop_post(r->loop, poke, r);
	else
		loop_stop(r->loop);
}

static void settle(struct run *r)
{
	char packet[FRAME_MAX_BYTES];

	r->turns = 0;
	loop_post(r->loop, poke, r);
	loop_run(r->loop);
	while (recv(r->far, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		;
}

static void send_packet(struct run *r, str packet, bool with_fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)packet.ptr, packet.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with_fd) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &r->far, sizeof(int));
	}
	(void)!sendmsg(r->far, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		count++;
	if (d)
		closedir(d);
	return count;
}

static void talk(struct run *r, unsigned choices, str in)
{
	struct note n = { .number = 7, .text = STR("x") };
	struct link_frame reply;
	struct err err;
	uint16_t length;

	for (unsigned i = 0; i < (choices & 3); i++, r->asked++)
		link_request(r->link, &ask, &n, NULL, 0, &answer, on_reply, r);
	while (take_u16(&in, &length) == 0) {
		send_packet(r, str_sub(in, 0, length & 0x3fff), length & 0x8000);
		in = str_skip(in, length & 0x3fff);
		if (!(choices & 4))
			settle(r);
	}
	/* Numbers of requests start at 1; a call takes the next one, and what came early is read by it. */
	if (choices & 8 && link_call(r->link, &ask, &n, &answer, 0, &reply, &err) == 0)
		fd_close(&reply.fds[0]);
	settle(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct run r = { .asked = 0 };
	int pair[2];

	if (size < 1)
		return 0;
	if (!loop)
		loop = loop_new();
	r.loop = loop;
	unsigned before = open_descriptors();
	if (link_pair(pair, NULL) < 0)
		return 0;
	r.far = pair[1];
	r.link = link_new(r.loop, pair[0],
	    &(struct link_options){ .peer = "fuzz",
	        .accepts = accepts,
	        .on_frame = on_frame,
	        .on_lost = on_lost,
	        .owner = &r,
	        .queue_max = 1 << 20 });
	talk(&r, data[0], str_new(data + 1, size - 1));
	assert(link_is_up(r.link) || r.lost == 1);
	link_free(r.link);
	r.link = NULL;
	settle(&r);
	close(pair[1]);
	assert(r.asked == r.answered);
	assert(open_descriptors() == before);
	return 0;
}
