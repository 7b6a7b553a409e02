/* internal.h: what the parts of the store share among themselves.
 *
 * Threads    struct store: each field says who may touch it. struct store_txn and struct box: the
 *            writer's only.
 * Not here   The interface for everybody else: store.h, maintain.h.
 */
#ifndef BUZON_SERVICES_STORE_INTERNAL_H
#define BUZON_SERVICES_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/table.h"
#include "services/store/db.h"
#include "services/store/io.h"
#include "services/store/pack.h"
#include "services/store/page.h"
#include "services/store/store.h"

enum {
	STORE_PATH_MAX = 3900,
	READERS_IDLE_MAX = 16,
	MESSAGE_ID_STRIDE = 65536,
	VANISHED_ROWS_MAX = 512,
	STORY_KEY_BYTES = 16,
};

/* ---- keywords of a mailbox: immutable, shared ---- */

struct keywords {
	atomic_uint refs;
	size_t count;
	str names[STORE_KEYWORDS_MAX];
	char bytes[];
};

struct keywords *keywords_ref(struct keywords *k);
void keywords_unref(struct keywords *k);
/* From counted strings, as in mailbox.keywords. */
int keywords_decode(str bytes, struct keywords **out, struct err *err);
void keywords_encode(const struct keywords *k, struct buf *out);
/* Bit of a name; -1 when it is not there. */
int keywords_find(const struct keywords *k, str name);
struct keywords *keywords_with(const struct keywords *k, str name);

/* ---- a mailbox as the writer sees it ---- */

/* The columns of a mailbox row that change with its entries. */
struct box_head {
	uint32_t uidnext, count, unseen, deleted, recent, recent_uid, vanished_rows;
	uint64_t size_bytes, deleted_bytes, modseq, vanished_floor;
};

/* What a job may have to get back to. */
struct box_state {
	struct box_head head;
	struct keywords *keywords;
	struct page_list *list;
};

struct box {
	uint64_t id, account;
	uint32_t uidvalidity;
	bool selectable;
	bool partial; /* list has only the last committed page and what follows it */
	struct box_state now;
	struct box_state saved;     /* as the running job found it, when job is the running one */
	struct box_state committed; /* as the database has it */
	uint64_t job;               /* the last job that touched it */
	bool touched;               /* by this group */
	bool removed;               /* by a job of this group */
	struct box *next_touched, *next_loaded;
	uint64_t used; /* group number, for forgetting the oldest */
};

/* Account counters as the writer sees them. */
struct purse {
	uint64_t id, quota_bytes;
	uint64_t used_bytes, message_count;
	uint64_t saved_used, saved_count;
	uint64_t job;
	bool touched;
	bool stale; /* to be loaded anew after this group */
	struct purse *next_touched, *next_loaded;
};

/* ---- one group of jobs in one commit ---- */

struct ref_change {
	uint64_t message;
	int64_t delta;
};

struct touched_event {
	uint64_t account, mailbox;
};

/* Undo log and group log in one: everything behind the job's mark is dropped when it is undone. */
struct txn_marks {
	size_t refs, events;
	uint64_t story_bytes;
	bool directory_changed;
};

struct store_txn {
	struct store *store;
	struct db *db;
	int64_t now;
	uint64_t job; /* number of the running job; never 0 */
	bool has_savepoint;
	bool broken; /* the engine or the disk failed: the whole group fails */
	struct err broken_err;
	struct box *boxes; /* touched by the group */
	struct purse *purses;
	struct box *new_boxes; /* loaded by the job: perhaps of rows that it made itself */
	struct purse *new_purses;
	struct ref_change *refs;
	size_t ref_count, ref_cap;
	struct touched_event *events;
	size_t event_count, event_cap;
	uint64_t story_bytes;
	bool directory_changed;
	bool changed; /* there is something to commit */
	bool job_changed;
	struct txn_marks marks;
	struct pack_mark pack_mark, group_mark;
	bool commit_tried;
	uint64_t first_new_message; /* messages from here on were made in this group */
	uint64_t job_first_message;
	struct buf scratch;
};

/* Runs a statement that changes something, inside the job's savepoint. */
int txn_run(struct store_txn *t, enum db_statement id, const struct db_args *args, struct err *err);
/* The same for one that returns a number (RETURNING): 1, 0, -1. */
int txn_number(struct store_txn *t, enum db_statement id, const struct db_args *args, int64_t *out,
    struct err *err);
