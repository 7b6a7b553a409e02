/* imap_rig.h: real IMAP sessions on a real store, in one process, for transcripts and fuzzing.
 *
 * Purpose    rig_open() makes a store in a temporary directory, a loop, a pool and an IMAP server;
 *            rig_session_open() makes an account of its own and a session of it; rig_feed() says
 *            something as the client and returns when the session has nothing left to do, with all
 *            that it said.
 * Threads    The test's own is the loop's; the pool has one more.
 * Not here   What is expected (session_test.c).
 */
#ifndef BUZON_TESTS_IMAP_RIG_H
#define BUZON_TESTS_IMAP_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "formats/message_index.h"
#include "sessions/imap/server.h"
#include "sessions/imap/session.h"

enum { RIG_SETTLE_MS = 20000 };

struct rig {
	char path[128];
	struct log log;
	struct config config;
	struct store *store;
	struct loop *loop;
	struct pool *pool;
	struct imap_server *server;
	unsigned accounts;
	bool spool_fails, index_fails;
};

struct rig_session {
	struct rig *rig;
	int fd; /* the client's end; -1 when the server closed it */
	uint64_t account;
	char address[64];
	bool started;
};

static inline void rig_must(int result, const struct err *err)
{
	if (result >= 0)
		return;
	fprintf(stderr, "rig: %s\n", err->text);
	abort();
}

/* ---- what core does for the server ---- */

static inline void rig_index(
    void *owner, const struct imap_streamed *body, imap_index_done_fn *done, void *arg)
{
	struct rig *r = owner;
	struct arena *a = arena_new(NULL, "index", 256 << 20);
	struct message_index index;
	struct buf out;
	str bytes = body->bytes;

	if (body->fd >= 0) {
		char *copy = arena_alloc(a, (size_t)body->length + 1);
		if (fd_pread_all(body->fd, copy, (size_t)body->length, 0) < 0)
			abort();
		bytes = str_new(copy, (size_t)body->length);
	}
	buf_init(&out, 64 << 20);
	message_index_build(bytes, a, &index);
	message_index_encode(&index, &out);
	done(arg, !r->index_fails, buf_str(&out), "no worker is there");
	buf_fini(&out);
	arena_free(a);
}

static inline int rig_spool_open(void *owner, struct err *err)
{
	struct rig *r = owner;

	if (r->spool_fails)
		return err_set(err, ERR_RETRY, "no space is left for new mail");
	int fd = memfd_create("spool", MFD_CLOEXEC);
	return fd < 0 ? err_set(err, ERR_SYSTEM, "cannot make a memory file: %m") : fd;
}

/* ---- life ---- */

static inline int rig_domain_job(struct store_txn *t, void *arg, struct err *err)
{
	(void)arg;
	return txn_domain_add(t, STR("example.org"), err);
}

static inline void rig_limits(struct rig *r)
{
	r->config.limits = (struct config_limits){ .append_bytes = 1 << 20,
		.imap_idle_s = 1800,
		.errors_after_sign_in = 20,
		.quota_bytes = 1 << 30 };
	imap_server_configure(r->server, &r->config);
}

static inline void rig_open(struct rig *r)
{
	struct err err = { .kind = ERR_NONE };
	const char *chosen =
	    getenv("TMPDIR"); /* scripts/fuzz sets it, and removes what is left there */
	const char *base = chosen ? chosen : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	*r = (struct rig){ .log = { .role = "test", .level = LOG_LEVEL_ALERT, .fd = 2 } };
	snprintf(r->path, sizeof(r->path), "%s/buzon-imap-XXXXXX", base);
	if (!mkdtemp(r->path))
		abort();
	rig_must(store_open(
	             &(struct store_options){
	                 .path = r->path, .create = true, .reserve_bytes = 1, .log = &r->log },
	             &r->store, &err),
	    &err);
	rig_must(store_write(r->store, rig_domain_job, NULL, &err), &err);
	r->loop = loop_new();
	r->pool = pool_new(2);
	r->server = imap_server_new(&(struct imap_server_options){ .loop = r->loop,
	    .pool = r->pool,
	    .store = r->store,
	    .config = &r->config,
	    .log = &r->log,
	    .index = rig_index,
	    .spool_open = rig_spool_open,
	    .owner = r });
	rig_limits(r);
}

