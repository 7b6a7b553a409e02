/* drop.c: INBOX as a maildrop: a view, rows read ahead, bodies, and the commit of QUIT. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/fd.h"
#include "formats/downgrade.h"
#include "formats/header.h"
#include "formats/message_index.h"
#include "sessions/pop3/session.h"

enum {
	AHEAD_MAX = 64, /* rows read at once when a client takes message after message */
	SURROGATE_MAX = 256 << 20,
	ACCOUNT_ARENA = 64 << 10,
	UPDATE_ARENA = 1 << 30, /* 16 bytes a message */
};

/* ---- bodies ---- */

struct held_body {
	atomic_uint users;
	str bytes;
	struct store_blob blob;
	struct buf made; /* a surrogate; the blob is released then */
};

str held_body_bytes(const struct held_body *h)
{
	return h->bytes;
}

void held_body_ref(struct held_body *h)
{
	atomic_fetch_add_explicit(&h->users, 1, memory_order_relaxed);
}

void held_body_unref(void *held)
{
	struct held_body *h = held;

	if (!h || atomic_fetch_sub_explicit(&h->users, 1, memory_order_acq_rel) != 1)
		return;
	if (h->made.ptr)
		buf_fini(&h->made);
	else
		store_blob_release(&h->blob);
	free(h);
}

/* RFC 6856 §2.1: not in UTF-8 mode, so the header goes out in ASCII. */
static void make_surrogate(struct held_body *h)
{
	str header = header_block(h->bytes);

	buf_init(&h->made, SURROGATE_MAX);
	downgrade_header(header, &h->made);
	buf_add(&h->made, str_skip(h->bytes, header.len));
	if (!buf_ok(&h->made)) {
		/* Longer than any message we take: it goes out as it is. */
		buf_fini(&h->made);
		return;
	}
	store_blob_release(&h->blob);
	h->bytes = buf_str(&h->made);
}

/* ---- the view ---- */

int drop_open(struct pop3_drop *d, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "pop3 account", ACCOUNT_ARENA);
	struct store_account account;

	if (store_account_get(d->store, d->account, a, &account, err) < 0)
		return -1;
	d->inbox = account.inbox_id;
	return store_view_get(d->store, d->inbox, &d->view, err);
}

void drop_rest(struct pop3_drop *d)
{
	store_reader_close(d->reader);
	d->reader = NULL;
}

void drop_fini(struct pop3_drop *d)
{
	drop_rest(d);
	free(d->ahead);
	d->ahead = NULL;
	free(d->seen);
	d->seen = NULL;
	if (d->view)
		store_view_unref(d->view);
	d->view = NULL;
}

static struct pop3_entry entry_of(void *arg, uint32_t number)
{
	const struct pop3_drop *d = arg;
	const struct store_entry *e = store_view_at(d->view, number);

	return (struct pop3_entry){ e->uid, e->size };
}

struct pop3_maildrop drop_listing(struct pop3_drop *d)
{
	return (struct pop3_maildrop){
		.count = d->view->count,
		.uidvalidity = d->view->uidvalidity,
		.bytes = d->view->size_bytes,
		.entry = entry_of,
		.arg = d,
	};
}

/* ---- rows ---- */

static int read_row(struct pop3_drop *d, uint32_t number, struct ahead *out, struct err *err)
{
	struct store_message m;
	uint32_t flags = 0;

	if (!d->reader && store_reader_open(d->store, &d->reader, err) < 0)
		return -1;
	if (store_reader_message(d->reader, store_view_at(d->view, number)->message, &m, err) < 0)
		return -1;
	message_index_peek_flags(m.index, &flags, NULL);
	*out = (struct ahead){ number, flags & INDEX_HEADER_UTF8, m.blob };
	return 0;
}

/* Clients that take everything take it in order: then many rows are read at once. The first jump
 * starts small again. */
static int fill_ahead(struct pop3_drop *d, uint32_t number, struct err *err)
{
	if (!d->ahead)
		d->ahead = calloc(AHEAD_MAX, sizeof(*d->ahead));
	if (!d->ahead)
		abort();
	d->stride = number == d->last_number + 1 && d->stride ? d->stride * 2 : 1;
	if (d->stride > AHEAD_MAX)
		d->stride = AHEAD_MAX;
	d->ahead_at = d->ahead_count = 0;
	while (d->ahead_count < d->stride && number <= d->view->count) {
		/* A later one that is gone is told when it is asked for. */
		if (read_row(d, number, &d->ahead[d->ahead_count], d->ahead_count ? NULL : err) < 0)
			return d->ahead_count ? 0 : -1;
		d->ahead_count++;
		number++;
	}
	return 0;
}

