/* commands.c: the list of all commands, and what those about mailbox names share. */
#include "sessions/imap/commands.h"

#include "sessions/imap/selected.h"

const struct imap_command *const imap_commands[] = {
	&imap_cmd_append,
	&imap_cmd_authenticate,
	&imap_cmd_capability,
	&imap_cmd_check,
	&imap_cmd_close,
	&imap_cmd_copy,
	&imap_cmd_create,
	&imap_cmd_delete,
	&imap_cmd_enable,
	&imap_cmd_examine,
	&imap_cmd_expunge,
	&imap_cmd_fetch,
	&imap_cmd_getquota,
	&imap_cmd_getquotaroot,
	&imap_cmd_id,
	&imap_cmd_idle,
	&imap_cmd_list,
	&imap_cmd_login,
	&imap_cmd_logout,
	&imap_cmd_lsub,
	&imap_cmd_move,
	&imap_cmd_namespace,
	&imap_cmd_noop,
	&imap_cmd_rename,
	&imap_cmd_search,
	&imap_cmd_select,
	&imap_cmd_setquota,
	&imap_cmd_starttls,
	&imap_cmd_status,
	&imap_cmd_store,
	&imap_cmd_subscribe,
	&imap_cmd_unselect,
	&imap_cmd_unsubscribe,
	NULL,
};

int imap_parse_mailbox_only(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	str *name = arena_one(cmd->arena, str);

	cmd->args = name;
	if (imap_take_sp(in, err) < 0)
		return -1;
	return imap_take_mailbox(in, name, err);
}

int imap_refuse(struct imap_cmd *cmd, struct err *err, str code, const char *text)
{
	cmd->code = code;
	return err_set(err, ERR_DENIED, "%s", text);
}

int imap_mailbox_exists(
    struct imap_conn *c, struct arena *a, str name, struct store_mailbox *out, struct err *err)
{
	if (store_mailbox_find(c->store, c->account, name, a, out, err) == 0)
		return 1;
	return err->kind == ERR_DENIED ? 0 : -1;
}

int imap_find_mailbox(
    struct imap_cmd *cmd, struct imap_conn *c, str name, struct store_mailbox *out, struct err *err)
{
	int there = imap_mailbox_exists(c, cmd->arena, name, out, err);

	if (there == 0)
		return imap_refuse(cmd, err, STR("NONEXISTENT"), "there is no such mailbox");
	return there < 0 ? -1 : 0;
}

void imap_write_old_name(struct imap_conn *c, str name, str old)
{
	if (!(c->enabled & IMAP_ON_REV2))
		return;
	imap_write(c, STR("* LIST () \"/\" "));
	imap_write_mailbox(c, name);
	imap_write(c, STR(" (\"OLDNAME\" ("));
	imap_write_mailbox(c, old);
	imap_write(c, STR("))\r\n"));
}

bool imap_is_below(str name, str above)
{
	return name.len > above.len && name.ptr[above.len] == '/' && str_starts(name, above);
}
