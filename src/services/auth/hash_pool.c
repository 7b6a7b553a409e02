#include "services/auth/hash_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct hash_jobs {
	struct hash_job *first, *last;
};

struct hash_pool {
	pthread_t threads[HASH_POOL_THREADS];
	size_t thread_count;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct hash_jobs to_do, done;
	size_t waiting;
	bool stopping;
	void (*wake)(void *arg);
	void *wake_arg;
};

static void jobs_add(struct hash_jobs *jobs, struct hash_job *job)
{
	job->next_ = NULL;
	*(jobs->last ? &jobs->last->next_ : &jobs->first) = job;
	jobs->last = job;
}

static struct hash_job *jobs_take(struct hash_jobs *jobs)
{
	struct hash_job *job = jobs->first;

	if (job)
		jobs->first = job->next_;
	if (!jobs->first)
		jobs->last = NULL;
	return job;
}

static struct hash_job *take(struct hash_pool *p)
{
	struct hash_job *job;

	pthread_mutex_lock(&p->lock);
	while (!p->to_do.first && !p->stopping)
		pthread_cond_wait(&p->changed, &p->lock);
	job = jobs_take(&p->to_do);
	if (job) {
		p->waiting--;
		job->cancelled = p->stopping;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *work(void *arg)
{
	struct hash_pool *p = arg;
	struct hash_job *job;

	while ((job = take(p))) {
		if (!job->cancelled)
			job->run(job);
		pthread_mutex_lock(&p->lock);
		jobs_add(&p->done, job);
		pthread_mutex_unlock(&p->lock);
		p->wake(p->wake_arg);
	}
	return NULL;
}

/* Signals are the loop's. */
static int start_threads(struct hash_pool *p)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; p->thread_count < HASH_POOL_THREADS && rc == 0; p->thread_count += rc == 0)
		rc = pthread_create(&p->threads[p->thread_count], NULL, work, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct hash_pool *hash_pool_new(void (*wake)(void *arg), void *wake_arg, struct err *err)
{
	struct hash_pool *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->wake = wake;
	p->wake_arg = wake_arg;
	int rc = start_threads(p);
	if (rc != 0) {
		hash_pool_free(p);
		errno = rc;
		err_set(err, ERR_SYSTEM, "cannot start the threads that hash passwords: %m");
		return NULL;
	}
	return p;
}

void hash_pool_free(struct hash_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	hash_pool_collect(p);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void hash_pool_collect(struct hash_pool *p)
{
	struct hash_job *job;

	do {
		pthread_mutex_lock(&p->lock);
		job = jobs_take(&p->done);
		pthread_mutex_unlock(&p->lock);
		if (job)
			job->done(job);
	} while (job);
}

int hash_pool_submit(struct hash_pool *p, struct hash_job *job, struct err *err)
{
	bool taken = false;

	pthread_mutex_lock(&p->lock);
	if (p->waiting < HASH_POOL_QUEUE && !p->stopping) {
		jobs_add(&p->to_do, job);
		p->waiting++;
		taken = true;
		pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return taken ? 0 : err_set(err, ERR_RETRY, "too many passwords are being checked");
}
