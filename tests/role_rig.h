/* role_rig.h: one role of buzon in this process, with its peers played by raw sockets; for fuzzers
 * and tests of what a peer in foreign hands may send.
 *
 * Purpose    role_rig_open() starts a role without its sandbox and joins it to the peers that may send
 *            it frames; role_rig_run() reads steps from the fuzzer's bytes and does them: frames with
 *            arbitrary fields, with and without descriptors, arbitrary packets, peers that go away. What
 *            the role sends is checked: it decodes, it answers nothing that was not asked, and nothing
 *            twice.
 * Shape      A step is a kind and what belongs to it:
 *            0..5  a frame: peer, which of the frames it may send, request number, descriptor (0 none,
 *                  1 a memory file with counted bytes, 2 a sealed one, 3 a stream that counted bytes
 *                  are written to, else /dev/null), then a value for each field;
 *            6     a packet as it is: peer, counted bytes;
 *            7     a step of the target's own (rig->own_step).
 *            Numbers: one byte below 0xf0, else that many bytes as its low bits say. Texts: a count of
 *            one byte, or of two behind 0xff. When the bytes end, zeros follow.
 * Threads    The fuzzer's own is the loop's.
 * Not here   What the other side of a request answers: rig->on_request plays it.
 */
#ifndef BUZON_TESTS_ROLE_RIG_H
#define BUZON_TESTS_ROLE_RIG_H

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "roles/role.h"

enum {
	RIG_REQUESTS = 16, /* numbers that requests use, so that some are used twice */
	RIG_STEPS_MAX = 64,
	RIG_TURNS = 3,
	RIG_PATIENCE_MS = 20000,
	RIG_FRAME_BYTES = 1024, /* of the largest frame's struct, and more */
};

struct role_rig;

struct rig_peer {
	struct role_rig *rig;
	enum role_id id;
	int fd; /* the peer's end */
	unsigned asked[RIG_REQUESTS];
	bool is_lost;
};

struct role_rig {
	struct role role;
	struct log log;
	struct rig_peer peers[ROLE_COUNT];
	enum role_id joined[ROLE_COUNT];
	size_t joined_count;
	str in; /* what is left of the fuzzer's bytes */
	int stream_fd;
	uint64_t until_ms;
	unsigned turns;
	/* Any may be NULL. The role asks: payload as it came; answer with role_rig_answer. */
	void (*on_request)(struct role_rig *rig, struct rig_peer *peer, const struct frame_def *def,
	    uint32_t request, str payload, int *fds);
	void (*on_reply)(
	    struct role_rig *rig, struct rig_peer *peer, const struct frame_def *def, str payload);
	/* Before a frame is sent: give a field another value. */
	void (*on_field)(struct role_rig *rig, const struct frame_def *def,
	    const struct frame_field *field, str *value);
	void (*own_step)(struct role_rig *rig);
	bool (*is_busy)(struct role_rig *rig);
};

/* ---- what a role needs of roles/role.c, which would end the process ---- */

void role_exit(struct role *r, int status)
{
	(void)r, (void)status;
}

struct link *role_link(struct role *r, enum role_id peer, uint64_t key)
{
	struct link *link = r->links[peer][0];

	(void)key;
	return link && link_is_up(link) ? link : NULL;
}

const char *role_name(enum role_id id)
{
	(void)id;
	return "fuzz";
}

/* ---- the fuzzer's bytes ---- */

static inline unsigned role_rig_byte(struct role_rig *rig)
{
	uint8_t n = 0;

	(void)take_u8(&rig->in, &n);
	return n;
}

static inline uint64_t role_rig_number(struct role_rig *rig)
{
	unsigned first = role_rig_byte(rig);
	uint64_t n = 0;

	if (first < 0xf0)
		return first;
	for (unsigned i = 0; i < (first & 7) + 1; i++)
		n = n << 8 | role_rig_byte(rig);
	return n;
}

static inline str role_rig_text(struct role_rig *rig)
{
	size_t count = role_rig_byte(rig);

	if (count == 0xff)
		count = role_rig_byte(rig) | (size_t)role_rig_byte(rig) << 8;
	str text = str_sub(rig->in, 0, count);
	rig->in = str_skip(rig->in, text.len);
	return text;
}

