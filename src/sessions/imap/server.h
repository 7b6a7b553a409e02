/* server.h: IMAP sessions of signed-in users, as core runs them.
 *
 * Purpose    roles/core makes one imap_server and starts a session for each attached descriptor.
 * Ownership  imap_session_start takes the descriptor, also when it fails. A session ends by itself
 *            (LOGOUT, a closed descriptor, time). imap_server_free ends those that are left; the
 *            pool must have been freed before it, the loop not.
 * Threads    All functions on the loop's thread, but imap_capabilities, which is pure.
 * Limits     IMAP_SESSIONS_PER_ACCOUNT; literals as config limits.append_bytes; idle time as
 *            config limits.imap_idle_s; bad commands as config limits.errors_after_sign_in.
 * Errors     imap_session_start: -1 with ERR_LIMIT (too many sessions) or ERR_RETRY (stopping).
 */
#ifndef BUZON_SESSIONS_IMAP_SERVER_H
#define BUZON_SESSIONS_IMAP_SERVER_H

#include "base/buf.h"
#include "net/loop.h"
#include "protocols/imap/lexer.h"
#include "services/config/config.h"
#include "services/store/store.h"
#include "sessions/pool.h"

enum { IMAP_SESSIONS_PER_ACCOUNT = 20 };

struct imap_server;

/* ok: index is the encoded message index (copied before this returns); else why is a sentence. */
typedef void imap_index_done_fn(void *arg, bool ok, str index, const char *why);

struct imap_server_options {
	struct loop *loop;
	struct pool *pool;
	struct store *store;
	const struct config *config;
	const struct log *log;
	/* On the loop's thread: have a worker look into this message; done is called exactly once,
	 * on the loop's thread, now or later. body stays as it is until then. */
	void (*index)(
	    void *owner, const struct imap_streamed *body, imap_index_done_fn *done, void *arg);
	/* On a thread of the pool: an unlinked file for a message that is arriving; -1 with *err. */
	int (*spool_open)(void *owner, struct err *err);
	void *owner;
};

struct imap_server *imap_server_new(const struct imap_server_options *o);
void imap_server_free(struct imap_server *v);
/* After a reload. What sessions need of it is copied. */
void imap_server_configure(struct imap_server *v, const struct config *config);
/* BYE to all sessions, to the busy ones after the command at hand; no new ones. */
void imap_server_stop(struct imap_server *v);
/* BYE to all sessions of an account: it was removed, or its password changed. */
void imap_server_disconnect(struct imap_server *v, uint64_t account);
size_t imap_server_sessions(const struct imap_server *v);

struct imap_session_options {
	int fd;
	uint64_t account;
	str address;      /* of the account */
	str peer_address; /* for the log */
};

int imap_session_start(
    struct imap_server *v, const struct imap_session_options *o, struct err *err);

/* "IMAP4rev1 IMAP4rev2 ...": what a signed-in client can use, for CAPABILITY and for the reply to
 * a sign-in. Without what only matters before it (SASL-IR, AUTH=, STARTTLS). */
void imap_capabilities(struct buf *out);

#endif
