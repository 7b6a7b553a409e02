/* Whole sessions on a store: the transcripts, then what a transcript cannot show.
 *
 * Directives of the transcripts in tests/transcripts/imap ("A: verb argument"):
 *   deliver MAILBOX [\Seen]   a message of some 100 bytes arrives from elsewhere
 *   flags MAILBOX \Flagged    another session sets these flags on all messages
 *   empty MAILBOX             another session expunges all messages
 *   create NAME, delete NAME, subscribe NAME, rename FROM TO
 *   quota BYTES, limit NAME NUMBER (before the session starts), spool fails, index fails
 *   stop, disconnect          of the server, of the account
 *   skip                      what was said so far is not looked at (it is, elsewhere)
 */
#include "check.h"
#include "imap_rig.h"
#include "transcript.h"

#include "base/num.h"

static struct rig rig;

/* ---- directives ---- */

struct act {
	struct rig_session *s;
	str verb, name, rest;
	uint64_t mailbox;
	uint64_t number;
};

static const char message[] = "From: a@example.org\r\n"
                              "Subject: test\r\n"
                              "\r\n"
                              "A message that came from elsewhere.\r\n";

static uint32_t flag_bits(str words)
{
	static const str names[] = { STR_INIT("\\Seen"), STR_INIT("\\Answered"),
		STR_INIT("\\Flagged"), STR_INIT("\\Deleted"), STR_INIT("\\Draft") };
	uint32_t bits = 0;
	str one;

	while (str_split(&words, ' ', &one))
		for (unsigned i = 0; i < COUNT(names); i++)
			if (str_ieq(one, names[i]))
				bits |= 1U << i;
	return bits;
}

static int deliver_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;
	AUTO_ARENA a = arena_new(NULL, "message", 1 << 20);
	AUTO_BUF index_bytes = BUF_INIT(16 << 20);
	str text = str_c(message);
	struct store_piece piece = { .bytes = text, .fd = -1, .length = text.len };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct message_index index;
	struct store_append entry = { .mailbox = act->mailbox,
		.size = (uint32_t)text.len,
		.flags = flag_bits(act->rest),
		.internal_at = 1000000000 };
	uint32_t uid;

	message_index_build(text, a, &index);
	message_index_encode(&index, &index_bytes);
	if (store_body_hash(&body, err) < 0)
		return -1;
	struct store_message_new new = { .body = &body, .index = buf_str(&index_bytes) };
	if (txn_message_add(t, &new, &entry.message, err) < 0)
		return -1;
	return txn_append(t, &entry, &uid, err);
}

static int flags_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;
	AUTO_ARENA a = arena_new(NULL, "flags", 1 << 20);
	struct store_range all = { 1, UINT32_MAX - 1 }, *failed;
	size_t failed_count;

	return txn_flags(t,
	    &(struct store_flag_change){ .mailbox = act->mailbox,
	        .uids = &all,
	        .uid_count = 1,
	        .op = STORE_FLAGS_SET,
	        .flags = flag_bits(act->rest),
	        .unchanged_since = UINT64_MAX },
	    a, &failed, &failed_count, err);
}

static int empty_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;
	struct store_range all = { 1, UINT32_MAX - 1 };
	uint32_t count;

	return txn_expunge(t, act->mailbox, &all, 1, /* any */ true, &count, err);
}

static int create_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;
	uint64_t id;

	return txn_mailbox_create(t, act->s->account, act->name, SPECIAL_NONE, &id, err);
}

static int delete_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;

	return txn_mailbox_delete(t, act->s->account, act->name, err);
}

static int rename_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;

	return txn_mailbox_rename(t, act->s->account, act->name, act->rest, err);
}

static int subscribe_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;

	return txn_subscribe(t, act->s->account, act->name, true, err);
}

static int quota_job(struct store_txn *t, void *arg, struct err *err)
{
	struct act *act = arg;

	return txn_account_quota(t, str_c(act->s->address), act->number, err);
}

static const struct {
	str verb;
	store_job_fn *job;
	bool needs_mailbox;
} jobs[] = {
	{ STR_INIT("deliver"), deliver_job, true },
	{ STR_INIT("flags"), flags_job, true },
	{ STR_INIT("empty"), empty_job, true },
	{ STR_INIT("create"), create_job, false },
	{ STR_INIT("delete"), delete_job, false },
	{ STR_INIT("rename"), rename_job, false },
	{ STR_INIT("subscribe"), subscribe_job, false },
	{ STR_INIT("quota"), quota_job, false },
};

