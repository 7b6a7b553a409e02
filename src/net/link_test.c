/* Tests of links: both ends live on one loop. */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/link.h"

struct text_frame {
	uint64_t number;
	str text;
};

static const struct frame_field fields[] = {
	{ "number", FIELD_U64, offsetof(struct text_frame, number), 0 },
	{ "text", FIELD_STR, offsetof(struct text_frame, text), 60000 },
};
static const struct frame_def ask = { "ask", 1, 2, sizeof(struct text_frame), fields, 2 };
static const struct frame_def answer = { "answer", 2, 1, sizeof(struct text_frame), fields, 2 };
static const struct frame_def other = { "other", 3, 0, sizeof(struct text_frame), fields, 2 };
static const struct frame_def *const accepts[] = { &ask, NULL };

struct end {
	struct loop *loop;
	struct link *link;
	uint64_t sum;
	int frames, replies, null_replies, lost, refuse, free_self, expected;
	char why[200];
	int got_fd;
};

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct end *e = owner;
	struct text_frame f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || e->refuse)
		return -1;
	e->frames++;
	e->sum += f.number;
	if (in->fds[0] >= 0 && e->got_fd == 0)
		e->got_fd = TAKE_FD(in->fds[0]);
	if (in->request) {
		f.number++;
		check(link_reply(link, in->request, &answer, &f, NULL, 0, &err) == 0);
	}
	if (e->free_self) {
		link_free(e->link);
		e->link = NULL;
	}
	if (e->frames == e->expected)
		loop_stop(e->loop);
	return 0;
}

static void on_lost(void *owner, struct link *link, str why)
{
	struct end *e = owner;

	(void)link;
	e->lost++;
	snprintf(e->why, sizeof(e->why), STR_FMT, STR_ARG(why));
	loop_stop(e->loop);
}

static void on_reply(void *arg, struct link_frame *reply)
{
	struct end *e = arg;
	struct text_frame f;
	struct err err;

	if (!reply) {
		e->null_replies++;
	} else {
		check(frame_decode(reply->def, reply->payload, &f, &err) == 0);
		e->sum += f.number;
		e->replies++;
	}
	if (e->replies + e->null_replies == e->expected)
		loop_stop(e->loop);
}

static struct link *new_link(struct end *e, int fd)
{
	return link_new(e->loop, fd,
	    &(struct link_options){ .peer = "peer",
	        .accepts = accepts,
	        .on_frame = on_frame,
	        .on_lost = on_lost,
	        .owner = e,
	        .queue_max = 4 << 20 });
}

static void setup(struct end *a, struct end *b)
{
	struct err err;
	int fds[2];

	*a = (struct end){ .loop = loop_new() };
	*b = (struct end){ .loop = a->loop };
	check(link_pair(fds, &err) == 0);
	a->link = new_link(a, fds[0]);
	b->link = new_link(b, fds[1]);
}

static void teardown(struct end *a, struct end *b)
{
	link_free(a->link);
	link_free(b->link);
	loop_free(a->loop);
}

static void test_requests(void **state)
{
	struct end a, b;
	char big[50000];

	(void)state;
	memset(big, 'x', sizeof(big));
	setup(&a, &b);
	a.expected = 200;
	/* Ten megabytes: most of it has to wait in the queue. */
	for (uint64_t i = 0; i < 60; i++) {
		struct text_frame f = { i, str_new(big, sizeof(big)) };
		link_request(a.link, &ask, &f, NULL, 0, &answer, on_reply, &a);
	}
	check(link_queued(a.link) > 0);
	for (uint64_t i = 60; i < 200; i++) {
		struct text_frame f = { i, STR("small") };
		link_request(a.link, &ask, &f, NULL, 0, &answer, on_reply, &a);
	}
	loop_run(a.loop);
	check_int_eq(a.replies, 200);
	check_int_eq(b.sum, 199 * 200 / 2);
	check_int_eq(a.sum, b.sum + 200);
	check_int_eq(link_queued(a.link), 0);
	teardown(&a, &b);
}

