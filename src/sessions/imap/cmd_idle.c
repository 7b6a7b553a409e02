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

/* The watch comes first: what changes while the state of now is told wakes the session again. */
static void begin(struct imap_cmd *cmd, struct imap_conn *c)
{
	if (c->selected && !c->selected->watch)
		c->selected->watch = store_watch_new(
		    c->store, c->account, c->selected->mailbox, imap_session_wake, c->session_);
	imap_write(c, STR("+ idling\r\n"));
	cmd->progress = cmd;
}

static int idle_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	if (!cmd->progress)
		begin(cmd, c);
	if (imap_session_of(c)->idle_done) {
		stop_watching(c);
		return IMAP_RUN_DONE;
	}
	if (c->selected && imap_sync(c, /* allow_expunge */ true, err) < 0)
		return -1;
	return IMAP_RUN_WAIT;
}

const struct imap_command imap_cmd_idle = {
	.name = STR_INIT("IDLE"),
	.capability = STR_INIT("IDLE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.run = idle_run,
};
