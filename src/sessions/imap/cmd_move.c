/* cmd_move.c: MOVE and UID MOVE, RFC 6851 §3; COPYUID order, RFC 6851 §4.3. */
#include "sessions/imap/copying.h"

static int move_job(struct store_txn *t, void *arg, struct err *err)
{
	struct copying *c = arg;

	return txn_move(t, c->from, c->to, c->uids, c->uid_count, c->cmd->arena, &c->pairs, err);
}

/* COPYUID goes out before the EXPUNGE responses, which the dispatcher's sync makes: by then the
 * client can tell what became of each message. */
static int move_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct copying *copying = cmd->args;

	if (copying_run(cmd, c, move_job, err) < 0)
		return -1;
	str code = copying_code(copying);
	if (!code.len) {
		cmd->text = STR("MOVE completed, nothing moved");
		return IMAP_RUN_DONE;
	}
	imap_write(c, STR("* OK ["));
	imap_write(c, code);
	imap_write(c, STR("] Moved\r\n"));
	/* RFC 7162 §3.2.8 by analogy: the client may keep the value when nothing else came between. */
	cmd->tells_modseq = c->enabled & IMAP_ON_QRESYNC;
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_move = {
	.name = STR_INIT("MOVE"),
	.capability = STR_INIT("MOVE"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM | IMAP_WRITES,
	.parse = copying_parse,
	.run = move_run,
};
