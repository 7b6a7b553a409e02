/* imap_house.h: a store, an event loop and an IMAP server in one test process.
 *
 * Purpose    house_open() makes a temporary store with the account user@example.org and runs a
 *            server for it on a thread; house_connect() gives the client's end of a session of that
 *            account, signed in. For transcripts and for measuring.
 * Ownership  house_close() ends all of it and removes the files.
 * Threads    One test thread; the loop and the pool run beside it.
 */
#ifndef BUZON_TESTS_IMAP_HOUSE_H
#define BUZON_TESTS_IMAP_HOUSE_H

#include "check.h"

#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "formats/message_index.h"
#include "services/config/config.h"
#include "services/store/store.h"
#include "sessions/imap/server.h"
#include "sessions/pool.h"

enum { HOUSE_INDEX_MAX = 64 << 20 };

struct house {
	char path[64];
	struct log log;
	struct config *config;
	struct store *store;
	struct loop *loop;
	struct pool *pool;
	struct imap_server *server;
	pthread_t thread;
	uint64_t account, inbox;
};

struct house_call { /* something to be done on the loop's thread, waited for */
	struct house *house;
	void (*fn)(struct house_call *call);
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
	int fd;
};

static inline void house_call_run_(void *arg)
{
	struct house_call *call = arg;

	call->fn(call);
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->changed);
	pthread_mutex_unlock(&call->lock);
}

