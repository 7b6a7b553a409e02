/* fixture.h: a store in a temporary directory, for the tests of the store.
 *
 * Purpose    Open, reopen, deliver, change, in one line each. Included by tests only.
 */
#ifndef BUZON_SERVICES_STORE_FIXTURE_H
#define BUZON_SERVICES_STORE_FIXTURE_H

#include "check.h"

#include <ftw.h>
#include <unistd.h>

#include "base/fd.h"
#include "services/store/internal.h"
#include "services/store/maintain.h"

#define FIXTURE_ADDRESS STR("ana@example.org")

struct fixture {
	char dir[64];
	struct store_options options;
	struct store *store;
	uint64_t account, inbox;
	struct arena *arena;
	struct err err;
};

static inline int fixture_remove_one(
    const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void fixture_remove_dir(const char *dir)
{
	nftw(dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int fixture_open(struct fixture *f)
{
	f->options.path = f->dir;
	f->options.create = true;
	return store_open(&f->options, &f->store, &f->err);
}

static inline void fixture_must(struct fixture *f, int result)
{
	if (result < 0) {
		print_error("failed: %s\n", f->err.text);
		fail();
	}
}

static inline int fixture_account_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture *f = arg;

	if (txn_domain_add(t, STR("example.org"), err) < 0)
		return -1;
	return txn_account_add(t, FIXTURE_ADDRESS, 0, &f->account, err);
}

static inline int fixture_fill(struct fixture *f)
{
	struct store_account account;

	if (store_write(f->store, fixture_account_job, f, &f->err) < 0)
		return -1;
	if (store_account_get(f->store, f->account, f->arena, &account, &f->err) < 0)
		return -1;
	f->inbox = account.inbox_id;
	return 0;
}

static inline void fixture_new_dir(struct fixture *f)
{
	const char *tmp = getenv("TMPDIR");

	*f = (struct fixture){ .arena = arena_new(NULL, "fixture", 256 << 20) };
	snprintf(f->dir, sizeof(f->dir), "%s/buzon-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
}

static inline void fixture_begin(struct fixture *f)
{
	fixture_new_dir(f);
	fixture_must(f, fixture_open(f));
	fixture_must(f, fixture_fill(f));
}

static inline void fixture_reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	fixture_must(f, fixture_open(f));
}

static inline void fixture_end(struct fixture *f)
{
	store_close(f->store);
	fixture_remove_dir(f->dir);
	arena_free(f->arena);
}

/* ---- single changes ---- */

struct fixture_delivery {
	uint64_t mailbox;
	str body;
	uint32_t flags, count;
	const str *keywords;
	size_t keyword_count;
	uint32_t out_uid;
	uint64_t out_message;
};

static inline int fixture_deliver_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture_delivery *d = arg;
	struct store_piece piece = { .bytes = d->body, .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct store_message_new m = {
		.body = &body, .index = STR("index"), .sent_at = 1700000000
	};

	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &d->out_message, err) < 0)
		return -1;
	for (uint32_t i = 0; i < (d->count ? d->count : 1); i++) {
		struct store_append a = { .mailbox = d->mailbox,
			.message = d->out_message,
			.size = (uint32_t)d->body.len,
			.flags = d->flags,
			.keywords = d->keywords,
			.keyword_count = d->keyword_count };
		if (txn_append(t, &a, &d->out_uid, err) < 0)
			return -1;
	}
	return 0;
}

static inline int fixture_deliver(
    struct fixture *f, uint64_t mailbox, str body, uint32_t flags, uint32_t *out_uid)
{
	struct fixture_delivery d = { .mailbox = mailbox, .body = body, .flags = flags };
	int result = store_write(f->store, fixture_deliver_job, &d, &f->err);

	if (out_uid)
		*out_uid = d.out_uid;
	return result;
}

struct fixture_flags {
	struct store_flag_change change;
	struct arena *arena;
	struct store_range *failed;
	size_t failed_count;
};

static inline int fixture_flags_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture_flags *c = arg;

	return txn_flags(t, &c->change, c->arena, &c->failed, &c->failed_count, err);
}

static inline int fixture_flag(
    struct fixture *f, uint64_t mailbox, uint32_t first, uint32_t last, uint32_t flags)
{
	struct store_range range = { first, last };
	struct fixture_flags c = { .change = { .mailbox = mailbox,
		                       .uids = &range,
		                       .uid_count = 1,
		                       .op = STORE_FLAGS_ADD,
		                       .flags = flags,
		                       .unchanged_since = UINT64_MAX },
		.arena = f->arena };

	return store_write(f->store, fixture_flags_job, &c, &f->err);
}

struct fixture_transfer {
	uint64_t from, to;
	struct store_range range;
	bool moves;
	struct arena *arena;
	struct store_uid_pairs pairs;
};

static inline int fixture_transfer_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture_transfer *x = arg;

	return (x->moves ? txn_move : txn_copy)(
	    t, x->from, x->to, &x->range, 1, x->arena, &x->pairs, err);
}

static inline int fixture_move(
    struct fixture *f, uint64_t from, uint64_t to, uint32_t first, uint32_t last)
{
	struct fixture_transfer x = {
		.from = from, .to = to, .range = { first, last }, .moves = true, .arena = f->arena
	};

	return store_write(f->store, fixture_transfer_job, &x, &f->err);
}

struct fixture_expunge {
	uint64_t mailbox;
	struct store_range range;
	bool any;
	uint32_t count;
};

static inline int fixture_expunge_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture_expunge *x = arg;

	return txn_expunge(t, x->mailbox, x->range.first ? &x->range : NULL, x->range.first ? 1 : 0,
	    x->any, &x->count, err);
}

static inline int fixture_expunge(struct fixture *f, uint64_t mailbox, uint32_t first,
    uint32_t last, bool any, uint32_t *out_count)
{
	struct fixture_expunge x = { .mailbox = mailbox, .range = { first, last }, .any = any };
	int result = store_write(f->store, fixture_expunge_job, &x, &f->err);

	if (out_count)
		*out_count = x.count;
	return result;
}

static inline uint64_t fixture_mailbox(struct fixture *f, const char *name)
{
	struct store_mailbox box;

	fixture_must(
	    f, store_mailbox_find(f->store, f->account, str_c(name), f->arena, &box, &f->err));
	return box.id;
}

static inline void fixture_print_problem(void *arg, str text)
{
	(void)arg;
	print_error("problem: " STR_FMT "\n", STR_ARG(text));
}

static inline void fixture_check_sound(struct fixture *f, bool deep)
{
	struct store_progress p = { .problem = fixture_print_problem };
	uint64_t problems = 0;

	fixture_must(f, store_check(f->store, deep, &p, &problems, &f->err));
	check_int_eq(problems, 0);
}

#endif
