/* Tests of the stream and the pool: bytes both ways, handing over, slow readers, the end. */
#include "check.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sessions/pool.h"
#include "sessions/stream.h"

struct peer {
	struct loop *loop;
	struct stream *stream;
	struct timer *guard;
	int fd;
	struct buf got;
	unsigned drained, closed, released, steps;
	const char *why;
	void (*on_input)(struct peer *p);
};

static void on_input(void *owner, struct stream *s)
{
	struct peer *p = owner;
	str in = stream_input(s);

	buf_add(&p->got, in);
	stream_consume(s, in.len);
	if (p->on_input)
		p->on_input(p);
}

static void on_drained(void *owner, struct stream *s)
{
	struct peer *p = owner;

	(void)s;
	p->drained++;
}

static void on_closed(void *owner, struct stream *s, const char *why)
{
	struct peer *p = owner;

	p->closed++;
	p->why = why;
	stream_free(s);
	p->stream = NULL;
	loop_stop(p->loop);
}

static const struct stream_handlers handlers = { on_input, on_drained, on_closed };

static void give_up(void *arg)
{
	struct peer *p = arg;

	p->why = "timed out";
	loop_stop(p->loop);
}

static void peer_init(struct peer *p)
{
	int pair[2];

	*p = (struct peer){ .loop = loop_new() };
	check_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	buf_init(&p->got, 1 << 20);
	p->fd = pair[0];
	p->stream = stream_new(p->loop, pair[1], &handlers, p);
	p->guard = timer_new(p->loop, give_up, p);
	timer_set(p->guard, 20000);
}

static void peer_fini(struct peer *p)
{
	stream_free(p->stream);
	timer_free(p->guard);
	loop_free(p->loop);
	fd_close(&p->fd);
	buf_fini(&p->got);
}

static void stop_loop(struct peer *p)
{
	loop_stop(p->loop);
}

static void test_input(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p);
	p.on_input = stop_loop;
	check_int_eq(fd_write_all(p.fd, STR("hello")), 0);
	loop_run(p.loop);
	check_str_eq(buf_str(&p.got), STR("hello"));
	check_int_eq(stream_input(p.stream).len, 0);
	peer_fini(&p);
}

/* Bytes that came before the end are handed over before it is told. */
static void test_end_of_input(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p);
	check_int_eq(fd_write_all(p.fd, STR("last words")), 0);
	fd_close(&p.fd);
	loop_run(p.loop);
	check_str_eq(buf_str(&p.got), STR("last words"));
	check_int_eq(p.closed, 1);
	check_str_eq(str_c(p.why), STR("closed by peer"));
	peer_fini(&p);
}

static void released(void *arg)
{
	struct peer *p = arg;

	p->released++;
}

