/* Tests of role core with its peers played here, for what a front in foreign hands may send. */
#include "check.h"

#include <fcntl.h>

#include "role_rig.h"
#include "roles/core/core.h"
#include "services/auth/ticket_once.h"

static struct role_rig rig;
static struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.limits = { .imap_idle_s = 1800, .pop3_idle_s = 600, .errors_after_sign_in = 20 },
};
static char directory[128], store[160];
static struct frame_attach_result attached; /* its texts are gone */
static int replies;

static int setup(void **state)
{
	(void)state;
	role_rig_directory(directory);
	snprintf(store, sizeof(store), "%s/" STORE_DIRECTORY, directory);
	if (mkdir(store, 0700) < 0)
		return -1;
	config.data = str_c(directory);
	rig = (struct role_rig){ .role = { .config = &config, .directory = -1 } };
	snprintf(rig.role.path, sizeof(rig.role.path), "%s", store);
	role_rig_open(&rig, &role_core, ROLE_CORE);
	role_rig_join(&rig, ROLE_FRONT_USER);
	return 0;
}

static int teardown(void **state)
{
	struct core *c = rig.role.state;

	(void)state;
	link_free(rig.role.links[ROLE_FRONT_USER][0]);
	close(rig.peers[ROLE_FRONT_USER].fd);
	pool_free(c->pool);
	ticket_once_free(c->tickets);
	imap_server_free(c->imap);
	pop3_server_free(c->pop3);
	intake_free(c->intake);
	queue_free(c->queue);
	signer_free(c->signer);
	store_close(c->store);
	loop_free(rig.role.loop);
	free(c);
	role_rig_remove(directory);
	return 0;
}

/* A ticket for an account that is not there: sessions start, and end by themselves. */
static void make_ticket(struct buf *out)
{
	struct ticket t = { .account = 7,
		.address = STR("an@example.org"),
		.rights = UINT32_MAX,
		.expires_at = (int64_t)time_mono_ms() + 60 * 1000 };

	check_int_eq(ticket_make(rig.role.ticket_key, &t, out, NULL), 0);
}

static void attach_with(str ticket, uint32_t protocol, int fd)
{
	struct frame_attach f = {
		.protocol = protocol, .peer_address = STR("192.0.2.1"), .ticket = ticket
	};

	role_rig_send_frame(&rig.peers[ROLE_FRONT_USER], &frame_def_attach, 0, 1, &f, fd);
	close(fd);
	role_rig_settle(&rig);
}

static void attach(uint32_t protocol, int fd)
{
	AUTO_BUF ticket = BUF_INIT(TICKET_MAX);

	make_ticket(&ticket);
	attach_with(buf_str(&ticket), protocol, fd);
}

/* Files cannot be watched: the loop would end the process, and with it all mail. */
static void test_attach_only_streams(void **state)
{
	static const uint32_t protocols[] = { PROTOCOL_IMAP, PROTOCOL_POP3 };
	struct rig_peer *front = &rig.peers[ROLE_FRONT_USER];

	(void)state;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		attach(protocols[i], role_rig_memory_file(STR("* mail\r\n"), false));
		check(front->is_lost);
		role_rig_join(&rig, ROLE_FRONT_USER);
		attach(protocols[i], open("/dev/null", O_RDWR | O_CLOEXEC));
		check(front->is_lost);
		role_rig_join(&rig, ROLE_FRONT_USER);
		attach(protocols[i], socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
		check(front->is_lost);
		role_rig_join(&rig, ROLE_FRONT_USER);
		attach(protocols[i], role_rig_stream(&rig, STR("")));
		check(!front->is_lost);
		check_int_eq(front->asked[1], 0);
		fd_close(&rig.stream_fd);
	}
}

static void on_reply(
    struct role_rig *r, struct rig_peer *peer, const struct frame_def *def, str payload)
{
	(void)r, (void)peer;
	check(def == &frame_def_attach_result);
	check(frame_decode(def, payload, &attached, NULL) == 0);
	replies++;
}

/* A front in foreign hands shows a ticket again; so does one that was told by somebody. */
static void test_ticket_opens_one_session(void **state)
{
	AUTO_BUF ticket = BUF_INIT(TICKET_MAX);
	int pair[2];

	(void)state;
	rig.on_reply = on_reply;
	make_ticket(&ticket);
	for (int i = 0; i < 3; i++) {
		check(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
		attach_with(buf_str(&ticket), PROTOCOL_IMAP, pair[0]);
		check_int_eq(replies, i + 1);
		check_int_eq(attached.ok, i == 0);
		close(pair[1]);
		role_rig_settle(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_attach_only_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ticket_opens_one_session, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