/* Marks the group as lost when the engine failed; returns -1. */
int txn_failed(struct store_txn *t, const struct err *err);
/* A number from a statement that changes nothing: 1, 0, -1. */
int txn_look_up(struct store_txn *t, enum db_statement id, const struct db_args *args, int64_t *out,
    struct err *err);
int txn_savepoint(struct store_txn *t, struct err *err);
void txn_ref(struct store_txn *t, uint64_t message, int64_t delta);
void txn_event(struct store_txn *t, uint64_t account, uint64_t mailbox);

/* box.c */
enum box_need { BOX_HEAD, BOX_TAIL, BOX_ALL };
/* The box of a mailbox, loaded as far as needed. ERR_DENIED when there is none. */
int box_get(
    struct store_txn *t, uint64_t mailbox, enum box_need need, struct box **out, struct err *err);
/* The row of b->id into b: account, uidvalidity, selectable, now.head, now.keywords. */
int box_load_head(struct db *db, struct box *b, struct err *err);
/* Before changing it in this job. */
void box_touch(struct store_txn *t, struct box *b);
/* Makes the list, and page i of it, this job's own, with room for cap entries. */
struct page_list *box_own_list(struct store_txn *t, struct box *b);
struct store_page *box_own_page(struct store_txn *t, struct box *b, size_t i, uint32_t cap);
/* A new entry's place at the end; counts it in the head. */
int box_append(struct store_txn *t, struct box *b, struct store_entry *e, struct err *err);
/* Adds (sign 1) or takes away (sign -1) an entry in the counts of the head. */
void box_count(struct box_head *head, const struct store_entry *e, int sign);
/* Bits of keywords in this mailbox, adding new ones when may_add. */
int box_keywords(struct store_txn *t, struct box *b, const str *names, size_t count, bool may_add,
    uint64_t *out, struct err *err);
/* The mailbox is gone: its pages, its references. */
int box_remove(struct store_txn *t, uint64_t mailbox, struct err *err);
/* Writes what changed to the database; at the end of a group. */
int boxes_flush(struct store_txn *t, struct err *err);
void boxes_undo_job(struct store_txn *t);
/* After the commit: what is now is what is committed; views are published. */
void boxes_committed(struct store_txn *t);
/* After a failure: forget everything. */
void boxes_forget(struct store *s);
void boxes_trim(struct store *s);

/* purse.c */
int purse_get(struct store_txn *t, uint64_t account, struct purse **out, struct err *err);
/* Charges or refunds; ERR_LIMIT over the quota when enforce. */
int purse_charge(struct store_txn *t, uint64_t account, int64_t bytes, int64_t messages,
    bool enforce, struct err *err);
int purses_flush(struct store_txn *t, struct err *err);
void purses_undo_job(struct store_txn *t);
void purses_committed(struct store_txn *t);
void purses_forget(struct store *s);
void purse_drop(struct store_txn *t, uint64_t account);

/* ---- counters in the meta table ---- */

struct counters {
	uint64_t message_limit; /* ids below it may have been given out */
	uint64_t next_message;
	uint64_t id_floor; /* store_next_id starts above it after a restart */
	uint32_t uidvalidity;
	uint64_t message_limit_saved, id_floor_saved;
	uint32_t uidvalidity_saved;
};

/* ---- views ---- */

struct view_slot;

struct view_cache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct table *slots;
	struct view_slot *newest, *oldest;
	size_t bytes, max_bytes;
};

void view_cache_init(struct view_cache *c, size_t max_bytes);
void view_cache_fini(struct view_cache *c);
/* The pages of the cached view, when it is the committed state at this modseq; referenced. */
struct page_list *view_cache_pages(struct store *s, uint64_t mailbox, uint64_t modseq);
/* The mailbox changed: a cached view is replaced, a load under way starts over. */
void view_publish(struct store *s, struct box *b);
bool view_is_wanted(struct store *s, uint64_t mailbox);
void view_drop(struct store *s, uint64_t mailbox);
void view_drop_all(struct store *s);

/* ---- readers ---- */

struct read_pool {
	pthread_mutex_t lock;
	struct db *idle[READERS_IDLE_MAX];
	size_t idle_count;
};

int reader_acquire(struct store *s, struct db **out, struct err *err);
void reader_release(struct store *s, struct db *db);

/* ---- the store ---- */