static size_t read_all(int fd, size_t want, bool *same)
{
	char block[65536];
	size_t total = 0;
	ssize_t n;

	while (total < want && (n = read(fd, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			*same &= block[i] == (char)('a' + (total + (size_t)i) % 26);
		total += (size_t)n;
	}
	return total;
}

/* Copied bytes and references in turn arrive in order; each reference is released once. */
static void test_output_order(void **state)
{
	enum { TOTAL = 26 * 6000 };
	struct peer p;
	static char bytes[TOTAL];
	bool same = true;
	unsigned refs = 0;

	(void)state;
	for (size_t i = 0; i < TOTAL; i++)
		bytes[i] = (char)('a' + i % 26);
	peer_init(&p);
	for (size_t at = 0, n = 1; at < TOTAL; at += n, n = 1 + (n * 7) % 5003) {
		str piece = str_sub(str_new(bytes, TOTAL), at, n);
		if (n % 2) {
			stream_write(p.stream, piece);
		} else {
			stream_write_ref(p.stream, piece, released, &p);
			refs++;
		}
	}
	stream_flush(p.stream);
	check_int_eq(stream_queued(p.stream), 0);
	check_int_eq(read_all(p.fd, TOTAL, &same), TOTAL);
	check(same);
	check_int_eq(p.released, refs);
	peer_fini(&p);
}

static void read_a_lot(void *arg)
{
	struct peer *p = arg;
	char block[65536];

	/* Once a turn, so that the stream sees a slow reader. */
	if (p->stream && read(p->fd, block, sizeof(block)) > 0 && ++p->steps < 10000)
		loop_post(p->loop, read_a_lot, p);
}

static void test_slow_reader(void **state)
{
	static char megabyte[1 << 20];
	struct peer p;

	(void)state;
	peer_init(&p);
	for (int i = 0; i < 4; i++)
		stream_write_ref(p.stream, str_new(megabyte, sizeof(megabyte)), released, &p);
	check(stream_is_congested(p.stream));
	check(p.released < 4);
	stream_take_back(p.stream);
	stream_close(p.stream);
	loop_post(p.loop, read_a_lot, &p);
	loop_run(p.loop);
	check_str_eq(str_c(p.why), STR("closed"));
	check_int_eq(p.drained, 1);
	check_int_eq(p.released, 4);
	peer_fini(&p);
}

/* The peer goes away while much is queued: everything is released, the end is told once. */
static void test_lost_reader(void **state)
{
	static char megabyte[1 << 20];
	struct peer p;

	(void)state;
	peer_init(&p);
	stream_write_ref(p.stream, str_new(megabyte, sizeof(megabyte)), released, &p);
	stream_take_back(p.stream);
	fd_close(&p.fd);
	loop_run(p.loop);
	check_int_eq(p.closed, 1);
	check_int_eq(p.released, 1);
	peer_fini(&p);
}

static void test_too_much_output(void **state)
{
	static char megabyte[1 << 20];
	struct peer p;

	(void)state;
	peer_init(&p);
	for (int i = 0; i < 70; i++)
		stream_write(p.stream, str_new(megabyte, sizeof(megabyte)));
	check(stream_is_broken(p.stream));
	check_int_eq(stream_queued(p.stream), 0);
	stream_take_back(p.stream);
	loop_run(p.loop);
	check_int_eq(p.closed, 1);
	peer_fini(&p);
}

/* ---- to the pool and back ---- */

struct ping {
	struct peer *peer;
	struct pool *pool;
	unsigned rounds;
};

static void ping_back(void *arg)
{
	struct ping *g = arg;

	stream_take_back(g->peer->stream);
	if (++g->rounds == 100) {
		stream_close(g->peer->stream);
		return;
	}
	char byte;
	check_int_eq(read(g->peer->fd, &byte, 1), 1);
	check_int_eq(fd_write_all(g->peer->fd, STR("x")), 0);
}

static void ping_work(void *arg)
{
	struct ping *g = arg;
	str in = stream_input(g->peer->stream);

	stream_write(g->peer->stream, in);
	stream_consume(g->peer->stream, in.len);
	stream_flush(g->peer->stream);
	loop_post(g->peer->loop, ping_back, g);
}

static void ping_input(void *owner, struct stream *s)
{
	struct peer *p = owner;
	struct ping *g = (struct ping *)(void *)p->got.ptr;

	stream_lend(s);
	check(pool_submit(g->pool, ping_work, g));
}

static void test_pool_and_back(void **state)
{
	static const struct stream_handlers ping_handlers = { ping_input, on_drained, on_closed };
	struct pool *pool = pool_new(3);
	struct ping g = { .pool = pool };
	struct peer p;
	int pair[2];

	(void)state;
	peer_init(&p);
	stream_free(p.stream);
	fd_close(&p.fd);
	check_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	p.fd = pair[0];
	g.peer = &p;
	p.got.ptr = (char *)&g;
	p.stream = stream_new(p.loop, pair[1], &ping_handlers, &p);
	check_int_eq(fd_write_all(p.fd, STR("x")), 0);
	loop_run(p.loop);
	check_int_eq(g.rounds, 100);
	check_str_eq(str_c(p.why), STR("closed"));
	pool_free(pool);
	p.got.ptr = NULL;
	peer_fini(&p);
}

static void count_up(void *arg)
{
	atomic_uint *n = arg;

	atomic_fetch_add(n, 1);
}

static void test_pool(void **state)
{
	atomic_uint n = 0;
	struct pool *pool = pool_new(4);

	(void)state;
	for (int i = 0; i < 5000; i++)
		check(pool_submit(pool, count_up, &n));
	pool_free(pool);
	check_int_eq(atomic_load(&n), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_end_of_input),
		cmocka_unit_test(test_output_order),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_lost_reader),
		cmocka_unit_test(test_too_much_output),
		cmocka_unit_test(test_pool_and_back),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
