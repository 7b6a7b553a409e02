/* Tests of role auth over a real link: replies, held replies, aborted and unknown sessions. */
#include "check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/role.h"
#include "services/auth/auth_store.h"
#include "services/auth/ticket.h"

static char directory[64];
static struct config config;
static struct role role;
static struct link *front, *core;

void role_exit(struct role *r, int status)
{
	(void)r;
	(void)status;
}

static int on_front_frame(void *owner, struct link *link, struct link_frame *in)
{
	(void)owner;
	return role_auth.frame(&role, ROLE_FRONT_USER, 0, link, in);
}

static int on_core_frame(void *owner, struct link *link, struct link_frame *in)
{
	(void)owner;
	return role_auth.frame(&role, ROLE_CORE, 0, link, in);
}

static void on_lost(void *owner, struct link *link, str why)
{
	(void)owner;
	(void)link;
	(void)why;
}

static struct link *connect_peer(enum role_id peer, link_frame_fn *fn)
{
	static const struct frame_def *const nothing[] = { NULL };
	struct link_options here = { .peer = "test",
		.accepts = role_auth.accepts[peer],
		.on_frame = fn,
		.on_lost = on_lost,
		.queue_max = 1 << 20 };
	struct link_options there = here;
	int fds[2];

	check_int_eq(link_pair(fds, NULL), 0);
	there.accepts = nothing;
	role.links[peer][0] = link_new(role.loop, fds[0], &here);
	return link_new(role.loop, fds[1], &there);
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/role_auth_test.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	role = (struct role){ .id = ROLE_AUTH,
		.loop = loop_new(),
		.log = { .role = "auth", .level = LOG_LEVEL_ALERT, .fd = 2 },
		.config = &config,
		.directory = -1,
		.ticket_key = "key" };
	snprintf(role.path, sizeof(role.path), "%s", directory);
	if (role_auth.start(&role, &err) < 0) {
		print_error("%s\n", err.text);
		return -1;
	}
	front = connect_peer(ROLE_FRONT_USER, on_front_frame);
	core = connect_peer(ROLE_CORE, on_core_frame);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "auth.db", "auth.db-wal" };

	(void)state;
	role_auth.stop(&role, 0);
	link_free(front);
	link_free(core);
	link_free(role.links[ROLE_FRONT_USER][0]);
	link_free(role.links[ROLE_CORE][0]);
	loop_free(role.loop);
	int dir = open(directory, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < COUNT(names); i++)
		unlinkat(dir, names[i], 0);
	close(dir);
	return rmdir(directory);
}

struct got {
	unsigned count, expected;
	enum sasl_outcome outcome;
	bool ok;
	struct buf ticket;
};

static void on_result(void *arg, struct link_frame *reply)
{
	struct frame_sasl_result r;
	struct got *g = arg;

	check(reply != NULL);
	check_int_eq(frame_decode(reply->def, reply->payload, &r, NULL), 0);
	g->outcome = r.outcome;
	buf_reset(&g->ticket);
	buf_add(&g->ticket, r.ticket);
	if (++g->count == g->expected)
		loop_stop(role.loop);
}

static void on_credential(void *arg, struct link_frame *reply)
{
	struct frame_credential_result r;
	struct got *g = arg;

	check(reply != NULL);
	check_int_eq(frame_decode(reply->def, reply->payload, &r, NULL), 0);
	g->ok = r.ok;
	loop_stop(role.loop);
}

static void start(uint64_t session, str initial, struct got *g)
{
	struct frame_sasl_start f = { .session = session,
		.mechanism = STR("PLAIN"),
		.has_initial = initial.ptr != NULL,
		.initial = initial,
		.peer_address = STR("192.0.2.1"),
		.protocol = PROTOCOL_SUBMISSION,
		.tls = true };

	link_request(
	    front, &frame_def_sasl_start, &f, NULL, 0, &frame_def_sasl_result, on_result, g);
}

static void step(uint64_t session, str response, struct got *g)
{
	struct frame_sasl_step f = { .session = session, .response = response };

	link_request(
	    front, &frame_def_sasl_step, &f, NULL, 0, &frame_def_sasl_result, on_result, g);
}

