/* Opening and closing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "services/store/internal.h"
#include "services/store/reclaim.h"

#define PACK_BYTES (256ull << 20)
#define RESERVE_MIN (64ull << 20)
#define QUOTA_BYTES (50ull << 30)
#define CACHE_BYTES (64ull << 20)
#define STORY_BYTES (1ull << 30)
enum { FOLD_AFTER_S = 30, REMOVE_AFTER_S = 60, AGAIN_AFTER_MS = 1000, SCRATCH_BYTES = 4 << 20 };

void store_file(const struct store *s, const char *name, char out[STORE_PATH_MAX + 100])
{
	snprintf(out, STORE_PATH_MAX + 100, "%s/%s", s->path, name);
}

static uint64_t or_default(uint64_t given, uint64_t otherwise)
{
	return given ? given : otherwise;
}

static struct store *store_new(const struct store_options *o)
{
	static const struct log silent = {
		.role = "store", .level = LOG_LEVEL_ALERT + 1, .fd = -1
	};
	struct store *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(o->path)))
		abort();
	s->options = *o;
	s->options.path = s->path;
	s->options.pack_bytes = or_default(o->pack_bytes, PACK_BYTES);
	s->options.reserve_bytes = or_default(o->reserve_bytes, RESERVE_MIN);
	s->options.quota_bytes = or_default(o->quota_bytes, QUOTA_BYTES);
	s->options.cache_bytes = or_default(o->cache_bytes, CACHE_BYTES);
	s->options.story_bytes = or_default(o->story_bytes, STORY_BYTES);
	s->log = o->log ? *o->log : silent;
	s->lock_fd = -1;
	s->boxes = table_new();
	s->purses = table_new();
	s->upkeep = upkeep_new();
	atomic_init(&s->state, o->read_only ? STORE_READ_ONLY : STORE_WORKING);
	atomic_init(&s->directory_version, 1);
	atomic_init(&s->fold_after_s, FOLD_AFTER_S);
	atomic_init(&s->remove_after_s, REMOVE_AFTER_S);
	atomic_init(&s->again_after_ms, AGAIN_AFTER_MS);
	pthread_mutex_init(&s->readers.lock, NULL);
	pthread_mutex_init(&s->open_readers_lock, NULL);
	view_cache_init(&s->views, (size_t)s->options.cache_bytes);
	watchers_init(&s->watchers);
	s->txn.store = s;
	buf_init(&s->txn.scratch, SCRATCH_BYTES);
	return s;
}

static void store_free(struct store *s)
{
	recover_stop(s);
	view_cache_fini(&s->views);
	watchers_fini(&s->watchers);
	for (size_t i = 0; i < s->readers.idle_count; i++)
		db_close(s->readers.idle[i]);
	boxes_forget(s);
	purses_forget(s);
	table_free(s->boxes);
	table_free(s->purses);
	packs_close(s->packs);
	db_close(s->db);
	upkeep_free(s->upkeep);
	pthread_mutex_destroy(&s->readers.lock);
	pthread_mutex_destroy(&s->open_readers_lock);
	fd_close(&s->lock_fd);
	buf_fini(&s->txn.scratch);
	free(s->txn.refs);
	free(s->txn.events);
	free(s->path);
	free(s);
}

/* One process writes; a second one would find its own idea of the pack's end, and SQLite below
 * 3.51.3 has a race between two that checkpoint. */
static int lock_store(struct store *s, struct err *err)
{
	char path[STORE_PATH_MAX + 100];

	store_file(s, "lock", path);
	AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_RETRY,
		    "another buzon uses '%s': stop it, or ask it through its control socket",
		    s->path);
	s->lock_fd = TAKE_FD(fd);
	return 0;
}

static int must_exist(struct store *s, struct err *err)
{
	char path[STORE_PATH_MAX + 100];
	struct stat st;

	if (strlen(s->path) > STORE_PATH_MAX)
		return err_set(err, ERR_INPUT, "the name of the data directory is too long");
	if (stat(s->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_DENIED, "there is no directory '%s'", s->path);
	store_file(s, "buzon.db", path);
	if (stat(path, &st) < 0 && (!s->options.create || s->options.read_only))
		return err_set(err, ERR_DENIED, "there is no store in '%s'", s->path);
	return 0;
}

int store_open_writer_db(struct store *s, struct err *err)
{
	char path[STORE_PATH_MAX + 100];

	store_file(s, "buzon.db", path);
	return db_open_sqlite(
	    &(struct db_options){ .path = path, .write = true, .create = s->options.create },
	    &s->db, err);
}

static int make_packs_dir(const char *dir, struct store *s, struct err *err)
{
	if (mkdir(dir, 0700) == 0)
		return io_sync_dir(s->path) < 0
		           ? err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", s->path)
		           : 0;
	return errno == EEXIST ? 0 : err_set(err, ERR_SYSTEM, "cannot make '%s': %m", dir);
}

static int open_packs(struct store *s, struct err *err)
{
	char dir[STORE_PATH_MAX + 100];

	store_file(s, "packs", dir);
	if (!s->options.read_only && make_packs_dir(dir, s, err) < 0)
		return -1;
	s->packs = packs_open(dir, s->options.pack_bytes);
	return 0;
}

/* A backup by root must not be the one who makes it: it would be closed to the server's user. */
static int make_hold(struct store *s, struct err *err)
{
	AUTO_FD fd = -1;

	return reclaim_hold(s, &fd, err);
}

static int open_for_writing(struct store *s, struct err *err)
{
	if (lock_store(s, err) < 0 || make_hold(s, err) < 0 || store_open_writer_db(s, err) < 0 ||
	    db_schema_open(s->db, true, err) < 0)
		return -1;
	if (io_sync_dir(s->path) < 0)
		return err_set(err, ERR_SYSTEM, "cannot sync '%s': %m", s->path);
	if (open_packs(s, err) < 0 || counters_load(s, err) < 0 || recover_start(s, err) < 0)
		return -1;
	return writer_start(s, err);
}

static int open_for_reading(struct store *s, struct err *err)
{
	struct db *db;

	if (open_packs(s, err) < 0 || reader_acquire(s, &db, err) < 0)
		return -1;
	int result = db_schema_open(db, false, err);
	if (result == 0 && story_key_load(s, db, err) < 0)
		result = -1;
	reader_release(s, db);
	return result;
}

int store_open(const struct store_options *o, struct store **out, struct err *err)
{
	struct store *s = store_new(o);

	space_init(s);
	if (must_exist(s, err) < 0 ||
	    (o->read_only ? open_for_reading(s, err) : open_for_writing(s, err)) < 0) {
		err_wrap(err, "opening the store");
		space_fini(s);
		store_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	writer_stop(s);
	if (atomic_load(&s->state) == STORE_WORKING) {
		upkeep_close(s);
		recover_note_clean(s);
	}
	space_fini(s);
	store_free(s);
}
