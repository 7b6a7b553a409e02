/* At start: where did the last pack end, is what was acknowledged there, what is left over.
 *
 * A pack is records from its first byte on. What the last commit knew of is found by walking from
 * the last noted length: a record whose message has a row that points at it was committed. What
 * lies behind the last such record was on its way when the process died, and is cut off. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/time.h"
#include "services/store/recover.h"

#define HASH_BUDGET (64ull << 20)

/* ---- records ---- */

int record_read(int fd, uint64_t at, uint64_t size, struct record *out, struct err *err)
{
	char bytes[PACK_HEADER_BYTES];

	if (at > size || size - at < PACK_HEADER_BYTES)
		return 0;
	if (fd_pread_all(fd, bytes, sizeof(bytes), (off_t)at) < 0)
		return err_set(err, ERR_SYSTEM, "cannot read a pack: %m");
	if (!pack_header_decode(str_new(bytes, sizeof(bytes)), &out->header))
		return 0;
	out->offset = at + PACK_HEADER_BYTES;
	if (out->header.bytes > size - out->offset)
		return 0;
	out->end = out->offset + out->header.bytes;
	return 1;
}

int record_is_alive(struct db *db, uint64_t pack, const struct record *r, struct err *err)
{
	AUTO_ROWS rows = { .db = db };

	if (db_query(db, DB_MESSAGE_PLACE, DB_ARGS(DB_INT(r->header.message)), &rows, err) < 0)
		return -1;
	int found = db_next(&rows, err);
	if (found <= 0)
		return found;
	return db_u64(&rows, 0) == pack && db_u64(&rows, 1) == r->offset;
}

