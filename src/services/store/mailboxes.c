/* The names of an account's mailboxes: list, make, rename, remove, subscribe. */
#include "services/store/names.h"

#define INBOX STR("INBOX")

/* ---- names ---- */

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static int check_parts(str name, struct err *err)
{
	unsigned depth = 0;
	str rest = name, part;

	while (str_split(&rest, '/', &part)) {
		if (part.len == 0)
			return err_set(err, ERR_INPUT, "a mailbox name has no empty parts");
		if (++depth > STORE_NAME_DEPTH_MAX)
			return err_set(
			    err, ERR_LIMIT, "mailboxes lie at most %d deep", STORE_NAME_DEPTH_MAX);
	}
	return str_ends(name, STR("/")) ? err_set(err, ERR_INPUT, "a mailbox name ends with '/'")
	                                : 0;
}

/* INBOX in any case is INBOX, also as the first part. RFC 9051 §5.1 */
int mailbox_name_canonical(str name, struct mailbox_name *out, struct err *err)
{
	if (name.len == 0 || name.len > STORE_NAME_MAX)
		return err_set(err, name.len ? ERR_LIMIT : ERR_INPUT,
		    "a mailbox name has 1 to %d bytes", STORE_NAME_MAX);
	if (!str_is_utf8(name))
		return err_set(err, ERR_INPUT, "a mailbox name is UTF-8");
	for (size_t i = 0; i < name.len; i++) {
		if (is_control(name.ptr[i]))
			return err_set(err, ERR_INPUT, "a mailbox name has no control characters");
	}
	if (check_parts(name, err) < 0)
		return -1;
	memcpy(out->bytes, name.ptr, name.len);
	out->text = str_new(out->bytes, name.len);
	if (str_istarts(name, INBOX) && (name.len == INBOX.len || name.ptr[INBOX.len] == '/'))
		memcpy(out->bytes, INBOX.ptr, INBOX.len);
	return 0;
}

/* Everything below a name lies between "name/" and "name0". */
struct bounds {
	char from[STORE_NAME_MAX + 1], to[STORE_NAME_MAX + 1];
	size_t len;
};

static void bounds_of(str name, struct bounds *out)
{
	memcpy(out->from, name.ptr, name.len);
	memcpy(out->to, name.ptr, name.len);
	out->from[name.len] = '/';
	out->to[name.len] = '/' + 1;
	out->len = name.len + 1;
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

static int no_such(str name, struct err *err)
{
	return err_set(
	    err, ERR_DENIED, "there is no mailbox '" STR_FMT "'", STR_ARG(str_sub(name, 0, 100)));
}

static int read_one(struct db *db, uint64_t account, str name, struct arena *a,
    struct store_mailbox *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, DB_MAILBOX_FIND, DB_ARGS(DB_INT(account), DB_TEXT(name)), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 0)
		return no_such(name, err);
	if (found == 1)
		*out = mailbox_of(&rows, a);
	return found == 1 ? 0 : -1;
}

int store_mailbox_find(struct store *s, uint64_t account, str name, struct arena *a,
    struct store_mailbox *out, struct err *err)
{
	struct mailbox_name canonical;
	struct db *db;

	if (mailbox_name_canonical(name, &canonical, err) < 0 || reader_acquire(s, &db, err) < 0)
		return -1;
	int result = read_one(db, account, canonical.text, a, out, err);
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

/* ---- writing: helpers ---- */

struct row {
	uint64_t id;
	bool selectable;
};

/* 1, 0 when there is none, -1. */
static int find(struct store_txn *t, uint64_t account, str name, struct row *out, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	struct err why = { .kind = ERR_NONE };
	int found =
	    db_query(t->db, DB_MAILBOX_FIND, DB_ARGS(DB_INT(account), DB_TEXT(name)), &rows, &why);

	if (found == 0)
		found = db_next(&rows, &why);
	if (found < 0) {
		if (err)
			*err = why;
		return txn_failed(t, &why);
	}
	if (found == 1)
		*out = (struct row){ .id = db_u64(&rows, 0), .selectable = db_int(&rows, 12) != 0 };
	return found;
}

/* 1 when something lies below the name. */
static int has_children(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	struct bounds b;
	int64_t id;

	bounds_of(name, &b);
	return txn_look_up(t, DB_MAILBOX_BELOW,
	    DB_ARGS(
	        DB_INT(account), DB_TEXT(str_new(b.from, b.len)), DB_TEXT(str_new(b.to, b.len))),
	    &id, err);
}

int mailbox_add(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    bool selectable, uint64_t *out_id, struct err *err)
{
	int64_t id;

	if (txn_number(t, DB_MAILBOX_ADD,
	        DB_ARGS(DB_INT(account), DB_TEXT(name), DB_INT(use), DB_INT(selectable),
	            DB_INT(counters_uidvalidity(t)), DB_BLOB(STR(""))),
	        &id, err) != 1)
		return -1;
	if (id >= INT32_MAX)
		return err_set(err, ERR_LIMIT, "the store has used up its mailbox numbers");
	txn_event(t, account, 0);
	if (out_id)
		*out_id = (uint64_t)id;
	return 0;
}

static str parent_of(str name)
{
	size_t at = str_rchr(name, '/');

	return at == STR_NPOS ? STR_NONE : str_sub(name, 0, at);
}

static int add_parents(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	struct row row = { .id = 0 };

	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] != '/')
			continue;
		str parent = str_sub(name, 0, i);
		int found = find(t, account, parent, &row, err);
		if (found < 0 || (found == 0 && mailbox_add(t, account, parent, SPECIAL_NONE, true,
		                                    NULL, err) < 0))
			return -1;
	}
	return 0;
}

