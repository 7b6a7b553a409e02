/* Tests of connections in clear and of the pump, over socket pairs and loopback TCP. */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/pump.h"

struct side {
	struct loop *loop;
	struct conn *conn;
	struct buf got;
	bool echo, keep, close_on_eof, start_paused;
	int data, drained, closed, eof;
	char reason[160];
};

static void on_data(void *owner, struct conn *c)
{
	struct side *s = owner;
	str in = conn_input(c);

	s->data++;
	if (s->keep)
		return;
	buf_add(&s->got, in);
	if (s->echo)
		conn_write(c, in);
	conn_consume(c, in.len);
}

static void on_drained(void *owner, struct conn *c)
{
	struct side *s = owner;

	(void)c;
	s->drained++;
}

static void on_eof(void *owner, struct conn *c)
{
	struct side *s = owner;

	s->eof++;
	conn_write(c, STR("after eof"));
	conn_close(c);
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct side *s = owner;

	check(c == s->conn);
	s->conn = NULL;
	s->closed++;
	snprintf(s->reason, sizeof(s->reason), STR_FMT, STR_ARG(reason));
	loop_stop(s->loop);
}

static const struct conn_handlers handlers = {
	.on_data = on_data, .on_drained = on_drained, .on_closed = on_closed
};
static const struct conn_handlers handlers_eof = {
	.on_data = on_data, .on_drained = on_drained, .on_closed = on_closed, .on_eof = on_eof
};

static int setup(struct side *s, const struct conn_handlers *h)
{
	int fds[2];

	*s = (struct side){ .loop = loop_new(), .got = BUF_INIT(8 << 20) };
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	s->conn = conn_new(s->loop, fds[0],
	    &(struct conn_options){ .handlers = h,
	        .owner = s,
	        .input_max = 10000,
	        .high_water = 100000,
	        .low_water = 1000 });
	return fds[1];
}

static void teardown(struct side *s)
{
	if (s->conn)
		conn_abort(s->conn, "test over");
	buf_fini(&s->got);
	loop_free(s->loop);
}

static void stop(void *loop)
{
	loop_stop(loop);
}

static void run_for(struct loop *l, uint64_t ms)
{
	struct timer *t = timer_new(l, stop, l);

	timer_set(t, ms);
	loop_run(l);
	timer_free(t);
}

static void test_echo_and_eof(void **state)
{
	struct side s;
	int fd = setup(&s, &handlers);
	char back[64];

	(void)state;
	s.echo = true;
	check(write(fd, "hello", 5) == 5);
	run_for(s.loop, 20);
	check(read(fd, back, sizeof(back)) == 5);
	check_str_eq(buf_str(&s.got), STR("hello"));
	check_str_eq(conn_peer_address(s.conn), STR("local"));
	check_int_eq(conn_peer_uid(s.conn), (int64_t)getuid());
	/* Half-closed by the peer: what it sent last is still answered. */
	check(write(fd, "bye", 3) == 3);
	check(shutdown(fd, SHUT_WR) == 0);
	loop_run(s.loop);
	check_str_eq(str_c(s.reason), STR("closed by peer"));
	check(read(fd, back, sizeof(back)) == 3);
	check(read(fd, back, sizeof(back)) == 0);
	close(fd);
	teardown(&s);
}

static void test_eof_handler(void **state)
{
	struct side s;
	int fd = setup(&s, &handlers_eof);
	char back[64];

	(void)state;
	check(shutdown(fd, SHUT_WR) == 0);
	loop_run(s.loop);
	check_int_eq(s.eof, 1);
	check_str_eq(str_c(s.reason), STR("closed by us"));
	check(read(fd, back, sizeof(back)) == 9);
	close(fd);
	teardown(&s);
}

static void test_input_limit(void **state)
{
	struct side s;
	int fd = setup(&s, &handlers);
	char big[30000];

	(void)state;
	memset(big, 'a', sizeof(big));
	s.keep = true;
	check(write(fd, big, sizeof(big)) == (ssize_t)sizeof(big));
	run_for(s.loop, 20);
	check_int_eq(conn_input(s.conn).len, 10000);
	/* Room again: reading goes on. */
	conn_consume(s.conn, 4000);
	run_for(s.loop, 20);
	check_int_eq(conn_input(s.conn).len, 10000);
	conn_consume(s.conn, 10000);
	run_for(s.loop, 20);
	check_int_eq(conn_input(s.conn).len, 10000);
	conn_pause(s.conn);
	conn_consume(s.conn, 10000);
	run_for(s.loop, 20);
	check_int_eq(conn_input(s.conn).len, 0);
	conn_resume(s.conn);
	run_for(s.loop, 20);
	check_int_eq(conn_input(s.conn).len, 6000);
	close(fd);
	teardown(&s);
}

