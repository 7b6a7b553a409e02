/* cmd_noop.c: NOOP, RFC 9051 §6.1.2, and CHECK, RFC 3501 §6.4.1: the dispatcher's report of what
 * changed is all they are for; everything is on disk before it is answered anyway. */
#include "sessions/imap/commands.h"

static int noop_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	(void)cmd;
	(void)c;
	(void)err;
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_noop = {
	.name = STR_INIT("NOOP"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.run = noop_run,
};

const struct imap_command imap_cmd_check = {
	.name = STR_INIT("CHECK"),
	.states = IMAP_SELECTED,
	.run = noop_run,
};
