/* Domains, accounts and aliases: small tables, plain statements. */
#include "services/store/internal.h"
#include "services/store/names.h"

/* ---- reading ---- */

typedef void fill_fn(const struct db_rows *rows, struct arena *a, void *out);

static void fill_domain(const struct db_rows *rows, struct arena *a, void *out)
{
	*(struct store_domain *)out = (struct store_domain){
		.id = db_u64(rows, 0),
		.name = arena_str(a, db_bytes(rows, 1)),
		.catch_all = arena_str(a, db_bytes(rows, 2)),
		.created_at = db_int(rows, 3),
	};
}

static void fill_account(const struct db_rows *rows, struct arena *a, void *out)
{
	*(struct store_account *)out = (struct store_account){
		.id = db_u64(rows, 0),
		.address = arena_str(a, db_bytes(rows, 1)),
		.quota_bytes = db_u64(rows, 2),
		.used_bytes = db_u64(rows, 3),
		.message_count = db_u64(rows, 4),
		.inbox_id = db_u64(rows, 5),
		.created_at = db_int(rows, 6),
		.language = arena_str(a, db_bytes(rows, 7)),
	};
}

static void fill_alias(const struct db_rows *rows, struct arena *a, void *out)
{
	*(struct store_alias *)out = (struct store_alias){
		.address = arena_str(a, db_bytes(rows, 0)),
		.targets = arena_str(a, db_bytes(rows, 1)),
	};
}

static void fill_dkim(const struct db_rows *rows, struct arena *a, void *out)
{
	*(struct store_dkim_key *)out = (struct store_dkim_key){
		.domain = arena_str(a, db_bytes(rows, 0)),
		.selector = arena_str(a, db_bytes(rows, 1)),
		.algorithm = arena_str(a, db_bytes(rows, 2)),
		.public_key = arena_str(a, db_bytes(rows, 3)),
		.created_at = db_int(rows, 4),
		.active_from = db_int(rows, 5),
	};
}

struct listing {
	enum db_statement id;
	size_t size;
	fill_fn *fill;
};

static int list_rows(struct db *db, const struct listing *l, struct arena *a, void *out_array,
    size_t *out_count, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	void *items = NULL;
	size_t count = 0, cap = 0;
	int more;

	if (db_query(db, l->id, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1)
		l->fill(&rows, a, arena_push(a, &items, &count, &cap, l->size));
	if (more < 0)
		return -1;
	memcpy(out_array, &items, sizeof(items));
	*out_count = count;
	return 0;
}

static int list_all(struct store *s, const struct listing *l, struct arena *a, void *out_array,
    size_t *out_count, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = list_rows(db, l, a, out_array, out_count, err);
	reader_release(s, db);
	return result;
}

int store_domain_list(
    struct store *s, struct arena *a, struct store_domain **out, size_t *out_count, struct err *err)
{
	static const struct listing l = { DB_DOMAIN_LIST, sizeof(**out), fill_domain };

	return list_all(s, &l, a, out, out_count, err);
}

int store_account_list(struct store *s, struct arena *a, struct store_account **out,
    size_t *out_count, struct err *err)
{
	static const struct listing l = { DB_ACCOUNT_LIST, sizeof(**out), fill_account };

	return list_all(s, &l, a, out, out_count, err);
}

int store_alias_list(
    struct store *s, struct arena *a, struct store_alias **out, size_t *out_count, struct err *err)
{
	static const struct listing l = { DB_ALIAS_LIST, sizeof(**out), fill_alias };

	return list_all(s, &l, a, out, out_count, err);
}

int store_dkim_list(struct store *s, struct arena *a, struct store_dkim_key **out,
    size_t *out_count, struct err *err)
{
	static const struct listing l = { DB_DKIM_LIST, sizeof(**out), fill_dkim };

	return list_all(s, &l, a, out, out_count, err);
}

static int account_row(struct db *db, enum db_statement id, const struct db_args *args,
    struct arena *a, struct store_account *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, id, args, &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found == 1)
		fill_account(&rows, a, out);
	return found == 0  ? err_set(err, ERR_DENIED, "there is no such account")
	       : found < 0 ? -1
	                   : 0;
}