static int find_row(struct pop3_drop *d, uint32_t number, struct ahead *out, struct err *err)
{
	while (d->ahead_at < d->ahead_count && d->ahead[d->ahead_at].number < number)
		d->ahead_at++;
	bool is_there = d->ahead_at < d->ahead_count && d->ahead[d->ahead_at].number == number;
	if (!is_there && fill_ahead(d, number, err) < 0)
		return -1;
	*out = d->ahead[d->ahead_at];
	d->last_number = number;
	return 0;
}

int drop_body(
    struct pop3_drop *d, uint32_t number, bool utf8, struct held_body **out, struct err *err)
{
	struct ahead row;

	if (find_row(d, number, &row, err) < 0)
		return -1;
	struct held_body *h = calloc(1, sizeof(*h));
	if (!h)
		abort();
	atomic_init(&h->users, 1);
	if (store_blob_map(d->store, &row.blob, &h->blob, err) < 0) {
		free(h);
		return -1;
	}
	h->bytes = h->blob.bytes;
	if (row.header_utf8 && !utf8)
		make_surrogate(h);
	*out = h;
	return 0;
}

/* ---- QUIT ---- */

struct update {
	uint64_t inbox;
	struct store_range *uids, *seen;
	size_t count, seen_count;
	struct arena *arena;
};

/* IMAP and webmail beside POP3 show as read what was fetched. */
static int set_seen(struct store_txn *t, struct update *u, struct err *err)
{
	struct store_range *failed;
	size_t failed_count;

	if (!u->seen_count)
		return 0;
	return txn_flags(t,
	    &(struct store_flag_change){ .mailbox = u->inbox,
	        .uids = u->seen,
	        .uid_count = u->seen_count,
	        .op = STORE_FLAGS_ADD,
	        .flags = STORE_SEEN,
	        .unchanged_since = UINT64_MAX },
	    u->arena, &failed, &failed_count, err);
}

static int update_job(struct store_txn *t, void *arg, struct err *err)
{
	struct update *u = arg;
	uint32_t removed;

	if (set_seen(t, u, err) < 0)
		return -1;
	if (!u->count)
		return 0;
	return txn_expunge(t, u->inbox, u->uids, u->count, /* any */ true, &removed, err);
}

/* Neighbours in the view become one range: between their UIDs nothing can appear any more, because
 * new messages get higher ones than all of them. */
struct run {
	struct store_range *at;
	size_t count;
	bool is_open;
};

static void run_add(struct run *r, uint32_t uid, bool wanted)
{
	if (wanted && !r->is_open)
		r->at[r->count++].first = uid;
	if (wanted)
		r->at[r->count - 1].last = uid;
	r->is_open = wanted;
}

/* engine NULL: nothing is removed. */
static struct update *update_new(struct pop3_drop *d, const struct pop3_session *engine)
{
	struct arena *a = arena_new(NULL, "pop3 update", UPDATE_ARENA);
	struct update *u = arena_one(a, struct update);
	struct run gone = { .at = arena_array(a, struct store_range, d->view->count / 2 + 1) };
	struct run seen = { .at = arena_array(a, struct store_range, d->view->count / 2 + 1) };

	for (uint32_t n = 1; n <= d->view->count; n++) {
		bool is_gone = engine && pop3_session_is_deleted(engine, n);
		uint32_t uid = store_view_at(d->view, n)->uid;
		run_add(&gone, uid, is_gone);
		run_add(&seen, uid, d->seen && d->seen[n - 1] && !is_gone);
	}
	*u = (struct update){ d->inbox, gone.at, seen.at, gone.count, seen.count, a };
	return u;
}

bool drop_mark_seen(struct pop3_drop *d, uint32_t number)
{
	if (store_view_at(d->view, number)->flags & STORE_SEEN)
		return false;
	if (!d->seen)
		d->seen = calloc(d->view->count, sizeof(*d->seen));
	if (!d->seen)
		abort();
	d->seen[number - 1] = true;
	return true;
}

static void forget_seen(struct pop3_drop *d)
{
	free(d->seen);
	d->seen = NULL;
}

static void update_done(void *arg, int result, const struct err *err)
{
	struct update *u = arg;

	/* A flag that could not be set is no loss: the next session sets it. */
	(void)result;
	(void)err;
	arena_free(u->arena);
}

void drop_submit_seen(struct pop3_drop *d)
{
	if (!d->seen)
		return;
	store_submit(d->store, update_job, update_done, update_new(d, /* engine */ NULL));
	forget_seen(d);
}

int drop_update(struct pop3_drop *d, const struct pop3_session *engine, struct err *err)
{
	struct update *u = update_new(d, engine);
	int result = store_write(d->store, update_job, u, err);

	arena_free(u->arena);
	if (result == 0)
		forget_seen(d);
	return result;
}
