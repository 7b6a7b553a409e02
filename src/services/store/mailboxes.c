/* The tree of an account's mailboxes. */
#include "services/store/internal.h"

/* ---- names ---- */

/* INBOX in any case is INBOX, also as the first component. RFC 9051 §5.1 */
static str canonical(struct arena *a, str name)
{
	str head = str_sub(name, 0, 5);

	if (!str_ieq(head, STR("INBOX")) || (name.len > 5 && name.ptr[5] != '/'))
		return name;
	return arena_strf(a, "INBOX" STR_FMT, STR_ARG(str_skip(name, 5)));
}

static int check_name(str name, struct err *err)
{
	size_t depth = 1;

	if (name.len == 0 || name.len > STORE_NAME_MAX)
		return err_set(err, ERR_LIMIT, "a mailbox name has 1 to %d bytes", STORE_NAME_MAX);
	if (name.ptr[0] == '/' || name.ptr[name.len - 1] == '/' ||
	    str_find(name, STR("//")) != STR_NPOS)
		return err_set(err, ERR_INPUT, "a mailbox name has no empty part between its '/'");
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return err_set(err, ERR_INPUT, "a mailbox name has no control characters");
		depth += name.ptr[i] == '/';
	}
	if (depth > STORE_NAME_DEPTH_MAX)
		return err_set(
		    err, ERR_LIMIT, "mailboxes lie at most %d deep", STORE_NAME_DEPTH_MAX);
	return 0;
}

static bool is_inbox(str name)
{
	return str_eq(name, STR("INBOX"));
}

/* ---- reading ---- */

static struct store_mailbox mailbox_of(const struct db_rows *rows, struct arena *a)
{
	return (struct store_mailbox){
		.id = db_u64(rows, 0),
		.name = arena_str(a, db_bytes(rows, 1)),
		.uidvalidity = db_u32(rows, 2),
		.uidnext = db_u32(rows, 3),
		.message_count = db_u32(rows, 4),
		.unseen_count = db_u32(rows, 5),
		.deleted_count = db_u32(rows, 6),
		.recent_count = db_u32(rows, 7),
		.size_bytes = db_u64(rows, 8),
		.deleted_bytes = db_u64(rows, 9),
		.highest_modseq = db_u64(rows, 10),
		.special_use = (enum store_special_use)db_int(rows, 11),
		.selectable = db_int(rows, 12) != 0,
		.subscribed = db_int(rows, 13) != 0,
	};
}

