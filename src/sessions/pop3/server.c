/* server.c: the sessions of this process: the lock of each maildrop, starting, stopping. */
#include "sessions/pop3/server.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/table.h"
#include "protocols/sasl/sasl.h"
#include "sessions/pop3/session.h"

enum { MECHANISMS_MAX = 512 };

void pop3_server_configure(struct pop3_server *v, const struct config *config)
{
	v->idle_ms = (uint64_t)config->limits.pop3_idle_s * 1000;
	v->bad_commands = config->limits.errors_after_sign_in;
}

struct pop3_server *pop3_server_new(const struct pop3_server_options *o)
{
	struct pop3_server *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->o = *o;
	v->locks = table_new();
	buf_init(&v->mechanisms, MECHANISMS_MAX);
	sasl_list(&v->mechanisms, &(struct sasl_offer){ .passwords = true }, STR(" "));
	pop3_server_configure(v, o->config);
	return v;
}

void pop3_server_free(struct pop3_server *v)
{
	if (!v)
		return;
	while (v->conns)
		pop3_conn_free(v->conns);
	buf_fini(&v->mechanisms);
	table_free(v->locks);
	free(v);
}

/* ---- the lock: RFC 1939 §4 ---- */

static bool lock(struct pop3_server *v, struct pop3_conn *c)
{
	if (table_get_id(v->locks, pop3_conn_account(c)))
		return false;
	table_set_id(v->locks, pop3_conn_account(c), c);
	return true;
}

void pop3_server_unlock(struct pop3_server *v, struct pop3_conn *c)
{
	/* After QUIT the next session may have it already. */
	if (table_get_id(v->locks, pop3_conn_account(c)) == c)
		table_remove_id(v->locks, pop3_conn_account(c));
}

/* ---- sessions ---- */

void pop3_server_gone(struct pop3_server *v, struct pop3_conn *c)
{
	for (struct pop3_conn **at = &v->conns; *at; at = pop3_conn_next(*at)) {
		if (*at != c)
			continue;
		*at = *pop3_conn_next(c);
		v->count--;
		return;
	}
}

static int may_start(struct pop3_server *v, const struct pop3_session_options *o, struct err *err)
{
	if (v->stopping)
		return err_set(err, ERR_RETRY, "the server is going down; come back soon");
	if (table_get_id(v->locks, o->account))
		return err_set(err, ERR_DENIED, "the mailbox is open in another POP3 session");
	return 0;
}

int pop3_session_start(struct pop3_server *v, const struct pop3_session_options *o, struct err *err)
{
	if (may_start(v, o, err) < 0) {
		int fd = o->fd;
		fd_close(&fd);
		return -1;
	}
	struct pop3_conn *c = pop3_conn_new(v, o);
	lock(v, c);
	*pop3_conn_next(c) = v->conns;
	v->conns = c;
	v->count++;
	return 0;
}

size_t pop3_server_sessions(const struct pop3_server *v)
{
	return v->count;
}

/* ---- stopping ---- */

void pop3_server_stop(struct pop3_server *v)
{
	struct pop3_conn *c, *next;

	v->stopping = true;
	for (c = v->conns; c; c = next) {
		next = *pop3_conn_next(c);
		pop3_conn_stop(c);
	}
}

void pop3_server_disconnect(struct pop3_server *v, uint64_t account)
{
	struct pop3_conn *c, *next;

	for (c = v->conns; c; c = next) {
		next = *pop3_conn_next(c);
		if (pop3_conn_account(c) == account)
			pop3_conn_stop(c);
	}
}
