/* cmd_append.c: APPEND, RFC 9051 §6.3.12; MULTIAPPEND, RFC 3502; APPENDUID, RFC 4315 §3; UTF8,
 * RFC 6855 §4; literal8, RFC 3516 §4.4; APPENDLIMIT, RFC 7889. */
#include "base/time.h"
#include "formats/message_index.h"
#include "sessions/imap/copying.h"
#include "sessions/imap/sets.h"

enum { MESSAGES_MAX = 1000, INDEX_ARENA_MAX = 256 << 20 };

struct append_message {
	struct imap_flags flags;
	int64_t internal_at; /* 0: now */
	bool utf8;
	/* When it has been looked into: */
	int64_t sent_at;
	struct store_piece piece;
	struct store_body stored;
	uint32_t uid;
};

struct append {
	str mailbox;
	struct append_message *messages;
	size_t count, cap;
	struct imap_to_index *bodies; /* of the same messages */
	size_t body_count, body_cap;
	uint64_t target;
};

/* ---- parsing ----------------------------------------------------------------------------------
 */

static int take_body(
    struct imap_lexer *in, struct append_message *m, struct imap_streamed *body, struct err *err)
{
	/* RFC 6855 §4: "UTF8 (~{5}...)". */
	m->utf8 = imap_try_atom(in, STR("UTF8"));
	if (m->utf8 && (imap_take_sp(in, err) < 0 || imap_take_char(in, '(', err) < 0))
		return -1;
	if (imap_take_literal_ref(in, body, err) < 0)
		return -1;
	if (m->utf8 && !body->binary)
		return err_set(err, ERR_INPUT, "UTF8 takes a literal8 (~{...})");
	return m->utf8 ? imap_take_char(in, ')', err) : 0;
}

static int take_message(
    struct imap_lexer *in, struct append_message *m, struct imap_streamed *body, struct err *err)
{
	if (imap_peek_char(in, '(') && (imap_take_flags(in, /* bare */ false, &m->flags, err) < 0 ||
	                                   imap_take_sp(in, err) < 0))
		return -1;
	if (imap_peek_char(in, '"') &&
	    (imap_take_date_time(in, &m->internal_at, err) < 0 || imap_take_sp(in, err) < 0))
		return -1;
	return take_body(in, m, body, err);
}

static int append_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err)
{
	struct append *a = arena_one(cmd->arena, struct append);

	cmd->args = a;
	if (imap_take_sp(in, err) < 0 || imap_take_mailbox(in, &a->mailbox, err) < 0 ||
	    imap_take_sp(in, err) < 0)
		return -1;
	do {
		if (a->count == MESSAGES_MAX)
			return err_set(
			    err, ERR_LIMIT, "more than %d messages in one APPEND", MESSAGES_MAX);
		struct append_message *m =
		    arena_push(cmd->arena, &a->messages, &a->count, &a->cap, sizeof(*m));
		struct imap_to_index *body =
		    arena_push(cmd->arena, &a->bodies, &a->body_count, &a->body_cap, sizeof(*body));
		*m = (struct append_message){ .internal_at = 0 };
		if (take_message(in, m, &body->body, err) < 0)
			return -1;
	} while (imap_try_char(in, ' '));
	return imap_take_end(in, err);
}

/* ---- refusing ---------------------------------------------------------------------------------
 */

static int check_message(struct imap_cmd *cmd, const struct imap_conn *c,
    const struct append_message *m, const struct imap_streamed *body, struct err *err)
{
	uint64_t most = c->config->limits.append_bytes;

	if (!body->length)
		return err_set(err, ERR_INPUT, "the message is empty");
	if (body->length > most || body->length > UINT32_MAX) {
		cmd->code = STR("TOOBIG");
		return err_set(err, ERR_LIMIT, "the message has %llu bytes, %llu are allowed",
		    (unsigned long long)body->length, (unsigned long long)most);
	}
	/* RFC 9051 §4.3: NUL travels in a literal8 only.
	 * DEVIATION RFC 3516 §4.4: such a message is kept as it came and BODY[] gives it back with
	 * its NUL, rather than with its parts encoded anew: signatures stay whole. */
	if (body->has_nul && !body->binary)
		return err_set(err, ERR_INPUT, "the message contains NUL; literal8 (~{) is needed");
	if (m->flags.keyword_count > STORE_KEYWORDS_MAX) {
		cmd->code = STR("LIMIT");
		return err_set(err, ERR_LIMIT, "more than %d keywords", STORE_KEYWORDS_MAX);
	}
	return 0;
}

static int check(struct imap_cmd *cmd, struct imap_conn *c, const struct append *a, struct err *err)
{
	uint64_t total = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (check_message(cmd, c, &a->messages[i], &a->bodies[i].body, err) < 0)
			return -1;
		total += a->bodies[i].body.length;
	}
	return store_accepts_mail(c->store, total, err) ? 0 : -1;
}