static int read_list(struct db *db, uint64_t account, struct arena *a, struct store_mailbox **out,
    size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	struct store_mailbox *list = NULL;
	size_t n = 0, cap = 0;
	int more;

	if (db_query(db, DB_MAILBOX_LIST, DB_ARGS(DB_INT(account)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_mailbox *m = arena_push(a, &list, &n, &cap, sizeof(*m));
		*m = mailbox_of(&rows, a);
	}
	*out = list;
	*out_count = n;
	return more;
}

int store_mailbox_list(struct store *s, uint64_t account, struct arena *a,
    struct store_mailbox **out, size_t *out_count, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_list(db, account, a, out, out_count, err);
	reader_release(s, db);
	return result;
}

static int read_one(struct db *db, uint64_t account, str name, struct arena *a,
    struct store_mailbox *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, DB_MAILBOX_FIND, DB_ARGS(DB_INT(account), DB_TEXT(canonical(a, name))), &rows,
		err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 0)
		return err_set(err, ERR_DENIED, "there is no mailbox '" STR_FMT "'",
		    STR_ARG(str_sub(name, 0, 100)));
	if (found == 1)
		*out = mailbox_of(&rows, a);
	return found == 1 ? 0 : -1;
}

int store_mailbox_find(struct store *s, uint64_t account, str name, struct arena *a,
    struct store_mailbox *out, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_one(db, account, name, a, out, err);
	reader_release(s, db);
	return result;
}

static int read_subscriptions(
    struct db *db, uint64_t account, struct arena *a, str **out, size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	str *list = NULL;
	size_t n = 0, cap = 0;
	int more;

	if (db_query(db, DB_SUBSCRIPTION_LIST, DB_ARGS(DB_INT(account)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1)
		*(str *)arena_push(a, &list, &n, &cap, sizeof(str)) =
		    arena_str(a, db_bytes(&rows, 0));
	*out = list;
	*out_count = n;
	return more;
}

int store_subscription_list(struct store *s, uint64_t account, struct arena *a, str **out,
    size_t *out_count, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_subscriptions(db, account, a, out, out_count, err);
	reader_release(s, db);
	return result;
}

/* ---- creating ---- */

static int find(
    struct store_txn *t, uint64_t account, str name, struct arena *a, struct store_mailbox *out, struct err *err)
{
	struct err why = { .kind = ERR_NONE };
	int result = read_one(t->db, account, name, a, out, &why);

	if (result < 0 && err)
		*err = why;
	if (result < 0 && why.kind != ERR_DENIED)
		txn_failed(t, &why);
	return result;
}

static int add(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    uint64_t *out_id, struct err *err)
{
	int64_t id;

	if (txn_number(t, DB_MAILBOX_ADD,
		DB_ARGS(DB_INT(account), DB_TEXT(name), DB_INT(use), DB_INT(1),
		    DB_INT(counters_uidvalidity(t)), DB_BLOB(STR(""))),
		&id, err) < 0)
		return -1;
	*out_id = (uint64_t)id;
	txn_event(t, account, 0);
	return 0;
}

static int add_parents(struct store_txn *t, uint64_t account, str name, struct arena *a, struct err *err)
{
	for (size_t i = 1; i < name.len; i++) {
		struct store_mailbox m;
		struct err why = { .kind = ERR_NONE };
		uint64_t id;
		str parent = str_sub(name, 0, i);
		if (name.ptr[i] != '/' || find(t, account, parent, a, &m, &why) == 0)
			continue;
		if (t->broken)
			return -1;
		if (add(t, account, parent, SPECIAL_NONE, &id, err) < 0)
			return -1;
	}
	return 0;
}

int txn_mailbox_create(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    uint64_t *out_id, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "mailbox", 1 << 20);
	struct store_mailbox m;
	struct err why = { .kind = ERR_NONE };

	if (check_name(name, err) < 0)
		return -1;
	name = canonical(a, name);
	if (find(t, account, name, a, &m, &why) == 0) {
		/* A name that only stood above others becomes a mailbox again. */
		if (m.selectable)
			return err_set(err, ERR_DENIED, "there is already a mailbox '" STR_FMT "'",
			    STR_ARG(str_sub(name, 0, 100)));
		if (txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(m.id)), err) < 0)
			return -1;
	}
	if (t->broken)
		return err_set(err, why.kind, "%s", why.text);
	return add_parents(t, account, name, a, err) < 0 ? -1
	                                                  : add(t, account, name, use, out_id, err);
}

/* ---- deleting ---- */

struct below {
	struct {
		uint64_t id;
		str name;
	} *items;
	size_t count, cap;
};

static int list_below(struct store_txn *t, uint64_t account, str name, struct arena *a,
    struct below *out, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	str low = arena_strf(a, STR_FMT "/", STR_ARG(name));
	str high = arena_strf(a, STR_FMT "0", STR_ARG(name));
	int more;

	*out = (struct below){ 0 };
	if (db_query(t->db, DB_MAILBOX_BELOW,
		DB_ARGS(DB_INT(account), DB_TEXT(low), DB_TEXT(high)), &rows, err) < 0)
		return txn_failed(t, err);
	while ((more = db_next(&rows, err)) == 1) {
		arena_push(a, &out->items, &out->count, &out->cap, sizeof(*out->items));
		out->items[out->count - 1].id = db_u64(&rows, 0);
		out->items[out->count - 1].name = arena_str(a, db_bytes(&rows, 1));
	}
	return more < 0 ? txn_failed(t, err) : 0;
}

/* A mailbox with children leaves its name behind, unselectable, under a new id. */
static int leave_name(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	uint64_t id;

	if (add(t, account, name, SPECIAL_NONE, &id, err) < 0)
		return -1;
	return txn_run(t, DB_MAILBOX_UNSELECTABLE, DB_ARGS(DB_INT(id)), err);
}

/* Names that stood above the one removed only for its sake go with it. */
static int remove_bare_parents(struct store_txn *t, uint64_t account, str name, struct arena *a, struct err *err)
{
	size_t at;

	while ((at = str_rchr(name, '/')) != STR_NPOS) {
		struct store_mailbox m;
		struct below below;
		name = str_sub(name, 0, at);
		if (find(t, account, name, a, &m, err) < 0 || m.selectable)
			return t->broken ? -1 : 0;
		if (list_below(t, account, name, a, &below, err) < 0)
			return -1;
		if (below.count > 0)
			return 0;
		if (txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(m.id)), err) < 0)
			return -1;
	}
	return 0;
}