static int account_get(struct store *s, enum db_statement id, const struct db_args *args,
    struct arena *a, struct store_account *out, struct err *err)
{
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = account_row(db, id, args, a, out, err);
	reader_release(s, db);
	return result;
}

int store_account_get(
    struct store *s, uint64_t account, struct arena *a, struct store_account *out, struct err *err)
{
	return account_get(s, DB_ACCOUNT_GET, DB_ARGS(DB_INT(account)), a, out, err);
}

int store_account_find(
    struct store *s, str address, struct arena *a, struct store_account *out, struct err *err)
{
	return account_get(s, DB_ACCOUNT_FIND, DB_ARGS(DB_TEXT(address)), a, out, err);
}

uint64_t store_directory_version(struct store *s)
{
	return atomic_load(&s->directory_version);
}

/* ---- writing ---- */

static int domain_id(struct store_txn *t, str name, uint64_t *out, struct err *err)
{
	int64_t id;
	int found = txn_look_up(t, DB_DOMAIN_FIND, DB_ARGS(DB_TEXT(name)), &id, err);

	if (found == 0)
		return err_set(err, ERR_DENIED,
		    "domain '" STR_FMT "' is not served here: add it first", STR_ARG(name));
	if (found < 0)
		return -1;
	*out = (uint64_t)id;
	return 0;
}

/* The domain of local@domain. */
static int address_domain(struct store_txn *t, str address, uint64_t *out, struct err *err)
{
	size_t at = str_rchr(address, '@');

	if (at == STR_NPOS || at == 0 || at + 1 == address.len || address.len > STORE_NAME_MAX ||
	    !str_is_utf8(address))
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is not an address", STR_ARG(address));
	return domain_id(t, str_skip(address, at + 1), out, err);
}

static int account_id(struct store_txn *t, str address, uint64_t *out, struct err *err)
{
	int64_t id;
	int found = txn_look_up(t, DB_ACCOUNT_FIND, DB_ARGS(DB_TEXT(address)), &id, err);

	if (found == 0)
		return err_set(
		    err, ERR_DENIED, "there is no account '" STR_FMT "'", STR_ARG(address));
	if (found < 0)
		return -1;
	*out = (uint64_t)id;
	return 0;
}

int txn_domain_add(struct store_txn *t, str name, struct err *err)
{
	int64_t id;

	if (name.len == 0 || name.len > 255 || !str_is_printable(name))
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is not a domain", STR_ARG(name));
	if (txn_look_up(t, DB_DOMAIN_FIND, DB_ARGS(DB_TEXT(name)), &id, err) == 1)
		return err_set(
		    err, ERR_DENIED, "domain '" STR_FMT "' is already there", STR_ARG(name));
	if (txn_number(t, DB_DOMAIN_ADD, DB_ARGS(DB_TEXT(name), DB_INT(t->now)), &id, err) != 1)
		return -1;
	t->directory_changed = true;
	return 0;
}

int txn_domain_remove(struct store_txn *t, str name, struct err *err)
{
	uint64_t id = 0;
	int64_t used;

	if (domain_id(t, name, &id, err) < 0)
		return -1;
	int found = txn_look_up(t, DB_DOMAIN_IN_USE, DB_ARGS(DB_INT(id)), &used, err);
	if (found != 0)
		return found < 0
		           ? -1
		           : err_set(err, ERR_DENIED,
		                 "domain '" STR_FMT "' still has accounts, aliases or DKIM keys",
		                 STR_ARG(name));
	t->directory_changed = true;
	return txn_run(t, DB_DOMAIN_REMOVE, DB_ARGS(DB_INT(id)), err);
}

