#include "services/deliver/deliver.h"

#include "services/story/story.h"

enum { STORY_KEYS_MAX = 24 };

static int add_local(struct store_txn *t, const struct delivery *d, uint64_t message,
    struct delivery_target *target, struct err *err)
{
	struct store_append append = {
		.mailbox = target->mailbox,
		.message = message,
		.size = (uint32_t)d->message.body->bytes,
		.internal_at = d->now,
		/* Quota was looked at when the recipient and the size were accepted (services/intake): a mailbox
		 * that filled up since then may pass it by this one message, but nothing accepted is lost. */
		.quota_exempt = true,
	};

	return txn_append(t, &append, &target->uid, err);
}

static int add_remote(struct store_txn *t, const struct delivery *d, uint64_t message,
    struct delivery_target *target, struct err *err)
{
	struct store_queue_item item = {
		.batch = d->id,
		.message = message,
		.account = d->submitter,
		.sender = d->sender,
		.recipient = target->address,
		.orcpt = target->orcpt,
		.envid = d->envid,
		.notify = target->notify,
		.ret = d->ret,
		.flags = d->queue_flags,
		.state = QUEUE_WAITING,
		.created_at = d->now,
		.next_at = d->now,
		.expires_at = d->expires_at,
	};

	return txn_queue_add(t, &item, &target->queue_id, err);
}

static void describe_target(struct buf *detail, const struct delivery_target *target)
{
	buf_reset(detail);
	story_field(detail, "recipient", target->recipient);
	if (target->account) {
		story_field(detail, "account", target->address);
		story_field(detail, "mailbox", target->folder.len ? target->folder : STR("INBOX"));
		story_field_u(detail, "uid", target->uid);
	} else {
		story_field(detail, "to", target->address);
		story_field_u(detail, "queue", target->queue_id);
	}
}

/* The story's first step carries the keys that lead to it; the others only the id. */
static int tell_received(struct store_txn *t, const struct delivery *d, struct err *err)
{
	char id[STORY_ID_BYTES];
	str keys[STORY_KEYS_MAX];
	size_t n = 0;

	story_id_print(d->id, id);
	keys[n++] = str_c(id);
	if (!str_empty(d->message_id))
		keys[n++] = d->message_id;
	if (!str_empty(d->sender))
		keys[n++] = d->sender;
	for (size_t i = 0; i < d->target_count && n < STORY_KEYS_MAX; i++) {
		if (!n || !str_eq(keys[n - 1], d->targets[i].address))
			keys[n++] = d->targets[i].address;
	}
	return txn_story_add(t,
	    &(struct store_story_step){
	        .story = d->id, .at = d->now, .step = STORY_RECEIVED, .detail = d->received },
	    keys, n, err);
}

static int tell_judged(struct store_txn *t, const struct delivery *d, struct err *err)
{
	if (str_empty(d->judged))
		return 0;
	return txn_story_add(t,
	    &(struct store_story_step){
	        .story = d->id, .at = d->now, .step = STORY_JUDGED, .detail = d->judged },
	    NULL, 0, err);
}

static int tell_target(struct store_txn *t, const struct delivery *d,
    const struct delivery_target *target, struct err *err)
{
	AUTO_BUF detail = BUF_INIT(STORY_DETAIL_MAX);

	describe_target(&detail, target);
	return txn_story_add(t,
	    &(struct store_story_step){
	        .story = d->id,
	        .at = d->now,
	        .step = target->account ? STORY_STORED : STORY_QUEUED,
	        .detail = buf_str(&detail),
	    },
	    NULL, 0, err);
}

int deliver_job(struct store_txn *t, void *delivery, struct err *err)
{
	struct delivery *d = delivery;
	uint64_t message;

	if (txn_message_add(t, &d->message, &message, err) < 0 || tell_received(t, d, err) < 0 ||
	    tell_judged(t, d, err) < 0)
		return -1;
	for (size_t i = 0; i < d->target_count; i++) {
		struct delivery_target *target = &d->targets[i];
		int added = target->account ? add_local(t, d, message, target, err)
		                            : add_remote(t, d, message, target, err);
		if (added < 0 || tell_target(t, d, target, err) < 0)
			return -1;
	}
	return 0;
}
