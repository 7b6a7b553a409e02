/* Backup and restore.
 *
 * A backup is a directory like the data directory: the database as of one moment and the packs it
 * points into. Packs only grow, so what is there already stays and the rest is added; a full pack
 * is copied once in its life. The database comes first and takes its place last, by a rename: until
 * then the directory holds the backup before this one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "services/store/maintain.h"
#include "services/store/reclaim.h"

enum { COPY_STEP = 1 << 20, PATHS = STORE_PATH_MAX + 200 };

/* After a restore: what may have been shown since the backup was made is not used again. */
enum {
	SKIP_MODSEQ = 1 << 20,
	SKIP_UIDS = 1 << 20,
	SKIP_NUMBERS = 1 << 14, /* of accounts and mailboxes */
};
#define SKIP_MESSAGES (1ull << 32)

struct copying {
	const char *from, *to;
	const struct store_progress *progress;
	struct db *db; /* the copied database */
	uint64_t bytes;
};

static void step(const struct store_progress *p, const char *what, uint64_t done, uint64_t total)
{
	if (p && p->step)
		p->step(p->arg, what, done, total);
}

static void on_copied(void *arg, uint64_t done, uint64_t total)
{
	step(arg, "database", done, total);
}

/* ---- packs ---- */

static int copy_range(
    int from, struct io_file *to, uint64_t at, uint64_t end, const char *name, struct err *err)
{
	AUTO_FREE char *bytes = malloc(COPY_STEP);

	if (!bytes)
		abort();
	while (at < end) {
		size_t n = end - at < COPY_STEP ? (size_t)(end - at) : COPY_STEP;
		if (fd_pread_all(from, bytes, n, (off_t)at) < 0)
			return err_set(err, ERR_SYSTEM, "cannot read '%s': %m", name);
		if (io_write_at(to, str_new(bytes, n), at) < 0)
			return err_set(err, ERR_SYSTEM, "cannot write '%s': %m", to->path);
		at += n;
	}
	return 0;
}

/* Adds what the copy does not have up to end. */
static int extend_copy(struct copying *c, int from, uint64_t end, struct io_file *to,
    const char *name, struct err *err)
{
	struct stat st;

	if (fstat(to->fd, &st) < 0)
		return err_set(err, ERR_SYSTEM, "cannot look at '%s': %m", to->path);
	uint64_t have = (uint64_t)st.st_size;
	if (have >= end)
		return 0;
	c->bytes += end - have;
	if (copy_range(from, to, have, end, name, err) < 0)
		return -1;
	return io_sync(to) < 0 ? err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", to->path) : 0;
}

