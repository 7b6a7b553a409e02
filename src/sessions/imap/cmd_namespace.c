/* cmd_namespace.c: NAMESPACE, RFC 2342, RFC 9051 §6.3.10: everything is the user's own. */
#include "sessions/imap/commands.h"

static int namespace_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	(void)cmd;
	(void)err;
	imap_write(c, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_namespace = {
	.name = STR_INIT("NAMESPACE"),
	.capability = STR_INIT("NAMESPACE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.run = namespace_run,
};
