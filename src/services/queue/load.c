/* load.c: what an attempt needs from the store: rows, message, frame. On a thread. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "services/queue/internal.h"

/* Our own field on top says where bounces go; it is for mailboxes, not for others. RFC 5321 §4.4 */
static str without_return_path(str message)
{
	size_t end = str_chr(message, '\n');

	if (!str_istarts(message, STR("Return-Path:")) || end == STR_NPOS)
		return message;
	return str_skip(message, end + 1);
}

static int load_rows(struct queue_job *job, struct err *err)
{
	struct queue *q = job->queue;

	job->items = arena_array(job->arena, struct queue_item, job->id_count);
	for (size_t i = 0; i < job->id_count; i++) {
		struct queue_item *item = &job->items[job->count];
		*item = (struct queue_item){ .fate = FATE_READY };
		if (store_queue_get(q->store, job->ids[i], job->arena, &item->row, err) == 0)
			job->count++;
		else if (err->kind != ERR_DENIED)
			return -1;
	}
	return 0;
}

int queue_load_message(struct queue_job *job, struct err *err)
{
	struct store *s = job->queue->store;

	if (store_message_get(s, job->items[0].row.message, job->arena, &job->message, err) < 0 ||
	    store_blob_map(s, &job->message.blob, &job->blob, err) < 0)
		return -1;
	job->has_blob = true;
	job->body = without_return_path(job->blob.bytes);
	return 0;
}

/* RFC 6376 §5: signed as it leaves, for the domain of its author. Mail that only passes through here is left as it
 * is, whoever it says it is from. */
static int sign_message(struct queue_job *job, struct err *err)
{
	const struct store_queue_item *row = &job->items[0].row;
	struct signer *signer = job->queue->signer;

	if (!signer || !(row->flags & STORE_QUEUE_SUBMITTED))
		return 0;
	return signer_sign(signer,
	    &(struct signer_mail){ .message = job->body,
	        .sha256 = job->message.blob.sha256,
	        .accepted_at = row->created_at },
	    job->now, job->arena, &job->fields, err);
}

/* Recipients that do not fit into the frame stay ready: their turn comes with the next job. */
static str pack_recipients(struct queue_job *job)
{
	AUTO_BUF list = BUF_INIT(RELAY_LIST_MAX);
	size_t count = 0, used = 0;

	for (; count < job->count; count++) {
		const struct store_queue_item *row = &job->items[count].row;
		outbound_recipient_add(&list, &(struct outbound_recipient){
		                                  .id = row->id,
		                                  .notify = row->notify,
		                                  .address = row->recipient,
		                                  .orcpt = row->orcpt,
		                              });
		if (!buf_ok(&list))
			break;
		used = list.len;
	}
	job->count = count;
	return arena_str(job->arena, str_new(list.ptr, used));
}

static int seal_body(struct queue_job *job, struct err *err)
{
	AUTO_FD fd = memfd_create("outbound", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fd_write_all(fd, job->fields) < 0 || fd_write_all(fd, job->body) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, ERR_RETRY, "no memory for a message on its way out: %m");
	job->fd = TAKE_FD(fd);
	return 0;
}

/* "host:port" or "[v6]:port" */
static void split_host(str text, uint16_t default_port, str *out_host, uint32_t *out_port)
{
	size_t colon = str_rchr(text, ':');
	uint32_t port = default_port;

	if (colon != STR_NPOS && colon + 1 < text.len && text.ptr[text.len - 1] != ']') {
		uint32_t n = 0;
		for (size_t i = colon + 1; i < text.len && ascii_is_digit(text.ptr[i]); i++)
			n = n * 10 + (uint32_t)(text.ptr[i] - '0');
		port = n;
		text = str_sub(text, 0, colon);
	}
	*out_host = text;
	*out_port = port;
}

static void choose_way(struct queue_job *job, struct frame_deliver *f)
{
	const struct config *c = job->queue->config;

	if (str_empty(c->smart_host)) {
		f->way = RELAY_MX;
		f->host = queue_destination(job->queue, job->items[0].row.recipient, job->arena);
		f->port = c->relay_port;
		f->tls = f->flags & RELAY_REQUIRETLS ? RELAY_TLS_VERIFIED : RELAY_TLS_OPPORTUNISTIC;
		return;
	}
	f->way = RELAY_HOST;
	split_host(c->smart_host, 587, &f->host, &f->port);
	f->user = c->smart_host_user;
	f->password = c->smart_host_password;
	f->tls = c->smart_host_clear ? RELAY_TLS_OPPORTUNISTIC : RELAY_TLS_VERIFIED;
}

static str whole_body(const struct queue_job *job)
{
	size_t bytes = job->fields.len + job->body.len;

	if (str_empty(job->fields))
		return job->body;
	char *whole = arena_alloc(job->arena, bytes);
	memcpy(whole, job->fields.ptr, job->fields.len);
	memcpy(whole + job->fields.len, job->body.ptr, job->body.len);
	return str_new(whole, bytes);
}

static int make_frame(struct queue_job *job, struct err *err)
{
	const struct store_queue_item *row = &job->items[0].row;
	struct frame_deliver *f = &job->frame;

	*f = (struct frame_deliver){
		.job = job->id,
		.sender = row->sender,
		.envid = row->envid,
		.ret = row->ret,
		.flags = row->flags & (RELAY_UTF8 | RELAY_REQUIRETLS | RELAY_8BIT | RELAY_BINARY),
		.recipients = pack_recipients(job),
		.body_bytes = job->fields.len + job->body.len,
	};
	choose_way(job, f);
	if (f->body_bytes + f->recipients.len > INLINE_BODY_MAX)
		return seal_body(job, err);
	f->body = whole_body(job);
	return 0;
}

void queue_load(struct queue_job *job)
{
	struct err err = { .kind = ERR_NONE };

	job->outcome = load_rows(job, &err);
	if (job->outcome == 0 && job->count > 0)
		job->outcome = queue_load_message(job, &err);
	if (job->outcome == 0 && job->count > 0)
		job->outcome = sign_message(job, &err);
	if (job->outcome == 0 && job->count > 0)
		job->outcome = make_frame(job, &err);
	job->err = err;
}