static void test_output(void **state)
{
	struct side s;
	int fd = setup(&s, &handlers);
	static char big[1 << 20], back[1 << 20];
	size_t got = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + i / 1000);
	conn_write(s.conn, str_new(big, sizeof(big) / 2));
	check(conn_is_congested(s.conn));
	run_for(s.loop, 10);
	check_int_eq(s.drained, 0);
	conn_write(s.conn, str_new(big + sizeof(big) / 2, sizeof(big) / 2));
	check(fd_set_nonblocking(fd) == 0);
	while (got < sizeof(big)) {
		ssize_t n = read(fd, back + got, sizeof(big) - got);
		if (n > 0)
			got += (size_t)n;
		run_for(s.loop, 1);
	}
	check(memcmp(big, back, sizeof(big)) == 0);
	check_int_eq(s.drained, 1);
	check_int_eq(conn_queued(s.conn), 0);
	/* A close sends what is queued first. */
	conn_write(s.conn, STR("last words"));
	conn_close(s.conn);
	conn_write(s.conn, STR("never sent"));
	loop_run(s.loop);
	check_int_eq(s.closed, 1);
	check(read(fd, back, sizeof(back)) == 10);
	check(read(fd, back, sizeof(back)) == 0);
	close(fd);
	teardown(&s);
}

static void test_deadline_and_reset(void **state)
{
	struct side s;
	int fd = setup(&s, &handlers);

	(void)state;
	conn_set_deadline(s.conn, 5, "waiting for a test");
	conn_set_deadline(s.conn, 0, "");
	run_for(s.loop, 20);
	check_int_eq(s.closed, 0);
	conn_set_deadline(s.conn, 5, "waiting for a test");
	loop_run(s.loop);
	check_str_eq(str_c(s.reason), STR("timed out waiting for a test"));
	close(fd);
	teardown(&s);

	fd = setup(&s, &handlers);
	close(fd);
	conn_write(s.conn, STR("to nobody"));
	loop_run(s.loop);
	check_int_eq(s.closed, 1);
	teardown(&s);
}

/* Closing while the peer still sends must not take our last words away from it by a reset. */
struct tcp {
	struct side side;
	struct listener *listener;
	uint16_t port;
};

static void on_accept(void *arg, int fd)
{
	struct tcp *t = arg;

	t->side.conn = conn_new(t->side.loop, fd,
	    &(struct conn_options){
	        .handlers = &handlers, .owner = &t->side, .input_max = 1000, .high_water = 1000 });
	check_str_eq(conn_peer_address(t->side.conn), STR("127.0.0.1"));
	check_int_eq(conn_local_port(t->side.conn), t->port);
	conn_write(t->side.conn, STR("421 too much"));
	conn_close(t->side.conn);
}

