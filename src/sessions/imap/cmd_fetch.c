/* cmd_fetch.c: FETCH and UID FETCH, RFC 9051 §6.4.5, RFC 3501 §6.4.5; BINARY, RFC 3516; CHANGEDSINCE
 * and VANISHED, RFC 7162 §3.1.4.1 and §3.2.6; what others expunged, RFC 2180 §4.1.2. */
#include "sessions/imap/fetch.h"
#include "sessions/imap/qresync.h"
#include "sessions/imap/sets.h"
#include "sessions/imap/sync.h"

static int fetch_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct fetch_args *args = arena_one(cmd->arena, struct fetch_args);

	cmd->args = args;
	if (imap_take_sp(in, err) < 0 || imap_take_set(in, &args->set, err) < 0 ||
	    imap_take_sp(in, err) < 0 || imap_fetch_atts_parse(in, &args->atts, err) < 0 ||
	    imap_fetch_modifiers_parse(in, &args->modifiers, err) < 0)
		return -1;
	if (args->modifiers.vanished && !(cmd->uid && args->modifiers.has_changed_since))
		return err_set(err, ERR_INPUT, "VANISHED needs UID FETCH and CHANGEDSINCE");
	return imap_take_end(in, err);
}

static void fetch_release(void *arg)
{
	struct fetch *f = arg;

	fetch_message_fini(f);
	if (f->before)
		store_view_unref(f->before);
	f->before = NULL;
}

/* ---- \Seen ------------------------------------------------------------------------------------
 */

struct seen_job {
	struct store_flag_change change;
	struct arena *arena;
};

static int seen_job(struct store_txn *t, void *arg, struct err *err)
{
	struct seen_job *job = arg;
	struct store_range *failed;
	size_t failed_count;

	return txn_flags(t, &job->change, job->arena, &failed, &failed_count, err);
}

static bool is_any_unseen(const struct fetch *f)
{
	struct cursor at;
	const struct store_entry *e;

	cursor_init(&at, f->conn->selected->told);
	for (size_t i = 0; i < f->uid_count; i++) {
		e = cursor_seek(&at, f->uids[i].first);
		for (; e && e->uid <= f->uids[i].last; cursor_next(&at), e = cursor_entry(&at))
			if (!(e->flags & STORE_SEEN))
				return true;
	}
	return false;
}

/* One commit for the whole command, before the first message goes out: what the client has read is
 * then seen, whatever happens to the connection. */
static int set_seen(struct fetch *f, struct arena *a, struct err *err)
{
	struct imap_selected *sel = f->conn->selected;
	struct seen_job job = {
		.change = { .mailbox = sel->mailbox,
		    .uids = f->uids,
		    .uid_count = f->uid_count,
		    .op = STORE_FLAGS_ADD,
		    .flags = STORE_SEEN,
		    .unchanged_since = UINT64_MAX },
		.arena = a,
	};
	struct imap_own own = { .uids = f->uids,
		.uid_count = f->uid_count,
		.op = STORE_FLAGS_ADD,
		.flags = STORE_SEEN,
		.say = OWN_INLINE };
	struct imap_sync sync;

	if (!f->args->atts.sets_seen || sel->read_only || !is_any_unseen(f))
		return 0;
	f->before = store_view_ref(sel->told);
	if (store_write(f->conn->store, seen_job, &job, err) < 0 ||
	    imap_sync_begin(&sync, f->conn, /* allow_expunge */ false, &own, err) < 0)
		return -1;
	imap_sync_step(&sync, /* whole */ true);
	return 0;
}

/* ---- VANISHED ---------------------------------------------------------------------------------
 */

static int tell_vanished(
    struct imap_cmd *cmd, struct imap_conn *c, const struct fetch_args *args, struct err *err)
{
	/* A UID command may tell of expunges, so that what is gone is gone for the client as well
	 * before it reads of it as EARLIER. RFC 7162 §3.2.10 */
	if (imap_sync(c, /* allow_expunge */ true, err) < 0)
		return -1;
	struct store_range *uids = c->selected->saved;
	size_t count = c->selected->saved_count;
	if (!args->set.saved) {
		struct ranges asked = ranges_of_uid_set(cmd->arena, c->selected->known, &args->set);
		uids = asked.at;
		count = asked.count;
	}
	return qresync_vanished(c, args->modifiers.changed_since, uids, count, cmd->arena, err);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int prepare(struct imap_cmd *cmd, struct imap_conn *c, struct fetch *f, struct err *err)
{
	const struct fetch_args *args = cmd->args;
	struct store_range *uids;

	if (args->modifiers.vanished && !(c->enabled & IMAP_ON_QRESYNC))
		return err_set(err, ERR_INPUT, "VANISHED needs ENABLE QRESYNC first");
	f->simple = args->atts.simple;
	if (cmd->uid)
		f->simple |= ATT_UID;
	if (args->modifiers.has_changed_since)
		f->simple |= ATT_MODSEQ;
	if (f->simple & ATT_MODSEQ)
		imap_enable_condstore(c);
	if (args->modifiers.vanished && tell_vanished(cmd, c, args, err) < 0)
		return -1;
	/* The newest flags; numbers stay as they are. */
	if (imap_sync(c, /* allow_expunge */ false, err) < 0 ||
	    imap_set_resolve(c, &args->set, cmd->uid, cmd->arena, &uids, &f->uid_count, err) < 0)
		return -1;
	f->uids = uids;
	return set_seen(f, cmd->arena, err);
}

static int start(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct fetch *f = arena_one(cmd->arena, struct fetch);

	f->conn = c;
	f->args = cmd->args;
	cmd->progress = f;
	fetch_message_init(f, cmd);
	arena_defer(cmd->arena, fetch_release, f);
	return prepare(cmd, c, f, err);
}

static int finish(struct imap_cmd *cmd, const struct fetch *f, struct err *err)
{
	if (f->failure.kind != ERR_NONE) {
		*err = f->failure;
		return -1;
	}
	if (f->some_unknown_cte) {
		cmd->code = STR("UNKNOWN-CTE");
		return err_set(err, ERR_DENIED, "a part has an encoding that is not known here");
	}
	/* UIDs that are not there are no error; a number stands for a message that the client still
	 * sees. RFC 2180 §4.1.2, RFC 5530 §3 */
	if (f->some_gone && !cmd->uid) {
		cmd->code = STR("EXPUNGEISSUED");
		return err_set(err, ERR_DENIED, "some of the messages no longer exist");
	}
	cmd->code = surrogate_code(f);
	return IMAP_RUN_DONE;
}

static int fetch_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	if (!cmd->progress && start(cmd, c, err) < 0)
		return -1;
	struct fetch *f = cmd->progress;
	return fetch_walk(f) == IMAP_RUN_MORE ? IMAP_RUN_MORE : finish(cmd, f, err);
}

const struct imap_command imap_cmd_fetch = {
	.name = STR_INIT("FETCH"),
	.capability = STR_INIT("BINARY PREVIEW SAVEDATE"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM | IMAP_NO_EXPUNGE | IMAP_SYNC_FIRST,
	.parse = fetch_parse,
	.run = fetch_run,
};
