#include "sessions/imap/copying.h"

#include "sessions/imap/sets.h"

int copying_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct copying *copying = arena_one(cmd->arena, struct copying);

	cmd->args = copying;
	if (imap_take_sp(in, err) < 0 || imap_take_set(in, &copying->set, err) < 0 ||
	    imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &copying->target, err) < 0)
		return -1;
	return imap_take_end(in, err);
}

int imap_find_target(
    struct imap_cmd *cmd, struct imap_conn *c, str name, struct store_mailbox *out, struct err *err)
{
	if (store_mailbox_find(c->store, c->account, name, cmd->arena, out, err) < 0) {
		if (err->kind == ERR_DENIED)
			cmd->code = STR("TRYCREATE");
		return -1;
	}
	if (!out->selectable) {
		/* A name above others: CREATE makes it a mailbox. RFC 9051 §6.3.12 */
		cmd->code = STR("TRYCREATE");
		return err_set(
		    err, ERR_DENIED, "mailbox '" STR_FMT "' holds no messages", STR_ARG(name));
	}
	return 0;
}

int copying_run(struct imap_cmd *cmd, struct imap_conn *c, store_job_fn *job, struct err *err)
{
	struct copying *copying = cmd->args;
	struct store_mailbox target;

	copying->cmd = cmd;
	if (imap_set_resolve(c, &copying->set, cmd->uid, cmd->arena, &copying->uids,
	        &copying->uid_count, err) < 0 ||
	    imap_find_target(cmd, c, copying->target, &target, err) < 0)
		return -1;
	copying->from = c->selected->mailbox;
	copying->to = target.id;
	if (!ranges_count_in(c->selected->known, copying->uids, copying->uid_count))
		return 0;
	if (store_write(c->store, job, copying, err) < 0) {
		/* The only ceiling a copy meets is the account's. */
		if (err->kind == ERR_LIMIT)
			cmd->code = STR("OVERQUOTA");
		return -1;
	}
	return 0;
}

str copying_code(const struct copying *copying)
{
	const struct store_uid_pairs *pairs = &copying->pairs;
	struct arena *a = copying->cmd->arena;

	if (!pairs->count)
		return STR_NONE;
	str from = ranges_print(a, pairs->from, pairs->count);
	str to = ranges_print(a, pairs->to, pairs->count);
	return arena_strf(
	    a, "COPYUID %u " STR_FMT " " STR_FMT, pairs->uidvalidity, STR_ARG(from), STR_ARG(to));
}
