/* cmd_create.c: CREATE, RFC 9051 §6.3.4, with the USE attribute of RFC 6154 §3. */
#include "sessions/imap/commands.h"
#include "sessions/imap/special_use.h"

struct create {
	str name, raw_name;
	bool has_use;
	size_t use_count;
	enum store_special_use use; /* the first one we keep; SPECIAL_NONE: none of them */
	uint64_t account;
};

static int take_uses(struct imap_lexer *in, struct create *c, struct err *err)
{
	if (imap_take_sp(in, err) < 0 || imap_take_char(in, '(', err) < 0)
		return -1;
	c->has_use = true;
	if (imap_try_char(in, ')'))
		return 0;
	do {
		str word;
		if (imap_take_char(in, '\\', err) < 0 || imap_take_atom(in, &word, err) < 0)
			return -1;
		c->use_count++;
		c->use = special_use_of(word);
	} while (imap_try_char(in, ' '));
	return imap_take_char(in, ')', err);
}

static int create_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct create *c = arena_one(cmd->arena, struct create);

	cmd->args = c;
	if (imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &c->name, err) < 0)
		return -1;
	c->raw_name = in->raw_name;
	if (!imap_try_char(in, ' '))
		return 0;
	if (imap_take_char(in, '(', err) < 0)
		return -1;
	if (!imap_try_atom(in, STR("USE")))
		return err_set(err, ERR_INPUT, "USE is the only parameter of CREATE");
	if (take_uses(in, c, err) < 0)
		return -1;
	return imap_take_char(in, ')', err);
}

/* RFC 6154 §3: [USEATTR] when the use cannot be given. One mailbox has one use, and one use one
 * mailbox; \All and \Flagged would be views of other mailboxes. */
static int check_use(struct imap_cmd *cmd, const struct create *new,
    const struct store_mailbox *boxes, size_t count, struct err *err)
{
	if (new->use_count == 0)
		return 0;
	if (new->use_count > 1)
		return imap_refuse(cmd, err, STR("USEATTR"), "a mailbox has one special use only");
	if (new->use == SPECIAL_NONE || new->use == SPECIAL_ALL || new->use == SPECIAL_FLAGGED)
		return imap_refuse(
		    cmd, err, STR("USEATTR"), "this special use cannot be given to a mailbox");
	for (size_t i = 0; i < count; i++)
		if (boxes[i].special_use == new->use)
			return imap_refuse(
			    cmd, err, STR("USEATTR"), "another mailbox has this special use");
	return 0;
}

static int check(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct create *new = cmd->args;
	struct store_mailbox *boxes;
	size_t count;

	if (store_mailbox_list(c->store, c->account, cmd->arena, &boxes, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (str_eq(boxes[i].name, new->name) && boxes[i].selectable)
			return imap_refuse(
			    cmd, err, STR("ALREADYEXISTS"), "there is such a mailbox already");
	if (count >= IMAP_MAILBOXES_MAX)
		return err_set(
		    err, ERR_LIMIT, "an account has no more than %d mailboxes", IMAP_MAILBOXES_MAX);
	return check_use(cmd, new, boxes, count, err);
}

static int create_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct create *new = arg;
	uint64_t id;

	return txn_mailbox_create(t, new->account, new->name, new->use, &id, err);
}

static int create_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct create *new = cmd->args;
	str raw = new->raw_name;

	new->account = c->account;
	if (check(cmd, c, err) < 0)
		return -1;
	if (store_write(c->store, create_job, new, err) < 0) {
		if (err->kind == ERR_DENIED)
			cmd->code = STR("ALREADYEXISTS");
		return -1;
	}
	/* RFC 9051 §6.3.4: a trailing separator only declares the intent to make names below. */
	if (raw.len > 1 && str_ends(raw, STR("/")))
		raw.len--;
	if (!str_eq(raw, new->name))
		imap_write_old_name(c, new->name, raw);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_create = {
	.name = STR_INIT("CREATE"),
	.capability = STR_INIT("CREATE-SPECIAL-USE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = create_parse,
	.run = create_run,
};
