/* session.h: what server.c, session.c and drop.c know of one session. Private to sessions/pop3.
 *
 * Threads    As sessions/stream.h: the loop's thread has the session, or the one pool thread it was
 *            lent to. What other threads never touch is marked [loop].
 */
#ifndef BUZON_SESSIONS_POP3_SESSION_H
#define BUZON_SESSIONS_POP3_SESSION_H

#include "protocols/pop3/pop3.h"
#include "sessions/pop3/server.h"
#include "sessions/stream.h"

struct pop3_conn;

struct pop3_server {
	struct pop3_server_options o;
	uint64_t idle_ms;
	uint32_t bad_commands;
	struct buf mechanisms; /* for CAPA */
	struct table *locks;   /* account to its one session */
	struct pop3_conn *conns;
	size_t count;
	bool stopping;
};

/* ---- drop.c: the maildrop; everything here may block on the store ---- */

struct held_body; /* a mapped message, or one made for this reply */

struct pop3_drop {
	struct store *store;
	uint64_t account, inbox;
	struct store_view *view; /* INBOX as it was when the session began; NULL until opened */
	struct store_reader *reader;
	struct ahead {
		uint32_t number;
		bool header_utf8;
		struct store_blob_ref blob;
	} * ahead; /* the rows of the messages that come next */
	uint32_t ahead_count, ahead_at, last_number, stride;
	bool *seen; /* by number: RETR has sent it and \Seen is not set; NULL: none */
};

int drop_open(struct pop3_drop *d, struct err *err);
/* A read connection is kept while commands keep coming, not while the session waits. */
void drop_rest(struct pop3_drop *d);
void drop_fini(struct pop3_drop *d);
struct pop3_maildrop drop_listing(struct pop3_drop *d);
/* utf8: the client takes UTF-8 in headers; else a surrogate is made when it must be. */
int drop_body(
    struct pop3_drop *d, uint32_t number, bool utf8, struct held_body **out, struct err *err);
/* RETR has sent it: \Seen, with the update, or without one when the session ends. True when it was not
 * seen before. */
bool drop_mark_seen(struct pop3_drop *d, uint32_t number);
/* Sets \Seen for what was retrieved, without waiting; what the session has marked stays. */
void drop_submit_seen(struct pop3_drop *d);
/* Sets \Seen and removes what the session has marked, in one commit. */
int drop_update(struct pop3_drop *d, const struct pop3_session *engine, struct err *err);

str held_body_bytes(const struct held_body *h);
void held_body_ref(struct held_body *h);
/* As a release function of stream_write_ref. */
void held_body_unref(void *held);

/* ---- session.c ---- */

struct pop3_conn *pop3_conn_new(struct pop3_server *v, const struct pop3_session_options *o);
/* Ends it at once, from server_free only. */
void pop3_conn_free(struct pop3_conn *c);
/* -ERR and close, after the commands at hand. */
void pop3_conn_stop(struct pop3_conn *c);
uint64_t pop3_conn_account(const struct pop3_conn *c);
struct pop3_conn **pop3_conn_next(struct pop3_conn *c);

/* ---- server.c: [loop] ---- */

void pop3_server_unlock(struct pop3_server *v, struct pop3_conn *c);
void pop3_server_gone(struct pop3_server *v, struct pop3_conn *c);

#endif
