/* notice.c: the message that tells a sender what became of her mail. */
#include "base/secret.h"
#include "formats/dsn.h"
#include "protocols/smtp/smtp.h"
#include "services/queue/internal.h"
#include "services/story/story.h"

static enum dsn_action action_of(const struct queue_item *item)
{
	switch (item->fate) {
	case FATE_DELIVERED:
		return item->result.told_peer ? DSN_DELIVERED : DSN_RELAYED;
	case FATE_DELAYED:
		return DSN_DELAYED;
	default:
		return DSN_FAILED;
	}
}

/* A delivery is told by us only when the peer does not take that over. RFC 3461 §5.2.2 */
static bool is_to_be_told(const struct queue_item *item)
{
	const struct store_queue_item *row = &item->row;

	if (item->fate == FATE_READY || item->fate == FATE_SOON || item->fate == FATE_RETRY)
		return false;
	if (item->fate == FATE_DELIVERED && item->result.told_peer)
		return false;
	return dsn_is_wanted(row->sender, row->notify, action_of(item));
}

bool queue_needs_notice(const struct queue_job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		if (is_to_be_told(&job->items[i]))
			return true;
	}
	return false;
}

void queue_put_off_told(struct queue_job *job)
{
	for (size_t i = 0; i < job->count; i++) {
		struct queue_item *item = &job->items[i];
		if (!is_to_be_told(item))
			continue;
		/* It has arrived: sending it again would be worse than a sender who is not told of it. */
		if (item->fate != FATE_DELIVERED)
			item->fate = FATE_SOON;
		item->is_told = false;
	}
}

static void fill_recipient(
    const struct queue_job *job, struct queue_item *item, struct dsn_recipient *out)
{
	AUTO_BUF diagnostic = BUF_INIT(2048);
	const struct outbound_result *r = &item->result;

	if (item->was_tried && r->code)
		buf_addf(&diagnostic, "%u ", r->code);
	buf_add(&diagnostic, item->was_tried ? r->text : item->row.last_error);
	*out = (struct dsn_recipient){
		.address = item->row.recipient,
		.original = item->row.orcpt,
		.action = action_of(item),
		.status = { r->status[0], r->status[1], r->status[2] },
		.remote_mta = r->is_local ? STR_NONE : job->host,
		.diagnostic = arena_str(job->arena, buf_str(&diagnostic)),
		.is_local = r->is_local || !r->code,
		.last_attempt_at = item->was_tried ? job->now : 0,
		.retry_until = item->fate == FATE_DELAYED ? item->row.expires_at : 0,
	};
	item->is_told = true;
}

static str make_id(struct queue_job *job, char boundary[40])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char random[32];

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < 32; i++)
		boundary[i] = letters[random[i] & 31];
	boundary[32] = '\0';
	return arena_strf(
	    job->arena, "%.20s.notice@" STR_FMT, boundary, STR_ARG(job->queue->config->hostname));
}

void queue_write_notice(struct queue_job *job)
{
	struct dsn_recipient *recipients =
	    arena_array(job->arena, struct dsn_recipient, job->count);
	const struct store_queue_item *row = &job->items[0].row;
	const struct config *c = job->queue->config;
	struct dsn_needs needs;
	char boundary[40];
	size_t count = 0;

	job->outcome = 0;
	if (!job->has_blob)
		job->outcome = queue_load_message(job, &job->err);
	if (job->outcome < 0)
		return;
	for (size_t i = 0; i < job->count; i++) {
		if (is_to_be_told(&job->items[i]))
			fill_recipient(job, &job->items[i], &recipients[count++]);
	}
	job->notice_to = row->sender;
	str id = make_id(job, boundary);
	dsn_write(
	    &(struct dsn){
	        .language = dsn_language_find(c->language),
	        .utf8 = (row->flags & RELAY_UTF8) != 0,
	        .host = c->hostname,
	        .to = row->sender,
	        .message_id = id,
	        .boundary = str_c(boundary),
	        .now = job->now,
	        .envid = row->envid,
	        .arrived_at = row->created_at,
	        .original = job->body,
	        .has_body = true,
	        .is_full_wanted = row->ret == SMTP_RET_FULL,
	        .recipients = recipients,
	        .count = count,
	    },
	    &job->notice, &needs);
	job->notice_utf8 = needs.utf8;
	if (!buf_ok(&job->notice))
		job->outcome = err_set(&job->err, ERR_LIMIT, "the notification is too large");
}
