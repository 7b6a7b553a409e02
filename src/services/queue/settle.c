/* settle.c: what an answer of relay means for each recipient, and the commit of it. */
#include "base/time.h"
#include "formats/dsn.h"
#include "services/queue/internal.h"
#include "services/story/story.h"

/* ---- fates ---- */

static struct queue_item *find_item(struct queue_job *job, uint64_t id)
{
	for (size_t i = 0; i < job->count; i++) {
		if (job->items[i].row.id == id)
			return &job->items[i];
	}
	return NULL;
}

/* RFC 3464 §2.3.4: what could not be delivered in time has failed for good. */
static void give_up(struct queue_item *item)
{
	item->fate = FATE_FAILED;
	item->result.status[0] = 5;
}

static void judge_one(struct queue_job *job, struct queue_item *item)
{
	struct queue *q = job->queue;

	item->was_tried = item->result.outcome != OUTBOUND_NOT_TRIED;
	switch (item->result.outcome) {
	case OUTBOUND_DELIVERED:
		item->fate = FATE_DELIVERED;
		break;
	case OUTBOUND_PERMANENT:
		item->fate = FATE_FAILED;
		break;
	case OUTBOUND_TEMPORARY:
		item->row.attempts++;
		item->fate = FATE_RETRY;
		item->next_at = schedule_next_at(q->schedule, item->row.attempts, job->now);
		if (job->now >= item->row.expires_at)
			give_up(item);
		break;
	case OUTBOUND_NOT_TRIED:
	case OUTBOUND_OUTCOMES:
		item->fate = FATE_READY;
		break;
	}
}

void queue_judge(struct queue_job *job, const struct frame_deliver_result *r)
{
	struct arena *a = job->arena;
	struct outbound_result result;
	struct err err;
	str list = r->results;

	job->verdict = r->verdict == RELAY_ANSWERED    ? SCHEDULE_WELL
	               : r->verdict == RELAY_SLOW_DOWN ? SCHEDULE_SLOW_DOWN
	                                               : SCHEDULE_UNREACHABLE;
	job->host = arena_str(a, r->host);
	job->address = arena_str(a, r->address);
	job->tls_version = arena_str(a, r->tls_version);
	job->tls_cipher = arena_str(a, r->tls_cipher);
	job->tls_why = arena_str(a, r->tls_why);
	job->trace = arena_str(a, r->trace);
	while (list.len > 0 && outbound_result_take(&list, &result, &err) == 0) {
		struct queue_item *item = find_item(job, result.id);
		if (!item)
			continue;
		result.text = arena_str(a, result.text);
		result.stage = arena_str(a, result.stage);
		item->result = result;
		judge_one(job, item);
	}
}

/* ---- the commit ---- */

static str answer_text(const struct queue_item *item, struct arena *a)
{
	AUTO_BUF out = BUF_INIT(4096);
	const struct outbound_result *r = &item->result;

	if (r->code)
		buf_addf(&out, "%u ", r->code);
	if (r->status[0])
		buf_addf(&out, "%u.%u.%u ", r->status[0], r->status[1], r->status[2]);
	buf_add(&out, r->text);
	return arena_str(a, buf_str(&out));
}

static int tell(
    struct store_txn *t, struct queue_job *job, struct queue_item *item, struct err *err)
{
	static const uint32_t steps[] = { [FATE_RETRY] = STORY_DEFERRED,
		[FATE_DELIVERED] = STORY_SENT,
		[FATE_FAILED] = STORY_RETURNED,
		[FATE_DELAYED] = STORY_DELAYED };
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);

	story_field(&detail, "to", item->row.recipient);
	story_field_u(&detail, "queue", item->row.id);
	story_field(&detail, "host", job->host);
	story_field(&detail, "address", job->address);
	story_field(&detail, "tls", job->tls_version);
	story_field(&detail, "cipher", job->tls_cipher);
	story_field(&detail, "unverified", job->tls_why);
	story_field(&detail, "stage", item->result.stage);
	story_field(&detail, "answer", answer_text(item, job->arena));
	story_field(&detail, "trace", job->trace);
	if (item->fate == FATE_RETRY)
		story_field_u(&detail, "next", (uint64_t)item->next_at);
	if (item->is_told)
		story_field(&detail, "told", job->notice_to);
	return txn_story_add(t,
	    &(struct store_story_step){ .story = item->row.batch,
	        .at = job->now,
	        .step = steps[item->fate],
	        .detail = buf_str(&detail) },
	    NULL, 0, err);
}

