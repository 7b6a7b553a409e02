/* Tests of role worker over a real link: bodies inline and by descriptor, small and large indexes,
 * refusals. */
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "formats/message_index.h"
#include "roles/role.h"
#include "services/judge/judgement.h"

static struct role role;
static struct link *core;

void role_exit(struct role *r, int status)
{
	(void)r;
	(void)status;
}

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	(void)owner;
	return role_worker.frame(&role, ROLE_CORE, 0, link, in);
}

static void on_lost(void *owner, struct link *link, str why)
{
	(void)owner;
	(void)link;
	(void)why;
}

static int setup(void **state)
{
	static const struct frame_def *const nothing[] = { NULL };
	struct link_options here = { .peer = "test",
		.accepts = role_worker.accepts[ROLE_CORE],
		.on_frame = on_frame,
		.on_lost = on_lost,
		.queue_max = 1 << 20 };
	struct link_options there = here;
	struct err err;
	int fds[2];

	(void)state;
	static struct config config = { .hostname = STR_INIT("mx.example.org") };

	role = (struct role){ .id = ROLE_WORKER,
		.config = &config,
		.loop = loop_new(),
		.log = { .role = "worker", .level = LOG_LEVEL_ALERT, .fd = 2 } };
	if (role_worker.start(&role, &err) < 0 || link_pair(fds, &err) < 0)
		return -1;
	there.accepts = nothing;
	role.links[ROLE_CORE][0] = link_new(role.loop, fds[0], &here);
	core = link_new(role.loop, fds[1], &there);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	role_worker.stop(&role, 0);
	link_free(core);
	link_free(role.links[ROLE_CORE][0]);
	loop_free(role.loop);
	return 0;
}

struct got {
	bool ok, by_descriptor;
	struct buf index, why;
};

static void on_result(void *arg, struct link_frame *reply)
{
	struct frame_content_result r;
	struct got *g = arg;

	check(reply != NULL);
	check_int_eq(frame_decode(reply->def, reply->payload, &r, NULL), 0);
	g->ok = r.ok;
	g->by_descriptor = reply->fds[0] >= 0;
	buf_add(&g->index, r.index);
	buf_add(&g->why, r.why);
	if (g->by_descriptor) {
		char *space = buf_space(&g->index, r.index_bytes);
		check_int_eq(fd_pread_all(reply->fds[0], space, r.index_bytes, 0), 0);
		buf_grow(&g->index, r.index_bytes);
		check(fd_write_all(reply->fds[0], STR("x")) < 0);
	}
	check(!r.ok || r.index_bytes == g->index.len);
	loop_stop(role.loop);
}

static void ask(str body, int fd, uint64_t bytes, struct got *g)
{
	struct frame_content_index f = { .job = 1, .body_bytes = bytes, .body = body };

	*g = (struct got){ .index = BUF_INIT(16 << 20), .why = BUF_INIT(1000) };
	link_request(core, &frame_def_content_index, &f, &fd, fd >= 0, &frame_def_content_result,
	    on_result, g);
	loop_run(role.loop);
}

static void fini(struct got *g)
{
	buf_fini(&g->index);
	buf_fini(&g->why);
}

static void check_subject(const struct got *g, str want)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct message_index index;
	struct err err;

	check(g->ok);
	check_int_eq(message_index_decode(buf_str(&g->index), a, &index, &err), 0);
	check_str_eq(index.subject, want);
}

static void test_inline(void **state)
{
	str body = STR("Subject: x\r\n\r\nhello\r\n");
	struct got g;

	(void)state;
	ask(body, -1, body.len, &g);
	check_subject(&g, STR("x"));
	check(!g.by_descriptor);
	fini(&g);
	ask(STR(""), -1, 0, &g);
	check_subject(&g, STR(""));
	fini(&g);
}

/* A multibyte charset works: its tables were loaded at the start. */
static void test_charset(void **state)
{
	str body = STR("Subject: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=\r\n\r\n");
	struct got g;

	(void)state;
	ask(body, -1, body.len, &g);
	check_subject(&g, STR("\xe6\x97\xa5\xe6\x9c\xac"));
	fini(&g);
}

static void test_by_descriptor(void **state)
{
	AUTO_FD fd = memfd_create("test", MFD_CLOEXEC);
	AUTO_BUF body = BUF_INIT(1 << 20);
	struct got g;

	(void)state;
	buf_add(&body, STR("Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"));
	for (int i = 0; i < 2000; i++)
		buf_add(&body, STR("--b\r\n\r\nx\r\n"));
	check_int_eq(fd_write_all(fd, buf_str(&body)), 0);
	ask(STR_NONE, fd, body.len, &g);
	check_subject(&g, STR("many"));
	check(g.by_descriptor);
	fini(&g);
}

static void test_refusals(void **state)
{
	AUTO_FD fd = memfd_create("test", MFD_CLOEXEC);
	struct got g;

	(void)state;
	check_int_eq(fd_write_all(fd, STR("hello")), 0);
	ask(STR_NONE, fd, 6, &g);
	check(!g.ok && g.why.len > 0);
	fini(&g);
	ask(STR("hello"), -1, 6, &g);
	check(!g.ok);
	check_str_eq(buf_str(&g.why), STR("the frame holds 5 of the message's 6 bytes"));
	fini(&g);
}

struct judged {
	bool is_there;
	struct frame_content_judged f;
	char bytes[4096];
};

static void on_judged(void *arg, struct link_frame *reply)
{
	struct judged *j = arg;

	check(reply != NULL);
	check_int_eq(frame_decode(reply->def, reply->payload, &j->f, NULL), 0);
	check(j->f.judgement.len <= sizeof(j->bytes));
	memcpy(j->bytes, j->f.judgement.ptr, j->f.judgement.len);
	j->f.judgement.ptr = j->bytes;
	j->is_there = true;
	loop_stop(role.loop);
}

/* Nobody asks the DNS here: everything is a temporary error, at once, and what is forged is found. */
static void test_judged_without_relay(void **state)
{
	static const str message = STR_INIT("Authentication-Results: mx.example.org; dmarc=pass\r\n"
	                                    "From: a@bank.example\r\n\r\nx\r\n");
	struct frame_content_judge f = { .peer_address = STR("203.0.113.1"),
		.helo = STR("out.example"),
		.sender = STR("a@bank.example"),
		.time_ms = 60000,
		.body = message,
		.body_bytes = message.len };
	AUTO_ARENA a = arena_new(NULL, "test", 65536);
	struct judged judged = { .is_there = false };
	struct judgement j;

	(void)state;
	link_request(core, &frame_def_content_judge, &f, NULL, 0, &frame_def_content_judged,
	    on_judged, &judged);
	loop_run(role.loop);
	check(judged.is_there && judged.f.ok);
	check_int_eq(judgement_unpack(judged.f.judgement, message.len, a, &j, NULL), 0);
	check(j.dmarc == DMARC_TEMPERROR && j.mail_from == SPF_TEMPERROR);
	check_int_eq(j.cut_count, 1);
	f.body_bytes++;
	judged.is_there = false;
	link_request(core, &frame_def_content_judge, &f, NULL, 0, &frame_def_content_judged,
	    on_judged, &judged);
	loop_run(role.loop);
	check(judged.is_there && !judged.f.ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_by_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_judged_without_relay, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