static inline void rig_remove(const char *path)
{
	char below[512];
	struct dirent *e;
	DIR *d = opendir(path);

	while (d && (e = readdir(d))) {
		if (str_eq(str_c(e->d_name), STR(".")) || str_eq(str_c(e->d_name), STR("..")))
			continue;
		/* A name that was cut short would be another file's. */
		int n = snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (n > 0 && (size_t)n < sizeof(below) && unlink(below) < 0)
			rig_remove(below);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static inline void rig_close(struct rig *r)
{
	pool_free(r->pool);
	imap_server_free(r->server);
	loop_free(r->loop);
	store_close(r->store);
	rig_remove(r->path);
}

/* ---- running the loop until nothing is left to do ---- */

struct rig_turn {
	struct rig *rig;
	struct rig_session *session;
	struct buf *out;
	uint64_t until_ms;
	bool want_gone;
};

static inline bool rig_is_quiet(const struct rig_turn *t)
{
	const struct imap_session *s = t->rig->server->sessions;
	int unread = 0;

	if (!s || t->want_gone)
		return !s;
	if (t->session->fd >= 0)
		ioctl(t->session->fd, SIOCOUTQ, &unread);
	return unread == 0 && !s->lent && !s->dead && !s->woken && !atomic_load(&s->wake_posted) &&
	       s->phase != PHASE_OVER && str_empty(stream_input(s->stream)) &&
	       stream_queued(s->stream) == 0;
}

static inline void rig_read(struct rig_turn *t)
{
	char block[65536];
	ssize_t n;

	while (t->session->fd >= 0) {
		n = recv(t->session->fd, block, sizeof(block), MSG_DONTWAIT);
		if (n < 0)
			return;
		if (n == 0)
			fd_close(&t->session->fd);
		else if (t->out)
			buf_add(t->out, str_new(block, (size_t)n));
	}
}

static inline void rig_poke(void *arg)
{
	struct rig_turn *t = arg;

	rig_read(t);
	if (time_mono_ms() > t->until_ms) {
		fprintf(stderr, "rig: the session does not come to rest\n");
		abort();
	}
	if (rig_is_quiet(t)) {
		rig_read(t);
		loop_stop(t->rig->loop);
	} else {
		loop_post(t->rig->loop, rig_poke, t);
	}
}

static inline void rig_settle(struct rig_session *s, struct buf *out, bool want_gone)
{
	struct rig_turn t = { .rig = s->rig,
		.session = s,
		.out = out,
		.until_ms = time_mono_ms() + RIG_SETTLE_MS,
		.want_gone = want_gone };

	loop_post(s->rig->loop, rig_poke, &t);
	loop_run(s->rig->loop);
}

/* ---- sessions ---- */

static inline int rig_account_job(struct store_txn *t, void *arg, struct err *err)
{
	struct rig_session *s = arg;

	return txn_account_add(t, str_c(s->address), 0, &s->account, err);
}

static inline int rig_account_remove_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_account_remove(t, str_c(((struct rig_session *)arg)->address), err);
}

static inline struct rig_session *rig_session_open(struct rig *r)
{
	struct rig_session *s = calloc(1, sizeof(*s));
	struct err err = { .kind = ERR_NONE };

	if (!s)
		abort();
	s->rig = r;
	s->fd = -1;
	snprintf(s->address, sizeof(s->address), "user%u@example.org", ++r->accounts);
	rig_must(store_write(r->store, rig_account_job, s, &err), &err);
	return s;
}

static inline int rig_start(struct rig_session *s, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	int result = imap_session_start(s->rig->server,
	    &(struct imap_session_options){ .fd = pair[1],
	        .account = s->account,
	        .address = str_c(s->address),
	        .peer_address = STR("192.0.2.1") },
	    err);
	s->fd = pair[0];
	s->started = true;
	return result;
}

static inline void rig_feed(struct rig_session *s, str bytes, struct buf *out)
{
	struct err err = { .kind = ERR_NONE };

	/* Directives that come before the client's first word are options. */
	if (!s->started && str_empty(bytes))
		return;
	if (!s->started)
		rig_must(rig_start(s, &err), &err);
	while (bytes.len > 0 && s->fd >= 0) {
		ssize_t n = send(s->fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			bytes = str_skip(bytes, (size_t)n);
		rig_settle(s, out, false);
		if (n < 0 && s->rig->server->session_count == 0)
			return;
	}
	rig_settle(s, out, false);
}

static inline void rig_session_close(struct rig_session *s)
{
	struct err err = { .kind = ERR_NONE };

	fd_close(&s->fd);
	if (s->started)
		rig_settle(s, NULL, true);
	rig_must(store_write(s->rig->store, rig_account_remove_job, s, &err), &err);
	free(s);
}

#endif
