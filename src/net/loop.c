#include "net/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

struct call {
	loop_fn *fn;
	void *arg;
};

struct calls {
	struct call *items;
	size_t count, cap;
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t before_poll; /* deferred calls made by timers, or before loop_run */
	uv_check_t after_poll;    /* and those made by watches */
	uv_idle_t busy;           /* active: deferred calls wait, so the poll must not block */
	pthread_mutex_t lock;     /* guards posted, and nothing else */
	struct calls posted;
	struct calls deferred;
	struct loop_left left; /* head of a ring */
};

struct watch {
	uv_poll_t uv;
	watch_fn *fn;
	void *arg;
	unsigned events;
};

struct timer {
	uv_timer_t uv;
	loop_fn *fn;
	void *arg;
};

struct signal_watch {
	uv_signal_t uv;
	loop_fn *fn;
	void *arg;
};

/* Failing here means no memory or no descriptors at the start of a process. */
static void must(int rc)
{
	if (rc < 0)
		abort();
}

static void *new_object(size_t bytes)
{
	void *p = calloc(1, bytes);

	if (!p)
		abort();
	return p;
}

static void calls_add(struct calls *c, loop_fn *fn, void *arg)
{
	if (c->count == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct call *grown = realloc(c->items, cap * sizeof(*grown));
		if (!grown)
			abort();
		c->items = grown;
		c->cap = cap;
	}
	c->items[c->count++] = (struct call){ fn, arg };
}

/* A call may add others: they are for the next round, so that the sockets get their turn too. */
static void run_deferred(struct loop *l)
{
	struct calls now = l->deferred;

	if (now.count == 0)
		return;
	l->deferred = (struct calls){ NULL, 0, 0 };
	for (size_t i = 0; i < now.count; i++) {
		now.items[i].fn(now.items[i].arg);
	}
	if (l->deferred.cap == 0) {
		now.count = 0;
		l->deferred = now;
	} else {
		free(now.items);
	}
}

static void on_busy(uv_idle_t *h)
{
	(void)h;
}

static void on_before_poll(uv_prepare_t *h)
{
	struct loop *l = h->data;

	run_deferred(l);
	if (l->deferred.count > 0)
		must(uv_idle_start(&l->busy, on_busy));
	else
		uv_idle_stop(&l->busy);
}

static void on_after_poll(uv_check_t *h)
{
	run_deferred(h->data);
}

static void on_wake(uv_async_t *h)
{
	struct loop *l = h->data;

	pthread_mutex_lock(&l->lock);
	struct calls now = l->posted;
	l->posted = (struct calls){ NULL, 0, 0 };
	pthread_mutex_unlock(&l->lock);
	for (size_t i = 0; i < now.count; i++)
		now.items[i].fn(now.items[i].arg);
	free(now.items);
}

struct loop *loop_new(void)
{
	struct loop *l = new_object(sizeof(*l));

	must(uv_loop_init(&l->uv));
	must(uv_async_init(&l->uv, &l->wake, on_wake));
	must(uv_prepare_init(&l->uv, &l->before_poll));
	must(uv_check_init(&l->uv, &l->after_poll));
	must(uv_idle_init(&l->uv, &l->busy));
	must(uv_prepare_start(&l->before_poll, on_before_poll));
	must(uv_check_start(&l->after_poll, on_after_poll));
	l->wake.data = l->before_poll.data = l->after_poll.data = l;
	must(-pthread_mutex_init(&l->lock, NULL));
	l->left.next = l->left.prev = &l->left;
	return l;
}

static void free_handle(uv_handle_t *h)
{
	free(h);
}

