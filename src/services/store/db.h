/* db.h: the SQL engine under the store, as much of it as the store needs.
 *
 * Purpose    Named statements with typed parameters (sql/statements.def), transactions, migrations,
 *            a copy while others work. SQLite now (db_sqlite.c); an engine is one table of
 *            functions, so that PostgreSQL can stand beside it.
 * Ownership  db_open_*, db_close. A slice from a row is good until the next db_next or db_end.
 * Threads    One connection has one owner at a time.
 * Errors     ERR_DENIED a uniqueness rule said no; ERR_RETRY busy or no space; ERR_SYSTEM all else.
 * Not here   What the tables mean.
 */
#ifndef BUZON_SERVICES_STORE_DB_H
#define BUZON_SERVICES_STORE_DB_H

#include "base/err.h"
#include "base/str.h"

enum db_statement {
#define STATEMENT(name, types, ...) DB_##name,
#include "services/store/sql/statements.def"
#undef STATEMENT
	DB_STATEMENT_COUNT,
};

struct db_value {
	enum { DB_TYPE_INT = 'i', DB_TYPE_TEXT = 't', DB_TYPE_BLOB = 'b' } type;
	int64_t number;
	str bytes;
};

#define DB_INT(n) ((struct db_value){ .type = DB_TYPE_INT, .number = (int64_t)(n) })
#define DB_TEXT(s) ((struct db_value){ .type = DB_TYPE_TEXT, .bytes = (s) })
#define DB_BLOB(s) ((struct db_value){ .type = DB_TYPE_BLOB, .bytes = (s) })
/* The arguments of one call; they stay where they are until it is done. */
#define DB_ARGS(...) \
	&(const struct db_args) \
	{ \
		.values = (const struct db_value[]){ __VA_ARGS__ }, \
		.count = \
		    sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value) \
	}
#define DB_NO_ARGS (&(const struct db_args){ .count = 0 })

struct db_args {
	const struct db_value *values;
	size_t count;
};

struct db {
	const struct db_engine *engine;
};

/* Rows of a running statement; end it before the same statement is used again. */
struct db_rows {
	struct db *db;
	void *statement;
};

#define AUTO_ROWS __attribute__((cleanup(db_end))) struct db_rows

enum db_checkpoint {
	DB_CHECKPOINT_GENTLE, /* as far as it goes without waiting for anybody */
	DB_CHECKPOINT_RESET,  /* and start the log anew; waits for readers a little */
};

struct db_copy_progress {
	void (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

struct db_engine {
	void (*close)(struct db *db);
	int (*run)(
	    struct db *db, enum db_statement id, const struct db_args *args, struct err *err);
	int (*query)(struct db *db, enum db_statement id, const struct db_args *args,
	    struct db_rows *out, struct err *err);
	int (*next)(struct db_rows *rows, struct err *err);
	void (*end)(struct db_rows *rows);
	int64_t (*get_int)(const struct db_rows *rows, int column);
	str (*get_bytes)(const struct db_rows *rows, int column);
	int (*script)(struct db *db, const char *sql, struct err *err);
	int (*schema)(struct db *db, const char *const *migrations, uint32_t count, bool may_change,
	    struct err *err);
	bool (*in_transaction)(const struct db *db);
	int64_t (*last_id)(const struct db *db);
	uint64_t (*log_bytes)(const struct db *db);
	int (*checkpoint)(struct db *db, enum db_checkpoint how, struct err *err);
	int (*copy)(
	    struct db *db, const char *path, const struct db_copy_progress *p, struct err *err);
	int (*verify)(struct db *db, bool deep, void (*problem)(void *arg, str text), void *arg,
	    uint64_t *out_problems, struct err *err);
	/* From another thread: what runs on this connection ends with an error. */
	void (*interrupt)(struct db *db);
};

struct db_options {
	const char *path;
	bool write;
	bool create;
};

int db_open_sqlite(const struct db_options *o, struct db **out, struct err *err);

static inline void db_close(struct db *db)
{
	if (db)
		db->engine->close(db);
}

/* Runs a statement whose rows nobody wants. */
static inline int db_run(
    struct db *db, enum db_statement id, const struct db_args *args, struct err *err)
{
	return db->engine->run(db, id, args, err);
}

static inline int db_query(struct db *db, enum db_statement id, const struct db_args *args,
    struct db_rows *out, struct err *err)
{
	return db->engine->query(db, id, args, out, err);
}

/* 1: a row; 0: no more; -1: failed. */
static inline int db_next(struct db_rows *rows, struct err *err)
{
	return rows->db->engine->next(rows, err);
}

static inline void db_end(struct db_rows *rows)
{
	if (rows->statement)
		rows->db->engine->end(rows);
	rows->statement = NULL;
}

static inline int64_t db_int(const struct db_rows *rows, int column)
{
	return rows->db->engine->get_int(rows, column);
}

static inline uint64_t db_u64(const struct db_rows *rows, int column)
{
	return (uint64_t)db_int(rows, column);
}

static inline uint32_t db_u32(const struct db_rows *rows, int column)
{
	return (uint32_t)db_int(rows, column);
}

static inline str db_bytes(const struct db_rows *rows, int column)
{
	return rows->db->engine->get_bytes(rows, column);
}

/* Queries one number: 1 and *out, 0 when there is no row, -1. */
int db_number(
    struct db *db, enum db_statement id, const struct db_args *args, int64_t *out, struct err *err);

/* Brings the tables up to date (may_change), or refuses a store that is newer than this program or,
 * without may_change, older. */
int db_schema_open(struct db *db, bool may_change, struct err *err);

#endif
