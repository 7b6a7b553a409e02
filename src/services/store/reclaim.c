/* Packs that are mostly dead are emptied: live bodies are appended to the current pack like new
 * ones, their rows are pointed there, and after a while, when nobody can hold an old place any more,
 * the file goes. Whoever has it mapped keeps his map.
 *
 * The pack with the highest row is never emptied: a start goes on appending to it, and its number is
 * not to be given again. When space is short and that one is mostly dead, a new one is begun. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"
#include "services/store/reclaim.h"
#include "services/store/recover.h"

enum { RECORDS_PER_STEP = 500, SCAN_MS = 5000, SCAN_SHORT_MS = 1000 };
#define BYTES_PER_STEP (1ull << 20)
/* Less is not worth a new pack. */
#define LEAVE_FOR_BYTES (1ull << 20)
/* What noting it takes at most. */
#define LEAVE_FREE_BYTES (1ull << 20)

struct reclaim {
	uint64_t pack; /* being emptied; 0: none */
	int fd;
	uint64_t at, size;
	bool moved;       /* something that is alive */
	uint64_t scan_ms; /* next look for something to do */
};

/* One step's outcome, taken over only when it was committed. */
struct pass {
	struct reclaim *reclaim;
	uint64_t at;
	bool finished, damaged, moved;
};

struct reclaim *reclaim_new(void)
{
	struct reclaim *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->fd = -1;
	return r;
}

void reclaim_free(struct reclaim *r)
{
	fd_close(&r->fd);
	free(r);
}

/* ---- copying ---- */

static int move_record(struct store_txn *t, int fd, const struct record *rec, struct err *err)
{
	struct store_piece piece = { .fd = fd, .offset = rec->offset, .length = rec->header.bytes };
	struct store_body body = { .pieces = &piece, .piece_count = 1, .bytes = rec->header.bytes };
	struct store_blob_ref ref;
	struct packs *packs = t->store->packs;
	uint64_t failures = packs_failures(packs);
	struct err why = { .kind = ERR_NONE };

	memcpy(body.sha256, rec->header.sha256, sizeof(body.sha256));
	if (packs_append(packs, rec->header.message, &body, &ref, &why) < 0) {
		*err = why;
		return packs_failures(packs) == failures ? -1 : txn_failed(t, &why);
	}
	return txn_run(t, DB_MESSAGE_MOVE,
	    DB_ARGS(DB_INT(rec->header.message), DB_INT(ref.pack), DB_INT(ref.offset)), err);
}

static int copy_some(struct store_txn *t, struct pass *p, struct err *err)
{
	struct reclaim *r = p->reclaim;
	uint64_t copied = 0;
	struct record rec;

	for (unsigned i = 0; i < RECORDS_PER_STEP && copied < BYTES_PER_STEP; i++) {
		int found = record_read(r->fd, p->at, r->size, &rec, err);
		if (found <= 0) {
			p->finished = true;
			p->damaged = p->at != r->size;
			return found;
		}
		int alive = record_is_alive(t->db, r->pack, &rec, err);
		if (alive < 0 || (alive == 1 && move_record(t, r->fd, &rec, err) < 0))
			return -1;
		p->moved = p->moved || alive;
		copied += alive ? rec.header.bytes : 0;
		p->at = rec.end;
	}
	return 0;
}

/* A pack that is not records to its last byte may hold bodies behind the damage: it stays. Where
 * nothing was alive nobody holds an old place, and the file can go at once. */
static int copy_job(struct store_txn *t, void *arg, struct err *err)
{
	struct pass *p = arg;

	if (copy_some(t, p, err) < 0)
		return -1;
	if (!p->finished)
		return 0;
	int64_t since = p->moved ? t->now : t->now - atomic_load(&t->store->remove_after_s);
	return txn_run(t, DB_PACK_EMPTIED,
	    DB_ARGS(DB_INT(p->reclaim->pack), DB_INT(p->damaged ? -1 : since)), err);
}

static void leave_pack(struct reclaim *r)
{
	fd_close(&r->fd);
	r->pack = 0;
}

static bool copy_step(struct store *s, struct reclaim *r)
{
	struct pass p = { .reclaim = r, .at = r->at, .moved = r->moved };
	struct err err = { .kind = ERR_NONE };

	if (writer_run_own(s, copy_job, &p, &err) < 0) {
		log_warn(
		    &s->log, "pack not reclaimed", F_INT("pack", r->pack), F_CSTR("why", err.text));
		leave_pack(r);
		return false;
	}
	r->at = p.at;
	r->moved = p.moved;
	if (!p.finished)
		return true;
	if (p.damaged)
		log_alert(&s->log, "pack has something that is no record: run buzon check",
		    F_INT("pack", r->pack), F_INT("at", p.at));
	leave_pack(r);
	return true;
}

