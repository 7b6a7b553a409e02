/* store.h: mail, mailboxes, accounts, the queue and the stories, on stable storage.
 *
 * Purpose    One interface over the engines (SQLite now; PostgreSQL later without touching
 *            callers). Metadata in SQL, mailboxes in pages of 256 packed entries, bodies in append-
 *            only packs.
 * Ownership  store_open/store_close. Views and blobs are reference-counted; results of queries live
 *            in the arena that was given.
 * Threads    One writer thread inside: everything that changes is a job run there, many jobs to one
 *            commit. Reads (store_*_get, _list, _find, views, blobs) from any thread; each thread
 *            gets its own read connection inside.
 * Units      Bytes; Unix seconds; UIDs 1..2^32-2; modseq from 1, per account mailbox, never going
 *            back.
 * Errors     ERR_DENIED what is not there or already there; ERR_LIMIT quota, name length, keyword
 *            count; ERR_RETRY no space, read-only after a failed sync; ERR_SYSTEM the engine.
 * Not here   Which mailbox a message goes to (services/deliver), IMAP's or POP3's rules
 *            (sessions/).
 *
 * Durability A job's done function runs, and store_write returns, only after pack and database are
 *            synced. After a failed sync or commit nothing is retried: everything in flight gets
 *            ERR_RETRY, the store reopens and verifies itself, an alert is logged.
 */
#ifndef BUZON_SERVICES_STORE_STORE_H
#define BUZON_SERVICES_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

/* Where a server keeps its store, below the data directory: a directory of its own, so that role core can be
 * locked into it and never sees what role auth keeps beside it. */
#define STORE_DIRECTORY "store"

struct store;
struct store_txn;

enum {
	STORE_PAGE_ENTRIES = 256,
	STORE_KEYWORDS_MAX = 64, /* per mailbox; one bit each in an entry */
	STORE_NAME_MAX = 1000,   /* bytes of a whole mailbox name */
	STORE_NAME_DEPTH_MAX = 32,
};

struct store_options {
	const char *path;       /* data directory; must exist */
	bool create;            /* make a new store when the directory has none */
	bool read_only;         /* check, list: nothing is written, no recovery */
	uint64_t reserve_bytes; /* below this much free space new mail is refused; 0: the default */
	uint64_t pack_bytes;    /* a new pack after this much; 0: the default, 256 MiB */
	uint64_t quota_bytes;   /* of accounts without one of their own; 0: the default, 50 GiB */
	uint64_t cache_bytes;   /* of mailbox views nobody looks at; 0: the default, 64 MiB */
	uint64_t story_bytes;   /* of stories, kept at most; 0: the default, 1 GiB */
	const struct log *log;
};

int store_open(const struct store_options *o, struct store **out, struct err *err);
void store_close(struct store *s);
/* False while new mail must be refused (space, inodes, read-only); *err says why, as 452 4.3.1
 * would. */
bool store_accepts_mail(struct store *s, uint64_t bytes, struct err *err);
/* Unique across restarts, increasing; for queue ids and story ids. */
uint64_t store_next_id(struct store *s);

/* ---- writing ----------------------------------------------------------------------------------
 */

/* A job runs on the writer thread inside a savepoint of its own; -1 undoes what it did, and only
 * that. It must not block on anything but the store. */
typedef int store_job_fn(struct store_txn *t, void *arg, struct err *err);
/* On the writer thread after the commit: result 0, or -1 with *err. Must be quick: post to a loop.
 */
typedef void store_done_fn(void *arg, int result, const struct err *err);

void store_submit(struct store *s, store_job_fn *job, store_done_fn *done, void *arg);
/* The same, waiting; not from a loop thread. */
int store_write(struct store *s, store_job_fn *job, void *arg, struct err *err);
struct store *store_of(struct store_txn *t);

/* ---- domains, accounts, aliases ----------------------------------------------------------------
 */

struct store_domain {
	uint64_t id;
	str name;      /* lower case, A-labels */
	str catch_all; /* account address or empty */
	int64_t created_at;
};

