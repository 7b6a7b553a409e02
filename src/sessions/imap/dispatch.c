/* dispatch.c: from the text of a command to its tagged reply. RFC 9051 §2.2, §7.1. */
#include "sessions/imap/selected.h"
#include "sessions/imap/session.h"

struct arena *imap_session_arena(struct imap_session *s)
{
	if (!s->cmd.arena)
		s->cmd.arena = arena_new(/* parent */ NULL, "IMAP command", IMAP_COMMAND_ARENA_MAX);
	return s->cmd.arena;
}

void imap_session_end_command(struct imap_session *s)
{
	imap_sync_end(&s->sync);
	s->at = AT_BEGIN;
	arena_free(s->cmd.arena);
	s->cmd = (struct imap_cmd){ .conn = &s->conn };
	s->spool_err = NULL;
	s->spool_fd = -1;
	s->idle_done = false;
	imap_framer_release(s->framer);
	if (s->phase != PHASE_OVER)
		s->phase = s->conn.state == IMAP_LOGGED_OUT ? PHASE_OVER : PHASE_READING;
}

/* ---- replies ---- */

static void reply(struct imap_session *s, str tag, const char *word, str code, str text)
{
	struct imap_conn *c = &s->conn;

	imap_write(c, str_empty(tag) ? STR("*") : tag);
	imap_write(c, STR(" "));
	imap_write(c, str_c(word));
	imap_write(c, STR(" "));
	if (!str_empty(code)) {
		imap_write(c, STR("["));
		imap_write(c, code);
		imap_write(c, STR("] "));
	}
	imap_write_reply_text(c, text);
}

void imap_session_bye(struct imap_session *s, const char *why, const char *text)
{
	reply(s, STR_NONE, "BYE", STR_NONE, str_c(text));
	s->ended = why;
	s->phase = PHASE_OVER;
}

void imap_session_bad(struct imap_session *s, str tag, const char *text)
{
	reply(s, tag, "BAD", STR_NONE, str_c(text));
	if (++s->bad_commands > s->conn.config->limits.errors_after_sign_in)
		imap_session_bye(s, "too many bad commands", "too many bad commands");
}

void imap_session_no(struct imap_session *s, str tag, str code, const char *text)
{
	reply(s, tag, "NO", code, str_c(text));
}

static void log_failure(const struct imap_session *s, const struct err *err)
{
	log_warn(s->conn.log, "imap command failed", F_STR("account", s->conn.address),
	    F_STR("command", s->cmd.command->name), F_CSTR("kind", err_kind_name(err->kind)),
	    F_CSTR("why", err->text));
}

/* The table of imap.h: what the kind of an error says to a client. */
static const struct {
	str code;
	bool is_ours;     /* logged */
	const char *text; /* instead of the sentence, which is for the operator */
} failures[] = {
	[ERR_NONE] = { STR_INIT("SERVERBUG"), true, "something went wrong here; it was logged" },
	[ERR_INPUT] = { STR_INIT(""), false, NULL },
	[ERR_LIMIT] = { STR_INIT("LIMIT"), false, NULL },
	[ERR_DENIED] = { STR_INIT(""), false, NULL },
	[ERR_RETRY] = { STR_INIT("UNAVAILABLE"), true, NULL },
	[ERR_SYSTEM] = { STR_INIT("SERVERBUG"), true, "something went wrong here; it was logged" },
};

static void reply_failure(struct imap_session *s, const struct err *err)
{
	const char *text = failures[err->kind].text ? failures[err->kind].text : err->text;

	if (failures[err->kind].is_ours)
		log_failure(s, err);
	if (err->kind == ERR_INPUT && str_empty(s->cmd.code)) {
		imap_session_bad(s, s->cmd.tag, text);
		return;
	}
	str code = str_empty(s->cmd.code) ? failures[err->kind].code : s->cmd.code;
	imap_session_no(s, s->cmd.tag, code, text);
}

static void reply_ok(struct imap_session *s)
{
	AUTO_BUF standard = BUF_INIT(128);
	str text = s->cmd.text;

	if (str_empty(text)) {
		buf_addz(&standard, s->cmd.uid ? "UID " : "");
		buf_add(&standard, s->cmd.command->name);
		buf_addz(&standard, " completed");
		text = buf_str(&standard);
	}
	reply(s, s->cmd.tag, "OK", s->cmd.code, text);
	s->bad_commands = 0;
}

/* What changed in the open mailbox is told before the tagged reply: RFC 9051 §5.2. While FETCH, STORE
 * and SEARCH by number run, numbers must not change (§7.5.1); their UID forms are others. After a
 * malformed command nothing else is said: its tagged BAD comes at once. */
static int begin_sync_after(struct imap_session *s, struct err *err)
{
	const struct imap_command *command = s->cmd.command;
	bool allow_expunge =
	    !(command->flags & IMAP_NO_EXPUNGE) || (s->cmd.uid && !s->cmd.keeps_numbers);
	bool is_bad = s->result < 0 && s->result_err.kind == ERR_INPUT;

	if (!s->conn.selected || command->flags & IMAP_NO_SYNC || is_bad)
		return 0;
	return imap_sync_begin(&s->sync, &s->conn, allow_expunge, /* own */ NULL, err);
}

static void conclude(struct imap_session *s)
{
	if (s->result >= 0 && s->cmd.tells_modseq && s->conn.selected)
		s->cmd.code = arena_strf(s->cmd.arena, "HIGHESTMODSEQ %llu",
		    (unsigned long long)s->conn.selected->known->highest_modseq);
	if (s->result < 0)
		reply_failure(s, &s->result_err);
	else
		reply_ok(s);
}

