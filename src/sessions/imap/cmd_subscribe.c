/* cmd_subscribe.c: SUBSCRIBE and UNSUBSCRIBE, RFC 9051 §6.3.7, §6.3.8. */
#include "sessions/imap/commands.h"

struct subscribe {
	uint64_t account;
	str name;
	bool on;
};

static int subscribe_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct subscribe *s = arg;

	return txn_subscribe(t, s->account, s->name, s->on, err);
}

static int write_subscription(struct imap_cmd *cmd, struct imap_conn *c, bool on, struct err *err)
{
	struct subscribe s = { .account = c->account, .name = *(const str *)cmd->args, .on = on };

	return store_write(c->store, subscribe_job, &s, err) < 0 ? -1 : IMAP_RUN_DONE;
}

/* RFC 9051 §6.3.7 lets a server ask that the mailbox is there: it keeps a typing mistake from being
 * believed. A subscription stays when its mailbox is deleted. */
static int subscribe_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct store_mailbox box;
	str *names;
	size_t count;

	if (imap_find_mailbox(cmd, c, *(const str *)cmd->args, &box, err) < 0 ||
	    store_subscription_list(c->store, c->account, cmd->arena, &names, &count, err) < 0)
		return -1;
	if (box.subscribed)
		return IMAP_RUN_DONE;
	if (count >= IMAP_MAILBOXES_MAX)
		return err_set(err, ERR_LIMIT, "an account has no more than %d subscriptions",
		    IMAP_MAILBOXES_MAX);
	return write_subscription(cmd, c, true, err);
}

static int unsubscribe_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	return write_subscription(cmd, c, false, err);
}

const struct imap_command imap_cmd_subscribe = {
	.name = STR_INIT("SUBSCRIBE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = imap_parse_mailbox_only,
	.run = subscribe_run,
};

const struct imap_command imap_cmd_unsubscribe = {
	.name = STR_INIT("UNSUBSCRIBE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = imap_parse_mailbox_only,
	.run = unsubscribe_run,
};