/* What others left behind goes as well, so that a process ends without leaks. */
static void close_left(uv_handle_t *h, void *arg)
{
	struct loop *l = arg;
	bool is_ours = h == (uv_handle_t *)&l->wake || h == (uv_handle_t *)&l->before_poll ||
	               h == (uv_handle_t *)&l->after_poll || h == (uv_handle_t *)&l->busy;

	if (!uv_is_closing(h))
		uv_close(h, is_ours ? NULL : free_handle);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->left.next != &l->left) {
		struct loop_left *left = l->left.next;
		loop_take_back(left);
		left->fn(left->arg);
	}
	/* Objects that end "at the end of the turn" (net/conn, net/link) get that end. */
	for (int round = 0; round < 8 && l->deferred.count > 0; round++)
		run_deferred(l);
	uv_walk(&l->uv, close_left, l);
	/* A pending loop_stop makes the first run return at once, with handles still closing. */
	while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0)
		;
	must(uv_loop_close(&l->uv));
	pthread_mutex_destroy(&l->lock);
	free(l->posted.items);
	free(l->deferred.items);
	free(l);
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

uint64_t loop_now_ms(const struct loop *l)
{
	return uv_now(&l->uv);
}

void loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	pthread_mutex_lock(&l->lock);
	calls_add(&l->posted, fn, arg);
	pthread_mutex_unlock(&l->lock);
	uv_async_send(&l->wake);
}

void loop_defer(struct loop *l, loop_fn *fn, void *arg)
{
	calls_add(&l->deferred, fn, arg);
}

void loop_leave(struct loop *l, struct loop_left *left)
{
	left->next = &l->left;
	left->prev = l->left.prev;
	left->prev->next = left;
	l->left.prev = left;
}

void loop_take_back(struct loop_left *left)
{
	if (!left->next)
		return;
	left->next->prev = left->prev;
	left->prev->next = left->next;
	left->next = left->prev = NULL;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	unsigned ready = 0;

	if (events & UV_READABLE)
		ready |= WATCH_READ;
	if (events & UV_WRITABLE)
		ready |= WATCH_WRITE;
	/* libuv stops a descriptor in error; whoever reads or writes it learns which error. */
	if (status < 0) {
		ready = w->events ? w->events : WATCH_READ;
		w->events = 0;
	}
	if (w->fn)
		w->fn(w->arg, ready);
}

struct watch *watch_new(struct loop *l, int fd, unsigned events, watch_fn *fn, void *arg)
{
	struct watch *w = new_object(sizeof(*w));

	must(uv_poll_init(&l->uv, &w->uv, fd));
	w->uv.data = w;
	w->fn = fn;
	w->arg = arg;
	watch_set(w, events);
	return w;
}

void watch_set(struct watch *w, unsigned events)
{
	int want = 0;

	if (events == w->events)
		return;
	w->events = events;
	if (events & WATCH_READ)
		want |= UV_READABLE;
	if (events & WATCH_WRITE)
		want |= UV_WRITABLE;
	must(uv_poll_start(&w->uv, want, on_poll));
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	w->fn = NULL;
	uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_timer(uv_timer_t *h)
{
	struct timer *t = h->data;

	t->fn(t->arg);
}

struct timer *timer_new(struct loop *l, loop_fn *fn, void *arg)
{
	struct timer *t = new_object(sizeof(*t));

	must(uv_timer_init(&l->uv, &t->uv));
	t->uv.data = t;
	t->fn = fn;
	t->arg = arg;
	return t;
}

/* libuv counts from the start of the turn; after a long turn that would be too early. */
void timer_set(struct timer *t, uint64_t after_ms)
{
	uv_update_time(t->uv.loop);
	must(uv_timer_start(&t->uv, on_timer, after_ms, 0));
}

void timer_stop(struct timer *t)
{
	uv_timer_stop(&t->uv);
}

void timer_free(struct timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, free_handle);
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct signal_watch *s = h->data;

	(void)signum;
	s->fn(s->arg);
}

int loop_on_signal(struct loop *l, int signum, loop_fn *fn, void *arg, struct err *err)
{
	struct signal_watch *s = new_object(sizeof(*s));

	must(uv_signal_init(&l->uv, &s->uv));
	s->uv.data = s;
	s->fn = fn;
	s->arg = arg;
	int rc = uv_signal_start(&s->uv, on_signal, signum);
	if (rc == 0)
		return 0;
	uv_close((uv_handle_t *)&s->uv, free_handle);
	return err_set(err, ERR_SYSTEM, "cannot watch signal %d: %s", signum, uv_strerror(rc));
}
