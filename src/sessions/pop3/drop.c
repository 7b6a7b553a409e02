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

struct removal {
	uint64_t inbox;
	struct store_range *uids;
	size_t count;
};

static int remove_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct removal *r = arg;
	uint32_t removed;

	return txn_expunge(t, r->inbox, r->uids, r->count, /* any */ true, &removed, err);
}

int drop_update(struct pop3_drop *d, const struct pop3_session *engine, struct err *err)
{
	AUTO_FREE struct store_range *uids =
	    calloc(pop3_session_deleted_count(engine), sizeof(*uids));
	struct removal r = { .inbox = d->inbox, .uids = uids };
	bool is_open = false;

	if (!uids)
		abort();
	/* Neighbours in the view become one range: between their UIDs nothing can appear any more,
	 * because new messages get higher ones than all of them. */
	for (uint32_t n = 1; n <= d->view->count; n++) {
		if (!pop3_session_is_deleted(engine, n)) {
			is_open = false;
			continue;
		}
		uint32_t uid = store_view_at(d->view, n)->uid;
		if (!is_open)
			uids[r.count++].first = uid;
		uids[r.count - 1].last = uid;
		is_open = true;
	}
	return store_write(d->store, remove_job, &r, err);
}
