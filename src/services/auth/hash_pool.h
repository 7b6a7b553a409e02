/* hash_pool.h: a few threads for work that takes milliseconds: hashing passwords.
 *
 * Purpose    Keep Argon2id off the loop's thread, and bound how much of it is under way: each job
 *            holds 19 MiB while it runs.
 * Ownership  A job belongs to its submitter, which must not touch it until done was called.
 * Threads    run is called on a pool thread; wake as well, when something is done; all else on the
 *            owner's thread. done is called from hash_pool_collect and hash_pool_free.
 * Limits     HASH_POOL_THREADS at work, HASH_POOL_QUEUE waiting: about a second's worth.
 * Errors     hash_pool_submit: -1 with ERR_RETRY when the queue is full.
 */
#ifndef BUZON_SERVICES_AUTH_HASH_POOL_H
#define BUZON_SERVICES_AUTH_HASH_POOL_H

#include "base/err.h"
#include "base/str.h"

enum { HASH_POOL_THREADS = 2, HASH_POOL_QUEUE = 64 };

struct hash_job {
	void (*run)(struct hash_job *job);
	void (*done)(struct hash_job *job);
	bool cancelled; /* the pool was stopped first: run was not called */
	struct hash_job *next_;
};

struct hash_pool;

/* wake: makes the owner's thread call hash_pool_collect soon. */
struct hash_pool *hash_pool_new(void (*wake)(void *arg), void *wake_arg, struct err *err);
/* Waits for the jobs at work; those that wait are cancelled. Every done has been called. */
void hash_pool_free(struct hash_pool *p);
/* Calls done for what has been done. */
void hash_pool_collect(struct hash_pool *p);
int hash_pool_submit(struct hash_pool *p, struct hash_job *job, struct err *err);

#endif