/* ---- looking in -------------------------------------------------------------------------------
 */

static int look_into(struct imap_cmd *cmd, const struct imap_conn *c, struct append_message *m,
    const struct imap_to_index *from, struct err *err)
{
	struct arena *a = arena_new(cmd->arena, "append", INDEX_ARENA_MAX);
	struct message_index index;

	if (message_index_decode(from->index, a, &index, err) < 0)
		return -1;
	/* RFC 6855 §4: raw UTF-8 in header fields only from clients that enabled it. */
	if (index.flags & INDEX_HEADER_UTF8 && !m->utf8 &&
	    !(c->enabled & (IMAP_ON_UTF8 | IMAP_ON_REV2))) {
		cmd->code = STR("CANNOT");
		return err_set(err, ERR_DENIED,
		    "header fields contain UTF-8; ENABLE UTF8=ACCEPT or IMAP4rev2 comes first");
	}
	m->sent_at = index.sent_at;
	if (!m->sent_at)
		m->sent_at = m->internal_at ? m->internal_at : time_wall_s();
	m->piece = (struct store_piece){ .bytes = from->body.bytes,
		.fd = from->body.fd,
		.offset = from->body.offset,
		.length = from->body.length };
	m->stored = (struct store_body){ .pieces = &m->piece, .piece_count = 1 };
	return store_body_hash(&m->stored, err);
}

/* ---- storing ----------------------------------------------------------------------------------
 */

static int add(struct store_txn *t, const struct append *a, size_t i, struct err *err)
{
	struct append_message *m = &a->messages[i];
	struct store_message_new message = {
		.body = &m->stored, .index = a->bodies[i].index, .sent_at = m->sent_at
	};
	struct store_append entry = {
		.mailbox = a->target,
		.size = (uint32_t)a->bodies[i].body.length,
		.flags = m->flags.system,
		.keywords = m->flags.keywords,
		.keyword_count = m->flags.keyword_count,
		.internal_at = m->internal_at,
	};

	if (txn_message_add(t, &message, &entry.message, err) < 0)
		return -1;
	return txn_append(t, &entry, &m->uid, err);
}

/* All or none. RFC 3502 §6.3.11 */
static int append_job(struct store_txn *t, void *arg, struct err *err)
{
	struct append *a = arg;

	for (size_t i = 0; i < a->count; i++)
		if (add(t, a, i, err) < 0)
			return -1;
	return 0;
}

static size_t new_keywords(const struct store_view *v, const struct append *a)
{
	size_t count = 0;

	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < a->messages[i].flags.keyword_count; k++) {
			bool known = false;
			for (size_t j = 0; j < v->keyword_count && !known; j++)
				known = str_ieq(v->keywords[j], a->messages[i].flags.keywords[k]);
			count += !known;
		}
	return count;
}

/* Quota, or too many keywords: the store says LIMIT for both. */
static str limit_code(struct imap_conn *c, const struct append *a)
{
	struct store_view *v;

	if (store_view_get(c->store, a->target, &v, NULL) < 0)
		return STR("OVERQUOTA");
	bool keywords = v->keyword_count + new_keywords(v, a) > STORE_KEYWORDS_MAX;
	store_view_unref(v);
	return keywords ? STR("LIMIT") : STR("OVERQUOTA");
}

static str appenduid(struct arena *arena, const struct append *a, uint32_t uidvalidity)
{
	struct ranges uids = { 0 };

	for (size_t i = 0; i < a->count; i++)
		ranges_add(arena, &uids, a->messages[i].uid, a->messages[i].uid);
	str set = ranges_print(arena, uids.at, uids.count);
	return arena_strf(arena, "APPENDUID %u " STR_FMT, uidvalidity, STR_ARG(set));
}

static int append_run(struct imap_cmd *cmd, struct imap_conn *c, struct err *err)
{
	struct append *a = cmd->args;
	struct store_mailbox target;

	if (imap_find_target(cmd, c, a->mailbox, &target, err) < 0 || check(cmd, c, a, err) < 0)
		return -1;
	if (imap_index_bodies(c, a->bodies, a->count, cmd->arena, err) < 0)
		return -1;
	for (size_t i = 0; i < a->count; i++)
		if (look_into(cmd, c, &a->messages[i], &a->bodies[i], err) < 0)
			return -1;
	a->target = target.id;
	if (store_write(c->store, append_job, a, err) < 0) {
		if (err->kind == ERR_LIMIT)
			cmd->code = limit_code(c, a);
		return -1;
	}
	cmd->code = appenduid(cmd->arena, a, target.uidvalidity);
	return IMAP_RUN_DONE;
}

const struct imap_command imap_cmd_append = {
	.name = STR_INIT("APPEND"),
	.capability = STR_INIT("MULTIAPPEND"),
	.states = IMAP_AUTHENTICATED | IMAP_SELECTED,
	.parse = append_parse,
	.run = append_run,
};