int txn_domain_catch_all(struct store_txn *t, str name, str address, struct err *err)
{
	uint64_t id = 0, account;

	if (domain_id(t, name, &id, err) < 0 ||
	    (address.len > 0 && account_id(t, address, &account, err) < 0))
		return -1;
	t->directory_changed = true;
	return txn_run(t, DB_DOMAIN_CATCH_ALL, DB_ARGS(DB_INT(id), DB_TEXT(address)), err);
}

/* One address is an account or an alias, never both. */
static int must_be_free(struct store_txn *t, str address, struct err *err)
{
	int64_t ignored;
	int account = txn_look_up(t, DB_ACCOUNT_FIND, DB_ARGS(DB_TEXT(address)), &ignored, err);
	int alias = account
	                ? account
	                : txn_look_up(t, DB_ALIAS_FIND, DB_ARGS(DB_TEXT(address)), &ignored, err);

	if (alias < 0)
		return -1;
	if (alias == 1)
		return err_set(err, ERR_DENIED, "there is already %s '" STR_FMT "'",
		    account ? "an account" : "an alias", STR_ARG(address));
	return 0;
}

static const struct folder {
	str name;
	enum store_special_use use;
} folders[] = {
	{ STR_INIT("INBOX"), SPECIAL_NONE },
	{ STR_INIT("Drafts"), SPECIAL_DRAFTS },
	{ STR_INIT("Sent"), SPECIAL_SENT },
	{ STR_INIT("Junk"), SPECIAL_JUNK },
	{ STR_INIT("Trash"), SPECIAL_TRASH },
	{ STR_INIT("Archive"), SPECIAL_ARCHIVE },
};

static int add_folders(struct store_txn *t, uint64_t account, struct err *err)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		uint64_t id;
		if (mailbox_add(t, account, folders[i].name, folders[i].use, true, &id, err) < 0 ||
		    txn_subscribe(t, account, folders[i].name, true, err) < 0)
			return -1;
		if (i == 0 &&
		    txn_run(t, DB_ACCOUNT_INBOX, DB_ARGS(DB_INT(account), DB_INT(id)), err) < 0)
			return -1;
	}
	return 0;
}

int txn_account_add(
    struct store_txn *t, str address, uint64_t quota_bytes, uint64_t *out_id, struct err *err)
{
	uint64_t domain = 0;
	int64_t id;

	if (address_domain(t, address, &domain, err) < 0 || must_be_free(t, address, err) < 0)
		return -1;
	if (txn_number(t, DB_ACCOUNT_ADD,
	        DB_ARGS(DB_INT(domain), DB_TEXT(address), DB_INT(quota_bytes), DB_INT(t->now)), &id,
	        err) != 1 ||
	    add_folders(t, (uint64_t)id, err) < 0)
		return -1;
	t->directory_changed = true;
	if (out_id)
		*out_id = (uint64_t)id;
	return 0;
}

int txn_account_remove(struct store_txn *t, str address, struct err *err)
{
	uint64_t account = 0;

	if (account_id(t, address, &account, err) < 0 || mailboxes_clear(t, account, err) < 0 ||
	    txn_run(t, DB_SUBSCRIPTION_CLEAR, DB_ARGS(DB_INT(account)), err) < 0 ||
	    txn_run(t, DB_ACCOUNT_REMOVE, DB_ARGS(DB_INT(account)), err) < 0)
		return -1;
	purse_drop(t, account);
	txn_event(t, account, 0);
	t->directory_changed = true;
	return 0;
}

int txn_account_quota(struct store_txn *t, str address, uint64_t quota_bytes, struct err *err)
{
	uint64_t account = 0;

	if (account_id(t, address, &account, err) < 0)
		return -1;
	purse_drop(t, account);
	t->directory_changed = true;
	return txn_run(t, DB_ACCOUNT_QUOTA, DB_ARGS(DB_INT(account), DB_INT(quota_bytes)), err);
}

