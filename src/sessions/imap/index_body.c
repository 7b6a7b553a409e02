/* index_body.c: a command that waits on its thread for what a worker says about a message. */
#include <pthread.h>

#include "base/buf.h"
#include "sessions/imap/session.h"

enum { INDEX_BYTES_MAX = 16 * 1024 * 1024 };

struct index_wait {
	struct imap_server *server;
	const struct imap_streamed *body;
	pthread_mutex_t lock; /* guards what is below */
	pthread_cond_t changed;
	bool done, ok;
	struct buf index;
	char why[200];
};

static void on_done(void *arg, bool ok, str index, const char *why)
{
	struct index_wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->ok = ok;
	if (ok)
		buf_add(&w->index, index);
	else
		snprintf(w->why, sizeof(w->why), "%s", why ? why : "no worker answered");
	w->done = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void ask(void *arg)
{
	struct index_wait *w = arg;
	const struct imap_server_options *o = &w->server->o;

	o->index(o->owner, w->body, on_done, w);
}

int imap_index_body(struct imap_conn *c, const struct imap_streamed *body, struct arena *a,
    str *out_index, struct err *err)
{
	struct index_wait w = { .server = imap_session_of(c)->server,
		.body = body,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.index = BUF_INIT(INDEX_BYTES_MAX) };

	loop_post(w.server->o.loop, ask, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.changed, &w.lock);
	pthread_mutex_unlock(&w.lock);
	int result = 0;
	if (!w.ok || !buf_ok(&w.index))
		result = err_set(err, ERR_RETRY, "the message could not be looked into: %s",
		    w.ok ? "its index is too large" : w.why);
	else
		*out_index = arena_str(a, buf_str(&w.index));
	buf_fini(&w.index);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.changed);
	return result;
}
