/* Tests of opening connections on loopback. */
#include "check.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"

struct call {
	struct loop *loop;
	int fd, calls;
	struct err err;
};

static void on_dialled(void *arg, int fd, const struct err *err)
{
	struct call *c = arg;

	c->calls++;
	c->fd = fd;
	if (err)
		c->err = *err;
	loop_stop(c->loop);
}

static struct call dial(const struct dial_options *o)
{
	struct call c = { .loop = loop_new(), .fd = -1 };

	dial_start(c.loop, o, on_dialled, &c);
	check_int_eq(c.calls, 0);
	loop_run(c.loop);
	loop_free(c.loop);
	check_int_eq(c.calls, 1);
	return c;
}

static int listen_somewhere(uint16_t *out_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	check(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 1) == 0);
	check(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*out_port = ntohs(at.sin_port);
	return fd;
}

static void test_dial(void **state)
{
	uint16_t port;
	int listening = listen_somewhere(&port);

	(void)state;
	struct call c = dial(&(struct dial_options){ .address = STR("127.0.0.1"),
	    .port = port,
	    .source = STR("127.0.0.5"),
	    .timeout_ms = 5000 });
	check(c.fd >= 0);
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int accepted = accept(listening, (struct sockaddr *)&from, &len);
	check(accepted >= 0);
	check_int_eq(ntohl(from.sin_addr.s_addr), 0x7f000005);
	close(accepted);
	close(c.fd);
	close(listening);
	c = dial(&(struct dial_options){
	    .address = STR("127.0.0.1"), .port = port, .timeout_ms = 5000 });
	check_int_eq(c.fd, -1);
	check_str_eq(str_c(c.err.text), STR("Connection refused"));
	check_int_eq(c.err.kind, ERR_RETRY);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = { "", "localhost", "127.0.0.1.", "unix:", "[::1]" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct call c = dial(&(struct dial_options){ .address = str_c(bad[i]), .port = 1 });
		check_case(bad[i], c.fd == -1 && c.err.kind == ERR_INPUT);
	}
	struct call c = dial(&(struct dial_options){
	    .address = STR("127.0.0.1"), .port = 1, .source = STR("x"), .timeout_ms = 100 });
	check_int_eq(c.err.kind, ERR_INPUT);
}

/* A full backlog answers nobody. */
static void test_timeout(void **state)
{
	uint16_t port;
	int listening = listen_somewhere(&port), fds[8];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct sockaddr_in to = { .sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr = { htonl(INADDR_LOOPBACK) } };
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&to, sizeof(to));
	}
	struct call c = dial(
	    &(struct dial_options){ .address = STR("127.0.0.1"), .port = port, .timeout_ms = 50 });
	check_int_eq(c.fd, -1);
	check_str_eq(str_c(c.err.text), STR("the connection timed out"));
	for (size_t i = 0; i < 8; i++)
		close(fds[i]);
	close(listening);
}

static void test_cancel(void **state)
{
	struct loop *loop = loop_new();
	struct call c = { .loop = loop, .fd = -1 };

	(void)state;
	struct dial *d =
	    dial_start(loop, &(struct dial_options){ .address = STR("x") }, on_dialled, &c);
	dial_cancel(d);
	dial_cancel(NULL);
	loop_free(loop);
	check_int_eq(c.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dial),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
