/* index_body.c: a command that waits on its thread for what the workers say about its messages. */
#include <pthread.h>

#include "base/buf.h"
#include "sessions/imap/session.h"

enum {
	INDEX_BYTES_MAX = 16 * 1024 * 1024,
	ASKED_AT_ONCE = 32, /* so that all workers are busy and little memory is held */
};

struct index_wait {
	struct imap_server *server;
	struct question {
		struct index_wait *wait;
		const struct imap_streamed *body;
		struct buf index;
	} questions[ASKED_AT_ONCE];
	size_t count;
	pthread_mutex_t lock; /* guards what is below, and the indexes */
	pthread_cond_t changed;
	size_t open;
	char why[200]; /* of the first that failed; empty: none did */
};

static void refuse(struct index_wait *w, const char *why)
{
	if (!w->why[0])
		snprintf(w->why, sizeof(w->why), "%s", why ? why : "no worker answered");
}

static void on_done(void *arg, bool ok, str index, const char *why)
{
	struct question *q = arg;
	struct index_wait *w = q->wait;

	pthread_mutex_lock(&w->lock);
	if (ok)
		buf_add(&q->index, index);
	if (!ok || !buf_ok(&q->index))
		refuse(w, ok ? "its index is too large" : why);
	if (--w->open == 0)
		pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* On the loop's thread. The last answer may come before this returns, and then w is gone. */
static void ask(void *arg)
{
	struct index_wait *w = arg;
	const struct imap_server_options *o = &w->server->o;

	for (size_t i = 0, count = w->count; i < count; i++)
		o->index(o->owner, w->questions[i].body, on_done, &w->questions[i]);
}

static int wait_for_answers(struct index_wait *w, struct err *err)
{
	pthread_mutex_lock(&w->lock);
	while (w->open > 0)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return w->why[0]
	           ? err_set(err, ERR_RETRY, "the message could not be looked into: %s", w->why)
	           : 0;
}

static int index_some(struct imap_server *server, struct imap_to_index *messages, size_t count,
    struct arena *a, struct err *err)
{
	struct index_wait w = { .server = server,
		.count = count,
		.open = count,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	for (size_t i = 0; i < count; i++)
		w.questions[i] = (struct question){
			.wait = &w, .body = &messages[i].body, .index = BUF_INIT(INDEX_BYTES_MAX)
		};
	loop_post(server->o.loop, ask, &w);
	int result = wait_for_answers(&w, err);
	for (size_t i = 0; i < count; i++) {
		if (result == 0)
			messages[i].index = arena_str(a, buf_str(&w.questions[i].index));
		buf_fini(&w.questions[i].index);
	}
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.changed);
	return result;
}

int imap_index_bodies(struct imap_conn *c, struct imap_to_index *messages, size_t count,
    struct arena *a, struct err *err)
{
	struct imap_server *server = imap_session_of(c)->server;

	for (size_t at = 0; at < count; at += ASKED_AT_ONCE) {
		size_t some = count - at < ASKED_AT_ONCE ? count - at : ASKED_AT_ONCE;
		if (index_some(server, messages + at, some, a, err) < 0)
			return -1;
	}
	return 0;
}
