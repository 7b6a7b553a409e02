/* cmd_select.c: SELECT and EXAMINE, RFC 9051 §6.3.2 and §6.3.3, RFC 3501 §6.3.1; CONDSTORE and
 * QRESYNC parameters, RFC 7162 §3.1.8 and §3.2.5. */
#include "sessions/imap/qresync.h"
#include "sessions/imap/sync.h"

struct select {
	str mailbox;
	bool condstore;
	struct qresync qresync;
};

static int take_parameter(struct imap_lexer *in, struct select *s, struct err *err)
{
	if (imap_try_atom(in, STR("CONDSTORE"))) {
		s->condstore = true;
		return 0;
	}
	if (!imap_try_atom(in, STR("QRESYNC")))
		return err_set(err, ERR_INPUT, "unknown SELECT parameter");
	if (s->qresync.given)
		return err_set(err, ERR_INPUT, "QRESYNC given twice");
	if (imap_take_sp(in, err) < 0)
		return -1;
	return qresync_parse(in, &s->qresync, err);
}

static int select_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct select *s = arena_one(cmd->arena, struct select);

	cmd->args = s;
	if (imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &s->mailbox, err) < 0)
		return -1;
	if (imap_try_char(in, ' ')) {
		if (imap_take_char(in, '(', err) < 0)
			return -1;
		do {
			if (take_parameter(in, s, err) < 0)
				return -1;
		} while (imap_try_char(in, ' '));
		if (imap_take_char(in, ')', err) < 0)
			return -1;
	}
	return imap_take_end(in, err);
}

static uint32_t first_unseen(const struct store_view *v)
{
	for (size_t i = 0; v->unseen_count && i < v->page_count; i++) {
		uint32_t count;
		const struct store_entry *e = store_view_page(v, i, &count);
		for (uint32_t k = 0; k < count; k++)
			if (!(e[k].flags & STORE_SEEN))
				return v->first_seq[i] + k;
	}
	return 0;
}

static void write_state(struct imap_conn *c)
{
	const struct store_view *v = c->selected->known;
	bool rev2 = c->enabled & IMAP_ON_REV2;

	imap_write_flag_lists(c, v, c->selected->read_only);
	imap_writef(c, "* %u EXISTS\r\n", v->count);
	if (!rev2) {
		uint32_t unseen = first_unseen(v);
		imap_writef(c, "* %u RECENT\r\n", imap_recent_count(c->selected, v));
		if (unseen)
			imap_writef(c, "* OK [UNSEEN %u] First unseen\r\n", unseen);
	}
	imap_writef(c,
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n* OK [UIDNEXT %u] Predicted next UID\r\n"
	    "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
	    v->uidvalidity, v->uidnext, (unsigned long long)v->highest_modseq);
	if (rev2) {
		imap_write(c, STR("* LIST () \"/\" "));
		imap_write_mailbox(c, c->selected->name);
		imap_write(c, STR("\r\n"));
	}
}

static int open_mailbox(struct imap_cmd *cmd, struct imap_conn *c, bool read_only, struct err *err)
{
	struct select *s = cmd->args;
	struct store_mailbox mailbox;

	if (store_mailbox_find(c->store, c->account, s->mailbox, cmd->arena, &mailbox, err) < 0) {
		if (err->kind == ERR_DENIED)
			cmd->code = STR("NONEXISTENT");
		return -1;
	}
	if (!mailbox.selectable) {
		cmd->code = STR("NONEXISTENT");
		return err_set(err, ERR_DENIED, "mailbox '" STR_FMT "' cannot be selected",
		    STR_ARG(s->mailbox));
	}
	if (imap_select(c, mailbox.id, mailbox.name, read_only, err) < 0)
		return -1;
	imap_recent_claim(c, c->selected->known);
	return 0;
}

static int start(struct imap_cmd *cmd, struct imap_conn *c, bool read_only, struct err *err)
{
	struct select *s = cmd->args;
	struct qresync_walk *walk = arena_one(cmd->arena, struct qresync_walk);

	cmd->progress = walk;
	if (s->qresync.given && !(c->enabled & IMAP_ON_QRESYNC))
		return err_set(err, ERR_INPUT, "QRESYNC must be enabled first (ENABLE QRESYNC)");
	if (c->selected) {
		/* Also when the new one cannot be opened. RFC 9051 §6.3.2, RFC 7162 §3.2.11 */
		imap_unselect(c);
		imap_write(c, STR("* OK [CLOSED] Previous mailbox is now closed\r\n"));
	}
	if (open_mailbox(cmd, c, read_only, err) < 0) {
		imap_unselect(c);
		return -1;
	}
	if (s->condstore)
		c->enabled |= IMAP_ON_CONDSTORE;
	write_state(c);
	if (s->qresync.given && qresync_begin(c, &s->qresync, cmd->arena, walk, err) < 0) {
		imap_unselect(c);
		return -1;
	}
	return 0;
}

static int run(struct imap_cmd *cmd, struct imap_conn *c, bool read_only, struct err *err)
{
	if (!cmd->progress && start(cmd, c, read_only, err) < 0)
		return -1;
	if (!qresync_step(c, cmd->progress))
		return IMAP_RUN_MORE;
	cmd->code = read_only ? STR("READ-ONLY") : STR("READ-WRITE");
	return IMAP_RUN_DONE;
}

static int select_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	return run(cmd, c, /* read_only */ false, err);
}

static int examine_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	return run(cmd, c, /* read_only */ true, err);
}

const struct imap_command imap_cmd_select = {
	.name = STR_INIT("SELECT"),
	.capability = STR_INIT("CONDSTORE QRESYNC"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.flags = IMAP_NO_SYNC,
	.parse = select_parse,
	.run = select_run,
};

const struct imap_command imap_cmd_examine = {
	.name = STR_INIT("EXAMINE"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.flags = IMAP_NO_SYNC,
	.parse = select_parse,
	.run = examine_run,
};
