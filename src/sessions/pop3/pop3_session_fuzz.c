/* What any client may say to POP3 after sign-in, on a real store in a directory: nothing crashes,
 * nothing leaks, the session comes to rest and ends when its client does. The first byte says how the
 * input is cut and whether UTF-8 was enabled. */
#include <assert.h>

#include "imap_rig.h"
#include "sessions/pop3/session.h"

enum { RUNS_PER_MAILDROP = 64 };

static struct rig rig;
static struct pop3_server *server;
static struct rig_session *owner;
static unsigned runs;

static const str messages[] = {
	STR_INIT("From: a@b\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\r\n.\r\n..two\r\nthree"),
	STR_INIT(
	    "Subject: \xc3\xa9 raw\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa9\r\n"),
	STR_INIT(""),
	STR_INIT("a: b\r\n\r\n"),
	STR_INIT("no header\r\n"),
};

struct delivery {
	uint64_t mailbox;
	str body;
};

static int deliver_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct delivery *d = arg;
	AUTO_ARENA a = arena_new(NULL, "fuzz", 16 << 20);
	AUTO_BUF index = BUF_INIT(16 << 20);
	struct store_piece piece = { .bytes = d->body, .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct message_index parsed;
	uint64_t message;
	uint32_t uid;

	message_index_build(d->body, a, &parsed);
	message_index_encode(&parsed, &index);
	struct store_message_new m = { .body = &body, .index = buf_str(&index), .sent_at = 1 };
	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &message, err) < 0)
		return -1;
	return txn_append(t,
	    &(struct store_append){
	        .mailbox = d->mailbox, .message = message, .size = (uint32_t)d->body.len },
	    &uid, err);
}

/* An account with the messages above in its INBOX; the next run finds what this one left. */
static void fill(void)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 20);
	struct store_account account;
	struct err err;

	if (owner)
		rig_session_close(owner);
	owner = rig_session_open(&rig);
	rig_must(store_account_get(rig.store, owner->account, a, &account, &err), &err);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct delivery d = { account.inbox_id, messages[i] };
		rig_must(store_write(rig.store, deliver_job, &d, &err), &err);
	}
}

static void set_up(void)
{
	if (runs == 0) {
		rig_open(&rig);
		rig.config.limits.pop3_idle_s = 600;
		server = pop3_server_new(&(struct pop3_server_options){ .loop = rig.loop,
		    .pool = rig.pool,
		    .store = rig.store,
		    .config = &rig.config,
		    .log = &rig.log });
	}
	if (runs++ % RUNS_PER_MAILDROP == 0)
		fill();
}

/* ---- a client ---- */

struct client {
	int fd; /* -1: the server has closed it */
	str rest;
	size_t step;
	struct buf *out;
	uint64_t until_ms;
	bool has_hung_up;
};

static void hear(struct client *c)
{
	char block[16384];
	ssize_t n;

	while (c->fd >= 0 && (n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT)) >= 0) {
		if (n == 0)
			fd_close(&c->fd);
		else
			buf_add(c->out, str_new(block, (size_t)n));
	}
}

static void say(struct client *c)
{
	int unread = 0;

	if (c->fd < 0 || ioctl(c->fd, SIOCOUTQ, &unread) < 0 || unread > 0)
		return;
	if (c->rest.len == 0) {
		/* The end of what the client says is the end of its session, whatever is under way. */
		shutdown(c->fd, SHUT_WR);
		c->has_hung_up = true;
		return;
	}
	str piece = str_sub(c->rest, 0, c->step);
	ssize_t n = send(c->fd, piece.ptr, piece.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	c->rest = n > 0 ? str_skip(c->rest, (size_t)n) : STR_NONE;
}

static void poke(void *arg)
{
	struct client *c = arg;

	hear(c);
	if (!c->has_hung_up)
		say(c);
	assert(time_mono_ms() < c->until_ms);
	if (pop3_server_sessions(server) > 0)
		loop_post(rig.loop, poke, c);
	else
		loop_stop(rig.loop);
}

static void converse(str input, size_t step, bool utf8, struct buf *out)
{
	struct client c = {
		.rest = input, .step = step, .out = out, .until_ms = time_mono_ms() + RIG_SETTLE_MS
	};
	struct err err;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	fd_set_nonblocking(pair[1]);
	c.fd = pair[0];
	rig_must(pop3_session_start(server,
	             &(struct pop3_session_options){ .fd = pair[1],
	                 .account = owner->account,
	                 .address = str_c(owner->address),
	                 .peer_address = STR("192.0.2.1"),
	                 .language = STR("en"),
	                 .utf8 = utf8 },
	             &err),
	    &err);
	loop_post(rig.loop, poke, &c);
	loop_run(rig.loop);
	hear(&c);
	fd_close(&c.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF out = BUF_INIT(64 << 20);

	if (size < 2 || size > 8192)
		return 0;
	set_up();
	str input = str_new(data + 1, size - 1);
	converse(
	    input, data[0] & 0x80 ? 1 + (data[0] & 0x1f) * 7 : input.len, data[0] & 0x40, &out);
	assert(str_starts(buf_str(&out), STR("+OK")) || str_starts(buf_str(&out), STR("-ERR")) ||
	       out.len == 0);
	return 0;
}