static int settle_one(
    struct store_txn *t, struct queue_job *job, struct queue_item *item, struct err *err)
{
	int result = 0;

	switch (item->fate) {
	case FATE_READY:
	case FATE_SOON:
		return 0;
	case FATE_DELIVERED:
	case FATE_FAILED:
		result = txn_queue_remove(t, item->row.id, err);
		break;
	case FATE_RETRY:
		result = txn_queue_retry(t, item->row.id, item->row.attempts, item->next_at,
		    answer_text(item, job->arena), err);
		break;
	case FATE_DELAYED:
		result = txn_queue_flag(t, item->row.id, QUEUE_WARNED, err);
		break;
	}
	/* The administrator may have dropped it while it was tried. */
	if (result < 0)
		return err->kind == ERR_DENIED ? 0 : -1;
	return tell(t, job, item, err);
}

static int settle_job(struct store_txn *t, void *arg, struct err *err)
{
	struct queue_job *job = arg;

	for (size_t i = 0; i < job->count; i++) {
		if (settle_one(t, job, &job->items[i], err) < 0)
			return -1;
	}
	return 0;
}

static void settled(void *arg)
{
	queue_job_end(arg);
}

static void on_committed(void *arg, int result, const struct err *err)
{
	struct queue_job *job = arg;

	job->outcome = result;
	if (result < 0)
		job->err = *err;
	loop_post(job->queue->loop, settled, job);
}

static void commit(struct queue_job *job)
{
	store_submit(job->queue->store, settle_job, on_committed, job);
}

/* ---- with a notification ---- */

/* What nobody is to be told of is committed all the same: what was delivered must not go out again. */
static void commit_without_notice(struct queue_job *job, str why)
{
	log_warn(job->queue->log, "queue: no notification could be made, trying again soon",
	    F_INT("job", job->id), F_STR("sender", job->notice_to), F_STR("why", why));
	queue_put_off_told(job);
	commit(job);
}

/* 250: both are committed. 4xx: nothing is. 5xx: the sender cannot be told: she is not there any more. */
static void on_notice_sent(void *arg, const struct frame_message_result *result)
{
	struct queue_job *job = arg;
	str list = result->results, line = STR_NONE;

	(void)take_counted(&list, list.len, &line);
	if (str_starts(line, STR("2"))) {
		job->outcome = 0;
		queue_job_end(job);
	} else if (str_starts(line, STR("5"))) {
		log_warn(job->queue->log, "the sender cannot be told",
		    F_STR("sender", job->notice_to), F_STR("why", line));
		for (size_t i = 0; i < job->count; i++)
			job->items[i].is_told = false;
		commit(job);
	} else {
		commit_without_notice(job, line);
	}
}

static void on_written(void *arg)
{
	struct queue_job *job = arg;
	struct queue *q = job->queue;

	if (job->outcome < 0) {
		commit_without_notice(job, str_c(job->err.text));
		return;
	}
	if (job->notice.len == 0) {
		commit(job);
		return;
	}
	q->env.send(q->env.owner,
	    &(struct intake_local){ .sender = STR_NONE,
	        .recipients = &job->notice_to,
	        .recipient_count = 1,
	        .body = buf_str(&job->notice),
	        .utf8 = job->notice_utf8,
	        .also = settle_job,
	        .also_arg = job },
	    on_notice_sent, job);
}

static void write_notice(void *arg)
{
	queue_write_notice(arg);
}

void queue_settle(struct queue_job *job)
{
	struct queue *q = job->queue;

	if (!queue_needs_notice(job)) {
		commit(job);
		return;
	}
	q->env.blocking(q->env.owner, write_notice, on_written, job);
}
