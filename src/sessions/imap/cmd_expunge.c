/* cmd_expunge.c: EXPUNGE, RFC 9051 §6.4.3, and UID EXPUNGE, §6.4.9 (RFC 4315 §2.1). */
#include "sessions/imap/selected.h"
#include "sessions/imap/sets.h"

struct expunge {
	struct imap_set set; /* UID EXPUNGE only */
	uint64_t mailbox;
	struct store_range *uids;
	size_t uid_count;
	uint32_t gone;
};

static int expunge_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct expunge *e = arena_one(cmd->arena, struct expunge);

	cmd->args = e;
	if (cmd->uid && (imap_take_sp(in, err) < 0 || imap_take_set(in, &e->set, err) < 0))
		return -1;
	return imap_take_end(in, err);
}

static int expunge_job(struct store_txn *t, void *arg, struct err *err)
{
	struct expunge *e = arg;

	return txn_expunge(t, e->mailbox, e->uids, e->uid_count, /* any */ false, &e->gone, err);
}

static int expunge_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct expunge *e = cmd->args;

	e->mailbox = c->selected->mailbox;
	if (cmd->uid) {
		if (imap_set_resolve(c, &e->set, true, cmd->arena, &e->uids, &e->uid_count, err) <
		    0)
			return -1;
		/* No UIDs at all would mean every message to the store. */
		if (!ranges_count_in(c->selected->known, e->uids, e->uid_count))
			return IMAP_RUN_DONE;
	}
	if (store_write(c->store, expunge_job, e, err) < 0)
		return -1;
	/* RFC 7162 §3.2.7 and §3.2.9 */
	cmd->tells_modseq = e->gone && c->enabled & (IMAP_ON_QRESYNC | IMAP_ON_CONDSTORE);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_expunge = {
	.name = STR_INIT("EXPUNGE"),
	.capability = STR_INIT("UIDPLUS"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM | IMAP_WRITES,
	.parse = expunge_parse,
	.run = expunge_run,
};
