/* cmd_id.c: ID, RFC 2971. What the client says of itself goes to the log, for whoever looks for the
 * program behind a problem. */
#include "sessions/imap/commands.h"

enum { FIELDS_MAX = 30, NAME_MAX_BYTES = 30, VALUE_MAX_BYTES = 1024 }; /* RFC 2971 §3.3 */

struct id {
	str name, version;
};

static int take_field(struct imap_lexer *in, struct id *id, struct err *err)
{
	str name, value;

	if (imap_take_string(in, &name, err) < 0 || imap_take_sp(in, err) < 0 ||
	    imap_take_nstring(in, &value, err) < 0)
		return -1;
	if (name.len > NAME_MAX_BYTES || value.len > VALUE_MAX_BYTES)
		return err_set(err, ERR_INPUT, "an ID field is too long");
	if (str_ieq(name, STR("name")))
		id->name = value;
	else if (str_ieq(name, STR("version")))
		id->version = value;
	return 0;
}

static int id_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct id *id = arena_one(cmd->arena, struct id);
	unsigned fields = 0;

	cmd->args = id;
	if (imap_take_sp(in, err) < 0)
		return -1;
	if (imap_try_atom(in, STR("NIL")))
		return 0;
	if (imap_take_char(in, '(', err) < 0)
		return -1;
	/* The grammar has no empty list; clients send one. */
	if (imap_try_char(in, ')'))
		return 0;
	do {
		if (fields++ >= FIELDS_MAX)
			return err_set(
			    err, ERR_INPUT, "ID takes no more than %d fields", FIELDS_MAX);
		if (take_field(in, id, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	return imap_take_char(in, ')', err);
}

static int id_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct id *id = cmd->args;

	(void)err;
	if (!str_empty(id->name))
		log_debug(c->log, "imap client", F_STR("account", c->address),
		    F_STR("name", id->name), F_STR("version", id->version));
	imap_write(c, STR("* ID (\"name\" \"buzon\")\r\n"));
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_id = {
	.name = STR_INIT("ID"),
	.capability = STR_INIT("ID"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = id_parse,
	.run = id_run,
};