int txn_mailbox_delete(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "mailbox", 64 << 20);
	struct store_mailbox m;
	struct below below;

	name = canonical(a, name);
	if (is_inbox(name))
		return err_set(err, ERR_DENIED, "INBOX cannot be deleted");
	if (find(t, account, name, a, &m, err) < 0 || list_below(t, account, name, a, &below, err) < 0)
		return -1;
	if (!m.selectable)
		return err_set(err, ERR_DENIED,
		    "'" STR_FMT "' is only a name above others; delete those first",
		    STR_ARG(str_sub(name, 0, 100)));
	if (box_remove(t, m.id, err) < 0)
		return -1;
	txn_event(t, account, 0);
	txn_event(t, account, m.id);
	return below.count ? leave_name(t, account, name, err)
	                   : remove_bare_parents(t, account, name, a, err);
}

/* ---- renaming ---- */

static int rename_one(struct store_txn *t, uint64_t account, uint64_t id, str name, struct err *err)
{
	struct err why = { .kind = ERR_NONE };

	if (check_name(name, err) < 0)
		return -1;
	if (txn_run(t, DB_MAILBOX_RENAME, DB_ARGS(DB_INT(id), DB_TEXT(name)), &why) < 0)
		return why.kind == ERR_DENIED
		           ? err_set(err, ERR_DENIED, "there is already a mailbox '" STR_FMT "'",
				 STR_ARG(str_sub(name, 0, 100)))
		           : err_set(err, why.kind, "%s", why.text);
	txn_event(t, account, 0);
	return 0;
}

/* RFC 9051 §6.3.6: INBOX stays, empty; its messages move to the new mailbox. */
static int rename_inbox(struct store_txn *t, uint64_t account, uint64_t inbox, str to,
    struct arena *a, struct err *err)
{
	static const struct store_range all = { 1, UINT32_MAX };
	struct store_uid_pairs pairs;
	uint64_t id;

	if (txn_mailbox_create(t, account, to, SPECIAL_NONE, &id, err) < 0)
		return -1;
	return txn_move(t, inbox, id, &all, 1, a, &pairs, err);
}

int txn_mailbox_rename(struct store_txn *t, uint64_t account, str from, str to, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "mailbox", 64 << 20);
	struct store_mailbox m, there;
	struct below below;
	struct err why = { .kind = ERR_NONE };

	from = canonical(a, from);
	to = canonical(a, to);
	if (check_name(to, err) < 0 || find(t, account, from, a, &m, err) < 0)
		return -1;
	if (find(t, account, to, a, &there, &why) == 0)
		return err_set(err, ERR_DENIED, "there is already a mailbox '" STR_FMT "'",
		    STR_ARG(str_sub(to, 0, 100)));
	if (t->broken)
		return err_set(err, why.kind, "%s", why.text);
	if (is_inbox(from))
		return rename_inbox(t, account, m.id, to, a, err);
	if (str_starts(to, arena_strf(a, STR_FMT "/", STR_ARG(from))))
		return err_set(err, ERR_INPUT, "a mailbox cannot move below itself");
	if (list_below(t, account, from, a, &below, err) < 0 ||
	    add_parents(t, account, to, a, err) < 0 || rename_one(t, account, m.id, to, err) < 0)
		return -1;
	for (size_t i = 0; i < below.count; i++) {
		str name = arena_strf(a, STR_FMT STR_FMT, STR_ARG(to),
		    STR_ARG(str_skip(below.items[i].name, from.len)));
		if (rename_one(t, account, below.items[i].id, name, err) < 0)
			return -1;
	}
	return remove_bare_parents(t, account, from, a, err);
}

int txn_subscribe(
    struct store_txn *t, uint64_t account, str name, bool subscribed, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "subscription", 1 << 16);

	if (check_name(name, err) < 0)
		return -1;
	txn_event(t, account, 0);
	return txn_run(t, subscribed ? DB_SUBSCRIPTION_ADD : DB_SUBSCRIPTION_REMOVE,
	    DB_ARGS(DB_INT(account), DB_TEXT(canonical(a, name))), err);
}
