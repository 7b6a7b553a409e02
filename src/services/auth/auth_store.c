#include "services/auth/auth_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/secret.h"
#include "base/time.h"
#include "formats/mailbox.h"
#include "protocols/sasl/precis.h"
#include "services/auth/verifier.h"

enum { SCHEMA_VERSION = 1, APPLICATION_ID = 0x627a6175 /* "bzau" */ };

enum statement { SQL_SET, SQL_REMOVE, SQL_GET, SQL_LIST, STATEMENT_COUNT };

static const char *const sql[STATEMENT_COUNT] = {
	[SQL_SET] = "INSERT INTO credential (account, account_id, verifier, scram_salt,"
	            " scram_iterations, scram_stored_key, scram_server_key, changed_at)"
	            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	            " ON CONFLICT (account) DO UPDATE SET account_id = excluded.account_id,"
	            " verifier = excluded.verifier, scram_salt = excluded.scram_salt,"
	            " scram_iterations = excluded.scram_iterations,"
	            " scram_stored_key = excluded.scram_stored_key,"
	            " scram_server_key = excluded.scram_server_key,"
	            " changed_at = excluded.changed_at",
	[SQL_REMOVE] = "DELETE FROM credential WHERE account = $1",
	[SQL_GET] = "SELECT account_id, verifier, scram_salt, scram_iterations, scram_stored_key,"
	            " scram_server_key, changed_at FROM credential WHERE account = $1",
	[SQL_LIST] = "SELECT account, account_id, changed_at FROM credential ORDER BY account",
};

static const char schema[] = "CREATE TABLE credential ("
                             " account TEXT PRIMARY KEY,"
                             " account_id INTEGER NOT NULL,"
                             " verifier TEXT NOT NULL,"
                             " scram_salt BLOB NOT NULL,"
                             " scram_iterations INTEGER NOT NULL,"
                             " scram_stored_key BLOB NOT NULL,"
                             " scram_server_key BLOB NOT NULL,"
                             " changed_at INTEGER NOT NULL"
                             ") STRICT, WITHOUT ROWID;"
                             "CREATE TABLE secret ("
                             " name TEXT PRIMARY KEY, value BLOB NOT NULL"
                             ") STRICT, WITHOUT ROWID;"
                             "PRAGMA application_id = 1652187509;"
                             "PRAGMA user_version = 1;";

/* locking_mode EXCLUSIVE: one process owns the file, and there is no -shm file to open later.
 * secure_delete: an old verifier does not stay behind in a free page. The temporary things of
 * SQLite stay in memory, because nothing may be opened once the sandbox is up. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA secure_delete = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cache_size = -1024;";

struct auth_store {
	sqlite3 *db;
	pthread_mutex_t lock; /* guards db and statements */
	sqlite3_stmt *statements[STATEMENT_COUNT];
	unsigned char secret[AUTH_SECRET_BYTES];
};

static int fail(struct auth_store *s, struct err *err, const char *what)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;

	if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
		return err_set(err, ERR_RETRY,
		    "cannot %s: auth/auth.db is in use by another process; is the server running?",
		    what);
	if ((code & 0xff) == SQLITE_FULL)
		return err_set(err, ERR_RETRY, "cannot %s: the disk is full", what);
	return err_set(err, ERR_SYSTEM, "cannot %s in auth/auth.db: %s", what,
	    s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

static int run(struct auth_store *s, const char *text, const char *what, struct err *err)
{
	return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, err, what);
}

static int read_number(struct auth_store *s, const char *query, int *out, struct err *err)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, query, -1, &q, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 0 : fail(s, err, "read the schema version");
}

