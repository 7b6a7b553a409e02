/* What the writer does when nobody waits: one short step at a time.
 *
 * Checkpoints, folding of references, notes of where the pack ends and how large the stories are,
 * pruning, reclaiming of packs. Each step is bounded, so that a job waits a few milliseconds at
 * most. */
#include <stdlib.h>

#include "base/time.h"
#include "services/store/message_rows.h"
#include "services/store/reclaim.h"
#include "services/store/refs.h"
#include "services/store/story.h"
#include "services/store/writer.h"

enum {
	AFTER_GROUP_MS = 100, /* nobody has waited for so long */
	FOLD_SHORT_S = 2,     /* instead of fold_after_s while space is short */
	REST_MS = 1000,       /* between rounds while there may be something to do */
	IDLE_MS = 30000,
	NOTE_MS = 60000,
	QUIET_ROUNDS = 70, /* rounds without anything before resting long: folding waits 30 s */
	SIZE_CHECK_MS = 600000,
};
#define LOG_IDLE_BYTES (1ull << 20)
#define LOG_BUSY_BYTES (32ull << 20)
#define LOG_MAX_BYTES (56ull << 20)

struct upkeep {
	uint64_t next_ms;
	unsigned quiet;        /* rounds in which nothing was done */
	uint64_t copied_bytes; /* how long the log was at the last checkpoint */
	uint64_t noted_ms, noted_pack, noted_end;
	uint64_t story_bytes; /* not noted yet */
	uint64_t size_ms;
	int64_t prune_before;
	struct reclaim *reclaim;
};

struct upkeep *upkeep_new(void)
{
	struct upkeep *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->reclaim = reclaim_new();
	return u;
}

void upkeep_free(struct upkeep *u)
{
	reclaim_free(u->reclaim);
	free(u);
}

/* ---- the log ---- */

/* How much of the log a checkpoint would have to copy. */
static uint64_t log_to_copy(struct store *s)
{
	uint64_t bytes = s->db->engine->log_bytes(s->db), copied = s->upkeep->copied_bytes;

	return bytes >= copied ? bytes - copied : bytes; /* it started over */
}

static void checkpoint(struct store *s)
{
	uint64_t bytes = s->db->engine->log_bytes(s->db);
	enum db_checkpoint how = bytes > LOG_MAX_BYTES ? DB_CHECKPOINT_RESET : DB_CHECKPOINT_GENTLE;
	struct err err = { .kind = ERR_NONE };

	readers_let_go(s);
	if (s->db->engine->checkpoint(s->db, how, &err) < 0 && err.kind != ERR_RETRY)
		log_warn(&s->log, "checkpoint failed", F_CSTR("why", err.text));
	/* Also when a reader (a backup) kept it from the end: not again for every group. */
	s->upkeep->copied_bytes = s->db->engine->log_bytes(s->db);
}

void upkeep_after_group(struct store *s)
{
	struct upkeep *u = s->upkeep;
	uint64_t at = time_mono_ms() + AFTER_GROUP_MS;

	u->quiet = 0;
	if (u->next_ms == 0 || u->next_ms > at || u->next_ms < at - AFTER_GROUP_MS)
		u->next_ms = at;
	if (atomic_load(&s->state) == STORE_WORKING && log_to_copy(s) > LOG_BUSY_BYTES)
		checkpoint(s);
}

/* ---- steps: true when something was done ---- */

static bool step_log(struct store *s)
{
	if (log_to_copy(s) < LOG_IDLE_BYTES)
		return false;
	checkpoint(s);
	return true;
}

static bool step_refs(struct store *s)
{
	struct err err = { .kind = ERR_NONE };
	int64_t oldest, wait = atomic_load(&s->fold_after_s);
	bool more = false;

	if (wait > FOLD_SHORT_S && space_is_short(s))
		wait = FOLD_SHORT_S;
	int64_t until = time_wall_s() - wait;
	if (db_number(s->db, DB_REF_LINE_OLDEST, DB_ARGS(DB_INT(until)), &oldest, &err) != 1)
		return false;
	if (refs_fold(s, until, &more, &err) < 0)
		log_warn(&s->log, "references not folded", F_CSTR("why", err.text));
	return more;
}

