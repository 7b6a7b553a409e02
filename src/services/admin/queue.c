/* The queue: looking, holding back, trying again, dropping. */
#include "base/time.h"
#include "services/admin/internal.h"
#include "services/story/story.h"

enum { QUEUE_STEP = 1000 };

static const char *state_name(enum store_queue_state s)
{
	static const char *const names[] = { "waiting", "held", "active" };

	return s < 3 ? names[s] : "unknown";
}

static json_t *queue_json(const struct store_queue_item *q)
{
	char batch[STORY_ID_BYTES];

	story_id_print(q->batch, batch);
	return json_pack("{ss sI ss so so ss sI sI sI sI so}", "kind", "queue", "queue",
	    (json_int_t)q->id, "id", batch, "sender", admin_json(q->sender), "recipient",
	    admin_json(q->recipient), "state", state_name(q->state), "attempts",
	    (json_int_t)q->attempts, "created_at", (json_int_t)q->created_at, "next_at",
	    (json_int_t)q->next_at, "expires_at", (json_int_t)q->expires_at, "last_error",
	    admin_json(q->last_error));
}

int admin_queue_list(struct admin_call *c, struct err *err)
{
	uint64_t after = 0;

	for (;;) {
		AUTO_ARENA step = arena_new(NULL, "queue list", 64 << 20);
		struct store_queue_item *list;
		size_t n;
		if (store_queue_list(c->env->store, after, QUEUE_STEP, step, &list, &n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			admin_emit(c, queue_json(&list[i]));
		if (n < QUEUE_STEP)
			return 0;
		after = list[n - 1].id;
	}
}

int admin_queue_show(struct admin_call *c, struct err *err)
{
	struct store_queue_item item;

	if (store_queue_get(c->env->store, admin_number(c, "queue"), c->arena, &item, err) < 0)
		return -1;
	admin_emit(c, queue_json(&item));
	return 0;
}

/* ---- changes ---------------------------------------------------------------------------------- */

/* A change to rows that the request names: by number, by the domain of the recipient, or all. */
struct queue_change {
	enum { CHANGE_HOLD, CHANGE_RELEASE, CHANGE_DROP } what;
	const struct store_queue_item *rows;
	size_t count;
	int64_t now;
};

static int change_row(struct store_txn *t, const struct queue_change *ch,
    const struct store_queue_item *row, struct err *err)
{
	switch (ch->what) {
	case CHANGE_HOLD:
		return txn_queue_state(t, row->id, QUEUE_HELD, row->next_at, err);
	case CHANGE_RELEASE:
		return txn_queue_state(t, row->id, QUEUE_WAITING, ch->now, err);
	case CHANGE_DROP:
		break;
	}
	return txn_queue_remove(t, row->id, err);
}

/* Rows that went meanwhile were delivered: nothing is left to change. */
static int queue_change_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct queue_change *ch = arg;

	for (size_t i = 0; i < ch->count; i++) {
		if (change_row(t, ch, &ch->rows[i], err) < 0 && err->kind != ERR_DENIED)
			return -1;
	}
	return 0;
}

static bool is_for_domain(const struct store_queue_item *row, str domain)
{
	size_t at = str_rchr(row->recipient, '@');

	return at != STR_NPOS && str_ieq(str_skip(row->recipient, at + 1), domain);
}

static int change_rows(struct admin_call *c, struct queue_change *ch,
    const struct store_queue_item *rows, size_t n, struct err *err)
{
	ch->rows = rows;
	ch->count = n;
	ch->now = time_wall_s();
	if (n && store_write(c->env->store, queue_change_job, ch, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (c->env->queue_changed)
			c->env->queue_changed(c->env->owner, rows[i].id);
		admin_emit(c, queue_json(&rows[i]));
	}
	return 0;
}

static int change_many(struct admin_call *c, struct queue_change *ch, str domain, struct err *err)
{
	uint64_t after = 0;

	for (;;) {
		AUTO_ARENA step = arena_new(NULL, "queue change", 64 << 20);
		struct store_queue_item *list;
		size_t n, kept = 0;
		if (store_queue_list(c->env->store, after, QUEUE_STEP, step, &list, &n, err) < 0)
			return -1;
		after = n ? list[n - 1].id : 0;
		for (size_t i = 0; i < n; i++) {
			if (str_empty(domain) || is_for_domain(&list[i], domain))
				list[kept++] = list[i];
		}
		if (change_rows(c, ch, list, kept, err) < 0)
			return -1;
		if (n < QUEUE_STEP)
			return 0;
	}
}

static int change_queue(struct admin_call *c, struct queue_change *ch, struct err *err)
{
	struct store_queue_item row;

	if (admin_flag(c, "all") || !str_empty(admin_text(c, "domain")))
		return change_many(c, ch, admin_text(c, "domain"), err);
	if (store_queue_get(c->env->store, admin_number(c, "queue"), c->arena, &row, err) < 0)
		return -1;
	return change_rows(c, ch, &row, 1, err);
}

int admin_queue_hold(struct admin_call *c, struct err *err)
{
	return change_queue(c, &(struct queue_change){ .what = CHANGE_HOLD }, err);
}

int admin_queue_release(struct admin_call *c, struct err *err)
{
	return change_queue(c, &(struct queue_change){ .what = CHANGE_RELEASE }, err);
}

int admin_queue_drop(struct admin_call *c, struct err *err)
{
	return change_queue(c, &(struct queue_change){ .what = CHANGE_DROP }, err);
}
