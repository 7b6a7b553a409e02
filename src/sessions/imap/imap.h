/* imap.h: one IMAP session of a signed-in user, inside core.
 *
 * Purpose    What commands (cmd_*.c) see: the connection, the command being run, the way to answer.
 * Ownership  The session owns the conn; a command's memory is cmd->arena and dies when its tagged
 *            reply has been queued.
 * Threads    Exactly one thread works on a session at a time: the loop while bytes arrive, then a
 *            pool thread from the first run to the tagged reply. A run may block on the store.
 * Errors     run returns -1 with *err: the dispatcher answers from the kind (INPUT → BAD, DENIED →
 *            NO, LIMIT → NO [LIMIT], RETRY → NO [UNAVAILABLE], SYSTEM → NO [SERVERBUG]) unless the
 *            command set cmd->code ("NONEXISTENT", "TRYCREATE", ...), which then goes into the
 *            brackets.
 */
#ifndef BUZON_SESSIONS_IMAP_IMAP_H
#define BUZON_SESSIONS_IMAP_IMAP_H

#include "protocols/imap/lexer.h"
#include "services/config/config.h"
#include "services/store/store.h"

enum imap_state { IMAP_AUTHENTICATED = 1, IMAP_SELECTED = 2, IMAP_LOGGED_OUT = 4 };
enum imap_enabled {
	IMAP_ON_CONDSTORE = 1,
	IMAP_ON_QRESYNC = 2,
	IMAP_ON_UTF8 = 4,
	IMAP_ON_REV2 = 8
};
enum imap_command_flag {
	IMAP_HAS_UID_FORM = 1, /* "UID name" exists; cmd->uid tells which was used */
	IMAP_WRITES = 2,       /* refused in a read-only selection */
	IMAP_NO_EXPUNGE =
	    4, /* no EXPUNGE may be sent while it runs: FETCH, STORE, SEARCH. RFC 9051 §7.5.1 */
	IMAP_NO_SYNC =
	    8, /* the dispatcher must not report changes after it (it does that itself) */
	IMAP_SYNC_FIRST = 16, /* it looks at the newest flags: they are reported before it runs */
};
/* More: call again when the output queue has drained. Wait: IDLE; the session resumes it on events.
 */
enum imap_run { IMAP_RUN_DONE, IMAP_RUN_MORE, IMAP_RUN_WAIT };

struct imap_conn;
struct imap_cmd;
struct imap_selected; /* sessions/imap/selected.h */

struct imap_command {
	str name;
	str capability;  /* announced when not empty; words separated by spaces */
	unsigned states; /* enum imap_state bits where it is legal */
	unsigned flags;
	/* in stands behind the name: at the space before the first argument, or at the end. That
	 * nothing is left over is checked by the dispatcher. NULL: no arguments. */
	int (*parse)(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err);
	/* enum imap_run, or -1. */
	int (*run)(struct imap_cmd *cmd, struct imap_conn *conn, struct err *err);
};

struct imap_cmd {
	const struct imap_command *command;
	struct arena *arena;
	str tag;
	bool uid;
	bool keeps_numbers; /* no EXPUNGE after it, although it is a UID command */
	bool tells_modseq;  /* HIGHESTMODSEQ of what has been reported goes into the tagged OK */
	void *args;         /* what parse made, in arena */
	void *progress;     /* what run keeps between MOREs, in arena */
	str code;           /* response code for the tagged reply, without brackets */
	str text;           /* text of the tagged OK; empty: a standard one */
	struct imap_conn *conn;
};

struct imap_conn {
	struct store *store;
	const struct config *config;
	const struct log *log;
	uint64_t account;
	str address; /* account's address */
	enum imap_state state;
	unsigned enabled;               /* enum imap_enabled */
	struct imap_selected *selected; /* NULL unless state is IMAP_SELECTED */
	struct arena *arena;            /* lives as long as the session */
	struct imap_out *out;
	void *session_; /* runtime.c's own */
};

/* ---- output: to the session's queue; any of these from the running command's thread ---- */
void imap_write(struct imap_conn *c, str bytes);
void imap_writef(struct imap_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void imap_write_u(struct imap_conn *c, uint64_t n);
/* A string as quoted when it may be (printable, short), else as literal. utf8 when the session has
 * it enabled. */
void imap_write_string(struct imap_conn *c, str s);
/* Mailbox name: modified UTF-7, or UTF-8 when enabled; quoted as needed. */
void imap_write_mailbox(struct imap_conn *c, str name_utf8);
void imap_write_flags(
    struct imap_conn *c, uint32_t flags, bool recent, uint64_t keywords, const str *names);
/* Bytes of a blob by reference; release is called when they have been sent. */
void imap_write_ref(struct imap_conn *c, str bytes, void (*release)(void *arg), void *arg);
/* True when a command that can produce more should return IMAP_RUN_MORE at the next message
 * boundary. */
bool imap_out_is_congested(const struct imap_conn *c);

/* Every command, NULL-terminated: the only list. Capabilities are made from it. */
extern const struct imap_command *const imap_commands[];

/* The client understands UTF-8 in quoted strings and names. */
static inline bool imap_is_utf8(const struct imap_conn *c)
{
	return (c->enabled & (IMAP_ON_UTF8 | IMAP_ON_REV2)) != 0;
}
/* Sends what the socket takes now; a command that works long calls it after its first results. */
void imap_flush(struct imap_conn *c);
/* The client is gone: what is still to do is for nobody. */
bool imap_is_gone(const struct imap_conn *c);

/* A message that APPEND brought, and what a worker says about it (formats/message_index). */
struct imap_to_index {
	struct imap_streamed body;
	str index; /* in the arena */
};

/* Has the workers look into all of them; waits on the command's thread. */
int imap_index_bodies(struct imap_conn *c, struct imap_to_index *messages, size_t count,
    struct arena *a, struct err *err);

#endif
