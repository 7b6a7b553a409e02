#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "services/store/db.h"
#include "services/store/io.h"

enum {
	READER_BUSY_MS = 5000,
	WRITER_BUSY_MS = 100, /* for a checkpoint that waits for readers */
	WRITER_CACHE_KIB = 16384,
	READER_CACHE_KIB = 2048,
	PARAMETERS_MAX = 20,
	COPY_PAGES = 1024, /* 4 MiB a step */
	COPY_BUSY_TRIES = 600,
};

static const struct statement {
	const char *name, *types;
	const char *text[2]; /* sqlite, postgresql */
} statements[DB_STATEMENT_COUNT] = {
#define STATEMENT(name_, types_, ...) \
	[DB_##name_] = { .name = #name_, .types = types_, .text = { __VA_ARGS__ } },
#include "services/store/sql/statements.def"
#undef STATEMENT
};

struct sqlite_db {
	struct db db;
	sqlite3 *handle;
	uint64_t log_pages; /* as of the last commit */
	struct prepared {
		sqlite3_stmt *stmt;
		unsigned char place[PARAMETERS_MAX]; /* of $1, $2, … among SQLite's own numbers */
		bool busy;
	} prepared[DB_STATEMENT_COUNT];
};

static struct sqlite_db *of(const struct db *db)
{
	return __extension__(struct sqlite_db *)(uintptr_t) db;
}

static enum err_kind kind_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return ERR_DENIED;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_FULL:
		return ERR_RETRY;
	default:
		return ERR_SYSTEM;
	}
}

static int fail(struct sqlite_db *db, const char *doing, struct err *err)
{
	int rc = sqlite3_extended_errcode(db->handle);

	return err_set(err, kind_of(rc), "database: %s: %s", doing, sqlite3_errmsg(db->handle));
}

/* ---- statements ---- */

static int prepare(
    struct sqlite_db *db, enum db_statement id, struct prepared **out, struct err *err)
{
	struct prepared *p = &db->prepared[id];
	const struct statement *s = &statements[id];

	if (!p->stmt) {
		if (sqlite3_prepare_v3(db->handle, s->text[0], -1, SQLITE_PREPARE_PERSISTENT,
		        &p->stmt, NULL) != SQLITE_OK)
			return fail(db, s->name, err);
		/* SQLite numbers parameters by first appearance, whatever their name says. */
		for (int i = 1; i <= sqlite3_bind_parameter_count(p->stmt); i++) {
			const char *name = sqlite3_bind_parameter_name(p->stmt, i);
			int number = name[1] - '0';
			if (name[2])
				number = number * 10 + name[2] - '0';
			assert(number >= 1 && number <= PARAMETERS_MAX);
			p->place[number - 1] = (unsigned char)i;
		}
	}
	assert(!p->busy);
	*out = p;
	return 0;
}

