/* session.h: an IMAP session from the inside; for the files of the runtime only.
 *
 * Purpose    runtime.c owns the life cycle on the loop, receive.c turns input into steps,
 *            dispatch.c runs commands and answers. Commands see imap.h; cmd_idle.c asks whether it
 *            is over.
 * Threads    Fields of the loop are marked; all others belong to whoever has the session: the
 *            loop's thread, or between stream_lend and stream_take_back the pool thread that works
 *            on it. `stopping` and `wake_posted` are for any thread.
 */
#ifndef BUZON_SESSIONS_IMAP_SESSION_H
#define BUZON_SESSIONS_IMAP_SESSION_H

#include <stdatomic.h>

#include "protocols/imap/framer.h"
#include "sessions/imap/imap.h"
#include "sessions/imap/server.h"
#include "sessions/imap/sync.h"
#include "sessions/stream.h"

enum {
	IMAP_COMMAND_ARENA_MAX = 256 * 1024 * 1024, /* lists of 10,000 names and more fit */
	IMAP_SESSION_ARENA_MAX = 4 * 1024 * 1024,
	IMAP_COMMANDS_AT_ONCE = 16, /* pipelined ones, then other sessions get the thread */
	IMAP_READS_AT_ONCE = 16,    /* of a message that is arriving */
};

enum imap_phase {
	PHASE_READING, /* between commands, or inside one that is arriving */
	PHASE_STREAM,  /* a piece of a large literal is to be put aside */
	PHASE_COMMAND, /* a command has arrived */
	PHASE_RUNNING, /* it is to be run, again perhaps */
	PHASE_WAITING, /* IDLE */
	PHASE_OVER,    /* all has been said */
};

enum imap_need {
	NEED_INPUT,  /* or to be woken */
	NEED_THREAD, /* what comes next may block */
	NEED_DRAIN,  /* the client must read first */
	NEED_CLOSE,
};

/* Where a command stands: a long report of changes is interrupted while the client reads. */
enum imap_at { AT_BEGIN, AT_SYNC_FIRST, AT_RUN, AT_SYNC_AFTER };

struct imap_server {
	struct imap_server_options o;
	struct table *counts;          /* account id -> number of sessions */
	struct imap_session *sessions; /* a list */
	size_t session_count;
	bool stopping;
	/* The newest; older ones stay behind it, because running commands may still look at them. */
	struct config_copy *_Atomic config;
};

struct imap_session {
	struct imap_conn conn;
	struct imap_server *server;
	struct stream *stream;
	struct imap_framer *framer;
	enum imap_phase phase;
	enum imap_frame frame; /* the event at hand */
	struct imap_frame_event event;
	size_t unconsumed;   /* input that event.data points into */
	struct imap_cmd cmd; /* cmd.arena is NULL between commands */
	enum imap_at at;
	struct imap_sync sync; /* before or after the command */
	int result;            /* of the command, while changes are reported after it */
	struct err result_err;
	int spool_fd; /* of the large literals of this command; -1: none, or they are dropped */
	struct err *spool_err; /* why, in the command's arena */
	unsigned bad_commands; /* in a row */
	bool idle_done;        /* DONE has come */
	bool woken;            /* the open mailbox has changed */
	const char *ended;     /* why, when we ended it */
	atomic_bool stopping;  /* BYE at the next chance */
	atomic_bool wake_posted;
	/* The loop's: */
	bool lent, woken_meanwhile, dead, cleaned;
	struct timer *timer;
	uint64_t active_ms;
	struct imap_session *prev, *next;
};

static inline struct imap_session *imap_session_of(const struct imap_conn *c)
{
	return c->session_;
}

/* server.c */
const struct config *imap_server_config(const struct imap_server *v);

/* receive.c. Goes as far as it can; on the loop's thread nothing that may block is done. */
enum imap_need imap_session_advance(struct imap_session *s, bool may_block);

/* dispatch.c */
struct arena *imap_session_arena(struct imap_session *s); /* of the command at hand */
void imap_session_begin_command(struct imap_session *s);
void imap_session_run_command(struct imap_session *s);
/* Frees what the command at hand has. */
void imap_session_end_command(struct imap_session *s);
/* "tag BAD text", untagged when tag is empty; too many end the session. */
void imap_session_bad(struct imap_session *s, str tag, const char *text);
/* "tag NO [code] text"; code may be empty. */
void imap_session_no(struct imap_session *s, str tag, str code, const char *text);
void imap_session_bye(struct imap_session *s, const char *why, const char *text);
/* A finished line of reply text: no control bytes, first letter large. */
void imap_write_reply_text(struct imap_conn *c, str text);

/* runtime.c */
struct imap_session *imap_session_new(struct imap_server *v, const struct imap_session_options *o);
void imap_session_free(struct imap_session *s);
/* BYE now, or after the command at hand. */
void imap_session_stop(struct imap_session *s);
/* arg is the session; on the writer's thread: a store_watch_fn. */
void imap_session_wake(void *arg, uint64_t account, uint64_t mailbox);

/* server.c: the session does not count any more; it is not there any more. */
void imap_server_ended(struct imap_server *v, struct imap_session *s);
void imap_server_gone(struct imap_server *v, struct imap_session *s);

#endif
