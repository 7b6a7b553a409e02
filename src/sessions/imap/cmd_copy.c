/* cmd_copy.c: COPY and UID COPY, RFC 9051 §6.4.7; COPYUID, RFC 4315 §3. */
#include "sessions/imap/copying.h"
#include "sessions/imap/sets.h"

static int copy_job(struct store_txn *t, void *arg, struct err *err)
{
	struct copying *c = arg;

	return txn_copy(t, c->from, c->to, c->uids, c->uid_count, c->cmd->arena, &c->pairs, err);
}

static int copy_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct copying *copying = cmd->args;

	if (copying_run(cmd, c, copy_job, err) < 0)
		return -1;
	cmd->code = copying_code(copying);
	if (!copying->pairs.count)
		cmd->text = STR("COPY completed, nothing copied");
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_copy = {
	.name = STR_INIT("COPY"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM,
	.parse = copying_parse,
	.run = copy_run,
};
