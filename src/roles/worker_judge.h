/* worker_judge.h: the worker judges who sent a message.
 *
 * Purpose    The frame CONTENT_JUDGE: hashes the body at once, then asks role relay what the DNS knows, and
 *            answers when all is known or the time is up. Other messages go on meanwhile.
 * Ownership  worker_judge_new/worker_judge_free; borrows the role. Each judgement has an arena of its own.
 * Threads    The loop's thread.
 * Limits     WORKER_JUDGING_MAX judgements at once; WORKER_JUDGE_MS_MAX each, whatever core asks for.
 * Errors     A malformed frame is one; without relay every question is answered by a temporary failure.
 */
#ifndef BUZON_ROLES_WORKER_JUDGE_H
#define BUZON_ROLES_WORKER_JUDGE_H

#include "roles/role.h"
#include "services/content/content.h"

enum { WORKER_JUDGING_MAX = 2000, WORKER_JUDGE_MS_MAX = 60 * 1000 };

struct worker_judge;

struct worker_judge *worker_judge_new(struct role *r);
void worker_judge_free(struct worker_judge *w);
/* As role_kind.frame and role_kind.peer_lost. */
int worker_judge_frame(struct worker_judge *w, struct link *link, struct link_frame *in);
void worker_judge_core_lost(struct worker_judge *w);

#endif