static void test_linger(void **state)
{
	struct tcp t = { .side = { .loop = loop_new() } };
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	char text[5000] = { 0 };

	(void)state;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	check(listen(server, 5) == 0);
	check(getsockname(server, (struct sockaddr *)&addr, &len) == 0);
	t.port = ntohs(addr.sin_port);
	t.listener = listener_new(t.side.loop, server, on_accept, &t);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	check(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	check(send(client, text, sizeof(text), 0) == (ssize_t)sizeof(text));
	loop_run(t.side.loop);
	check_int_eq(t.side.closed, 1);
	check(send(client, text, sizeof(text), MSG_NOSIGNAL) == (ssize_t)sizeof(text));
	run_for(t.side.loop, 20);
	check(recv(client, text, sizeof(text), 0) == 12);
	check(recv(client, text, sizeof(text), 0) == 0);
	close(client);
	run_for(t.side.loop, 20);
	listener_free(t.listener);
	loop_free(t.side.loop);
}

/* ---- the pump ---- */

struct pumped {
	struct loop *loop;
	int ended;
};

static void on_pump_end(void *owner, str reason)
{
	struct pumped *p = owner;

	(void)reason;
	p->ended++;
	loop_stop(p->loop);
}

enum { PUMP_BYTES = 3 << 20 };

static void *echo_thread(void *arg)
{
	int fd = *(int *)arg;
	char bytes[10000];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		check(fd_write_all(fd, str_new(bytes, (size_t)n)) == 0);
	close(fd);
	return NULL;
}

static void *send_thread(void *arg)
{
	int fd = *(int *)arg;
	char bytes[7000];
	size_t sent = 0;

	memset(bytes, 'p', sizeof(bytes));
	while (sent < PUMP_BYTES) {
		check(fd_write_all(fd, str_new(bytes, sizeof(bytes))) == 0);
		sent += sizeof(bytes);
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void *drain_thread(void *arg)
{
	int fd = *(int *)arg;
	static char bytes[10000];
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		got += (size_t)n;
	check(got >= PUMP_BYTES);
	return NULL;
}

static void test_pump(void **state)
{
	struct side s;
	int client = setup(&s, &handlers), fds[2];
	struct pumped p = { .loop = s.loop };
	pthread_t threads[3];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	check(fd_set_nonblocking(fds[0]) == 0);
	check(write(client, "early", 5) == 5);
	s.keep = true;
	run_for(s.loop, 10);
	pump_start(s.conn, fds[0], on_pump_end, &p);
	s.conn = NULL;
	check(pthread_create(&threads[0], NULL, echo_thread, &fds[1]) == 0);
	check(pthread_create(&threads[1], NULL, send_thread, &client) == 0);
	check(pthread_create(&threads[2], NULL, drain_thread, &client) == 0);
	loop_run(s.loop);
	check_int_eq(p.ended, 1);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	close(client);
	teardown(&s);
}

static void test_pump_session_dies(void **state)
{
	struct side s;
	int client = setup(&s, &handlers), fds[2];
	struct pumped p = { .loop = s.loop };
	char back[100];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	check(fd_set_nonblocking(fds[0]) == 0);
	pump_start(s.conn, fds[0], on_pump_end, &p);
	s.conn = NULL;
	check(write(fds[1], "* BYE", 5) == 5);
	check(write(client, "more", 4) == 4);
	close(fds[1]);
	loop_run(s.loop);
	check_int_eq(p.ended, 1);
	check(read(client, back, sizeof(back)) == 5);
	check(read(client, back, sizeof(back)) <= 0);
	close(client);
	teardown(&s);
}

enum { ROUNDS = 30, LAST_ROUNDS = 10, ROUND_MS = 30 };

/* The session: asks for the literal, then answers when the line has ended. */
static void *ask_thread(void *arg)
{
	int fd = *(int *)arg;
	char byte;
	unsigned ends = 0;

	while (read(fd, &byte, 1) == 1) {
		if (byte != '\n')
			continue;
		str answer = ends++ % 2 == 0 ? STR("+ go on\r\n") : STR("a OK\r\n");
		check(fd_write_all(fd, answer) == 0);
	}
	close(fd);
	return NULL;
}

static void wait_line(int fd)
{
	char byte = 0;

	while (byte != '\n')
		check(read(fd, &byte, 1) == 1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A client that leaves Nagle's algorithm on, and sends the literal and its line end by two calls.
 * The machine may be slow; the quickest of the last rounds tells. */
static void *append_thread(void *arg)
{
	int fd = *(int *)arg;
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begin = now_ms();
		check(fd_write_all(fd, STR("a APPEND {7}\r\n")) == 0);
		wait_line(fd);
		check(fd_write_all(fd, STR("literal")) == 0);
		check(fd_write_all(fd, STR("\r\n")) == 0);
		wait_line(fd);
		uint64_t took = now_ms() - begin;
		if (i >= ROUNDS - LAST_ROUNDS && took < best)
			best = took;
	}
	check(best < ROUND_MS);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void connect_pair(int fds[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	AUTO_FD listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(listening, (struct sockaddr *)&addr, len) == 0 && listen(listening, 1) == 0);
	check(getsockname(listening, (struct sockaddr *)&addr, &len) == 0);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(fds[1], (struct sockaddr *)&addr, len) == 0);
	fds[0] = accept(listening, NULL, NULL);
	check(fds[0] >= 0);
}

static void test_pump_does_not_delay_literals(void **state)
{
	struct side s = { .loop = loop_new(), .got = BUF_INIT(100) };
	struct pumped p = { .loop = s.loop };
	int tcp[2], fds[2];
	pthread_t threads[2];

	(void)state;
	connect_pair(tcp);
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	check(fd_set_nonblocking(fds[0]) == 0);
	struct conn *c = conn_new(s.loop, tcp[0],
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = &s,
	        .input_max = 10000,
	        .high_water = 100000,
	        .low_water = 1000 });
	pump_start(c, fds[0], on_pump_end, &p);
	check(pthread_create(&threads[0], NULL, ask_thread, &fds[1]) == 0);
	check(pthread_create(&threads[1], NULL, append_thread, &tcp[1]) == 0);
	loop_run(s.loop);
	check_int_eq(p.ended, 1);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	close(tcp[1]);
	teardown(&s);
}

/* What the peer said before it reset the connection is one read, the reset another one: the first error that the
 * loop is told must not be the last time that anybody looks. */
static void test_words_before_a_reset(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t size = sizeof(a);
	AUTO_FD listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_FD peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct side s = { .loop = loop_new(), .got = BUF_INIT(1000) };

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(listening, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listening, 1) == 0);
	check(getsockname(listening, (struct sockaddr *)&a, &size) == 0);
	check(connect(peer, (struct sockaddr *)&a, sizeof(a)) == 0);
	s.conn = conn_new(s.loop, accept(listening, NULL, NULL),
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = &s,
	        .input_max = 10000,
	        .high_water = 100000,
	        .low_water = 1000 });
	run_for(s.loop, 20);
	check(send(peer, "last words", 10, MSG_NOSIGNAL) == 10);
	check(setsockopt(peer, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
	          sizeof(struct linger)) == 0);
	fd_close(&peer);
	run_for(s.loop, 2000);
	check_str_eq(buf_str(&s.got), STR("last words"));
	check_int_eq(s.closed, 1);
	check_str_eq(str_c(s.reason), STR("connection reset by peer"));
	teardown(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_and_eof),
		cmocka_unit_test(test_eof_handler),
		cmocka_unit_test(test_words_before_a_reset),
		cmocka_unit_test(test_input_limit),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_deadline_and_reset),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_pump),
		cmocka_unit_test(test_pump_session_dies),
		cmocka_unit_test(test_pump_does_not_delay_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
