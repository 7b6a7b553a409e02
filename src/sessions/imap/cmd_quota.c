/* cmd_quota.c: GETQUOTA, GETQUOTAROOT and SETQUOTA, RFC 9208. An account is one quota root. */
#include "sessions/imap/commands.h"

static const str root = STR_INIT("account");

/* An account has no limit of messages but what UIDs can number; RFC 9208 §5.2 wants a figure. */
enum { MESSAGE_LIMIT_SHIFT = 32 };

static int write_quota(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct store_account a;

	if (store_account_get(c->store, c->account, cmd->arena, &a, err) < 0)
		return -1;
	uint64_t limit = a.quota_bytes ? a.quota_bytes : c->config->limits.quota_bytes;
	imap_write(c, STR("* QUOTA "));
	imap_write(c, root);
	imap_write(c, STR(" ("));
	/* RFC 9208 §5.1: in units of 1024 bytes; a begun one counts, so that nothing is never used.
	 */
	if (limit)
		imap_writef(c, "STORAGE %llu %llu ",
		    (unsigned long long)((a.used_bytes + 1023) / 1024),
		    (unsigned long long)(limit / 1024));
	imap_writef(c, "MESSAGE %llu %llu)\r\n", (unsigned long long)a.message_count,
	    (1ULL << MESSAGE_LIMIT_SHIFT) - 2);
	return 0;
}

static int getquota_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	str *name = arena_one(cmd->arena, str);

	cmd->args = name;
	if (imap_take_sp(in, err) < 0)
		return -1;
	return imap_take_astring(in, name, err);
}

static int getquota_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	if (!str_eq(*(const str *)cmd->args, root))
		return imap_refuse(cmd, err, STR("NONEXISTENT"), "there is no such quota root");
	return write_quota(cmd, c, err) < 0 ? -1 : IMAP_RUN_DONE;
}

static int getquotaroot_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	str name = *(const str *)cmd->args;
	struct store_mailbox box;

	if (imap_find_mailbox(cmd, c, name, &box, err) < 0)
		return -1;
	imap_write(c, STR("* QUOTAROOT "));
	imap_write_mailbox(c, box.name);
	imap_write(c, STR(" "));
	imap_write(c, root);
	imap_write(c, STR("\r\n"));
	return write_quota(cmd, c, err) < 0 ? -1 : IMAP_RUN_DONE;
}

static int take_limit(struct imap_lexer *in, struct err *err)
{
	uint64_t limit;
	str resource;

	if (imap_take_atom(in, &resource, err) < 0 || imap_take_sp(in, err) < 0)
		return -1;
	return imap_take_u64(in, &limit, err);
}

static int setquota_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	str name;

	(void)cmd;
	if (imap_take_sp(in, err) < 0 || imap_take_astring(in, &name, err) < 0 ||
	    imap_take_sp(in, err) < 0 || imap_take_char(in, '(', err) < 0)
		return -1;
	if (imap_try_char(in, ')'))
		return 0;
	do {
		if (take_limit(in, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	return imap_take_char(in, ')', err);
}

static int setquota_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	(void)c;
	return imap_refuse(
	    cmd, err, STR("NOPERM"), "quotas are set by the operator of this server");
}

const struct imap_command imap_cmd_getquota = {
	.name = STR_INIT("GETQUOTA"),
	.capability = STR_INIT("QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = getquota_parse,
	.run = getquota_run,
};

const struct imap_command imap_cmd_getquotaroot = {
	.name = STR_INIT("GETQUOTAROOT"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = imap_parse_mailbox_only,
	.run = getquotaroot_run,
};

const struct imap_command imap_cmd_setquota = {
	.name = STR_INIT("SETQUOTA"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = setquota_parse,
	.run = setquota_run,
};
