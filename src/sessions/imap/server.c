/* server.c: the sessions of this process: who may start one, and stopping them. */
#include "sessions/imap/server.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/table.h"
#include "sessions/imap/session.h"

/* Only the numbers: its strings die with a reload. */
struct config_copy {
	struct config config;
	struct config_copy *older;
};

static void configure(struct imap_server *v, const struct config *config)
{
	struct config_copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		abort();
	copy->config.limits = config->limits;
	copy->older = atomic_load(&v->config);
	atomic_store(&v->config, copy);
}

void imap_server_configure(struct imap_server *v, const struct config *config)
{
	configure(v, config);
}

const struct config *imap_server_config(const struct imap_server *v)
{
	return &atomic_load(&v->config)->config;
}

struct imap_server *imap_server_new(const struct imap_server_options *o)
{
	struct imap_server *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->o = *o;
	v->counts = table_new();
	configure(v, o->config);
	return v;
}

void imap_server_free(struct imap_server *v)
{
	if (!v)
		return;
	while (v->sessions)
		imap_session_free(v->sessions);
	for (struct config_copy *c = atomic_load(&v->config), *older; c; c = older) {
		older = c->older;
		free(c);
	}
	table_free(v->counts);
	free(v);
}

/* ---- counting ---- */

static uintptr_t count_of(const struct imap_server *v, uint64_t account)
{
	return (uintptr_t)table_get_id(v->counts, account);
}

static void count_set(struct imap_server *v, uint64_t account, uintptr_t count)
{
	if (count)
		table_set_id(v->counts, account, (void *)count);
	else
		table_remove_id(v->counts, account);
}

static int may_start(struct imap_server *v, const struct imap_session_options *o, struct err *err)
{
	if (v->stopping)
		return err_set(err, ERR_RETRY, "the server is going down; come back soon");
	if (count_of(v, o->account) >= IMAP_SESSIONS_PER_ACCOUNT)
		return err_set(err, ERR_LIMIT,
		    "%d IMAP connections of this account are open; close one of them first",
		    IMAP_SESSIONS_PER_ACCOUNT);
	return 0;
}

void imap_server_ended(struct imap_server *v, struct imap_session *s)
{
	count_set(v, s->conn.account, count_of(v, s->conn.account) - 1);
}

void imap_server_gone(struct imap_server *v, struct imap_session *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		v->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	v->session_count--;
}

int imap_session_start(struct imap_server *v, const struct imap_session_options *o, struct err *err)
{
	if (may_start(v, o, err) < 0) {
		int fd = o->fd;
		fd_close(&fd);
		return -1;
	}
	struct imap_session *s = imap_session_new(v, o);
	s->next = v->sessions;
	if (s->next)
		s->next->prev = s;
	v->sessions = s;
	v->session_count++;
	count_set(v, o->account, count_of(v, o->account) + 1);
	return 0;
}

/* ---- stopping ---- */

size_t imap_server_sessions(const struct imap_server *v)
{
	return v->session_count;
}

void imap_server_stop(struct imap_server *v)
{
	v->stopping = true;
	for (struct imap_session *s = v->sessions; s; s = s->next)
		imap_session_stop(s);
}

void imap_server_disconnect(struct imap_server *v, uint64_t account)
{
	for (struct imap_session *s = v->sessions; s; s = s->next)
		if (s->conn.account == account)
			imap_session_stop(s);
}