static void set_limit(struct act *act)
{
	struct config_limits *l = &rig.config.limits;

	check(num_parse_u64(act->rest, UINT64_MAX, &act->number) == 0);
	if (str_eq(act->name, STR("append")))
		l->append_bytes = act->number;
	else if (str_eq(act->name, STR("errors")))
		l->errors_after_sign_in = (uint32_t)act->number;
	else if (str_eq(act->name, STR("quota")))
		l->quota_bytes = act->number;
	else
		fail_msg("no limit of this name");
	imap_server_configure(rig.server, &rig.config);
}

static void run_job(struct act *act, size_t which)
{
	struct err err = { .kind = ERR_NONE };
	AUTO_ARENA a = arena_new(NULL, "act", 1 << 20);
	struct store_mailbox box;

	if (jobs[which].needs_mailbox) {
		rig_must(
		    store_mailbox_find(rig.store, act->s->account, act->name, a, &box, &err), &err);
		act->mailbox = box.id;
	}
	num_parse_u64(act->name, UINT64_MAX, &act->number);
	rig_must(store_write(rig.store, jobs[which].job, act, &err), &err);
}

static void act_run(struct act *act)
{
	for (size_t i = 0; i < COUNT(jobs); i++) {
		if (str_eq(act->verb, jobs[i].verb)) {
			run_job(act, i);
			return;
		}
	}
	if (str_eq(act->verb, STR("limit")))
		set_limit(act);
	else if (str_eq(act->verb, STR("spool")))
		rig.spool_fails = true;
	else if (str_eq(act->verb, STR("index")))
		rig.index_fails = true;
	else if (str_eq(act->verb, STR("stop")))
		imap_server_stop(rig.server);
	else if (str_eq(act->verb, STR("disconnect")))
		imap_server_disconnect(rig.server, act->s->account);
	else
		fail_msg("no directive of this name");
}

/* ---- the driver ---- */

static void *driver_open(void *ctx)
{
	(void)ctx;
	rig_limits(&rig);
	rig.server->stopping = rig.spool_fails = rig.index_fails = false;
	return rig_session_open(&rig);
}

static void driver_feed(void *session, str bytes, struct buf *out)
{
	rig_feed(session, bytes, out);
}

static void driver_directive(void *session, char who, str text, struct buf *out)
{
	struct rig_session *s = session;
	struct act act = { .s = s };

	if (who != 'A')
		fail_msg("no directive of this letter");
	str_split(&text, ' ', &act.verb);
	str_split(&text, ' ', &act.name);
	act.rest = text;
	if (str_eq(act.verb, STR("skip"))) {
		buf_reset(out);
		return;
	}
	act_run(&act);
	if (s->started)
		rig_settle(s, out, false);
}

static void driver_close(void *session)
{
	rig_session_close(session);
}

static const struct transcript_driver driver = { driver_open, driver_feed, driver_directive,
	driver_close, 7 };

static void test_transcripts(void **state)
{
	const char *one = getenv("TRANSCRIPT");

	(void)state;
	if (one)
		transcript_check(one, &driver, NULL);
	else
		transcript_check_folder("tests/transcripts/imap", &driver, NULL);
}

/* ---- what a transcript cannot show ---- */

/* RFC 7888, RFC 9051 and the rest: what is announced is what is meant to be. */
static void test_capabilities(void **state)
{
	static const char wanted[] =
	    "IMAP4rev1 IMAP4rev2 LITERAL+ ENABLE ID IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE "
	    "MULTIAPPEND BINARY ESEARCH SEARCHRES LIST-EXTENDED LIST-STATUS SPECIAL-USE "
	    "CREATE-SPECIAL-USE STATUS=SIZE CONDSTORE QRESYNC APPENDLIMIT QUOTA "
	    "QUOTA=RES-STORAGE QUOTA=RES-MESSAGE UTF8=ACCEPT";
	AUTO_BUF list = BUF_INIT(4096);
	AUTO_BUF padded = BUF_INIT(4096);
	str words = str_c(wanted), word;

	(void)state;
	imap_capabilities(&list);
	buf_addf(&padded, " " STR_FMT " ", STR_ARG(buf_str(&list)));
	while (str_split(&words, ' ', &word)) {
		AUTO_BUF one = BUF_INIT(100);
		buf_addf(&one, " " STR_FMT " ", STR_ARG(word));
		size_t at = str_find(buf_str(&padded), buf_str(&one));
		check_case_str("announced", at == STR_NPOS ? STR("") : word, word);
		/* And once only. */
		str behind = str_skip(buf_str(&padded), at + 1);
		check(str_find(behind, buf_str(&one)) == STR_NPOS);
	}
	check(str_find(buf_str(&padded), STR(" LITERAL- ")) == STR_NPOS);
}