struct store_account {
	uint64_t id;
	str address;          /* lower case local@domain */
	uint64_t quota_bytes; /* 0: the configured default */
	uint64_t used_bytes;
	uint64_t message_count;
	uint64_t inbox_id;
	int64_t created_at;
	str language; /* "en", "es" or empty */
};

struct store_alias {
	str address; /* local@domain */
	str targets; /* addresses, one per line */
};

int store_domain_list(struct store *s, struct arena *a, struct store_domain **out,
    size_t *out_count, struct err *err);
int store_account_list(struct store *s, struct arena *a, struct store_account **out,
    size_t *out_count, struct err *err);
int store_alias_list(
    struct store *s, struct arena *a, struct store_alias **out, size_t *out_count, struct err *err);
int store_account_get(
    struct store *s, uint64_t account, struct arena *a, struct store_account *out, struct err *err);
int store_account_find(
    struct store *s, str address, struct arena *a, struct store_account *out, struct err *err);

int txn_domain_add(struct store_txn *t, str name, struct err *err);
int txn_domain_remove(struct store_txn *t, str name,
    struct err *err); /* ERR_DENIED while it has accounts or aliases */
int txn_domain_catch_all(struct store_txn *t, str name, str address, struct err *err);
/* Makes the default folders with special use: INBOX, Drafts, Sent, Junk, Trash, Archive. */
int txn_account_add(
    struct store_txn *t, str address, uint64_t quota_bytes, uint64_t *out_id, struct err *err);
int txn_account_remove(struct store_txn *t, str address, struct err *err);
int txn_account_quota(struct store_txn *t, str address, uint64_t quota_bytes, struct err *err);
/* "en", "es" or empty. */
int txn_account_language(struct store_txn *t, str address, str language, struct err *err);
int txn_alias_add(struct store_txn *t, str address, str targets, struct err *err);
int txn_alias_remove(struct store_txn *t, str address, struct err *err);

/* A key for DKIM without its private half, which role keys alone can use. */
struct store_dkim_key {
	str domain, selector;
	str algorithm;  /* "rsa" or "ed25519", as in k= of its record */
	str public_key; /* base64, as in p= */
	int64_t created_at;
	int64_t active_from; /* 0: not before somebody says so. services/sign/state.h */
};

int store_dkim_list(struct store *s, struct arena *a, struct store_dkim_key **out,
    size_t *out_count, struct err *err);
/* created_at is set here. */
int txn_dkim_add(struct store_txn *t, const struct store_dkim_key *key, struct err *err);
int txn_dkim_activate(
    struct store_txn *t, str domain, str selector, int64_t active_from, struct err *err);
int txn_dkim_remove(struct store_txn *t, str domain, str selector, struct err *err);

/* A counter that changes with every change of domains, accounts, aliases and keys: callers that keep them
 * in memory (services/route) reload when it moved. */
uint64_t store_directory_version(struct store *s);

/* ---- mailboxes ----------------------------------------------------------------------------------
 */

enum store_special_use {
	SPECIAL_NONE,
	SPECIAL_ALL,
	SPECIAL_ARCHIVE,
	SPECIAL_DRAFTS,
	SPECIAL_FLAGGED,
	SPECIAL_JUNK,
	SPECIAL_SENT,
	SPECIAL_TRASH,
};

/* Names are UTF-8 (NFC), hierarchy separator '/', INBOX in upper case as the first component. */
struct store_mailbox {
	uint64_t id;
	str name;
	uint32_t uidvalidity, uidnext;
	uint32_t message_count, unseen_count, deleted_count, recent_count;
	uint64_t size_bytes, deleted_bytes;
	uint64_t highest_modseq;
	enum store_special_use special_use;
	bool subscribed;
	bool selectable; /* false: only a name above others (\NonExistent / \Noselect) */
};