static int open_pack(struct store *s, uint64_t pack, uint64_t *out_size, struct err *err)
{
	char path[STORE_PATH_MAX + 200];
	struct stat st;

	packs_path(s->packs, pack, path, sizeof(path));
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s': %m", path);
	*out_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

static int find_end(
    struct store *s, uint64_t pack, uint64_t from, uint64_t *out_end, struct err *err)
{
	uint64_t size, at = from;
	struct record r;
	int more;

	AUTO_FD fd = open_pack(s, pack, &size, err);
	if (fd < 0)
		return -1;
	*out_end = from;
	while ((more = record_read(fd, at, size, &r, err)) == 1) {
		int alive = record_is_alive(s->db, pack, &r, err);
		if (alive < 0)
			return -1;
		at = r.end;
		if (alive)
			*out_end = at;
	}
	return more;
}

/* ---- packs and their rows ---- */

struct pack_row {
	uint64_t id, bytes;
};

static int last_row(struct store *s, struct pack_row *out, struct err *err)
{
	AUTO_ROWS rows = { .db = s->db };
	int more;

	*out = (struct pack_row){ 0, 0 };
	if (db_query(s->db, DB_PACK_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		uint64_t size = packs_file_bytes(s->packs, db_u64(&rows, 0));
		*out = (struct pack_row){ db_u64(&rows, 0), db_u64(&rows, 1) };
		if (size < out->bytes)
			log_alert(&s->log, "pack is shorter than it was", F_INT("pack", out->id),
			    F_INT("bytes", size), F_INT("expected", out->bytes));
	}
	return more;
}

static int has_row(struct store *s, uint64_t pack, struct err *err)
{
	AUTO_ROWS rows = { .db = s->db };
	int more;

	if (db_query(s->db, DB_PACK_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (db_u64(&rows, 0) == pack)
			return 1;
	}
	return more;
}

/* Files without a row: begun for a group that was never committed, or emptied and not yet removed.
 * Nothing can point into them. */
static int remove_strays(struct store *s, struct err *err)
{
	char path[STORE_PATH_MAX + 200];
	uint64_t pack;
	int result = 0;

	store_file(s, "packs", path);
	DIR *dir = opendir(path);
	if (!dir)
		return err_set(err, ERR_SYSTEM, "cannot read '%s': %m", path);
	for (struct dirent *e; result == 0 && (e = readdir(dir));) {
		if (pack_number(e->d_name, &pack) < 0)
			continue;
		packs_above(s->packs, pack);
		int known = has_row(s, pack, err);
		if (known < 0) {
			result = -1;
		} else if (!known) {
			packs_path(s->packs, pack, path, sizeof(path));
			log_event(&s->log, "pack without messages removed", F_INT("pack", pack));
			if (io_unlink(path) < 0)
				result = err_set(err, ERR_SYSTEM, "cannot remove '%s': %m", path);
		}
	}
	closedir(dir);
	return result;
}

static int resume(struct store *s, bool was_clean, struct err *err)
{
	struct pack_row row;
	uint64_t end;

	if (last_row(s, &row, err) < 0)
		return -1;
	s->pack_rows = row.id;
	packs_above(s->packs, row.id);
	uint64_t size = row.id ? packs_file_bytes(s->packs, row.id) : 0;
	if (!row.id || size < row.bytes)
		return 0; /* a new pack is begun; the damage is logged */
	end = row.bytes;
	if (!was_clean && find_end(s, row.id, row.bytes, &end, err) < 0)
		return -1;
	if (end < size)
		log_event(&s->log, "unfinished end of a pack cut off", F_INT("pack", row.id),
		    F_INT("bytes", size - end));
	return packs_resume(s->packs, row.id, end, err);
}

/* ---- the newest messages ---- */

static bool hash_is_right(const struct store_blob *blob, const unsigned char sha256[32])
{
	unsigned char got[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)blob->bytes.ptr, blob->bytes.len, got);
	return memcmp(got, sha256, sizeof(got)) == 0;
}

static int check_row(struct store *s, const struct db_rows *rows, uint64_t *budget, struct err *err)
{
	struct store_blob_ref ref = {
		.pack = db_u64(rows, 1), .offset = db_u64(rows, 2), .bytes = db_u64(rows, 3)
	};
	struct store_blob blob;
	str hash = db_bytes(rows, 4);

	if (hash.len == sizeof(ref.sha256))
		memcpy(ref.sha256, hash.ptr, hash.len);
	if (packs_map(s->packs, &ref, &blob, err) < 0)
		return -1;
	bool right = true;
	if (ref.bytes <= *budget) {
		*budget -= ref.bytes;
		right = hash_is_right(&blob, ref.sha256);
	}
	packs_map_release(&blob);
	return right ? 0 : err_set(err, ERR_SYSTEM, "its bytes are not what they were");
}

int recover_newest(struct store *s, struct err *err)
{
	AUTO_ROWS rows = { .db = s->db };
	uint64_t budget = HASH_BUDGET, bad = 0;
	struct err why = { .kind = ERR_NONE };
	int more;

	if (db_query(s->db, DB_MESSAGE_NEWEST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		if (check_row(s, &rows, &budget, &why) == 0)
			continue;
		bad++;
		log_alert(&s->log, "message is damaged", F_INT("message", db_int(&rows, 0)),
		    F_CSTR("why", why.text));
	}
	if (more < 0)
		return -1;
	return bad == 0 ? 0
	                : err_set(err, ERR_SYSTEM, "%llu of the newest messages are damaged: %s",
	                      (unsigned long long)bad, why.text);
}

/* ---- start and end ---- */

static int put_clean(struct store *s, bool clean, struct err *err)
{
	return db_run(s->db, DB_META_PUT,
	    DB_ARGS(DB_TEXT(STR("clean")), DB_INT(clean), DB_BLOB(STR(""))), err);
}

int recover_start(struct store *s, struct err *err)
{
	struct err damage = { .kind = ERR_NONE };
	int64_t clean = 0;
	uint64_t began = time_mono_ms();
	int known = db_number(s->db, DB_META_GET, DB_ARGS(DB_TEXT(STR("clean"))), &clean, err);

	if (known < 0 || resume(s, clean, err) < 0 || remove_strays(s, err) < 0 ||
	    put_clean(s, false, err) < 0)
		return -1;
	if (clean || known == 0)
		return 0;
	/* Damage is said, not hidden behind a store that does not start. */
	recover_newest(s, &damage);
	log_event(
	    &s->log, "store recovered after an unclean stop", F_INT("ms", time_mono_ms() - began));
	recheck_start(s);
	return 0;
}

void recover_note_clean(struct store *s)
{
	struct pack_mark at = packs_current(s->packs);
	struct err err = { .kind = ERR_NONE };

	bool is_put = at.end == 0 || db_run(s->db, DB_PACK_PUT,
	                                 DB_ARGS(DB_INT(at.pack), DB_INT(at.end)), &err) == 0;
	if (!is_put || put_clean(s, true, &err) < 0)
		log_warn(&s->log, "store not closed cleanly", F_CSTR("why", err.text));
}