/* ---- peers ---- */

static inline int role_rig_on_frame_(void *owner, struct link *link, struct link_frame *in)
{
	struct rig_peer *p = owner;
	struct role *r = &p->rig->role;

	return r->kind->frame(r, p->id, 0, link, in);
}

static inline void role_rig_on_lost_(void *owner, struct link *link, str why)
{
	struct rig_peer *p = owner;
	struct role *r = &p->rig->role;

	(void)link, (void)why;
	p->is_lost = true;
	if (r->kind->peer_lost)
		r->kind->peer_lost(r, p->id, 0);
}

/* For what a role keeps. scripts/fuzz sets TMPDIR and removes what is left there. */
static inline void role_rig_directory(char out[128])
{
	const char *base = getenv("TMPDIR");

	snprintf(out, 128, "%s/buzon-role-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(out))
		abort();
}

static inline int role_rig_remove_one_(
    const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st, (void)kind, (void)walk;
	return remove(path);
}

static inline void role_rig_remove(const char *path)
{
	nftw(path, role_rig_remove_one_, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void role_rig_must(int result, const struct err *err)
{
	if (result >= 0)
		return;
	fprintf(stderr, "rig: %s\n", err->text);
	abort();
}

/* A new connection in place of the one there was, if any. */
static inline void role_rig_join(struct role_rig *rig, enum role_id id)
{
	struct rig_peer *p = &rig->peers[id];
	struct link **link = &rig->role.links[id][0];
	struct err err = { .kind = ERR_NONE };
	int pair[2];

	role_rig_must(link_pair(pair, &err), &err);
	if (*link) {
		link_reconnect(*link, pair[0]);
		close(p->fd);
	} else {
		rig->joined[rig->joined_count++] = id;
		*link = link_new(rig->role.loop, pair[0],
		    &(struct link_options){ .peer = "peer",
		        .accepts = rig->role.kind->accepts[id],
		        .on_frame = role_rig_on_frame_,
		        .on_lost = role_rig_on_lost_,
		        .owner = p,
		        .queue_max = 8 << 20 });
	}
	*p = (struct rig_peer){ .rig = rig, .id = id, .fd = pair[1] };
}

/* rig->role has what the role wants to find: configuration, directory, certificates. */
static inline void role_rig_open(
    struct role_rig *rig, const struct role_kind *kind, enum role_id id)
{
	struct err err = { .kind = ERR_NONE };

	rig->role.id = id;
	rig->role.kind = kind;
	rig->role.loop = loop_new();
	rig->role.log = (struct log){ .role = "fuzz", .level = LOG_LEVEL_ALERT, .fd = -1 };
	rig->stream_fd = -1;
	role_rig_must(kind->start(&rig->role, &err), &err);
}

/* ---- what the role says ---- */

struct role_rig_packet_ {
	uint16_t type, flags;
	uint32_t request;
	str payload;
	int fds[LINK_MAX_FDS];
};

static inline bool role_rig_receive_(struct rig_peer *p, char *bytes, struct role_rig_packet_ *out)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * LINK_MAX_FDS)];
	} control;
	struct iovec iov = { bytes, FRAME_MAX_BYTES };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	uint32_t length = 0;

	for (size_t i = 0; i < LINK_MAX_FDS; i++)
		out->fds[i] = -1;
	ssize_t n = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c)
		memcpy(out->fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	str at = str_new(bytes, (size_t)n);
	bool good = take_u16(&at, &out->type) == 0 && take_u16(&at, &out->flags) == 0 &&
	            take_u32(&at, &out->request) == 0 && take_u32(&at, &length) == 0;
	assert(good && length == at.len && out->flags <= 1);
	out->payload = at;
	return true;
}

