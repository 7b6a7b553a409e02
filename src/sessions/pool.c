#include "sessions/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct job {
	pool_fn *fn;
	void *arg;
};

struct pool {
	pthread_mutex_t lock; /* guards all below but threads */
	pthread_cond_t wake;
	struct job *ring;
	size_t head, count, cap; /* cap is a power of two */
	size_t idle;             /* threads that wait for a job */
	bool stopping;
	unsigned thread_count;
	pthread_t threads[POOL_THREADS_MAX];
};

enum { RING_FIRST = 64 };

static bool take_job(struct pool *p, struct job *out)
{
	pthread_mutex_lock(&p->lock);
	p->idle++;
	while (p->count == 0 && !p->stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	p->idle--;
	bool have = p->count > 0;
	if (have) {
		*out = p->ring[p->head];
		p->head = (p->head + 1) & (p->cap - 1);
		p->count--;
	}
	pthread_mutex_unlock(&p->lock);
	return have;
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct job job;

	while (take_job(p, &job))
		job.fn(job.arg);
	return NULL;
}

/* Signals belong to the loop's thread. */
static void start_threads(struct pool *p, unsigned threads)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->thread_count < threads &&
	       pthread_create(&p->threads[p->thread_count], /* attributes */ NULL, work, p) == 0)
		p->thread_count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct pool *pool_new(unsigned threads)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->cap = RING_FIRST;
	p->ring = calloc(p->cap, sizeof(*p->ring));
	if (!p->ring)
		abort();
	pthread_mutex_init(&p->lock, /* attributes */ NULL);
	pthread_cond_init(&p->wake, /* attributes */ NULL);
	if (threads == 0)
		threads = 1;
	start_threads(p, threads < POOL_THREADS_MAX ? threads : POOL_THREADS_MAX);
	if (p->thread_count == 0) {
		pool_free(p);
		return NULL;
	}
	return p;
}

static void ring_double(struct pool *p)
{
	struct job *bigger = calloc(p->cap * 2, sizeof(*bigger));

	if (!bigger)
		abort();
	for (size_t i = 0; i < p->count; i++)
		bigger[i] = p->ring[(p->head + i) & (p->cap - 1)];
	free(p->ring);
	p->ring = bigger;
	p->head = 0;
	p->cap *= 2;
}

bool pool_submit(struct pool *p, pool_fn *fn, void *arg)
{
	pthread_mutex_lock(&p->lock);
	bool taken = !p->stopping && p->count < POOL_QUEUE_MAX;
	if (taken) {
		if (p->count == p->cap)
			ring_double(p);
		p->ring[(p->head + p->count) & (p->cap - 1)] = (struct job){ fn, arg };
		p->count++;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

/* Half of the threads stay for jobs that come in meanwhile. */
bool pool_has_idle(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	bool idle = p->idle > p->count + p->thread_count / 2 && !p->stopping;
	pthread_mutex_unlock(&p->lock);
	return idle;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], /* result */ NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->ring);
	free(p);
}