struct job;

enum store_state { STORE_WORKING, STORE_FAILED, STORE_READ_ONLY };

struct writer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	bool stopping, started;
};

struct space {
	pthread_mutex_t lock;
	uint64_t checked_ms;
	uint64_t free_bytes, free_inodes;
	bool known, has_reserve;
};

struct watchers {
	pthread_mutex_t lock;
	struct table *by_key; /* of mailbox, or account when mailbox is 0: list of watches */
};

struct store {
	char *path;
	struct store_options options; /* fixed after open; strings are path's */
	struct log log;
	atomic_int state; /* enum store_state */
	atomic_ullong last_id;
	atomic_ullong directory_version;
	struct packs *packs;
	struct read_pool readers;
	struct view_cache views;
	struct space space;
	struct watchers watchers;
	struct writer writer;
	unsigned char story_key[STORY_KEY_BYTES];
	int lock_fd;

	/* The writer's. */
	struct db *db;
	struct counters counters;
	struct table *boxes;
	size_t box_count;
	struct table *purses;
	size_t purse_count;
	uint64_t group, job;
	uint64_t pack_rows; /* packs up to this one have a row */
	uint64_t failed_at_ms;
	atomic_int fold_after_s;   /* lines of references wait so long; tests make it 0 */
	atomic_int remove_after_s; /* packs that were emptied, likewise */
	atomic_int again_after_ms; /* between tries to open again after a failure, likewise */
	struct recheck *recheck;
	struct upkeep *upkeep;
	struct store_txn txn;

	/* Readers that hold a transaction (store_reader), so that the writer can make them let go. */
	pthread_mutex_t open_readers_lock;
	struct store_reader *open_readers;
};

void store_file(const struct store *s, const char *name, char out[STORE_PATH_MAX + 100]);

/* store.c */
int store_open_writer_db(struct store *s, struct err *err);

/* writer.c */
int writer_start(struct store *s, struct err *err);
void writer_stop(struct store *s);
/* A group with one job of our own, on the writer thread. */
int writer_run_own(struct store *s, store_job_fn *fn, void *arg, struct err *err);

/* counters.c */
int counters_load(struct store *s, struct err *err);
int story_key_load(struct store *s, struct db *db, struct err *err);
int counters_flush(struct store_txn *t, struct err *err);
void counters_committed(struct store *s);
uint32_t counters_uidvalidity(struct store_txn *t);
uint64_t counters_message(struct store_txn *t);
/* Seconds since 1970 that store_next_id put into this id, and the smallest id of a second. */
int64_t id_time(uint64_t id);
uint64_t id_from_time(int64_t at);

/* refs.c */
int refs_flush(struct store_txn *t, struct err *err);

/* watch.c */
void watchers_init(struct watchers *w);
void watchers_fini(struct watchers *w);
void watchers_tell(struct store *s, const struct touched_event *events, size_t count);

/* space.c */
void space_init(struct store *s);
void space_fini(struct store *s);
/* Before somebody's group lets go of the reserve when the disk is nearly full; not while nobody
 * needs it, when only whatever fills the disk would have it. Makes it again later. */
void space_care(struct store *s, bool is_needed);
uint64_t space_free_bytes(struct store *s);
/* New mail is refused for want of space. */
bool space_is_short(struct store *s);
/* How much bodies that are alive may take when they are copied, to give their pack's room back. */
uint64_t space_for_copies(struct store *s);
/* The disk is full: what was kept back is given to whoever removes. */
void space_release_reserve(struct store *s, const struct err *why);

/* recover.c, recheck.c */
int recover_start(struct store *s, struct err *err);
/* At an orderly end. */
void recover_note_clean(struct store *s);
/* Ends the check that runs after a crash. */
void recover_stop(struct store *s);
/* The newest messages are there and have the right bytes. */
int recover_newest(struct store *s, struct err *err);

/* upkeep.c: what the writer does when nobody waits */
struct upkeep *upkeep_new(void);
void upkeep_free(struct upkeep *u);
/* Does one bounded step; true when there is more to do at once. */
bool upkeep_step(struct store *s);
/* After each group. */
void upkeep_after_group(struct store *s);
/* Milliseconds the writer may sleep before the next step. */
unsigned upkeep_wait_ms(struct store *s);
void upkeep_note_story_bytes(struct store *s, uint64_t bytes);
void upkeep_close(struct store *s);

#endif
