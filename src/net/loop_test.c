/* Tests of the event loop: order of turns, posting from threads, freeing from inside callbacks. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"

struct trace {
	struct loop *loop;
	struct watch *watch;
	struct timer *timer;
	int posts, defers, events, signals;
	int order[16];
	int order_count;
};

static void note(struct trace *t, int what)
{
	if (t->order_count < (int)COUNT(t->order))
		t->order[t->order_count++] = what;
}

static void stop(void *arg)
{
	loop_stop(((struct trace *)arg)->loop);
}

static void on_deferred(void *arg)
{
	struct trace *t = arg;

	t->defers++;
	note(t, 3);
	loop_stop(t->loop);
}

static void on_event(void *arg, unsigned events)
{
	struct trace *t = arg;

	check(events & WATCH_READ);
	t->events++;
	note(t, 2);
	watch_free(t->watch);
	t->watch = NULL;
	loop_defer(t->loop, on_deferred, t);
}

static void test_watch_and_defer(void **state)
{
	struct trace t = { .loop = loop_new() };
	int fds[2];

	(void)state;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	t.watch = watch_new(t.loop, fds[0], WATCH_READ, on_event, &t);
	check(write(fds[1], "x", 1) == 1);
	loop_run(t.loop);
	check_int_eq(t.events, 1);
	check_int_eq(t.defers, 1);
	check_int_eq(t.order[0], 2);
	check_int_eq(t.order[1], 3);
	close(fds[0]);
	close(fds[1]);
	loop_free(t.loop);
}

static void defer_again(void *arg)
{
	struct trace *t = arg;

	if (++t->defers < 100)
		loop_defer(t->loop, defer_again, t);
	else
		loop_stop(t->loop);
}

/* A deferred call that defers another must neither block in poll nor be lost. */
static void test_defer_chain(void **state)
{
	struct trace t = { .loop = loop_new() };

	(void)state;
	loop_defer(t.loop, defer_again, &t);
	loop_run(t.loop);
	check_int_eq(t.defers, 100);
	loop_free(t.loop);
}

static void on_post(void *arg)
{
	struct trace *t = arg;

	if (++t->posts == 4000)
		loop_stop(t->loop);
}

static void *post_many(void *arg)
{
	struct trace *t = arg;

	for (int i = 0; i < 1000; i++)
		loop_post(t->loop, on_post, t);
	return NULL;
}

static void test_post_from_threads(void **state)
{
	struct trace t = { .loop = loop_new() };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		check(pthread_create(&threads[i], NULL, post_many, &t) == 0);
	loop_run(t.loop);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	check_int_eq(t.posts, 4000);
	loop_free(t.loop);
}

static void on_time(void *arg)
{
	struct trace *t = arg;

	timer_free(t->timer);
	t->timer = NULL;
	loop_defer(t->loop, stop, t);
}

static void test_timer_replaced(void **state)
{
	struct trace t = { .loop = loop_new() };

	(void)state;
	t.timer = timer_new(t.loop, on_time, &t);
	uint64_t start = loop_now_ms(t.loop);
	timer_set(t.timer, 60000);
	timer_set(t.timer, 20);
	loop_run(t.loop);
	check(loop_now_ms(t.loop) - start >= 20 && loop_now_ms(t.loop) - start < 10000);
	check(!t.timer);
	loop_free(t.loop);
}

static void on_usr1(void *arg)
{
	struct trace *t = arg;

	t->signals++;
	loop_stop(t->loop);
}

static void test_signal(void **state)
{
	struct trace t = { .loop = loop_new() };
	struct err err = { ERR_NONE, "" };

	(void)state;
	check(loop_on_signal(t.loop, SIGUSR1, on_usr1, &t, &err) == 0);
	check(loop_on_signal(t.loop, SIGKILL, on_usr1, &t, &err) < 0);
	check(err.kind == ERR_SYSTEM);
	raise(SIGUSR1);
	loop_run(t.loop);
	check_int_eq(t.signals, 1);
	loop_free(t.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watch_and_defer),
		cmocka_unit_test(test_defer_chain),
		cmocka_unit_test(test_post_from_threads),
		cmocka_unit_test(test_timer_replaced),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