static int bind_value(sqlite3_stmt *stmt, int place, const struct db_value *v)
{
	const char *bytes = v->bytes.ptr ? v->bytes.ptr : "";

	switch (v->type) {
	case DB_TYPE_INT:
		return sqlite3_bind_int64(stmt, place, v->number);
	case DB_TYPE_TEXT:
		return sqlite3_bind_text64(
		    stmt, place, bytes, v->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
	case DB_TYPE_BLOB:
		return sqlite3_bind_blob64(stmt, place, bytes, v->bytes.len, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static int start(struct sqlite_db *db, enum db_statement id, const struct db_args *args,
    struct prepared **out, struct err *err)
{
	const struct statement *s = &statements[id];

	if (prepare(db, id, out, err) < 0)
		return -1;
	assert(strlen(s->types) == args->count);
	for (size_t i = 0; i < args->count; i++) {
		assert((char)args->values[i].type == s->types[i]);
		if (bind_value((*out)->stmt, (*out)->place[i], &args->values[i]) != SQLITE_OK)
			return fail(db, s->name, err);
	}
	return 0;
}

static int sqlite_run(
    struct db *base, enum db_statement id, const struct db_args *args, struct err *err)
{
	struct sqlite_db *db = of(base);
	struct prepared *p;
	int rc;

	if (start(db, id, args, &p, err) < 0)
		return -1;
	do
		rc = sqlite3_step(p->stmt);
	while (rc == SQLITE_ROW);
	int result = rc == SQLITE_DONE ? 0 : fail(db, statements[id].name, err);
	sqlite3_reset(p->stmt);
	return result;
}

static int sqlite_query(struct db *base, enum db_statement id, const struct db_args *args,
    struct db_rows *out, struct err *err)
{
	struct prepared *p;

	if (start(of(base), id, args, &p, err) < 0)
		return -1;
	p->busy = true;
	*out = (struct db_rows){ .db = base, .statement = p };
	return 0;
}

static sqlite3_stmt *stmt_of(const struct db_rows *rows)
{
	return ((const struct prepared *)rows->statement)->stmt;
}

static int sqlite_next(struct db_rows *rows, struct err *err)
{
	int rc = sqlite3_step(stmt_of(rows));

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : fail(of(rows->db), "reading rows", err);
}

static void sqlite_end(struct db_rows *rows)
{
	struct prepared *p = rows->statement;

	p->busy = false;
	sqlite3_reset(p->stmt);
}

static int64_t sqlite_int(const struct db_rows *rows, int column)
{
	return sqlite3_column_int64(stmt_of(rows), column);
}

static str sqlite_bytes(const struct db_rows *rows, int column)
{
	sqlite3_stmt *stmt = stmt_of(rows);
	const void *ptr = sqlite3_column_blob(stmt, column);

	return str_new(ptr, (size_t)sqlite3_column_bytes(stmt, column));
}

static bool sqlite_in_transaction(const struct db *base)
{
	return !sqlite3_get_autocommit(of(base)->handle);
}

static int64_t sqlite_last_id(const struct db *base)
{
	return sqlite3_last_insert_rowid(of(base)->handle);
}

static int sqlite_script(struct db *base, const char *sql, struct err *err)
{
	struct sqlite_db *db = of(base);

	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail(db, "running a script", err);
	return 0;
}

/* ---- versions of the tables ---- */

static int read_number(struct sqlite_db *db, const char *sql, int64_t *out, struct err *err)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW) {
		fail(db, sql, err);
		sqlite3_finalize(stmt);
		return -1;
	}
	*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

static int migrate(struct sqlite_db *db, const char *sql, int64_t version, struct err *err)
{
	char mark[64];

	snprintf(mark, sizeof(mark), "PRAGMA user_version = %lld", (long long)version);
	if (sqlite_script(&db->db, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	if (sqlite_script(&db->db, sql, err) < 0 || sqlite_script(&db->db, mark, err) < 0 ||
	    sqlite_script(&db->db, "COMMIT", err) < 0) {
		sqlite_script(&db->db, "ROLLBACK", NULL);
		return err_wrap(err, "bringing the store to version %lld", (long long)version);
	}
	return 0;
}

static int sqlite_schema(struct db *base, const char *const *migrations, uint32_t count,
    bool may_change, struct err *err)
{
	struct sqlite_db *db = of(base);
	int64_t version;

	if (read_number(db, "PRAGMA user_version", &version, err) < 0)
		return -1;
	if (version > (int64_t)count)
		return err_set(err, ERR_SYSTEM,
		    "the store was written by a newer buzon (tables of version %lld, this one "
		    "knows %u): use that release again, or restore a backup",
		    (long long)version, count);
	if (version < (int64_t)count && !may_change)
		return err_set(err, ERR_SYSTEM,
		    "the store has tables of version %lld, this buzon needs %u: start the server "
		    "once to bring it up to date",
		    (long long)version, count);
	for (; version < (int64_t)count; version++) {
		if (migrate(db, migrations[version], version + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the write-ahead log ---- */

static int note_log(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct sqlite_db *db = arg;

	(void)handle;
	(void)name;
	db->log_pages = (uint64_t)pages;
	return SQLITE_OK;
}

static uint64_t sqlite_log_bytes(const struct db *base)
{
	return of(base)->log_pages * 4096;
}

static int sqlite_checkpoint(struct db *base, enum db_checkpoint how, struct err *err)
{
	struct sqlite_db *db = of(base);
	int mode =
	    how == DB_CHECKPOINT_RESET ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
	int in_log, done;

	int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &in_log, &done);
	if (rc == SQLITE_BUSY)
		return err_set(err, ERR_RETRY, "database: readers hold the log");
	if (rc != SQLITE_OK)
		return fail(db, "checkpoint", err);
	if (how == DB_CHECKPOINT_RESET)
		db->log_pages = 0;
	if (in_log > done)
		return err_set(err, ERR_RETRY, "database: readers hold the log");
	return 0;
}

/* ---- copy and check ---- */

/* The reading transaction makes all steps see one moment, so that the copy never starts over. */
static int copy_steps(
    struct sqlite_db *db, sqlite3_backup *backup, const struct db_copy_progress *p, struct err *err)
{
	int rc, tries = 0;

	for (;;) {
		rc = sqlite3_backup_step(backup, COPY_PAGES);
		uint64_t total = (uint64_t)sqlite3_backup_pagecount(backup);
		if (p && p->step)
			p->step(p->arg, total - (uint64_t)sqlite3_backup_remaining(backup), total);
		if (rc == SQLITE_BUSY && tries++ < COPY_BUSY_TRIES)
			sqlite3_sleep(10);
		else if (rc != SQLITE_OK)
			break;
	}
	if (rc != SQLITE_DONE)
		return err_set(err, kind_of(rc), "database: copying: %s", sqlite3_errstr(rc));
	(void)db;
	return 0;
}

static int sqlite_copy(
    struct db *base, const char *path, const struct db_copy_progress *p, struct err *err)
{
	struct sqlite_db *db = of(base);
	sqlite3 *to = NULL;
	int result = -1;

	if (sqlite3_open_v2(path, &to,
	        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	        io_vfs_name()) != SQLITE_OK) {
		err_set(err, ERR_SYSTEM, "cannot create '%s': %s", path, sqlite3_errmsg(to));
		sqlite3_close(to);
		return -1;
	}
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", db->handle, "main");
	if (!backup)
		err_set(err, ERR_SYSTEM, "database: copying: %s", sqlite3_errmsg(to));
	else
		result = copy_steps(db, backup, p, err);
	sqlite3_backup_finish(backup);
	if (sqlite3_close(to) != SQLITE_OK && result == 0)
		result = err_set(err, ERR_SYSTEM, "cannot close '%s'", path);
	return result;
}

static int sqlite_verify(struct db *base, bool deep, void (*problem)(void *arg, str text),
    void *arg, uint64_t *out_problems, struct err *err)
{
	struct sqlite_db *db = of(base);
	sqlite3_stmt *stmt = NULL;
	int rc;

	if (sqlite3_prepare_v2(db->handle, deep ? "PRAGMA integrity_check" : "PRAGMA quick_check",
	        -1, &stmt, NULL) != SQLITE_OK)
		return fail(db, "check", err);
	*out_problems = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		str text = str_c((const char *)sqlite3_column_text(stmt, 0));
		if (str_eq(text, STR("ok")))
			continue;
		*out_problems += 1;
		if (problem)
			problem(arg, text);
	}
	int result = rc == SQLITE_DONE ? 0 : fail(db, "check", err);
	sqlite3_finalize(stmt);
	return result;
}

static void sqlite_interrupt_db(struct db *base)
{
	sqlite3_interrupt(of(base)->handle);
}

/* ---- opening ---- */

static void sqlite_close_db(struct db *base)
{
	struct sqlite_db *db = of(base);

	for (size_t i = 0; i < DB_STATEMENT_COUNT; i++)
		sqlite3_finalize(db->prepared[i].stmt);
	sqlite3_close(db->handle);
	free(db);
}

static const struct db_engine sqlite_engine = {
	.close = sqlite_close_db,
	.run = sqlite_run,
	.query = sqlite_query,
	.next = sqlite_next,
	.end = sqlite_end,
	.get_int = sqlite_int,
	.get_bytes = sqlite_bytes,
	.script = sqlite_script,
	.schema = sqlite_schema,
	.in_transaction = sqlite_in_transaction,
	.last_id = sqlite_last_id,
	.log_bytes = sqlite_log_bytes,
	.checkpoint = sqlite_checkpoint,
	.copy = sqlite_copy,
	.verify = sqlite_verify,
	.interrupt = sqlite_interrupt_db,
};

static int need_wal(struct sqlite_db *db, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	bool is_wal = false;

	if (sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) ==
	        SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		is_wal = str_eq(str_c((const char *)sqlite3_column_text(stmt, 0)), STR("wal"));
	sqlite3_finalize(stmt);
	return is_wal ? 0
	              : err_set(err, ERR_SYSTEM,
	                    "database: no write-ahead log on this file system: %s",
	                    sqlite3_errmsg(db->handle));
}

/* reliability: the file is not trusted further than it must be, nothing but the writer checkpoints,
 * and nothing goes to a temporary directory, which a sandboxed role does not have. */
static int configure(struct sqlite_db *db, bool write, struct err *err)
{
	char cache[64];
	int ignored;

	sqlite3_busy_timeout(db->handle, write ? WRITER_BUSY_MS : READER_BUSY_MS);
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, &ignored);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &ignored);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, &ignored);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, &ignored);
	snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%d",
	    write ? (int)WRITER_CACHE_KIB : (int)READER_CACHE_KIB);
	if (sqlite_script(&db->db,
	        "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
	        "PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0;"
	        "PRAGMA secure_delete = FAST",
	        err) < 0 ||
	    sqlite_script(&db->db, cache, err) < 0)
		return -1;
	if (!write) {
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &ignored);
		return sqlite_script(&db->db, "PRAGMA query_only = ON", err);
	}
	sqlite3_wal_hook(db->handle, note_log, db);
	if (sqlite_script(&db->db, "PRAGMA synchronous = FULL", err) < 0)
		return -1;
	return need_wal(db, err);
}

int db_open_sqlite(const struct db_options *o, struct db **out, struct err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX |
	            (o->write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
	            (o->create ? SQLITE_OPEN_CREATE : 0);
	struct sqlite_db *db = calloc(1, sizeof(*db));

	if (!db)
		abort();
	db->db.engine = &sqlite_engine;
	if (sqlite3_open_v2(o->path, &db->handle, flags, io_vfs_name()) != SQLITE_OK) {
		err_set(err, ERR_SYSTEM, "cannot open database '%s': %s", o->path,
		    sqlite3_errmsg(db->handle));
		sqlite_close_db(&db->db);
		return -1;
	}
	if (configure(db, o->write, err) < 0) {
		err_wrap(err, "opening database '%s'", o->path);
		sqlite_close_db(&db->db);
		return -1;
	}
	*out = &db->db;
	return 0;
}
