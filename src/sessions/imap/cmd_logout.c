/* cmd_logout.c: LOGOUT, RFC 9051 §6.1.3. */
#include "sessions/imap/commands.h"

static int logout_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	(void)cmd;
	(void)err;
	imap_write(c, STR("* BYE Logging out\r\n"));
	c->state = IMAP_LOGGED_OUT;
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_logout = {
	.name = STR_INIT("LOGOUT"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.flags = IMAP_NO_SYNC,
	.run = logout_run,
};