/* In name order. */
int store_mailbox_list(struct store *s, uint64_t account, struct arena *a,
    struct store_mailbox **out, size_t *out_count, struct err *err);
/* name INBOX in any case. ERR_DENIED when there is none. */
int store_mailbox_find(struct store *s, uint64_t account, str name, struct arena *a,
    struct store_mailbox *out, struct err *err);
/* Subscribed names, also of mailboxes that do not exist (any more). */
int store_subscription_list(struct store *s, uint64_t account, struct arena *a, str **out,
    size_t *out_count, struct err *err);

/* Makes missing parents as well. */
int txn_mailbox_create(struct store_txn *t, uint64_t account, str name, enum store_special_use use,
    uint64_t *out_id, struct err *err);
/* With children it becomes unselectable; the last child's removal removes such a parent. */
int txn_mailbox_delete(struct store_txn *t, uint64_t account, str name, struct err *err);
/* Children move along; INBOX: RFC 9051 §6.3.6 (its messages move, INBOX stays). */
int txn_mailbox_rename(struct store_txn *t, uint64_t account, str from, str to, struct err *err);
int txn_subscribe(
    struct store_txn *t, uint64_t account, str name, bool subscribed, struct err *err);

/* ---- entries and views
 * --------------------------------------------------------------------------- */

enum store_flag {
	STORE_SEEN = 1,
	STORE_ANSWERED = 2,
	STORE_FLAGGED = 4,
	STORE_DELETED = 8,
	STORE_DRAFT = 16,
};

struct store_entry {      /* 48 bytes; a page in memory is an array of these */
	uint64_t message; /* id of the message row */
	uint64_t modseq;
	uint64_t keywords; /* bit i: view->keywords[i] */
	int64_t internal_at;
	uint32_t saved_at; /* Unix seconds */
	uint32_t uid;
	uint32_t size;  /* RFC822.SIZE */
	uint32_t flags; /* enum store_flag */
};

struct store_page;

/* One mailbox as of one commit: immutable, shared. Sequence numbers count from 1. */
struct store_view {
	uint64_t mailbox, account;
	uint32_t uidvalidity, uidnext;
	uint32_t count, unseen_count;
	uint32_t
	    recent_uid; /* messages with a higher UID were never shown to a read-write session */
	uint64_t size_bytes;
	uint64_t highest_modseq;
	size_t keyword_count;
	str *keywords; /* as first spelt */
	size_t page_count;
	struct store_page *const *pages;
	const uint32_t *first_seq; /* of each page */
};

/* The newest committed state. *out must be released. Warm: no disk. */
int store_view_get(struct store *s, uint64_t mailbox, struct store_view **out, struct err *err);
struct store_view *store_view_ref(struct store_view *v);
void store_view_unref(struct store_view *v);
/* 1 <= seq <= count. */
const struct store_entry *store_view_at(const struct store_view *v, uint32_t seq);
/* Sequence number of the first entry whose UID is >= uid; count + 1 when there is none. */
uint32_t store_view_seek(const struct store_view *v, uint32_t uid);
/* Exactly this UID, or NULL; out_seq may be NULL. */
const struct store_entry *store_view_find(
    const struct store_view *v, uint32_t uid, uint32_t *out_seq);
/* Entries of page i, so that long walks need no search per entry. */
const struct store_entry *store_view_page(
    const struct store_view *v, size_t i, uint32_t *out_count);
/* Both views share this page: nothing in it differs. */
bool store_view_same_page(const struct store_view *a, const struct store_view *b, size_t i);

struct store_range {
	uint32_t first, last;
};

/* UIDs gone since modseq, ascending, merged (QRESYNC). May name more than asked, never fewer. */
int store_vanished_since(struct store *s, uint64_t mailbox, uint64_t modseq, struct arena *a,
    struct store_range **out, size_t *out_count, struct err *err);

/* ---- messages and bodies
 * -------------------------------------------------------------------------- */

struct store_blob_ref {
	uint64_t pack, offset;
	uint64_t bytes;
	unsigned char sha256[32];
};