/* Names that were only kept for what lay below them go with the last of it. */
static int remove_bare_parents(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	struct row row = { .id = 0 };

	for (str parent = parent_of(name); parent.len > 0; parent = parent_of(parent)) {
		int found = find(t, account, parent, &row, err);
		if (found < 0)
			return -1;
		if (found == 0 || row.selectable)
			return 0;
		int children = has_children(t, account, parent, err);
		if (children != 0)
			return children < 0 ? -1 : 0;
		if (txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(row.id)), err) < 0)
			return -1;
	}
	return 0;
}

static int taken(str name, struct err *err)
{
	return err_set(err, ERR_DENIED, "there is already a mailbox '" STR_FMT "'",
	    STR_ARG(str_sub(name, 0, 100)));
}

/* ---- CREATE, DELETE ---- */

int txn_mailbox_create(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    uint64_t *out_id, struct err *err)
{
	struct mailbox_name canonical;
	struct purse *purse;
	struct row row = { .id = 0 };

	if (mailbox_name_canonical(name, &canonical, err) < 0 ||
	    purse_get(t, account, &purse, err) < 0)
		return -1;
	int found = find(t, account, canonical.text, &row, err);
	if (found < 0)
		return -1;
	if (found == 1 && row.selectable)
		return taken(canonical.text, err);
	/* A name that only stood above others becomes a mailbox, with a new UIDVALIDITY. */
	if (found == 1 && txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(row.id)), err) < 0)
		return -1;
	if (add_parents(t, account, canonical.text, err) < 0)
		return -1;
	return mailbox_add(t, account, canonical.text, use, true, out_id, err);
}

int txn_mailbox_delete(struct store_txn *t, uint64_t account, str name, struct err *err)
{
	struct mailbox_name canonical;
	struct row row = { .id = 0 };

	if (mailbox_name_canonical(name, &canonical, err) < 0)
		return -1;
	if (str_eq(canonical.text, INBOX))
		return err_set(err, ERR_DENIED, "INBOX cannot be deleted");
	int found = find(t, account, canonical.text, &row, err);
	if (found <= 0)
		return found < 0 ? -1 : no_such(canonical.text, err);
	int children = has_children(t, account, canonical.text, err);
	if (children < 0)
		return -1;
	if (children && !row.selectable)
		return err_set(err, ERR_DENIED,
		    "'" STR_FMT "' is only a name above others; delete those first",
		    STR_ARG(str_sub(canonical.text, 0, 100)));
	if (row.selectable ? box_remove(t, row.id, err) < 0
	                   : txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(row.id)), err) < 0)
		return -1;
	txn_event(t, account, 0);
	return children ? mailbox_add(t, account, canonical.text, SPECIAL_NONE, false, NULL, err)
	                : remove_bare_parents(t, account, canonical.text, err);
}