static inline void house_do_(struct house *h, void (*fn)(struct house_call *), int fd)
{
	struct house_call call = { .house = h,
		.fn = fn,
		.fd = fd,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	loop_post(h->loop, house_call_run_, &call);
	pthread_mutex_lock(&call.lock);
	while (!call.done)
		pthread_cond_wait(&call.changed, &call.lock);
	pthread_mutex_unlock(&call.lock);
}

static inline str house_body_(const struct imap_streamed *body, struct arena *a)
{
	if (body->fd < 0)
		return body->bytes;
	char *bytes = arena_alloc(a, body->length + 1);
	check(fd_pread_all(body->fd, bytes, body->length, 0) == 0);
	return str_new(bytes, body->length);
}

/* What a worker would do. */
static inline void house_index_(
    void *owner, const struct imap_streamed *body, imap_index_done_fn *done, void *arg)
{
	AUTO_ARENA a = arena_new(NULL, "index", HOUSE_INDEX_MAX);
	AUTO_BUF out = BUF_INIT(HOUSE_INDEX_MAX);
	struct message_index index;

	(void)owner;
	message_index_build(house_body_(body, a), a, &index);
	message_index_encode(&index, &out);
	done(arg, true, buf_str(&out), NULL);
}

static inline int house_spool_(void *owner, struct err *err)
{
	int fd = memfd_create("spool", MFD_CLOEXEC);

	(void)owner;
	return fd < 0 ? err_set(err, ERR_SYSTEM, "no memfd: %m") : fd;
}

static inline int house_account_job_(struct store_txn *t, void *arg, struct err *err)
{
	struct house *h = arg;

	if (txn_domain_add(t, STR("example.org"), err) < 0)
		return -1;
	return txn_account_add(t, STR("user@example.org"), 0, &h->account, err);
}

static inline void house_must_(int result, const struct err *err)
{
	if (result < 0)
		print_error("%s\n", err->text);
	check(result >= 0);
}

static inline void *house_thread_(void *arg)
{
	loop_run(((struct house *)arg)->loop);
	return NULL;
}

static inline void house_store_(struct house *h)
{
	struct err err = { 0 };
	AUTO_ARENA a = arena_new(NULL, "house", 1 << 20);
	struct store_account account;

	/* In memory where there is such a place: these tests wait for hundreds of commits. */
	snprintf(h->path, sizeof(h->path), "%s/buzon-test-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	check(mkdtemp(h->path) != NULL);
	h->log = (struct log){ .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 };
	house_must_(store_open(
	                &(struct store_options){
	                    .path = h->path, .create = true, .reserve_bytes = 1, .log = &h->log },
	                &h->store, &err),
	    &err);
	house_must_(store_write(h->store, house_account_job_, h, &err), &err);
	house_must_(store_account_get(h->store, h->account, a, &account, &err), &err);
	h->inbox = account.inbox_id;
}

static inline void house_open(struct house *h, uint64_t append_bytes)
{
	*h = (struct house){ .account = 0 };
	house_store_(h);
	h->config = calloc(1, sizeof(*h->config));
	h->config->hostname = STR("imap.example.org");
	h->config->limits.append_bytes = append_bytes;
	h->config->limits.imap_idle_s = 1800;
	h->config->limits.errors_after_sign_in = 100;
	h->loop = loop_new();
	h->pool = pool_new(4);
	h->server = imap_server_new(&(struct imap_server_options){ .loop = h->loop,
	    .pool = h->pool,
	    .store = h->store,
	    .config = h->config,
	    .log = &h->log,
	    .index = house_index_,
	    .spool_open = house_spool_,
	    .owner = h });
	pthread_create(&h->thread, NULL, house_thread_, h);
}

static inline void house_start_(struct house_call *call)
{
	struct err err = { 0 };

	house_must_(imap_session_start(call->house->server,
	                &(struct imap_session_options){ .fd = call->fd,
	                    .account = call->house->account,
	                    .address = STR("user@example.org"),
	                    .peer_address = STR("127.0.0.1") },
	                &err),
	    &err);
}

/* The client's end; blocking, with a time limit for reading. */
static inline int house_connect(struct house *h)
{
	struct timeval limit = { .tv_sec = 20 };
	int ends[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	check(fd_set_nonblocking(ends[1]) == 0);
	check(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	house_do_(h, house_start_, ends[1]);
	return ends[0];
}

static inline void house_stop_(struct house_call *call)
{
	loop_stop(call->house->loop);
}

static inline int house_remove_(const char *path, const struct stat *s, int kind, struct FTW *place)
{
	(void)s;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline void house_close(struct house *h)
{
	house_do_(h, house_stop_, -1);
	pthread_join(h->thread, NULL);
	pool_free(h->pool);
	imap_server_free(h->server);
	loop_free(h->loop);
	store_close(h->store);
	free(h->config);
	nftw(h->path, house_remove_, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- mail ---- */

struct house_mail {
	struct house *house;
	uint64_t mailbox;
	str text;
	int64_t at;
	uint32_t flags;
	unsigned count; /* the same message so many times */
};

static inline int house_mail_job_(struct store_txn *t, void *arg, struct err *err)
{
	struct house_mail *m = arg;
	AUTO_ARENA a = arena_new(NULL, "mail", HOUSE_INDEX_MAX);
	AUTO_BUF index_bytes = BUF_INIT(HOUSE_INDEX_MAX);
	struct message_index index;
	struct store_piece piece = { .bytes = m->text, .fd = -1, .length = m->text.len };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };

	message_index_build(m->text, a, &index);
	message_index_encode(&index, &index_bytes);
	if (store_body_hash(&body, err) < 0)
		return -1;
	for (unsigned i = 0; i < m->count; i++) {
		struct store_message_new message = {
			.body = &body, .index = buf_str(&index_bytes), .sent_at = index.sent_at
		};
		struct store_append entry = { .mailbox = m->mailbox,
			.size = (uint32_t)m->text.len,
			.flags = m->flags,
			.internal_at = m->at };
		uint32_t uid;
		if (txn_message_add(t, &message, &entry.message, err) < 0 ||
		    txn_append(t, &entry, &uid, err) < 0)
			return -1;
	}
	return 0;
}

static inline void house_mail(struct house *h, str text, int64_t at, unsigned count)
{
	struct house_mail m = {
		.house = h, .mailbox = h->inbox, .text = text, .at = at, .count = count
	};
	struct err err = { 0 };

	house_must_(store_write(h->store, house_mail_job_, &m, &err), &err);
}

#endif
