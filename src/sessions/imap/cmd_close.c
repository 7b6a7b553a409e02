/* cmd_close.c: CLOSE, RFC 9051 §6.4.1, and UNSELECT, §6.4.2 (RFC 3691). */
#include "sessions/imap/selected.h"

static int no_arguments(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	(void)cmd;
	return imap_take_end(in, err);
}

static int close_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct imap_selected *sel = arg;
	uint32_t gone;

	return txn_expunge(t, sel->mailbox, /* uids */ NULL, 0, /* any */ false, &gone, err);
}

static bool has_deleted(const struct store_view *v)
{
	for (size_t i = 0; i < v->page_count; i++) {
		uint32_t count;
		const struct store_entry *e = store_view_page(v, i, &count);
		for (uint32_t k = 0; k < count; k++)
			if (e[k].flags & STORE_DELETED)
				return true;
	}
	return false;
}

/* Removes silently: no EXPUNGE, and no HIGHESTMODSEQ (RFC 7162, erratum 1808). */
static int close_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct store_view *now;

	(void)cmd;
	if (!c->selected->read_only) {
		if (store_view_get(c->store, c->selected->mailbox, &now, err) < 0)
			return -1;
		bool dirty = has_deleted(now);
		store_view_unref(now);
		if (dirty && store_write(c->store, close_job, c->selected, err) < 0)
			return -1;
	}
	imap_unselect(c);
	return IMAP_RUN_DONE;
}

static int unselect_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	(void)cmd;
	(void)err;
	imap_unselect(c);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_close = {
	.name = STR_INIT("CLOSE"),
	.states = IMAP_SELECTED,
	.flags = IMAP_NO_SYNC,
	.parse = no_arguments,
	.run = close_run,
};

const struct imap_command imap_cmd_unselect = {
	.name = STR_INIT("UNSELECT"),
	.capability = STR_INIT("UNSELECT"),
	.states = IMAP_SELECTED,
	.flags = IMAP_NO_SYNC,
	.parse = no_arguments,
	.run = unselect_run,
};