static int read_secret(struct auth_store *s, struct err *err)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(
	    s->db, "SELECT value FROM secret WHERE name = 'salts'", -1, &q, NULL);
	bool found = false;

	if (rc == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW &&
	    sqlite3_column_bytes(q, 0) == AUTH_SECRET_BYTES) {
		memcpy(s->secret, sqlite3_column_blob(q, 0), AUTH_SECRET_BYTES);
		found = true;
	}
	sqlite3_finalize(q);
	if (!found)
		return err_set(
		    err, ERR_SYSTEM, "auth/auth.db has lost its secret; restore it from a backup");
	return 0;
}

/* From the kernel: SQLite's own randomblob() falls back to the time where it cannot open /dev/urandom, and
 * in a sandbox it cannot. */
static int make_secret(struct auth_store *s, struct err *err)
{
	unsigned char secret[AUTH_SECRET_BYTES];
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, "INSERT INTO secret VALUES ('salts', $1)", -1, &q, NULL);

	random_bytes(secret, sizeof(secret));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(q, 1, secret, sizeof(secret), SQLITE_TRANSIENT);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	sqlite3_finalize(q);
	secret_wipe(secret, sizeof(secret));
	return rc == SQLITE_DONE ? 0 : fail(s, err, "make the tables");
}

static int make_schema(struct auth_store *s, struct err *err)
{
	return run(s, "BEGIN IMMEDIATE", "make the tables", err) < 0 ||
	               run(s, schema, "make the tables", err) < 0 || make_secret(s, err) < 0 ||
	               run(s, "COMMIT", "make the tables", err) < 0
	           ? -1
	           : 0;
}

static int check_schema(struct auth_store *s, struct err *err)
{
	int version = 0, application = 0;

	if (read_number(s, "PRAGMA user_version", &version, err) < 0 ||
	    read_number(s, "PRAGMA application_id", &application, err) < 0)
		return -1;
	if (version == 0 && application == 0)
		return make_schema(s, err);
	if (application != APPLICATION_ID)
		return err_set(err, ERR_SYSTEM, "auth/auth.db is not a credential file of buzon");
	if (version != SCHEMA_VERSION)
		return err_set(err, ERR_SYSTEM,
		    "auth/auth.db has format %d and this release reads format %d", version,
		    SCHEMA_VERSION);
	return 0;
}

static int prepare_statements(struct auth_store *s, struct err *err)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
		        &s->statements[i], NULL) != SQLITE_OK)
			return fail(s, err, "prepare a statement");
	return 0;
}

static int open_database(struct auth_store *s, const char *path, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX |
	            SQLITE_OPEN_EXRESCODE;

	if (sodium_init() < 0)
		return err_set(err, ERR_SYSTEM, "cannot start libsodium");
	if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
		return fail(s, err, "open the credential store");
	if (run(s, settings, "open the credential store", err) < 0 || check_schema(s, err) < 0 ||
	    read_secret(s, err) < 0)
		return -1;
	/* A write, even of nothing, makes SQLite open and sync all that it will ever need. */
	if (run(s, "BEGIN IMMEDIATE; PRAGMA user_version = 1; COMMIT", "write", err) < 0)
		return -1;
	return prepare_statements(s, err);
}

/* An empty file with the right mode, before SQLite would make it with its own. */
static int make_file(const char *path, struct err *err)
{
	AUTO_FD dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, ERR_SYSTEM, "cannot open the directory '%s': %m", path);
	AUTO_FD file = openat(dir, "auth.db", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return err_set(err, ERR_SYSTEM, "cannot open 'auth.db' in '%s': %m", path);
	if (fsync(dir) < 0)
		return err_set(err, ERR_SYSTEM, "cannot sync the directory '%s': %m", path);
	return 0;
}

