/* cmd_idle.c: IDLE, RFC 2177, RFC 9051 §6.3.13. The session waits without a thread; receive.c sees
 * DONE, a change of the open mailbox wakes it. */
#include "sessions/imap/selected.h"
#include "sessions/imap/session.h"

#include "sessions/imap/commands.h"

static void stop_watching(struct imap_conn *c)
{
	if (c->selected && c->selected->watch) {
		store_watch_free(c->selected->watch);
		c->selected->watch = NULL;
	}
}

struct idle {
	struct imap_sync sync;
	bool is_telling, was_interrupted;
};

static void end_sync(void *arg)
{
	imap_sync_end(arg);
}

/* The watch comes first: what changes while the state of now is told wakes the session again. */
static void begin(struct imap_cmd *cmd, struct imap_conn *c)
{
	struct idle *idle = arena_one(cmd->arena, struct idle);

	if (c->selected && !c->selected->watch)
		c->selected->watch = store_watch_new(
		    c->store, c->account, c->selected->mailbox, imap_session_wake, c->session_);
	imap_write(c, STR("+ idling\r\n"));
	arena_defer(cmd->arena, end_sync, &idle->sync);
	cmd->progress = idle;
}

/* A wake-up that comes while the client has to read first is lost: then it is looked once more. */
static int tell(struct imap_conn *c, struct idle *idle, struct err *err)
{
	do {
		if (!idle->is_telling) {
			idle->was_interrupted = false;
			if (imap_sync_begin(
			        &idle->sync, c, /* allow_expunge */ true, /* own */ NULL, err) < 0)
				return -1;
		}
		idle->is_telling = !imap_sync_step(&idle->sync, /* whole */ false);
		if (idle->is_telling) {
			idle->was_interrupted = true;
			return IMAP_RUN_MORE;
		}
	} while (idle->was_interrupted);
	return IMAP_RUN_WAIT;
}

static int idle_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	if (!cmd->progress)
		begin(cmd, c);
	struct idle *idle = cmd->progress;
	if (imap_session_of(c)->idle_done && !idle->is_telling) {
		stop_watching(c);
		return IMAP_RUN_DONE;
	}
	return c->selected ? tell(c, idle, err) : IMAP_RUN_WAIT;
}

const struct imap_command imap_cmd_idle = {
	.name = STR_INIT("IDLE"),
	.capability = STR_INIT("IDLE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.run = idle_run,
};