static inline void role_rig_heard_(struct rig_peer *p, struct role_rig_packet_ *packet)
{
	_Alignas(16) char decoded[RIG_FRAME_BYTES];
	const struct frame_def *def = frame_def_of(packet->type);
	bool decodes = def && def->struct_bytes <= sizeof(decoded) &&
	               frame_decode(def, packet->payload, decoded, NULL) == 0;

	assert(decodes);
	if (packet->flags) {
		bool was_asked = packet->request < RIG_REQUESTS && p->asked[packet->request] > 0;
		assert(was_asked);
		p->asked[packet->request]--;
		if (p->rig->on_reply)
			p->rig->on_reply(p->rig, p, def, packet->payload);
	} else if (p->rig->on_request) {
		p->rig->on_request(p->rig, p, def, packet->request, packet->payload, packet->fds);
	}
	for (size_t i = 0; i < LINK_MAX_FDS; i++)
		fd_close(&packet->fds[i]);
}

static inline void role_rig_hear(struct role_rig *rig)
{
	static char bytes[FRAME_MAX_BYTES];
	struct role_rig_packet_ packet;

	for (size_t i = 0; i < rig->joined_count; i++) {
		while (role_rig_receive_(&rig->peers[rig->joined[i]], bytes, &packet))
			role_rig_heard_(&rig->peers[rig->joined[i]], &packet);
	}
}

/* ---- running the loop until the role has nothing left to do ---- */

static inline bool role_rig_is_quiet_(struct role_rig *rig)
{
	int unread = 0;

	for (size_t i = 0; i < rig->joined_count; i++) {
		struct rig_peer *p = &rig->peers[rig->joined[i]];
		if (link_is_up(rig->role.links[p->id][0]) && ioctl(p->fd, SIOCOUTQ, &unread) == 0 &&
		    unread > 0)
			return false;
	}
	return !rig->is_busy || !rig->is_busy(rig);
}

static inline void role_rig_poke_(void *arg)
{
	struct role_rig *rig = arg;

	role_rig_hear(rig);
	rig->turns = role_rig_is_quiet_(rig) ? rig->turns + 1 : 0;
	if (time_mono_ms() > rig->until_ms) {
		fprintf(stderr, "rig: the role does not come to rest\n");
		abort();
	}
	if (rig->turns > RIG_TURNS)
		loop_stop(rig->role.loop);
	else
		loop_post(rig->role.loop, role_rig_poke_, rig);
}

static inline void role_rig_settle(struct role_rig *rig)
{
	rig->turns = 0;
	rig->until_ms = time_mono_ms() + RIG_PATIENCE_MS;
	loop_post(rig->role.loop, role_rig_poke_, rig);
	loop_run(rig->role.loop);
}

/* ---- sending ---- */

static inline void role_rig_send(struct rig_peer *p, str packet, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)packet.ptr, packet.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	(void)!sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline void role_rig_send_frame(struct rig_peer *p, const struct frame_def *def,
    uint16_t flags, uint32_t request, const void *in, int fd)
{
	AUTO_BUF payload = BUF_INIT(FRAME_MAX_BYTES);
	AUTO_BUF packet = BUF_INIT(FRAME_MAX_BYTES + 64);

	if (frame_encode(def, in, &payload, NULL) < 0)
		return;
	buf_add_u16(&packet, def->type);
	buf_add_u16(&packet, flags);
	buf_add_u32(&packet, request);
	buf_add_u32(&packet, (uint32_t)payload.len);
	buf_add(&packet, buf_str(&payload));
	if (!flags && request)
		p->asked[request]++;
	role_rig_send(p, buf_str(&packet), fd);
}

static inline void role_rig_answer(
    struct rig_peer *p, const struct frame_def *def, uint32_t request, const void *in, int fd)
{
	role_rig_send_frame(p, def, 1, request, in, fd);
}

static inline void role_rig_fill_field_(
    struct role_rig *rig, const struct frame_def *def, const struct frame_field *f, char *at)
{
	uint64_t n = f->type == FIELD_STR ? 0 : role_rig_number(rig);
	uint32_t u32 = (uint32_t)n;
	bool b = n & 1;
	str text;

	switch (f->type) {
	case FIELD_BOOL:
		memcpy(at, &b, sizeof(b));
		return;
	case FIELD_U32:
		memcpy(at, &u32, sizeof(u32));
		return;
	case FIELD_U64:
	case FIELD_I64:
		memcpy(at, &n, sizeof(n));
		return;
	case FIELD_STR:
		text = role_rig_text(rig);
		if (rig->on_field)
			rig->on_field(rig, def, f, &text);
		text = str_sub(text, 0, f->max);
		memcpy(at, &text, sizeof(text));
		return;
	}
}

