/* server.h: POP3 sessions of signed-in users, as core runs them.
 *
 * Purpose    roles/core makes one pop3_server and starts a session for each attached descriptor. A
 *            session sees INBOX as it was when it began; deletions happen at QUIT, in one commit,
 *            by UID, so that IMAP sessions beside it lose nothing they did not ask for.
 * Ownership  pop3_session_start takes the descriptor, also when it fails. A session ends by itself
 *            (QUIT, a closed descriptor, time). pop3_server_free ends those that are left; the pool
 *            must have been freed before it, the loop not.
 * Threads    All functions on the loop's thread.
 * Limits     One session per account (RFC 1939 §4: an exclusive lock); idle time as config
 *            limits.pop3_idle_s; bad commands as config limits.errors_after_sign_in.
 * Errors     pop3_session_start: -1 with ERR_DENIED (the maildrop is in use: [IN-USE]) or ERR_RETRY
 *            (stopping).
 * Not here   What comes before sign-in, the greeting and the +OK to PASS and AUTH (sessions/signin).
 */
#ifndef BUZON_SESSIONS_POP3_SERVER_H
#define BUZON_SESSIONS_POP3_SERVER_H

#include "net/loop.h"
#include "services/config/config.h"
#include "services/store/store.h"
#include "sessions/pool.h"

struct pop3_server;

struct pop3_server_options {
	struct loop *loop;
	struct pool *pool;
	struct store *store;
	const struct config *config;
	const struct log *log;
};

struct pop3_server *pop3_server_new(const struct pop3_server_options *o);
void pop3_server_free(struct pop3_server *v);
/* After a reload. What sessions need of it is copied. */
void pop3_server_configure(struct pop3_server *v, const struct config *config);
/* -ERR to all sessions, to the busy ones after the commands at hand; no new ones. Nothing is
 * deleted. */
void pop3_server_stop(struct pop3_server *v);
/* The same for the session of one account: it was removed, or its password changed. */
void pop3_server_disconnect(struct pop3_server *v, uint64_t account);
size_t pop3_server_sessions(const struct pop3_server *v);

struct pop3_session_options {
	int fd;
	uint64_t account;
	str address;      /* of the account */
	str peer_address; /* for the log */
	str language;     /* chosen by LANG before sign-in: pop3_preauth_language */
	bool utf8;        /* UTF8 was given before sign-in */
};

int pop3_session_start(
    struct pop3_server *v, const struct pop3_session_options *o, struct err *err);

#endif