static int open_count(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_descriptors(void **state)
{
	struct end a, b;
	int pipe_fds[2];
	struct err err;
	char c = 0;

	(void)state;
	setup(&a, &b);
	int before = open_count();
	check(pipe(pipe_fds) == 0);
	b.expected = 3;
	int both[2] = { pipe_fds[0], pipe_fds[1] };
	struct text_frame f = { 1, STR("with two") };
	/* The handler takes one descriptor of the first frame; the link closes all others. */
	for (int i = 0; i < 3; i++)
		check(link_send(a.link, &ask, &f, both, 2, &err) == 0);
	check(link_send(a.link, &other, &f, both, 1, &err) < 0);
	close(pipe_fds[0]);
	loop_run(a.loop);
	check(b.got_fd > 0);
	check(fcntl(b.got_fd, F_GETFD) & FD_CLOEXEC);
	check(write(pipe_fds[1], "y", 1) == 1);
	check(read(b.got_fd, &c, 1) == 1 && c == 'y');
	close(b.got_fd);
	close(pipe_fds[1]);
	check_int_eq(open_count(), before);
	teardown(&a, &b);
}

static void stop(void *loop)
{
	loop_stop(loop);
}

/* With a descriptor of its own beside the bytes. */
static void send_with_fd(int to, const void *bytes, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &to, sizeof(int));
	check(sendmsg(to, &msg, 0) == (ssize_t)len);
}

static void send_raw(struct end *a, const void *bytes, size_t len)
{
	struct err err;
	int fds[2];

	check(link_pair(fds, &err) == 0);
	send_with_fd(fds[0], bytes, len);
	link_reconnect(a->link, fds[1]);
	loop_run(a->loop);
	close(fds[0]);
}

static void test_bad_frames(void **state)
{
	static const struct {
		const char *name;
		str bytes;
	} cases[] = {
		{ "no bytes", STR_INIT("") },
		{ "one byte", STR_INIT("\1") },
		{ "length too large", STR_INIT("\1\0\0\0\0\0\0\0\3\0\0\0\0\0") },
		{ "unknown type", STR_INIT("\x63\0\0\0\0\0\0\0\0\0\0\0") },
		{ "a type of the other direction", STR_INIT("\2\0\0\0\0\0\0\0\2\0\0\0\0\0") },
		{ "unknown flag", STR_INIT("\1\0\2\0\0\0\0\0\2\0\0\0\0\0") },
		{ "reply to nothing", STR_INIT("\2\0\1\0\7\0\0\0\2\0\0\0\0\0") },
		{ "malformed payload", STR_INIT("\1\0\0\0\0\0\0\0\1\0\0\0\0") },
	};
	struct end a, b;

	(void)state;
	setup(&a, &b);
	link_free(b.link);
	b.link = NULL;
	loop_run(a.loop);
	int before = open_count();
	for (size_t i = 0; i < COUNT(cases); i++) {
		a.lost = 0;
		send_raw(&a, cases[i].bytes.ptr, cases[i].bytes.len);
		check_case(cases[i].name, a.lost == 1);
		check_case(cases[i].name, !link_is_up(a.link));
		check_case(cases[i].name, open_count() == before);
	}
	check_int_eq(a.frames, 0);
	teardown(&a, &b);
}

static void test_loss_and_reconnect(void **state)
{
	struct end a, b;
	struct err err;
	int fds[2];

	(void)state;
	setup(&a, &b);
	struct text_frame f = { 1, STR("") };
	b.refuse = 1;
	a.expected = 5;
	for (int i = 0; i < 5; i++)
		link_request(a.link, &ask, &f, NULL, 0, &answer, on_reply, &a);
	while (a.null_replies < 5)
		loop_run(a.loop);
	check_int_eq(a.lost, 1);
	check_int_eq(b.lost, 1);
	check_str_eq(str_c(b.why), STR("link to peer lost: frame 'ask' was refused"));
	check(!link_is_up(a.link));

	/* A request on a dead link fails later, not at once. */
	a.expected = 6;
	link_request(a.link, &ask, &f, NULL, 0, &answer, on_reply, &a);
	check_int_eq(a.null_replies, 5);
	loop_run(a.loop);
	check_int_eq(a.null_replies, 6);
	check(link_send(a.link, &ask, &f, NULL, 0, &err) < 0);

	check(link_pair(fds, &err) == 0);
	link_reconnect(a.link, fds[0]);
	link_reconnect(b.link, fds[1]);
	check(link_is_up(a.link));
	b.refuse = 0;
	a.expected = 7;
	link_request(a.link, &ask, &f, NULL, 0, &answer, on_reply, &a);
	loop_run(a.loop);
	check_int_eq(a.replies, 1);
	check_int_eq(a.lost, 1);
	teardown(&a, &b);
}