static void set_password(void)
{
	struct frame_credential_set f = {
		.account = STR("ana@example.org"), .account_id = 3, .password = STR("secret")
	};
	struct got g = { 0 };

	link_request(core, &frame_def_credential_set, &f, NULL, 0, &frame_def_credential_result,
	    on_credential, &g);
	loop_run(role.loop);
	check(g.ok);
}

static void test_sign_in(void **state)
{
	struct got g = { .expected = 1, .ticket = BUF_INIT(TICKET_MAX) };
	struct ticket t;

	(void)state;
	set_password();
	start(1, STR_NONE, &g);
	loop_run(role.loop);
	check_int_eq(g.outcome, SASL_CONTINUE);
	g.expected = 2;
	step(1, STR("\0ana@example.org\0secret"), &g);
	loop_run(role.loop);
	check_int_eq(g.outcome, SASL_OK);
	check_int_eq(
	    ticket_check(role.ticket_key, buf_str(&g.ticket), TICKET_RIGHT(PROTOCOL_SUBMISSION),
	        (int64_t)time_mono_ms() + 3600 * 1000, &t, NULL),
	    0);
	check_int_eq(t.account, 3);
	/* The session is over. */
	g.expected = 3;
	step(1, STR("again"), &g);
	loop_run(role.loop);
	check_int_eq(g.outcome, SASL_UNAVAILABLE);
	buf_fini(&g.ticket);
}

static void test_wrong_password_waits(void **state)
{
	struct got g = { .expected = 1, .ticket = BUF_INIT(TICKET_MAX) };
	uint64_t began = time_mono_ms();

	(void)state;
	set_password();
	start(1, STR("\0ana@example.org\0wrong"), &g);
	loop_run(role.loop);
	check_int_eq(g.outcome, SASL_FAILED);
	check(time_mono_ms() - began >= 1990);
	buf_fini(&g.ticket);
}

/* An abort answers what waits; the exchange behind it may still be hashing. */
static void test_abort(void **state)
{
	struct frame_sasl_abort abort_1 = { .session = 1 };
	struct got g = { .expected = 2, .ticket = BUF_INIT(TICKET_MAX) };

	(void)state;
	set_password();
	start(1, STR("\0ana@example.org\0wrong"), &g);
	check_int_eq(link_send(front, &frame_def_sasl_abort, &abort_1, NULL, 0, NULL), 0);
	start(1, STR("\0ana@example.org\0wrong"), &g);
	start(1, STR_NONE, &g);
	loop_run(role.loop);
	g.expected = 3;
	if (g.count < 3)
		loop_run(role.loop);
	check_int_eq(g.outcome, SASL_CONTINUE);
	check(link_is_up(front));
	buf_fini(&g.ticket);
}

static void test_malformed_frame(void **state)
{
	struct frame_sasl_abort f = { .session = 1 };

	(void)state;
	/* Core may not ask for sign-ins. */
	check_int_eq(link_send(core, &frame_def_sasl_abort, &f, NULL, 0, NULL), 0);
	struct got g = { .expected = 1, .ticket = BUF_INIT(TICKET_MAX) };
	start(1, STR_NONE, &g);
	loop_run(role.loop);
	check(link_is_up(front));
	check(!link_is_up(role.links[ROLE_CORE][0]));
	buf_fini(&g.ticket);
}

static void test_front_lost(void **state)
{
	struct got g = { .expected = 1, .ticket = BUF_INIT(TICKET_MAX) };

	(void)state;
	start(1, STR_NONE, &g);
	loop_run(role.loop);
	role_auth.peer_lost(&role, ROLE_FRONT_USER, 0);
	g.expected = 2;
	step(1, STR("\0a\0b"), &g);
	loop_run(role.loop);
	check_int_eq(g.outcome, SASL_UNAVAILABLE);
	buf_fini(&g.ticket);
}

int main(void)
{
#define WITH_ROLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_ROLE(test_sign_in),
		WITH_ROLE(test_wrong_password_waits),
		WITH_ROLE(test_abort),
		WITH_ROLE(test_malformed_frame),
		WITH_ROLE(test_front_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
