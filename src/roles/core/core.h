/* core.h: what the files of role core share.
 *
 * Purpose    core (design: docs/architecture.md, "Processes") holds the store, runs the sessions of
 *            signed-in users, takes in mail, and answers the administrator's commands.
 * Threads    struct core belongs to the loop's thread; functions marked [pool] run on a thread of the
 *            pool and go through loop_post for all else.
 */
#ifndef BUZON_ROLES_CORE_CORE_H
#define BUZON_ROLES_CORE_CORE_H

#include <pthread.h>

#include "net/listener.h"
#include "roles/role.h"
#include "services/intake/intake.h"
#include "services/queue/queue.h"
#include "services/sign/sign.h"
#include "sessions/imap/server.h"
#include "sessions/pool.h"
#include "sessions/pop3/server.h"

enum { CORE_POOL_THREADS = 8 };

struct core {
	struct role *role;
	struct store *store;
	struct pool *pool;
	struct intake *intake;
	struct queue *queue;
	struct signer *signer;
	pthread_t loop_thread;
	struct imap_server *imap;
	struct pop3_server *pop3;
	struct listener *control;
	/* Counts the connections each front has had: a reply for an earlier one is dropped. */
	uint64_t generation[ROLE_COUNT][ROLE_INSTANCES_MAX];
	struct ticket_once *tickets; /* that have opened a session */
	uint64_t next_job;
	struct timer *stop_timer;
	uint64_t stop_at_ms;
};

/* ---- index.c: messages to the workers ---- */

/* index is empty when there is none: is_poison when two workers died on the message, else none was there. */
typedef void core_index_fn(void *arg, str index, bool is_poison);
/* bytes or fd stay valid until fn was called. */
void core_index(struct core *c, str bytes, int fd, uint64_t offset, uint64_t length,
    core_index_fn *fn, void *arg);

/* ---- sign.c: signatures by role keys ---- */
void core_sign_start(struct core *c);

/* ---- judge.c: messages to the workers, to be judged ---- */
void core_judge(
    struct core *c, const struct intake_question *question, intake_judge_fn *fn, void *arg);

/* ---- control.c: the control socket ---- */
void core_control_start(struct core *c, int listening_fd);
void core_control_stop(struct core *c);

#endif
