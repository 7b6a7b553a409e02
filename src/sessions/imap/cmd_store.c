/* cmd_store.c: STORE and UID STORE, RFC 9051 §6.4.6; UNCHANGEDSINCE, RFC 7162 §3.1.3; messages that
 * others expunged, RFC 2180 §4.2. */
#include "sessions/imap/sets.h"
#include "sessions/imap/sync.h"

struct store_args {
	struct imap_set set;
	bool conditional;
	uint64_t unchanged_since;
	enum store_flag_op op;
	bool silent;
	struct imap_flags flags;
};

struct store_progress {
	struct store_flag_change change;
	struct arena *arena;
	struct store_range *failed;
	size_t failed_count;
	uint32_t asked; /* messages of the set that the client knows */
	struct imap_sync sync;
};

static const struct {
	str name;
	enum store_flag_op op;
	bool silent;
} items[] = {
	{ STR_INIT("FLAGS"), STORE_FLAGS_SET, false },
	{ STR_INIT("FLAGS.SILENT"), STORE_FLAGS_SET, true },
	{ STR_INIT("+FLAGS"), STORE_FLAGS_ADD, false },
	{ STR_INIT("+FLAGS.SILENT"), STORE_FLAGS_ADD, true },
	{ STR_INIT("-FLAGS"), STORE_FLAGS_REMOVE, false },
	{ STR_INIT("-FLAGS.SILENT"), STORE_FLAGS_REMOVE, true },
};

static int take_modifiers(struct imap_lexer *in, struct store_args *s, struct err *err)
{
	if (!imap_try_char(in, '('))
		return 0;
	if (!imap_try_atom(in, STR("UNCHANGEDSINCE")))
		return err_set(err, ERR_INPUT, "unknown STORE modifier");
	s->conditional = true;
	if (imap_take_sp(in, err) < 0 || imap_take_u64(in, &s->unchanged_since, err) < 0 ||
	    imap_take_char(in, ')', err) < 0)
		return -1;
	return imap_take_sp(in, err);
}

static int take_item(struct imap_lexer *in, struct store_args *s, struct err *err)
{
	str name;

	if (imap_take_atom(in, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (str_ieq(items[i].name, name)) {
			s->op = items[i].op;
			s->silent = items[i].silent;
			return 0;
		}
	return err_set(err, ERR_INPUT, "unknown STORE item '" STR_FMT "'", STR_ARG(name));
}

static int store_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct store_args *s = arena_one(cmd->arena, struct store_args);

	cmd->args = s;
	s->unchanged_since = UINT64_MAX;
	if (imap_take_sp(in, err) < 0 || imap_take_set(in, &s->set, err) < 0 ||
	    imap_take_sp(in, err) < 0 || take_modifiers(in, s, err) < 0 ||
	    take_item(in, s, err) < 0 || imap_take_sp(in, err) < 0 ||
	    imap_take_flags(in, /* bare */ true, &s->flags, err) < 0)
		return -1;
	return imap_take_end(in, err);
}

static int change_job(struct store_txn *t, void *arg, struct err *err)
{
	struct store_progress *p = arg;

	return txn_flags(t, &p->change, p->arena, &p->failed, &p->failed_count, err);
}

static void end_sync(void *arg)
{
	imap_sync_end(arg);
}

static int change(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct store_args *s = cmd->args;
	struct store_progress *p = cmd->progress;
	struct store_range *uids;
	size_t count;

	if (s->conditional)
		imap_enable_condstore(c);
	if (imap_set_resolve(c, &s->set, cmd->uid, cmd->arena, &uids, &count, err) < 0)
		return -1;
	p->arena = cmd->arena;
	p->asked = ranges_count_in(c->selected->known, uids, count);
	p->change = (struct store_flag_change){
		.mailbox = c->selected->mailbox,
		.uids = uids,
		.uid_count = count,
		.op = s->op,
		.flags = s->flags.system,
		.keywords = s->flags.keywords,
		.keyword_count = s->flags.keyword_count,
		.unchanged_since = s->unchanged_since,
	};
	return p->asked ? store_write(c->store, change_job, p, err) : 0;
}

static int start(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct store_args *s = cmd->args;
	struct store_progress *p = arena_one(cmd->arena, struct store_progress);

	cmd->progress = p;
	if (change(cmd, c, err) < 0)
		return -1;
	struct imap_own own = {
		.uids = p->change.uids,
		.uid_count = p->change.uid_count,
		.failed = p->failed,
		.failed_count = p->failed_count,
		.op = p->change.op,
		.flags = p->change.flags,
		.keywords = p->change.keywords,
		.keyword_count = p->change.keyword_count,
		.say = s->silent ? OWN_SILENT : OWN_SAY,
		.with_uid = cmd->uid || c->enabled,
	};
	/* EXPUNGE waits for the end of UID STORE; STORE never allows it. */
	if (imap_sync_begin(&p->sync, c, /* allow_expunge */ false, &own, err) < 0)
		return -1;
	arena_defer(cmd->arena, end_sync, &p->sync);
	return 0;
}

static int answer(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	const struct store_args *s = cmd->args;
	struct store_progress *p = cmd->progress;
	struct ranges failed = { .at = p->failed, .count = p->failed_count };

	if (failed.count) {
		if (!cmd->uid)
			failed = ranges_to_numbers(
			    cmd->arena, c->selected->known, failed.at, failed.count);
		str set = ranges_print(cmd->arena, failed.at, failed.count);
		cmd->code = arena_strf(cmd->arena, "MODIFIED " STR_FMT, STR_ARG(set));
		cmd->text = STR("Conditional STORE failed for some");
	}
	/* RFC 2180 §4.2: what others expunged is no error to .SILENT, and UIDs that are not there
	 * never are. */
	if (s->silent || cmd->uid || p->sync.own_reported >= p->asked)
		return IMAP_RUN_DONE;
	if (!failed.count)
		cmd->code = STR("EXPUNGEISSUED");
	return err_set(err, ERR_DENIED, "some of the messages no longer exist");
}

static int store_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	if (!cmd->progress && start(cmd, c, err) < 0)
		return -1;
	struct store_progress *p = cmd->progress;
	if (!imap_sync_step(&p->sync, /* whole */ false))
		return IMAP_RUN_MORE;
	return answer(cmd, c, err);
}

const struct imap_command imap_cmd_store = {
	.name = STR_INIT("STORE"),
	.states = IMAP_SELECTED,
	.flags = IMAP_HAS_UID_FORM | IMAP_WRITES | IMAP_NO_EXPUNGE,
	.parse = store_parse,
	.run = store_run,
};