static int copy_pack(struct copying *c, uint64_t pack, uint64_t need, struct err *err)
{
	char from[PATHS], to[PATHS];
	struct io_file out = IO_FILE_INIT;
	struct stat st;

	snprintf(from, sizeof(from), "%s/packs/%08llu.pack", c->from, (unsigned long long)pack);
	snprintf(to, sizeof(to), "%s/packs/%08llu.pack", c->to, (unsigned long long)pack);
	AUTO_FD fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", from);
	if ((uint64_t)st.st_size < need)
		return err_set(err, ERR_SYSTEM, "'%s' is shorter than it should be", from);
	if (io_open(&out, to, O_RDWR | O_CREAT) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", to);
	int result = extend_copy(c, fd, need, &out, from, err);
	io_close(&out);
	return result;
}

struct pack_list {
	uint64_t *ids, *bytes;
	size_t count, cap;
};

static int list_packs(struct db *db, struct pack_list *out, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	int more;

	if (db_query(db, DB_PACK_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (out->count == out->cap) {
			out->cap = out->cap * 2 + 64;
			out->ids = realloc(out->ids, out->cap * sizeof(uint64_t));
			out->bytes = realloc(out->bytes, out->cap * sizeof(uint64_t));
			if (!out->ids || !out->bytes)
				abort();
		}
		out->ids[out->count] = db_u64(&rows, 0);
		out->bytes[out->count++] = db_u64(&rows, 1);
	}
	return more;
}

/* A pack's row knows how long it was when it was left; of the last one only that the messages point
 * so far. Behind that end a copy would hold what a later crash may cut off and write anew. */
static int pack_end(
    struct copying *c, const struct pack_list *l, size_t i, uint64_t *out, struct err *err)
{
	int64_t end = 0;

	*out = l->bytes[i];
	if (i + 1 < l->count)
		return 0;
	if (db_number(c->db, DB_MESSAGE_PACK_END, DB_ARGS(DB_INT(l->ids[i])), &end, err) < 0)
		return -1;
	if ((uint64_t)end > *out)
		*out = (uint64_t)end;
	return 0;
}

static int copy_packs(struct copying *c, struct err *err)
{
	struct pack_list l = { .ids = NULL };
	char dir[PATHS];
	uint64_t end;

	snprintf(dir, sizeof(dir), "%s/packs", c->to);
	int result = mkdir(dir, 0700) < 0 && errno != EEXIST
	                 ? err_set(err, ERR_SYSTEM, "cannot make '%s': %m", dir)
	                 : list_packs(c->db, &l, err);
	for (size_t i = 0; i < l.count && result == 0; i++) {
		step(c->progress, "packs", i, l.count);
		result = pack_end(c, &l, i, &end, err);
		if (result == 0)
			result = copy_pack(c, l.ids[i], end, err);
	}
	free(l.ids);
	free(l.bytes);
	if (result == 0 && io_sync_dir(dir) < 0)
		result = err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", dir);
	return result;
}

/* Packs that the new database does not know: of an older backup, or copied by one that failed. */
static int remove_other_packs(const char *to, struct db *db, struct err *err)
{
	struct pack_list l = { .ids = NULL };
	char path[PATHS];
	uint64_t pack;

	int result = list_packs(db, &l, err);
	snprintf(path, sizeof(path), "%s/packs", to);
	DIR *dir = result == 0 ? opendir(path) : NULL;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		bool known = false;
		if (pack_number(e->d_name, &pack) < 0)
			continue;
		for (size_t i = 0; i < l.count && !known; i++)
			known = l.ids[i] == pack;
		snprintf(path, sizeof(path), "%s/packs/%08llu.pack", to, (unsigned long long)pack);
		if (!known)
			io_unlink(path);
	}
	if (dir)
		closedir(dir);
	free(l.ids);
	free(l.bytes);
	return result;
}

/* ---- the database ---- */

static int copy_database(
    struct db *from, const char *to, const struct store_progress *p, struct err *err)
{
	struct db_copy_progress progress = { .step = on_copied,
		.arg = __extension__(void *)(uintptr_t) p };

	unlink(to); /* of a backup that was broken off */
	/* One moment for all steps, and for the packs: nothing is removed while they are held. */
	int64_t ignored;
	if (db_run(from, DB_BEGIN_READ, DB_NO_ARGS, err) < 0)
		return -1;
	/* Only a first read fixes the moment. */
	int result = db_number(from, DB_MESSAGE_MAX, DB_NO_ARGS, &ignored, err) < 0
	                 ? -1
	                 : from->engine->copy(from, to, &progress, err);
	db_run(from, DB_ROLLBACK, DB_NO_ARGS, NULL);
	return result;
}

static int sync_file(const char *path, struct err *err)
{
	struct io_file f = IO_FILE_INIT;

	if (io_open(&f, path, O_RDWR) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", path);
	int result = io_sync(&f) < 0 ? err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", path) : 0;
	io_close(&f);
	return result;
}

static int put_in_place(const char *fresh, const char *path, const char *dir, struct err *err)
{
	if (sync_file(fresh, err) < 0)
		return -1;
	if (io_rename(fresh, path) < 0 || io_sync_dir(dir) < 0)
		return err_set(err, ERR_SYSTEM, "cannot put '%s' in its place: %m", path);
	return 0;
}

static int copy_store(struct db *from, struct copying *c, struct err *err)
{
	char fresh[PATHS], path[PATHS];

	snprintf(fresh, sizeof(fresh), "%s/buzon.db.new", c->to);
	snprintf(path, sizeof(path), "%s/buzon.db", c->to);
	if (copy_database(from, fresh, c->progress, err) < 0)
		return -1;
	if (db_open_sqlite(&(struct db_options){ .path = fresh, .write = true }, &c->db, err) < 0)
		return -1;
	int result = copy_packs(c, err);
	if (result == 0)
		result = remove_other_packs(c->to, c->db, err);
	/* Without a write-ahead log it can be read where nothing can be written. */
	if (result == 0)
		result = c->db->engine->script(c->db, "PRAGMA journal_mode = DELETE", err);
	db_close(c->db);
	c->db = NULL;
	return result < 0 ? -1 : put_in_place(fresh, path, c->to, err);
}

/* A backup that cannot be read back is none. */
static int verify(const char *dir, bool deep, const struct store_progress *p, struct err *err)
{
	struct store *s;
	uint64_t problems = 0;

	if (store_open(&(struct store_options){ .path = dir, .read_only = true }, &s, err) < 0)
		return -1;
	int result = store_check(s, deep, p, &problems, err);
	store_close(s);
	if (result == 0 && problems > 0)
		result = err_set(
		    err, ERR_SYSTEM, "'%s' has %llu problems", dir, (unsigned long long)problems);
	return result;
}

int store_backup(struct store *s, const char *to, const struct store_progress *p, struct err *err)
{
	struct copying c = { .from = s->path, .to = to, .progress = p };
	struct db *db;
	struct stat st;

	if (strlen(to) > STORE_PATH_MAX || (mkdir(to, 0700) < 0 && errno != EEXIST))
		return err_set(err, ERR_SYSTEM, "cannot make '%s': %m", to);
	if (stat(to, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_SYSTEM, "'%s' is not a directory", to);
	AUTO_FD hold = -1;
	if (reclaim_hold(s, &hold, err) < 0 || reader_acquire(s, &db, err) < 0)
		return -1;
	int result = copy_store(db, &c, err);
	reader_release(s, db);
	fd_close(&hold);
	if (result == 0)
		result = verify(to, /* deep */ c.bytes > 0, p, err);
	return result < 0 ? err_wrap(err, "backing up to '%s'", to) : 0;
}

/* ---- restore ---- */

static int must_be_empty(const char *dir, struct err *err)
{
	bool empty = true;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, ERR_SYSTEM, "cannot make '%s': %m", dir);
	DIR *d = opendir(dir);
	if (!d)
		return err_set(err, ERR_SYSTEM, "cannot read '%s': %m", dir);
	for (struct dirent *e; (e = readdir(d));) {
		if (!str_eq(str_c(e->d_name), STR(".")) && !str_eq(str_c(e->d_name), STR("..")))
			empty = false;
	}
	closedir(d);
	return empty ? 0 : err_set(err, ERR_DENIED, "'%s' is not empty", dir);
}

static int bump_number(struct db *db, str name, uint64_t by, struct err *err)
{
	int64_t n = 0;

	if (db_number(db, DB_META_GET, DB_ARGS(DB_TEXT(name)), &n, err) < 0)
		return -1;
	return db_run(db, DB_META_PUT,
	    DB_ARGS(DB_TEXT(name), DB_INT((uint64_t)n + by), DB_BLOB(STR(""))), err);
}

/* Clients may have seen UIDs, modseqs and ids that were given out after the backup. */
static int bump(struct db *db, struct err *err)
{
	if (db_run(db, DB_BEGIN_WRITE, DB_NO_ARGS, err) < 0)
		return -1;
	if (db_run(db, DB_RESTORE_MAILBOXES, DB_ARGS(DB_INT(SKIP_MODSEQ), DB_INT(SKIP_UIDS)), err) <
	        0 ||
	    db_run(db, DB_RESTORE_SEQUENCES, DB_ARGS(DB_INT(SKIP_NUMBERS)), err) < 0 ||
	    bump_number(db, STR("message_limit"), SKIP_MESSAGES, err) < 0 ||
	    db_run(db, DB_COMMIT, DB_NO_ARGS, err) < 0) {
		db_run(db, DB_ROLLBACK, DB_NO_ARGS, NULL);
		return -1;
	}
	return 0;
}

static int bump_store(const char *path, struct err *err)
{
	struct db *db;

	if (db_open_sqlite(&(struct db_options){ .path = path, .write = true }, &db, err) < 0)
		return -1;
	int result = db_schema_open(db, true, err) < 0 ? -1 : bump(db, err);
	db_close(db);
	return result;
}

int store_restore(
    const char *from, const char *data, const struct store_progress *p, struct err *err)
{
	struct copying c = { .from = from, .to = data, .progress = p };
	struct db *db = NULL;
	char path[PATHS];

	if (strlen(from) > STORE_PATH_MAX || strlen(data) > STORE_PATH_MAX)
		return err_set(err, ERR_INPUT, "the name of a directory is too long");
	if (verify(from, false, p, err) < 0 || must_be_empty(data, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/buzon.db", from);
	if (db_open_sqlite(&(struct db_options){ .path = path }, &db, err) < 0)
		return -1;
	int result = copy_store(db, &c, err);
	db_close(db);
	snprintf(path, sizeof(path), "%s/buzon.db", data);
	if (result == 0)
		result = bump_store(path, err);
	if (result == 0)
		result = verify(data, true, p, err);
	return result < 0 ? err_wrap(err, "restoring '%s' to '%s'", from, data) : 0;
}