/* A body to be stored: pieces one after the other; from memory, or from a descriptor. */
struct store_piece {
	str bytes; /* used when fd < 0 */
	int fd;
	uint64_t offset, length; /* of the descriptor's file */
};

struct store_body {
	const struct store_piece *pieces;
	size_t piece_count;
	uint64_t bytes;           /* sum */
	unsigned char sha256[32]; /* of all pieces: store_body_hash */
};

/* Fills bytes and sha256; reads descriptors; any thread but the loop's when it is large. */
int store_body_hash(struct store_body *body, struct err *err);

/* What the worker found out, stored beside the body and given back as it is
 * (formats/message_index.h). */
struct store_message_new {
	const struct store_body *body;
	str index;       /* encoded message index: offsets into the body as stored */
	int64_t sent_at; /* of the Date field, else the arrival */
};

struct store_message {
	uint64_t id;
	struct store_blob_ref blob;
	str index;
	int64_t sent_at;
};

int txn_message_add(
    struct store_txn *t, const struct store_message_new *m, uint64_t *out_id, struct err *err);
int store_message_get(
    struct store *s, uint64_t message, struct arena *a, struct store_message *out, struct err *err);

/* Reads many rows with one prepared statement: start, then next for each id, in any order;
 * ascending is fastest. */
struct store_reader;
int store_reader_open(struct store *s, struct store_reader **out, struct err *err);
/* *out is good until the next call. ERR_DENIED when the message is gone. */
int store_reader_message(
    struct store_reader *r, uint64_t message, struct store_message *out, struct err *err);
void store_reader_close(struct store_reader *r);

/* Bytes of a stored body, mapped; they stay until released, also when the message is removed
 * meanwhile. */
struct store_blob {
	str bytes;
	struct store_pack_map *map_;
};
int store_blob_map(
    struct store *s, const struct store_blob_ref *ref, struct store_blob *out, struct err *err);
void store_blob_release(struct store_blob *b);

/* ---- changing mailboxes (inside a job)
 * -------------------------------------------------------------- */

struct store_append {
	uint64_t mailbox;
	uint64_t message;
	uint32_t size;
	uint32_t flags;
	const str *keywords;
	size_t keyword_count;
	int64_t internal_at; /* 0: now */
	bool quota_exempt;
};

/* ERR_LIMIT when the account's quota would be passed. */
int txn_append(
    struct store_txn *t, const struct store_append *a, uint32_t *out_uid, struct err *err);

enum store_flag_op { STORE_FLAGS_SET, STORE_FLAGS_ADD, STORE_FLAGS_REMOVE };

struct store_flag_change {
	uint64_t mailbox;
	const struct store_range
	    *uids; /* ascending, not overlapping; what does not exist is passed over */
	size_t uid_count;
	enum store_flag_op op;
	uint32_t flags;
	const str
	    *keywords; /* new ones are added to the mailbox; ERR_LIMIT over STORE_KEYWORDS_MAX */
	size_t keyword_count;
	uint64_t unchanged_since; /* UINT64_MAX: no condition. RFC 7162 §3.1.3 */
};

/* *out_failed (in a): UIDs that unchanged_since protected. Entries that would not change keep their
 * modseq. */
int txn_flags(struct store_txn *t, const struct store_flag_change *c, struct arena *a,
    struct store_range **out_failed, size_t *out_failed_count, struct err *err);

struct store_uid_pairs { /* COPYUID: from[i] became to[i]; ranges of equal length */
	struct store_range *from, *to;
	size_t count;
	uint32_t uidvalidity; /* of the target */
};

int txn_copy(struct store_txn *t, uint64_t from, uint64_t to, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct store_uid_pairs *out, struct err *err);
int txn_move(struct store_txn *t, uint64_t from, uint64_t to, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct store_uid_pairs *out, struct err *err);
/* Removes those of uids (all when uids is NULL) that carry STORE_DELETED, or whatever is named when
 * any is true. */