static void test_sessions_of_an_account(void **state)
{
	struct rig_session *first = rig_session_open(&rig);
	struct rig_session more[IMAP_SESSIONS_PER_ACCOUNT];
	struct err err = { .kind = ERR_NONE };

	(void)state;
	rig_must(rig_start(first, &err), &err);
	for (size_t i = 0; i + 1 < IMAP_SESSIONS_PER_ACCOUNT; i++) {
		more[i] = *first;
		rig_must(rig_start(&more[i], &err), &err);
	}
	struct rig_session over = *first;
	check_int_eq(rig_start(&over, &err), -1);
	check_int_eq(err.kind, ERR_LIMIT);
	fd_close(&over.fd);
	for (size_t i = 0; i + 1 < IMAP_SESSIONS_PER_ACCOUNT; i++)
		fd_close(&more[i].fd);
	rig_session_close(first);
	check_int_eq(imap_server_sessions(rig.server), 0);
}

/* Much output and a client that does not read: the rig reads between turns, the command yields. */
static void test_long_list(void **state)
{
	struct rig_session *s = rig_session_open(&rig);
	AUTO_BUF out = BUF_INIT(16 << 20);
	AUTO_BUF commands = BUF_INIT(1 << 20);
	size_t lines = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		buf_addf(&commands, "a CREATE folder%u/%0*u\r\n", i % 10, 200, i);
	rig_feed(s, buf_str(&commands), &out);
	buf_reset(&out);
	buf_reset(&commands);
	for (unsigned i = 0; i < 20; i++)
		buf_addz(&commands, "b LIST \"\" * RETURN (STATUS (MESSAGES UIDNEXT SIZE))\r\n");
	rig_feed(s, buf_str(&commands), &out);
	for (size_t i = 0; i < out.len; i++)
		lines += out.ptr[i] == '\n';
	/* 300 made, 10 above them, 6 from the start; LIST and STATUS but for the 10. */
	check(lines >= 20 * (306 * 2 + 10 + 1) && lines <= 20 * (316 * 2 + 1));
	check(str_ends(buf_str(&out), STR("b OK LIST completed\r\n")));
	rig_session_close(s);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void run_for(uint64_t ms)
{
	struct timer *t = timer_new(rig.loop, stop_loop, rig.loop);

	timer_set(t, ms);
	loop_run(rig.loop);
	timer_free(t);
}

/* A client that does not read holds neither a thread nor the loop, and misses nothing in the end. */
static void test_client_that_does_not_read(void **state)
{
	enum { LISTS = 3000 };
	struct rig_session *slow = rig_session_open(&rig);
	struct err err = { .kind = ERR_NONE };
	AUTO_BUF commands = BUF_INIT(1 << 20);
	AUTO_BUF out = BUF_INIT(16 << 20);

	(void)state;
	for (unsigned i = 0; i < LISTS; i++)
		buf_addz(&commands, "a LIST \"\" *\r\n");
	rig_must(rig_start(slow, &err), &err);
	const struct imap_session *s = rig.server->sessions;
	check(send(slow->fd, commands.ptr, commands.len, MSG_DONTWAIT) == (ssize_t)commands.len);
	for (int i = 0; i < 100 && (s->lent || stream_queued(s->stream) == 0); i++)
		run_for(100);
	check(!s->lent);
	check(stream_queued(s->stream) >= STREAM_LOW_WATER);
	check(stream_queued(s->stream) < STREAM_HIGH_WATER * 2);
	rig_feed(slow, STR("z NOOP\r\n"), &out);
	size_t replies = 0;
	for (str rest = buf_str(&out), line; str_split(&rest, '\n', &line);)
		replies += str_starts(line, STR("a OK"));
	check_int_eq(replies, LISTS);
	check(str_ends(buf_str(&out), STR("z OK NOOP completed\r\n")));
	rig_session_close(slow);
}

static void test_idle_time(void **state)
{
	struct rig_session *s = rig_session_open(&rig);
	AUTO_BUF out = BUF_INIT(1 << 20);

	(void)state;
	rig.config.limits.imap_idle_s = 1;
	imap_server_configure(rig.server, &rig.config);
	/* RFC 9051 §5.4: in IDLE it is half an hour at least. */
	rig_feed(s, STR("a IDLE\r\n"), &out);
	run_for(1500);
	rig_feed(s, STR("DONE\r\n"), &out);
	check_str_eq(buf_str(&out), STR("+ idling\r\na OK IDLE completed\r\n"));
	buf_reset(&out);
	run_for(2500);
	rig_settle(s, &out, false);
	check_str_eq(buf_str(&out), STR("* BYE Nothing was heard from you for too long\r\n"));
	rig_session_close(s);
	rig_limits(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_sessions_of_an_account),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_client_that_does_not_read),
		cmocka_unit_test(test_idle_time),
		cmocka_unit_test(test_transcripts),
	};

	rig_open(&rig);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rig_close(&rig);
	return failed;
}