int auth_store_open_in(const char *dir, struct auth_store **out, struct err *err)
{
	AUTO_BUF path = BUF_INIT(8192);

	if (make_file(dir, err) < 0)
		return -1;
	struct auth_store *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	pthread_mutex_init(&s->lock, NULL);
	buf_addf(&path, "%s/auth.db", dir);
	buf_addc(&path, '\0');
	if (open_database(s, path.ptr, err) < 0) {
		auth_store_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

int auth_store_open(const char *data_dir, struct auth_store **out, struct err *err)
{
	AUTO_FD dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_BUF path = BUF_INIT(8192);

	if (dir < 0)
		return err_set(
		    err, ERR_SYSTEM, "cannot open the data directory '%s': %m", data_dir);
	if (mkdirat(dir, AUTH_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return err_set(err, ERR_SYSTEM, "cannot make the directory 'auth': %m");
	if (fsync(dir) < 0)
		return err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", data_dir);
	buf_addf(&path, "%s/" AUTH_DIRECTORY, data_dir);
	buf_addc(&path, '\0');
	return auth_store_open_in(path.ptr, out, err);
}

void auth_store_close(struct auth_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	pthread_mutex_destroy(&s->lock);
	secret_wipe(s->secret, sizeof(s->secret));
	free(s);
}

const unsigned char *auth_store_secret(const struct auth_store *s)
{
	return s->secret;
}

int auth_name(str account, struct buf *out, struct err *err)
{
	AUTO_BUF name = BUF_INIT(out->max);
	AUTO_BUF domain = BUF_INIT(out->max);

	if (precis_username(account, &name, err) < 0)
		return err_wrap(err, "the account name cannot be used");
	size_t at = str_rchr(buf_str(&name), '@');
	/* What is behind the '@' and no domain stays as it is: it will not be found. */
	if (at != STR_NPOS && domain_normalise(str_skip(buf_str(&name), at + 1), /* utf8 */ true,
	                          &domain, NULL) == 0) {
		buf_truncate(&name, at + 1);
		buf_add(&name, buf_str(&domain));
	}
	size_t before = out->len;
	buf_add(out, buf_str(&name));
	if (buf_ok(&name) && buf_ok(out))
		return 0;
	buf_truncate(out, before);
	return err_set(err, ERR_INPUT, "the account name is too long");
}

static void bind_text(sqlite3_stmt *q, int at, str s)
{
	sqlite3_bind_text(q, at, s.ptr, (int)s.len, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *q, int at, const void *bytes, size_t len)
{
	sqlite3_bind_blob(q, at, bytes, (int)len, SQLITE_STATIC);
}

static void statement_done(sqlite3_stmt *q)
{
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
}

static int write_credential(
    struct auth_store *s, str name, const struct auth_credential *c, struct err *err)
{
	sqlite3_stmt *q = s->statements[SQL_SET];
	int rc;

	pthread_mutex_lock(&s->lock);
	bind_text(q, 1, name);
	sqlite3_bind_int64(q, 2, (sqlite3_int64)c->account_id);
	bind_text(q, 3, str_c(c->verifier));
	bind_bytes(q, 4, c->scram.salt, c->scram.salt_bytes);
	sqlite3_bind_int64(q, 5, c->scram.iterations);
	bind_bytes(q, 6, c->scram.stored_key, SCRAM_KEY_BYTES);
	bind_bytes(q, 7, c->scram.server_key, SCRAM_KEY_BYTES);
	sqlite3_bind_int64(q, 8, c->changed_at);
	rc = sqlite3_step(q) == SQLITE_DONE ? 0 : fail(s, err, "keep the credential");
	statement_done(q);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int auth_store_set(
    struct auth_store *s, str account, uint64_t account_id, str password, struct err *err)
{
	AUTO_BUF name = BUF_INIT(AUTH_ACCOUNT_MAX);
	struct auth_credential c = { .account_id = account_id, .changed_at = time_wall_s() };
	int rc;

	if (auth_name(account, &name, err) < 0 || verifier_make(password, &c, err) < 0)
		return -1;
	rc = write_credential(s, buf_str(&name), &c, err);
	secret_wipe(&c, sizeof(c));
	return rc;
}

int auth_store_remove(struct auth_store *s, str account, struct err *err)
{
	AUTO_BUF name = BUF_INIT(AUTH_ACCOUNT_MAX);
	sqlite3_stmt *q = s->statements[SQL_REMOVE];
	int rc = 0;

	if (auth_name(account, &name, err) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	bind_text(q, 1, buf_str(&name));
	if (sqlite3_step(q) != SQLITE_DONE)
		rc = fail(s, err, "remove the credential");
	else if (sqlite3_changes(s->db) == 0)
		rc = err_set(
		    err, ERR_DENIED, "there is no credential for '" STR_FMT "'", STR_ARG(account));
	statement_done(q);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static bool column_bytes(sqlite3_stmt *q, int at, void *out, size_t want)
{
	if (sqlite3_column_bytes(q, at) != (int)want)
		return false;
	memcpy(out, sqlite3_column_blob(q, at), want);
	return true;
}

static int read_credential(sqlite3_stmt *q, struct auth_credential *out)
{
	str verifier = str_new(sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1));
	size_t salt_bytes = (size_t)sqlite3_column_bytes(q, 2);

	if (verifier.len >= AUTH_VERIFIER_BYTES || salt_bytes < 1 || salt_bytes > SCRAM_SALT_MAX)
		return -1;
	out->account_id = (uint64_t)sqlite3_column_int64(q, 0);
	memcpy(out->verifier, verifier.ptr, verifier.len);
	out->scram.salt_bytes = (uint32_t)salt_bytes;
	out->scram.iterations = (uint32_t)sqlite3_column_int64(q, 3);
	out->changed_at = sqlite3_column_int64(q, 6);
	return column_bytes(q, 2, out->scram.salt, salt_bytes) &&
	               column_bytes(q, 4, out->scram.stored_key, SCRAM_KEY_BYTES) &&
	               column_bytes(q, 5, out->scram.server_key, SCRAM_KEY_BYTES)
	           ? 0
	           : -1;
}

int auth_store_get(struct auth_store *s, str account, struct auth_credential *out, struct err *err)
{
	AUTO_BUF name = BUF_INIT(AUTH_ACCOUNT_MAX);
	sqlite3_stmt *q = s->statements[SQL_GET];
	struct auth_credential c = { 0 };
	int rc = 0;

	/* A name that nobody can have is a name that is not there. */
	if (auth_name(account, &name, NULL) < 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	bind_text(q, 1, buf_str(&name));
	int step = sqlite3_step(q);
	if (step == SQLITE_ROW)
		rc = read_credential(q, &c) == 0
		         ? 1
		         : err_set(err, ERR_SYSTEM, "the credential of '" STR_FMT "' is damaged",
		               STR_ARG(account));
	else if (step != SQLITE_DONE)
		rc = fail(s, err, "look up a credential");
	statement_done(q);
	pthread_mutex_unlock(&s->lock);
	if (rc == 1) {
		memcpy(c.account, name.ptr, name.len);
		*out = c;
	}
	secret_wipe(&c, sizeof(c));
	return rc;
}

int auth_store_list(struct auth_store *s, struct arena *a, struct auth_account **out,
    size_t *out_count, struct err *err)
{
	sqlite3_stmt *q = s->statements[SQL_LIST];
	struct auth_account *list = NULL;
	size_t count = 0, cap = 0;
	int step, rc = 0;

	pthread_mutex_lock(&s->lock);
	while ((step = sqlite3_step(q)) == SQLITE_ROW) {
		struct auth_account *at = arena_push(a, &list, &count, &cap, sizeof(*list));
		at->account = arena_str(
		    a, str_new(sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0)));
		at->account_id = (uint64_t)sqlite3_column_int64(q, 1);
		at->changed_at = sqlite3_column_int64(q, 2);
	}
	if (step != SQLITE_DONE)
		rc = fail(s, err, "list the credentials");
	statement_done(q);
	pthread_mutex_unlock(&s->lock);
	if (rc == 0) {
		*out = list;
		*out_count = count;
	}
	return rc;
}
