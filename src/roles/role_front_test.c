/* Tests of the fronts' frames: listeners come and go, and clients are handed to who counts them. */
#include "role_rig.h"

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "roles/clients.h"

static struct role_rig rigs[4], *rig = rigs;
static struct config config = {
	.hostname = STR_INIT("mx.example.org"),
	.front_mx = 1,
	.limits = { .connections_per_client = 2,
	    .connections_per_minute = 100,
	    .connections_total = 100,
	    .smtp_idle_s = 300,
	    .signin_s = 60,
	    .errors_before_sign_in = 10 },
};

static int setup(void **state)
{
	/* A front has no end but that of its process: those of the tests before stay where they can be found. */
	(void)state;
	rig++;
	config.front_mx = 1;
	*rig = (struct role_rig){ .role = { .config = &config, .directory = -1 } };
	role_rig_open(rig, &role_front_mx, ROLE_FRONT_MX);
	role_rig_join(rig, ROLE_SUPERVISOR);
	return 0;
}

static uint16_t listen_on_loopback(int *out_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t size = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*out_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	check(bind(*out_fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(*out_fd, 16) == 0);
	check(getsockname(*out_fd, (struct sockaddr *)&a, &size) == 0);
	return ntohs(a.sin_port);
}

static uint32_t client_address = INADDR_LOOPBACK;

static int connect_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in own = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(client_address) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The first three characters of what the server says; "" when it says nothing. */
static const char *greeting(int fd)
{
	static char text[200];

	role_rig_settle(rig);
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n < 3 ? 0 : 3] = '\0';
	return text;
}

static void give(uint32_t id, enum listen_service service, int fd)
{
	struct frame_listen_socket f = { .id = id, .listener = service };

	role_rig_send_frame(&rig->peers[ROLE_SUPERVISOR], &frame_def_listen_socket, 0, 0, &f, fd);
	role_rig_settle(rig);
}

static void take_back(uint32_t id)
{
	struct frame_listen_close f = { .id = id };

	role_rig_send_frame(&rig->peers[ROLE_SUPERVISOR], &frame_def_listen_close, 0, 0, &f, -1);
	role_rig_settle(rig);
}

static void test_listeners(void **state)
{
	AUTO_FD first = -1;
	AUTO_FD second = -1;
	uint16_t ports[2] = { listen_on_loopback(&first), listen_on_loopback(&second) };

	(void)state;
	give(1, LISTEN_SMTP, first);
	give(2, LISTEN_SMTP, second);
	fd_close(&first);
	fd_close(&second);
	AUTO_FD one = connect_to(ports[0]);
	check(strcmp(greeting(one), "220") == 0);
	take_back(1);
	take_back(7); /* none of ours */
	check_int_eq(connect_to(ports[0]), -1);
	AUTO_FD two = connect_to(ports[1]);
	check(strcmp(greeting(two), "220") == 0);
	/* Who came by the first listener stays. */
	check(send(one, "NOOP\r\n", 6, 0) == 6);
	check(strcmp(greeting(one), "250") == 0);
	AUTO_FD three = connect_to(ports[1]);
	check(strcmp(greeting(three), "421") == 0);
	fd_close(&one);
	fd_close(&two);
	role_rig_settle(rig);
	AUTO_FD four = connect_to(ports[1]);
	check(strcmp(greeting(four), "220") == 0);
	fd_close(&four);
	take_back(2);
	check(!rig->peers[ROLE_SUPERVISOR].is_lost);
}

static int handed_over;

static void on_request(struct role_rig *r, struct rig_peer *peer, const struct frame_def *def,
    uint32_t request, str payload, int *fds)
{
	struct frame_client_socket f;

	(void)r, (void)request;
	check(peer->id == ROLE_FRONT_MX && def == &frame_def_client_socket && fds[0] >= 0);
	check(frame_decode(def, payload, &f, NULL) == 0);
	check_int_eq(f.listener, LISTEN_SMTP);
	handed_over++;
}

/* A client of this machine whom, of two processes, the one at place 0 counts. */
static uint32_t counted_by_first(void)
{
	char text[16];
	uint32_t last = 0;

	do
		snprintf(text, sizeof(text), "127.0.0.%u", ++last);
	while (clients_owner(str_c(text), 2) != 0);
	return 0x7f000000 + last;
}

static void test_handing_over(void **state)
{
	AUTO_FD listening = -1;
	uint16_t port = listen_on_loopback(&listening);

	(void)state;
	rig->on_request = on_request;
	rig->role.index = 1;
	config.front_mx = 2;
	client_address = counted_by_first();
	role_rig_join(rig, ROLE_FRONT_MX);
	give(1, LISTEN_SMTP, listening);
	fd_close(&listening);
	AUTO_FD one = connect_to(port);
	check(strcmp(greeting(one), "") == 0);
	check_int_eq(handed_over, 1);
	/* The other is not there: this one serves and counts. */
	close(rig->peers[ROLE_FRONT_MX].fd);
	role_rig_settle(rig);
	AUTO_FD two = connect_to(port);
	check(strcmp(greeting(two), "220") == 0);
	check_int_eq(handed_over, 1);
}

static void hand(enum listen_service service, int fd)
{
	struct frame_client_socket f = { .listener = service };

	role_rig_send_frame(&rig->peers[ROLE_FRONT_MX], &frame_def_client_socket, 0, 0, &f, fd);
	role_rig_settle(rig);
}

static void test_being_handed(void **state)
{
	AUTO_FD listening = -1;
	uint16_t port = listen_on_loopback(&listening);
	int clients[3];

	(void)state;
	role_rig_join(rig, ROLE_FRONT_MX);
	for (int i = 0; i < 3; i++) {
		clients[i] = connect_to(port);
		AUTO_FD accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		hand(LISTEN_SMTP, accepted);
		check(strcmp(greeting(clients[i]), i < 2 ? "220" : "421") == 0);
	}
	check(!rig->peers[ROLE_FRONT_MX].is_lost);
	/* Not a service of this role: who sends that is in foreign hands. */
	AUTO_FD other = connect_to(port);
	AUTO_FD accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	hand(LISTEN_IMAP, accepted);
	check(rig->peers[ROLE_FRONT_MX].is_lost);
	for (int i = 0; i < 3; i++)
		close(clients[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listeners, setup, NULL),
		cmocka_unit_test_setup_teardown(test_handing_over, setup, NULL),
		cmocka_unit_test_setup_teardown(test_being_handed, setup, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
