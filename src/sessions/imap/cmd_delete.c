/* cmd_delete.c: DELETE, RFC 9051 §6.3.5. */
#include "sessions/imap/commands.h"
#include "sessions/imap/selected.h"

struct delete
{
	uint64_t account;
	str name;
};

static int delete_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct delete *d = arg;

	return txn_mailbox_delete(t, d->account, d->name, err);
}

static int check(struct imap_cmd *cmd, struct imap_conn *c, str name, struct err *err)
{
	struct store_mailbox box;

	if (str_eq(name, STR("INBOX")))
		return imap_refuse(cmd, err, STR("CANNOT"), "INBOX cannot be deleted");
	if (imap_find_mailbox(cmd, c, name, &box, err) < 0)
		return -1;
	/* A name without a mailbox is there only because of the names below it. */
	if (!box.selectable)
		return imap_refuse(
		    cmd, err, STR("HASCHILDREN"), "delete the mailboxes below this name first");
	if (c->selected && c->selected->mailbox == box.id)
		return imap_refuse(cmd, err, STR("INUSE"),
		    "the mailbox is open in this session; CLOSE or UNSELECT it first");
	return 0;
}

static int delete_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct delete d = { .account = c->account, .name = *(const str *)cmd->args };

	if (check(cmd, c, d.name, err) < 0)
		return -1;
	if (store_write(c->store, delete_job, &d, err) == 0)
		return IMAP_RUN_DONE;
	if (err->kind == ERR_DENIED)
		cmd->code = STR("NONEXISTENT");
	return -1;
}

const struct imap_command imap_cmd_delete = {
	.name = STR_INIT("DELETE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = imap_parse_mailbox_only,
	.run = delete_run,
};
