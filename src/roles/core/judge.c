/* Messages to the workers to be judged, and their judgements back. Mail goes on without a judgement when no
 * worker gives one: what is missing is then a temporary error. */
#include <stdlib.h>

#include "roles/core/core.h"

enum { TRIES_MAX = 2, RETRY_MS = 100 };

struct judging {
	struct core *core;
	struct intake_question question;
	intake_judge_fn *fn;
	void *arg;
	unsigned tries;
	struct timer *timer;
};

static void finish(struct judging *j, str judgement)
{
	timer_free(j->timer);
	j->fn(j->arg, judgement);
	free(j);
}

static void fail(struct judging *j)
{
	if (++j->tries >= TRIES_MAX)
		finish(j, STR_NONE);
	else
		timer_set(j->timer, RETRY_MS);
}

static void on_judged(void *arg, struct link_frame *reply)
{
	struct judging *j = arg;
	struct frame_content_judged r;

	if (!reply)
		fail(j);
	else if (frame_decode(reply->def, reply->payload, &r, NULL) < 0 || !r.ok)
		finish(j, STR_NONE);
	else
		finish(j, r.judgement);
}

static void ask(void *arg)
{
	struct judging *j = arg;
	const struct intake_question *q = &j->question;
	struct core *c = j->core;
	struct link *worker = role_link(c->role, ROLE_WORKER, c->next_job++);
	struct frame_content_judge f = {
		.job = c->next_job,
		.peer_address = q->peer_address,
		.helo = q->helo,
		.sender = q->sender,
		.time_ms = q->time_ms,
		.only_clean = q->only_clean,
		.body_bytes = q->bytes.len,
	};

	if (!worker) {
		fail(j);
		return;
	}
	if (q->fd < 0)
		f.body = q->bytes;
	link_request(worker, &frame_def_content_judge, &f, &q->fd, q->fd >= 0,
	    &frame_def_content_judged, on_judged, j);
}

void core_judge(
    struct core *c, const struct intake_question *question, intake_judge_fn *fn, void *arg)
{
	struct judging *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct judging){ .core = c, .question = *question, .fn = fn, .arg = arg };
	j->timer = timer_new(c->role->loop, ask, j);
	ask(j);
}