int txn_expunge(struct store_txn *t, uint64_t mailbox, const struct store_range *uids,
    size_t uid_count, bool any, uint32_t *out_count, struct err *err);
/* Marks all present messages as seen by a read-write session: *out_first_recent is the first UID
 * that was recent. */
int txn_claim_recent(
    struct store_txn *t, uint64_t mailbox, uint32_t *out_first_recent, struct err *err);

/* ---- waking waiters
 * ------------------------------------------------------------------------------- */

struct store_watch;
/* mailbox_event: entries of this mailbox changed. account_event (mailbox 0): mailboxes made,
 * renamed, removed. On the writer thread after the commit; must be quick and must not call the
 * store: post to a loop. */
typedef void store_watch_fn(void *arg, uint64_t account, uint64_t mailbox);
struct store_watch *store_watch_new(
    struct store *s, uint64_t account, uint64_t mailbox, store_watch_fn *fn, void *arg);
/* After it returns fn will not be called again. */
void store_watch_free(struct store_watch *w);

/* ---- queue
 * ------------------------------------------------------------------------------------------ */

/* In flags, beside those that relay is told. */
enum { STORE_QUEUE_SUBMITTED = 1 << 17 };

enum store_queue_state { QUEUE_WAITING, QUEUE_HELD, QUEUE_ACTIVE };

/* One recipient of one message. */
struct store_queue_item {
	uint64_t id;
	uint64_t batch; /* same number: same message and envelope, as accepted */
	uint64_t message;
	uint64_t account; /* who submitted it; 0: nobody */
	str sender, recipient;
	str orcpt, envid;
	uint32_t notify, ret; /* enum smtp_notify bits, RFC 3461 */
	uint32_t flags; /* bit 0: SMTPUTF8 needed, bit 1: REQUIRETLS, bit 2: 8-bit body, bit 3:
	                   binary body; bit 16: the sender knows of the delay; bit 17: submitted or made here */
	enum store_queue_state state;
	uint32_t attempts;
	int64_t created_at, next_at, expires_at;
	str last_error;
};

int txn_queue_add(
    struct store_txn *t, const struct store_queue_item *item, uint64_t *out_id, struct err *err);
int txn_queue_update(struct store_txn *t, const struct store_queue_item *item, struct err *err);
/* Adds bits to flags and leaves the rest, whoever else changes the row meanwhile. */
int txn_queue_retry(struct store_txn *t, uint64_t id, uint32_t attempts, int64_t next_at,
    str last_error, struct err *err);
int txn_queue_state(struct store_txn *t, uint64_t id, enum store_queue_state state, int64_t next_at,
    struct err *err);
int txn_queue_flag(struct store_txn *t, uint64_t id, uint32_t flag, struct err *err);
int txn_queue_remove(struct store_txn *t, uint64_t id, struct err *err);
int store_queue_list(struct store *s, uint64_t after_id, size_t max, struct arena *a,
    struct store_queue_item **out, size_t *out_count, struct err *err);
int store_queue_get(
    struct store *s, uint64_t id, struct arena *a, struct store_queue_item *out, struct err *err);

/* ---- stories
 * ---------------------------------------------------------------------------------------- */

/* One step in the life of one message. All steps with the same story id are one story; keys (queue
 * id, Message-ID, addresses, peer) lead to it. */
struct store_story_step {
	uint64_t story;
	int64_t at;
	uint32_t step; /* enum story_step, services/story.h */
	str detail;    /* fields: name=value lines, escaped */
};

int txn_story_add(struct store_txn *t, const struct store_story_step *step, const str *keys,
    size_t key_count, struct err *err);
/* Steps of the newest stories that key leads to, oldest first within each. */
int store_story_find(struct store *s, str key, size_t max_stories, struct arena *a,
    struct store_story_step **out, size_t *out_count, struct err *err);
/* Removes stories older than this; called now and then. */
int txn_story_prune(struct store_txn *t, int64_t before, struct err *err);

#endif
