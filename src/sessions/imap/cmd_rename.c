/* cmd_rename.c: RENAME, RFC 9051 §6.3.6. Names below move along; INBOX gives its messages away and
 * stays. */
#include "sessions/imap/commands.h"
#include "sessions/imap/selected.h"

struct rename {
	uint64_t account;
	str from, to;
};

static int rename_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct rename *r = arena_one(cmd->arena, struct rename);

	cmd->args = r;
	if (imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &r->from, err) < 0 ||
	    imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &r->to, err) < 0)
		return -1;
	return 0;
}

static int rename_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct rename *r = arg;

	return txn_mailbox_rename(t, r->account, r->from, r->to, err);
}

static int check(struct imap_cmd *cmd, struct imap_conn *c, const struct rename *r, struct err *err)
{
	bool is_inbox = str_eq(r->from, STR("INBOX"));
	struct store_mailbox from, to;

	if (imap_find_mailbox(cmd, c, r->from, &from, err) < 0)
		return -1;
	if (!is_inbox && imap_is_below(r->to, r->from))
		return imap_refuse(
		    cmd, err, STR("CANNOT"), "a mailbox cannot be moved below itself");
	int there = imap_mailbox_exists(c, cmd->arena, r->to, &to, err);
	if (there > 0)
		return imap_refuse(
		    cmd, err, STR("ALREADYEXISTS"), "there is a mailbox with the new name already");
	return there < 0 ? -1 : 0;
}

/* The open mailbox, or one above it, has another name now. */
static void rename_selected(struct imap_conn *c, const struct rename *r)
{
	struct imap_selected *sel = c->selected;

	if (!sel || str_eq(r->from, STR("INBOX")))
		return;
	if (str_eq(sel->name, r->from) || imap_is_below(sel->name, r->from))
		sel->name = arena_strf(sel->arena, STR_FMT STR_FMT, STR_ARG(r->to),
		    STR_ARG(str_skip(sel->name, r->from.len)));
}

static int rename_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct rename *r = cmd->args;

	r->account = c->account;
	if (check(cmd, c, r, err) < 0)
		return -1;
	if (store_write(c->store, rename_job, r, err) < 0) {
		if (err->kind == ERR_DENIED)
			cmd->code = STR("CANNOT");
		return -1;
	}
	rename_selected(c, r);
	imap_write_old_name(c, r->to, r->from);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_rename = {
	.name = STR_INIT("RENAME"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = rename_parse,
	.run = rename_run,
};