static void finish(struct imap_session *s)
{
	struct err err = { .kind = ERR_NONE };

	if (begin_sync_after(s, &err) == 0) {
		s->at = AT_SYNC_AFTER;
		return;
	}
	if (err.kind != ERR_DENIED)
		log_failure(s, &err);
	conclude(s);
	/* RFC 2180 §3.3: nothing sensible can be said about a mailbox that is gone. */
	if (err.kind == ERR_DENIED && s->phase != PHASE_OVER)
		imap_session_bye(s, "the open mailbox was deleted", "the open mailbox was deleted");
	imap_session_end_command(s);
}

/* ---- parsing ---- */

static const struct imap_command *find_command(str name, bool uid)
{
	for (size_t i = 0; imap_commands[i]; i++)
		if (str_ieq(imap_commands[i]->name, name))
			return !uid || imap_commands[i]->flags & IMAP_HAS_UID_FORM
			           ? imap_commands[i]
			           : NULL;
	return NULL;
}

static int parse_name(struct imap_session *s, struct imap_lexer *in, struct err *err)
{
	struct imap_cmd *cmd = &s->cmd;
	str name;

	if (imap_take_sp(in, err) < 0 || imap_take_atom(in, &name, err) < 0)
		return -1;
	if (str_ieq(name, STR("UID"))) {
		cmd->uid = true;
		if (imap_take_sp(in, err) < 0 || imap_take_atom(in, &name, err) < 0)
			return -1;
	}
	cmd->command = find_command(name, cmd->uid);
	if (!cmd->command)
		return err_set(err, ERR_INPUT, "unknown command '%s" STR_FMT "'",
		    cmd->uid ? "UID " : "", STR_ARG(str_sub(name, 0, 40)));
	return 0;
}

static int check_state(const struct imap_session *s, struct err *err)
{
	unsigned states = s->cmd.command->states;

	if (states & s->conn.state)
		return 0;
	if (states == 0)
		return err_set(err, ERR_INPUT, "you are signed in already");
	return err_set(err, ERR_INPUT, "no mailbox is open; SELECT one first");
}

static int parse_arguments(struct imap_session *s, struct imap_lexer *in, struct err *err)
{
	if (s->cmd.command->parse && s->cmd.command->parse(&s->cmd, in, err) < 0)
		return -1;
	return imap_take_end(in, err);
}

static int parse(struct imap_session *s, struct imap_lexer *in, struct err *err)
{
	if (parse_name(s, in, err) < 0 || check_state(s, err) < 0 ||
	    parse_arguments(s, in, err) < 0)
		return -1;
	if (s->spool_err) {
		*err = *s->spool_err;
		return -1;
	}
	if (s->cmd.command->flags & IMAP_WRITES && s->conn.selected &&
	    s->conn.selected->read_only) {
		s->cmd.code = STR("READ-ONLY");
		return err_set(err, ERR_DENIED, "the mailbox is open for reading only");
	}
	return 0;
}

/* A failure before there is a command to speak of. */
static void refuse(struct imap_session *s, const struct err *err)
{
	if (err->kind == ERR_INPUT || !s->cmd.command)
		imap_session_bad(s, s->cmd.tag, err->text);
	else
		reply_failure(s, err);
	imap_session_end_command(s);
}

void imap_session_begin_command(struct imap_session *s)
{
	struct err err = { .kind = ERR_NONE };
	struct imap_lexer in;

	imap_lexer_init(&in, s->event.text, imap_session_arena(s));
	in.utf8 = imap_is_utf8(&s->conn);
	in.streamed = s->event.streamed;
	in.streamed_count = s->event.streamed_count;
	s->conn.config = imap_server_config(s->server);
	if (imap_take_tag(&in, &s->cmd.tag, &err) < 0) {
		refuse(s, &err);
		return;
	}
	/* IDLE outlives the text. */
	s->cmd.tag = arena_str(s->cmd.arena, s->cmd.tag);
	if (parse(s, &in, &err) < 0)
		refuse(s, &err);
	else
		s->phase = PHASE_RUNNING;
}

static void run(struct imap_session *s)
{
	struct err err = { .kind = ERR_NONE };
	int result = s->cmd.command->run(&s->cmd, &s->conn, &err);

	if (result == IMAP_RUN_WAIT) {
		s->phase = PHASE_WAITING;
	} else if (result != IMAP_RUN_MORE) {
		s->result = result;
		s->result_err = err;
		finish(s);
	}
}

static void begin(struct imap_session *s)
{
	s->at = AT_RUN;
	if (!(s->cmd.command->flags & IMAP_SYNC_FIRST) || !s->conn.selected)
		return;
	/* When it fails, the command meets the same failure and answers for it. */
	if (imap_sync_begin(&s->sync, &s->conn, /* allow_expunge */ false, /* own */ NULL, NULL) ==
	    0)
		s->at = AT_SYNC_FIRST;
}

/* Returns when the client has to read first, too. */
void imap_session_run_command(struct imap_session *s)
{
	if (s->at == AT_BEGIN)
		begin(s);
	if (s->at == AT_SYNC_FIRST) {
		if (!imap_sync_step(&s->sync, /* whole */ false))
			return;
		s->at = AT_RUN;
	}
	if (s->at == AT_RUN)
		run(s);
	if (s->at == AT_SYNC_AFTER && imap_sync_step(&s->sync, /* whole */ false)) {
		conclude(s);
		imap_session_end_command(s);
	}
}