static int collect_ids(struct store_txn *t, uint64_t account, struct arena *a, uint64_t **out,
    size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	size_t cap = 0;
	int more;

	*out = NULL;
	*out_count = 0;
	if (db_query(t->db, DB_MAILBOX_OF_ACCOUNT, DB_ARGS(DB_INT(account)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		uint64_t *id = arena_push(a, out, out_count, &cap, sizeof(**out));
		*id = db_u64(&rows, 0);
	}
	return more;
}

int mailboxes_clear(struct store_txn *t, uint64_t account, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "account removal", 64 << 20);
	uint64_t *ids;
	size_t count;

	if (collect_ids(t, account, a, &ids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct err why = { .kind = ERR_NONE };
		if (box_remove(t, ids[i], &why) == 0)
			continue;
		/* A name without a mailbox behind it. */
		if (why.kind != ERR_DENIED ||
		    txn_run(t, DB_MAILBOX_REMOVE, DB_ARGS(DB_INT(ids[i])), &why) < 0) {
			if (err)
				*err = why;
			return -1;
		}
	}
	return 0;
}

/* ---- RENAME ---- */

struct child {
	uint64_t id;
	str name;
};

static int collect_children(struct store_txn *t, uint64_t account, str name, struct arena *a,
    struct child **out, size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = t->db };
	struct bounds b;
	size_t cap = 0;
	int more;

	*out = NULL;
	*out_count = 0;
	bounds_of(name, &b);
	if (db_query(t->db, DB_MAILBOX_BELOW,
	        DB_ARGS(DB_INT(account), DB_TEXT(str_new(b.from, b.len)),
	            DB_TEXT(str_new(b.to, b.len))),
	        &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct child *c = arena_push(a, out, out_count, &cap, sizeof(**out));
		*c = (struct child){ db_u64(&rows, 0), arena_str(a, db_bytes(&rows, 1)) };
	}
	return more;
}

static int rename_children(struct store_txn *t, uint64_t account, str from, str to, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "rename", 256 << 20);
	struct child *children;
	struct mailbox_name checked;
	size_t count;

	if (collect_children(t, account, from, a, &children, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		str rest = str_skip(children[i].name, from.len);
		str name = arena_strf(a, STR_FMT STR_FMT, STR_ARG(to), STR_ARG(rest));
		if (mailbox_name_canonical(name, &checked, err) < 0 ||
		    txn_run(t, DB_MAILBOX_RENAME,
		        DB_ARGS(DB_INT(children[i].id), DB_TEXT(checked.text)), err) < 0)
			return -1;
	}
	return 0;
}

/* RFC 9051 §6.3.6: the messages of INBOX move to the new name, INBOX stays, and what lies below it
 * stays where it is. */
static int rename_inbox(
    struct store_txn *t, uint64_t account, uint64_t inbox, str to, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "rename", 64 << 20);
	struct store_range all = { 1, UINT32_MAX - 1 };
	struct store_uid_pairs pairs;
	uint64_t id = 0;

	if (mailbox_add(t, account, to, SPECIAL_NONE, true, &id, err) < 0)
		return -1;
	return txn_move(t, inbox, id, &all, 1, a, &pairs, err);
}

static bool is_below(str name, str top)
{
	return name.len > top.len && str_starts(name, top) && name.ptr[top.len] == '/';
}

int txn_mailbox_rename(struct store_txn *t, uint64_t account, str from, str to, struct err *err)
{
	struct mailbox_name old, new;
	struct row row = { .id = 0 }, there;

	if (mailbox_name_canonical(from, &old, err) < 0 ||
	    mailbox_name_canonical(to, &new, err) < 0)
		return -1;
	int found = find(t, account, old.text, &row, err);
	if (found <= 0)
		return found < 0 ? -1 : no_such(old.text, err);
	found = find(t, account, new.text, &there, err);
	if (found != 0)
		return found < 0 ? -1 : taken(new.text, err);
	bool is_inbox = str_eq(old.text, INBOX);
	if (!is_inbox && is_below(new.text, old.text))
		return err_set(err, ERR_INPUT, "a mailbox cannot move below itself");
	if (add_parents(t, account, new.text, err) < 0)
		return -1;
	if (is_inbox)
		return rename_inbox(t, account, row.id, new.text, err);
	if (txn_run(t, DB_MAILBOX_RENAME, DB_ARGS(DB_INT(row.id), DB_TEXT(new.text)), err) < 0 ||
	    rename_children(t, account, old.text, new.text, err) < 0)
		return -1;
	txn_event(t, account, 0);
	return remove_bare_parents(t, account, old.text, err);
}

/* ---- SUBSCRIBE ---- */

int txn_subscribe(struct store_txn *t, uint64_t account, str name, bool subscribed, struct err *err)
{
	struct mailbox_name canonical;

	if (mailbox_name_canonical(name, &canonical, err) < 0)
		return -1;
	txn_event(t, account, 0);
	return txn_run(t, subscribed ? DB_SUBSCRIPTION_ADD : DB_SUBSCRIPTION_REMOVE,
	    DB_ARGS(DB_INT(account), DB_TEXT(canonical.text)), err);
}