int txn_account_language(struct store_txn *t, str address, str language, struct err *err)
{
	uint64_t account = 0;

	if (account_id(t, address, &account, err) < 0)
		return -1;
	t->directory_changed = true;
	return txn_run(t, DB_ACCOUNT_LANGUAGE, DB_ARGS(DB_INT(account), DB_TEXT(language)), err);
}

int txn_alias_add(struct store_txn *t, str address, str targets, struct err *err)
{
	uint64_t domain = 0;

	if (targets.len == 0)
		return err_set(err, ERR_INPUT, "an alias needs at least one target");
	if (address_domain(t, address, &domain, err) < 0 || must_be_free(t, address, err) < 0)
		return -1;
	t->directory_changed = true;
	return txn_run(
	    t, DB_ALIAS_ADD, DB_ARGS(DB_TEXT(address), DB_INT(domain), DB_TEXT(targets)), err);
}

int txn_alias_remove(struct store_txn *t, str address, struct err *err)
{
	int64_t ignored;
	int found = txn_look_up(t, DB_ALIAS_FIND, DB_ARGS(DB_TEXT(address)), &ignored, err);

	if (found <= 0)
		return found < 0 ? -1
		                 : err_set(err, ERR_DENIED, "there is no alias '" STR_FMT "'",
		                       STR_ARG(address));
	t->directory_changed = true;
	return txn_run(t, DB_ALIAS_REMOVE, DB_ARGS(DB_TEXT(address)), err);
}

/* ---- keys for DKIM ---- */

static int dkim_find(
    struct store_txn *t, uint64_t domain, str selector, int *out_found, struct err *err)
{
	int64_t ignored;

	*out_found =
	    txn_look_up(t, DB_DKIM_FIND, DB_ARGS(DB_INT(domain), DB_TEXT(selector)), &ignored, err);
	return *out_found < 0 ? -1 : 0;
}

int txn_dkim_add(struct store_txn *t, const struct store_dkim_key *key, struct err *err)
{
	uint64_t domain = 0;
	int found;

	if (domain_id(t, key->domain, &domain, err) < 0 ||
	    dkim_find(t, domain, key->selector, &found, err) < 0)
		return -1;
	if (found)
		return err_set(err, ERR_DENIED,
		    "domain '" STR_FMT "' already has a DKIM key with the selector '" STR_FMT "'",
		    STR_ARG(key->domain), STR_ARG(key->selector));
	t->directory_changed = true;
	return txn_run(t, DB_DKIM_ADD,
	    DB_ARGS(DB_INT(domain), DB_TEXT(key->selector), DB_TEXT(key->algorithm),
	        DB_TEXT(key->public_key), DB_INT(t->now), DB_INT(key->active_from)),
	    err);
}

static int dkim_must_be_there(
    struct store_txn *t, str name, str selector, uint64_t *out_domain, struct err *err)
{
	int found;

	if (domain_id(t, name, out_domain, err) < 0 ||
	    dkim_find(t, *out_domain, selector, &found, err) < 0)
		return -1;
	if (!found)
		return err_set(err, ERR_DENIED,
		    "domain '" STR_FMT "' has no DKIM key with the selector '" STR_FMT "'",
		    STR_ARG(name), STR_ARG(selector));
	t->directory_changed = true;
	return 0;
}

int txn_dkim_activate(
    struct store_txn *t, str domain, str selector, int64_t active_from, struct err *err)
{
	uint64_t id = 0;

	if (dkim_must_be_there(t, domain, selector, &id, err) < 0)
		return -1;
	return txn_run(
	    t, DB_DKIM_ACTIVATE, DB_ARGS(DB_INT(id), DB_TEXT(selector), DB_INT(active_from)), err);
}

int txn_dkim_remove(struct store_txn *t, str domain, str selector, struct err *err)
{
	uint64_t id = 0;

	if (dkim_must_be_there(t, domain, selector, &id, err) < 0)
		return -1;
	return txn_run(t, DB_DKIM_REMOVE, DB_ARGS(DB_INT(id), DB_TEXT(selector)), err);
}