static bool begin_pack(struct store *s, struct reclaim *r)
{
	char path[STORE_PATH_MAX + 200];
	struct stat st;
	int64_t pack;

	if (db_number(s->db, DB_PACK_SPARSE,
	        DB_ARGS(DB_INT(s->pack_rows), DB_INT(space_for_copies(s))), &pack, NULL) != 1)
		return false;
	packs_path(s->packs, (uint64_t)pack, path, sizeof(path));
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		leave_pack(r);
		return false;
	}
	r->pack = (uint64_t)pack;
	r->at = 0;
	r->moved = false;
	r->size = (uint64_t)st.st_size;
	return true;
}

/* ---- leaving ---- */

static int leave_job(struct store_txn *t, void *arg, struct err *err)
{
	struct packs *packs = t->store->packs;
	uint64_t *out_pack = arg, failures = packs_failures(packs);
	struct err why = { .kind = ERR_NONE };

	if (packs_next(packs, &why) < 0) {
		*err = why;
		return packs_failures(packs) == failures ? -1 : txn_failed(t, &why);
	}
	*out_pack = packs_current(packs).pack;
	return txn_run(t, DB_PACK_PUT, DB_ARGS(DB_INT(*out_pack), DB_INT(0)), err);
}

/* Only when space is short: else a pack is worth nothing before it is full. */
static bool leave_current(struct store *s)
{
	struct pack_mark at = packs_current(s->packs);
	uint64_t pack;
	int64_t dead;

	if (!space_is_short(s) || space_free_bytes(s) < LEAVE_FREE_BYTES || !at.pack ||
	    at.pack != s->pack_rows ||
	    db_number(s->db, DB_PACK_DEAD_BYTES, DB_ARGS(DB_INT(at.pack)), &dead, NULL) != 1)
		return false;
	uint64_t dead_bytes = (uint64_t)dead, live = at.end > dead_bytes ? at.end - dead_bytes : 0;
	if (dead_bytes < LEAVE_FOR_BYTES || live > dead_bytes || live > space_for_copies(s))
		return false;
	if (writer_run_own(s, leave_job, &pack, NULL) < 0)
		return false;
	s->pack_rows = pack;
	return true;
}

/* ---- removing ---- */

int reclaim_hold(struct store *s, int *out_fd, struct err *err)
{
	char path[STORE_PATH_MAX + 100];

	store_file(s, "hold", path);
	AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", path);
	if (flock(fd, LOCK_SH) < 0)
		return err_set(err, ERR_SYSTEM, "cannot lock '%s': %m", path);
	*out_fd = TAKE_FD(fd);
	return 0;
}

static int remove_job(struct store_txn *t, void *arg, struct err *err)
{
	const uint64_t *pack = arg;

	return txn_run(t, DB_PACK_REMOVE, DB_ARGS(DB_INT(*pack)), err);
}

/* The row first: a file without a row is removed at the next start, a row without a file is damage. */
static bool remove_old(struct store *s)
{
	char path[STORE_PATH_MAX + 200];
	int64_t found, until = time_wall_s() - atomic_load(&s->remove_after_s);

	if (db_number(s->db, DB_PACK_OLD, DB_ARGS(DB_INT(until)), &found, NULL) != 1)
		return false;
	uint64_t pack = (uint64_t)found;
	store_file(s, "hold", path);
	AUTO_FD hold = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (hold < 0 || flock(hold, LOCK_EX | LOCK_NB) < 0)
		return false; /* a backup copies it */
	if (writer_run_own(s, remove_job, &pack, NULL) < 0)
		return false;
	packs_forget(s->packs, pack);
	packs_path(s->packs, pack, path, sizeof(path));
	if (io_unlink(path) < 0)
		log_warn(&s->log, "empty pack not removed", F_INT("pack", pack));
	else
		log_event(&s->log, "pack reclaimed", F_INT("pack", pack));
	return true;
}

bool reclaim_step(struct store *s, struct reclaim *r)
{
	uint64_t now = time_mono_ms();
	bool rests = atomic_load(&s->remove_after_s) > 0; /* not in tests */

	if (r->pack)
		return copy_step(s, r);
	if (rests && now < r->scan_ms)
		return false;
	if (remove_old(s))
		return true;
	if (atomic_load(&s->state) == STORE_WORKING && (begin_pack(s, r) || leave_current(s)))
		return true;
	r->scan_ms = now + (space_is_short(s) ? SCAN_SHORT_MS : SCAN_MS);
	return false;
}