static void test_free_inside_handler(void **state)
{
	struct end a, b;
	struct text_frame f = { 1, STR("") };
	struct err err;

	(void)state;
	setup(&a, &b);
	b.free_self = 1;
	check(link_send(a.link, &ask, &f, NULL, 0, &err) == 0);
	check(link_send(a.link, &ask, &f, NULL, 0, &err) == 0);
	loop_run(a.loop);
	check_int_eq(b.frames, 1);
	check_int_eq(a.lost, 1);
	teardown(&a, &b);
}

static void test_stuck_peer(void **state)
{
	struct end a, b;
	struct err err;
	char big[60000];
	struct text_frame f = { 1, str_new(big, sizeof(big)) };

	(void)state;
	memset(big, 'x', sizeof(big));
	setup(&a, &b);
	int sent = 0;
	while (sent < 1000 && link_send(a.link, &ask, &f, NULL, 0, &err) == 0)
		sent++;
	check(sent > 60 && sent < 1000);
	check(!link_is_up(a.link));
	teardown(&a, &b);
}

struct server {
	int fd;
	int delay_ms;
};

static void *serve_calls(void *arg)
{
	struct server *s = arg;
	char bytes[256];
	ssize_t n;

	while ((n = recv(s->fd, bytes, sizeof(bytes), 0)) > 0) {
		usleep((useconds_t)s->delay_ms * 1000);
		s->delay_ms = 0;
		bytes[0] = 2; /* answer */
		bytes[2] = 1; /* a reply */
		check(send(s->fd, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	}
	return NULL;
}

static void test_call(void **state)
{
	struct end a = { .loop = loop_new() };
	struct server s = { .delay_ms = 0 };
	struct text_frame f = { 41, STR("hello") }, back;
	struct link_frame reply;
	struct err err;
	pthread_t thread;
	int fds[2];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	a.link = new_link(&a, fds[0]);
	s.fd = fds[1];
	check(pthread_create(&thread, NULL, serve_calls, &s) == 0);
	check(link_call(a.link, &ask, &f, &answer, 2000, &reply, &err) == 0);
	check(frame_decode(reply.def, reply.payload, &back, &err) == 0);
	check_int_eq(back.number, 41);

	/* Too late: this call and the next fail; when the late reply is in, calls work again. */
	s.delay_ms = 200;
	check(link_call(a.link, &ask, &f, &answer, 50, &reply, &err) < 0);
	check_int_eq(err.kind, ERR_RETRY);
	check(link_call(a.link, &ask, &f, &answer, 50, &reply, &err) < 0);
	struct timer *t = timer_new(a.loop, stop, a.loop);
	timer_set(t, 300);
	loop_run(a.loop);
	timer_free(t);
	check(link_call(a.link, &ask, &f, &answer, 2000, &reply, &err) == 0);

	check(shutdown(fds[1], SHUT_RDWR) == 0);
	check(link_call(a.link, &ask, &f, &answer, 2000, &reply, &err) < 0);
	pthread_join(thread, NULL);
	close(fds[1]);
	link_free(a.link);
	loop_free(a.loop);
}

/* The descriptor that comes with a reply that is refused is closed. */
static void test_call_bad_reply(void **state)
{
	static const str replies[] = {
		STR_INIT("\2\0\1\0\1\0\0\0\3\0\0\0\0\0"), /* a length that is not its own */
		STR_INIT("\3\0\1\0\1\0\0\0\2\0\0\0\0\0"), /* another type */
	};
	struct text_frame f = { 1, STR("hello") };
	struct link_frame reply;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct end a = { .loop = loop_new() };
		int fds[2];
		int before = open_count();
		check(link_pair(fds, &err) == 0);
		a.link = new_link(&a, fds[0]);
		send_with_fd(fds[1], replies[i].ptr, replies[i].len);
		check(link_call(a.link, &ask, &f, &answer, 2000, &reply, &err) < 0);
		close(fds[1]);
		link_free(a.link);
		check_int_eq(open_count(), before);
		loop_free(a.loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_loss_and_reconnect),
		cmocka_unit_test(test_free_inside_handler),
		cmocka_unit_test(test_stuck_peer),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_call_bad_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