/* A struct of this kind, its fields as the fuzzer's bytes say. */
static inline void role_rig_fill(struct role_rig *rig, const struct frame_def *def, void *out)
{
	assert(def->struct_bytes <= RIG_FRAME_BYTES);
	memset(out, 0, RIG_FRAME_BYTES);
	for (size_t i = 0; i < def->field_count; i++)
		role_rig_fill_field_(
		    rig, def, &def->fields[i], (char *)out + def->fields[i].offset);
}

/* ---- steps ---- */

static inline int role_rig_memory_file(str bytes, bool sealed)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, bytes) < 0)
		abort();
	if (sealed)
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return fd;
}

/* The near end is for the role; the far end is kept until the next one, so that the role can talk to
 * it for a while. */
static inline int role_rig_stream(struct role_rig *rig, str bytes)
{
	int pair[2];

	fd_close(&rig->stream_fd);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	(void)!write(pair[1], bytes.ptr ? bytes.ptr : "", bytes.len);
	shutdown(pair[1], SHUT_WR);
	rig->stream_fd = pair[1];
	return pair[0];
}

static inline int role_rig_descriptor_(struct role_rig *rig)
{
	switch (role_rig_byte(rig)) {
	case 0:
		return -1;
	case 1:
		return role_rig_memory_file(role_rig_text(rig), false);
	case 2:
		return role_rig_memory_file(role_rig_text(rig), true);
	case 3:
		return role_rig_stream(rig, role_rig_text(rig));
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

static inline struct rig_peer *role_rig_peer(struct role_rig *rig)
{
	struct rig_peer *p = &rig->peers[rig->joined[role_rig_byte(rig) % rig->joined_count]];

	if (p->is_lost || !link_is_up(rig->role.links[p->id][0]))
		role_rig_join(rig, p->id);
	return p;
}

static inline void role_rig_frame_step_(struct role_rig *rig)
{
	_Alignas(16) char frame[RIG_FRAME_BYTES];
	struct rig_peer *p = role_rig_peer(rig);
	const struct frame_def *const *accepts = rig->role.kind->accepts[p->id];
	unsigned count = 0, which = role_rig_byte(rig);

	while (accepts && accepts[count])
		count++;
	if (count == 0)
		return;
	uint32_t request = role_rig_byte(rig) % RIG_REQUESTS;
	AUTO_FD fd = role_rig_descriptor_(rig);
	role_rig_fill(rig, accepts[which % count], frame);
	role_rig_send_frame(p, accepts[which % count], 0, request, frame, fd);
}

static inline void role_rig_packet_step_(struct role_rig *rig)
{
	struct rig_peer *p = role_rig_peer(rig);
	str packet = role_rig_text(rig), at = packet;
	uint16_t type, flags;
	uint32_t request;

	if (take_u16(&at, &type) == 0 && take_u16(&at, &flags) == 0 &&
	    take_u32(&at, &request) == 0 && request < RIG_REQUESTS)
		p->asked[request]++;
	role_rig_send(p, packet, -1);
}

/* All steps of the input; then every peer goes away and comes again, so that nothing is left. */
static inline void role_rig_run(struct role_rig *rig, str in)
{
	rig->in = in;
	for (unsigned i = 0; i < RIG_STEPS_MAX && rig->in.len > 0; i++) {
		unsigned kind = role_rig_byte(rig) % 8;
		if (kind < 6)
			role_rig_frame_step_(rig);
		else if (kind == 6 || !rig->own_step)
			role_rig_packet_step_(rig);
		else
			rig->own_step(rig);
		/* Some steps come together, as from a busy peer. */
		if (kind != 1)
			role_rig_settle(rig);
	}
	fd_close(&rig->stream_fd);
	role_rig_settle(rig);
	for (size_t i = 0; i < rig->joined_count; i++)
		role_rig_join(rig, rig->joined[i]);
	role_rig_settle(rig);
}

#endif