static int note_job(struct store_txn *t, void *arg, struct err *err)
{
	struct upkeep *u = t->store->upkeep;

	(void)arg;
	if (u->noted_end > 0 &&
	    txn_run(t, DB_PACK_PUT, DB_ARGS(DB_INT(u->noted_pack), DB_INT(u->noted_end)), err) < 0)
		return -1;
	return u->story_bytes > 0 ? story_note_bytes(t, u->story_bytes, err) : 0;
}

/* A walk after a crash begins where the pack was last noted. */
static bool step_note(struct store *s)
{
	struct upkeep *u = s->upkeep;
	struct pack_mark at = packs_current(s->packs);
	uint64_t now = time_mono_ms();
	bool moved = at.end > 0 && (at.pack != u->noted_pack || at.end != u->noted_end);

	if ((!moved && u->story_bytes == 0) || now < u->noted_ms + NOTE_MS)
		return false;
	u->noted_ms = now;
	if (at.end > 0) {
		u->noted_pack = at.pack;
		u->noted_end = at.end;
	}
	if (writer_run_own(s, note_job, NULL, NULL) == 0)
		u->story_bytes = 0;
	return true;
}

static int prune_job(struct store_txn *t, void *arg, struct err *err)
{
	return story_prune_step(t, t->store->upkeep->prune_before, arg, err);
}

static bool step_stories(struct store *s)
{
	struct upkeep *u = s->upkeep;
	uint64_t now = time_mono_ms();
	bool more = false;

	if (u->prune_before == 0 && now >= u->size_ms) {
		u->size_ms = now + SIZE_CHECK_MS;
		story_oldest_kept(s->db, s->options.story_bytes, &u->prune_before, NULL);
	}
	if (u->prune_before == 0)
		return false;
	if (writer_run_own(s, prune_job, &more, NULL) < 0 || !more)
		u->prune_before = 0;
	return true;
}

static bool step_reclaim(struct store *s)
{
	return reclaim_step(s, s->upkeep->reclaim);
}

static bool (*const steps[])(struct store *s) = {
	step_log,
	step_refs,
	step_note,
	step_stories,
	step_reclaim,
};

bool upkeep_step(struct store *s)
{
	struct upkeep *u = s->upkeep;
	uint64_t now = time_mono_ms();

	if (now < u->next_ms)
		return false;
	if (atomic_load(&s->state) == STORE_FAILED) {
		store_try_again(s);
		u->next_ms = now + REST_MS;
		return false;
	}
	space_care(s, false);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (atomic_load(&s->state) == STORE_WORKING && steps[i](s)) {
			u->quiet = 0;
			u->next_ms = 1; /* at once, unless a job waits */
			return true;
		}
	}
	u->next_ms = now + (++u->quiet < QUIET_ROUNDS ? REST_MS : IDLE_MS);
	return false;
}

unsigned upkeep_wait_ms(struct store *s)
{
	uint64_t now = time_mono_ms(), at = s->upkeep->next_ms;

	return at > now ? (unsigned)(at - now) : 0;
}

void upkeep_note_story_bytes(struct store *s, uint64_t bytes)
{
	s->upkeep->story_bytes += bytes;
}

void upkeep_prune_stories(struct store *s, int64_t before)
{
	if (before > s->upkeep->prune_before)
		s->upkeep->prune_before = before;
}

/* The last notes; the database closes with a checkpoint of its own. */
void upkeep_close(struct store *s)
{
	if (s->upkeep->story_bytes > 0)
		writer_run_own(s, note_job, NULL, NULL);
}
