/* Stories: what happened to each message, and the keys that lead to them.
 *
 * A key is 64 bits of SipHash with a key of this store, so that strangers cannot make two addresses
 * fall together; a collision would show one story too many, nothing else. */
#include <sodium.h>
#include <stdlib.h>

#include "services/store/story.h"

enum { KEY_MAX = 1024, DAY_S = 86400, STORIES_MAX = 1000, PRUNE_STEP = 4000 };

_Static_assert(STORY_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key of the story index");

static int64_t hash_key(struct store *s, str key)
{
	unsigned char folded[KEY_MAX], out[crypto_shorthash_BYTES];
	int64_t hash;

	key = str_sub(key, 0, KEY_MAX);
	for (size_t i = 0; i < key.len; i++)
		folded[i] = (unsigned char)ascii_lower(key.ptr[i]);
	crypto_shorthash(out, folded, key.len, s->story_key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

static int64_t story_day(uint64_t story)
{
	return id_time(story) / DAY_S;
}

int txn_story_add(struct store_txn *t, const struct store_story_step *step, const str *keys,
    size_t key_count, struct err *err)
{
	struct store *s = t->store;

	if (txn_run(t, DB_STORY_ADD,
	        DB_ARGS(DB_INT(step->story), DB_INT(store_next_id(s)),
	            DB_INT(step->at ? step->at : t->now), DB_INT(step->step),
	            DB_TEXT(step->detail)),
	        err) < 0)
		return -1;
	t->story_bytes += step->detail.len + 32 + key_count * 32;
	for (size_t i = 0; i < key_count; i++) {
		if (txn_run(t, DB_STORY_KEY_ADD,
		        DB_ARGS(DB_INT(story_day(step->story)), DB_INT(hash_key(s, keys[i])),
		            DB_INT(step->story)),
		        err) < 0)
			return -1;
	}
	return 0;
}

/* ---- finding ---- */

struct search {
	struct db *db;
	struct arena *arena;
	int64_t hash;
	uint64_t *stories;
	size_t count, cap, max;
	struct store_story_step *steps;
	size_t step_count, step_cap;
};

static int find_in_day(struct search *f, int64_t day, struct err *err)
{
	AUTO_ROWS rows = { .db = f->db };
	int more;

	if (db_query(f->db, DB_STORY_KEY_FIND,
	        DB_ARGS(DB_INT(day), DB_INT(f->hash), DB_INT(f->max - f->count)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		uint64_t *story =
		    arena_push(f->arena, &f->stories, &f->count, &f->cap, sizeof(*f->stories));
		*story = db_u64(&rows, 0);
	}
	return more;
}

static int find_stories(struct search *f, struct err *err)
{
	int64_t first = 0, last = -1;

	if (db_number(f->db, DB_STORY_KEY_OLDEST, DB_NO_ARGS, &first, err) < 0 ||
	    db_number(f->db, DB_STORY_KEY_NEWEST, DB_NO_ARGS, &last, err) < 0)
		return -1;
	for (int64_t day = last; day >= first && f->count < f->max; day--) {
		if (find_in_day(f, day, err) < 0)
			return -1;
	}
	return 0;
}

static int read_story(struct search *f, uint64_t story, struct err *err)
{
	AUTO_ROWS rows = { .db = f->db };
	int more;

	if (db_query(f->db, DB_STORY_GET, DB_ARGS(DB_INT(story)), &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		struct store_story_step *step = arena_push(
		    f->arena, &f->steps, &f->step_count, &f->step_cap, sizeof(*f->steps));
		*step = (struct store_story_step){ .story = story,
			.at = db_int(&rows, 1),
			.step = db_u32(&rows, 2),
			.detail = arena_str(f->arena, db_bytes(&rows, 3)) };
	}
	return more;
}

static int search(struct search *f, struct err *err)
{
	if (find_stories(f, err) < 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (read_story(f, f->stories[i], err) < 0)
			return -1;
	}
	return 0;
}

int store_story_find(struct store *s, str key, size_t max_stories, struct arena *a,
    struct store_story_step **out, size_t *out_count, struct err *err)
{
	struct search f = { .arena = a,
		.hash = hash_key(s, key),
		.max = max_stories < STORIES_MAX ? max_stories : STORIES_MAX };

	if (reader_acquire(s, &f.db, err) < 0)
		return -1;
	int result = search(&f, err);
	reader_release(s, f.db);
	if (result < 0)
		return -1;
	*out = f.steps;
	*out_count = f.step_count;
	return 0;
}

/* ---- pruning, in bounded steps ---- */

/* Up to PRUNE_STEP rows of stories that began before. */
static int prune_steps(struct store_txn *t, uint64_t before, bool *more, struct err *err)
{
	int64_t nth;
	int found = txn_look_up(
	    t, DB_STORY_NTH_BEFORE, DB_ARGS(DB_INT(before), DB_INT(PRUNE_STEP)), &nth, err);

	if (found < 0)
		return -1;
	if (found == 1) {
		*more = true;
		before = (uint64_t)nth + 1;
	}
	return txn_run(t, DB_STORY_PRUNE, DB_ARGS(DB_INT(before)), err);
}

static int prune_keys(struct store_txn *t, int64_t before_day, bool *more, struct err *err)
{
	int64_t day, hash;
	int found = txn_look_up(t, DB_STORY_KEY_OLDEST, DB_NO_ARGS, &day, err);

	if (found <= 0 || day >= before_day)
		return found < 0 ? -1 : 0;
	found =
	    txn_look_up(t, DB_STORY_KEY_NTH, DB_ARGS(DB_INT(day), DB_INT(PRUNE_STEP)), &hash, err);
	if (found < 0)
		return -1;
	*more = true;
	return found == 1 ? txn_run(t, DB_STORY_KEY_PRUNE, DB_ARGS(DB_INT(day), DB_INT(hash)), err)
	                  : txn_run(t, DB_STORY_KEY_PRUNE_DAY, DB_ARGS(DB_INT(day)), err);
}

int story_prune_step(struct store_txn *t, int64_t before, bool *out_more, struct err *err)
{
	*out_more = false;
	if (prune_steps(t, id_from_time(before), out_more, err) < 0 ||
	    prune_keys(t, before / DAY_S, out_more, err) < 0)
		return -1;
	if (*out_more)
		return 0;
	return txn_run(t, DB_STORY_DAY_PRUNE, DB_ARGS(DB_INT(before / DAY_S)), err);
}

int txn_story_prune(struct store_txn *t, int64_t before, struct err *err)
{
	bool more;

	if (before <= 0)
		return 0;
	if (story_prune_step(t, before, &more, err) < 0)
		return -1;
	if (more)
		upkeep_prune_stories(t->store, before);
	return 0;
}

/* ---- how much there is ---- */

int story_note_bytes(struct store_txn *t, uint64_t bytes, struct err *err)
{
	return txn_run(t, DB_STORY_DAY_ADD, DB_ARGS(DB_INT(t->now / DAY_S), DB_INT(bytes)), err);
}

int story_oldest_kept(struct db *db, uint64_t max_bytes, int64_t *out_before, struct err *err)
{
	AUTO_ROWS rows = { .db = db };
	uint64_t sum = 0;
	bool is_newest = true; /* the newest day is never pruned for its size */
	int more;

	*out_before = 0;
	if (db_query(db, DB_STORY_DAY_LIST, DB_NO_ARGS, &rows, err) < 0)
		return -1;
	while ((more = db_next(&rows, err)) == 1) {
		sum += db_u64(&rows, 1);
		bool fits = sum <= max_bytes || is_newest;
		is_newest = false;
		if (fits)
			continue;
		*out_before = (db_int(&rows, 0) + 1) * DAY_S;
		break;
	}
	return more < 0 ? -1 : 0;
}
