/* scenario.h: a little of everything, with a ledger of what was acknowledged; for fault_test and
 * crash_test.
 *
 * Purpose    Run the same steps while calls fail or the process dies, then look whether the store
 *            has all that it acknowledged, once, and nothing twice.
 * Ownership  The ledger may lie in memory that a child process shares with its parent.
 */
#ifndef BUZON_SERVICES_STORE_SCENARIO_H
#define BUZON_SERVICES_STORE_SCENARIO_H

#include "base/num.h"
#include "services/store/fixture.h"

enum { SCENARIO_MESSAGES = 6 };

/* Of each step: was it begun, was it acknowledged. */
struct step {
	bool begun, acked;
};

struct ledger {
	struct step fill;
	struct step deliver[SCENARIO_MESSAGES];
	struct step flag, move, expunge, create, queue, purge;
	uint32_t uid[SCENARIO_MESSAGES];
	uint64_t queue_id;
};

/* Which calls are tried: all with BUZON_TEST_ALL. Else every step-th, beginning with another one in
 * each run, so that runs together try them all; BUZON_TEST_SEED repeats a run. */
struct sample {
	unsigned first, step;
};

static inline struct sample scenario_sample(unsigned step, unsigned shift)
{
	static unsigned seed;
	const char *given = getenv("BUZON_TEST_SEED");
	uint64_t number = 0;

	if (getenv("BUZON_TEST_ALL"))
		return (struct sample){ 1, 1 };
	if (given && num_parse_u64(str_c(given), 1000000, &number) == 0)
		seed = (unsigned)number;
	else if (seed == 0)
		seed = 1 + (unsigned)getpid() % 1000000;
	struct sample s = { 1 + (seed + shift) % step, step };
	print_message("seed %u: every %uth call from %u on\n", seed, s.step, s.first);
	return s;
}

static inline str scenario_body(struct fixture *f, unsigned i)
{
	/* One that does not fit the pack's write buffer or page cache habits of small ones. */
	if (i == 3) {
		char *big = arena_alloc(f->arena, 300000);
		memset(big, 'b', 300000);
		return str_new(big, 300000);
	}
	return arena_strf(f->arena, "Message-ID: <%u>\r\n\r\ntoken %u\r\n", i, i);
}

static inline int scenario_create_job(struct store_txn *t, void *arg, struct err *err)
{
	struct fixture *f = arg;
	uint64_t id;

	return txn_mailbox_create(t, f->account, STR("Made/Here"), SPECIAL_NONE, &id, err);
}

struct scenario_queue {
	struct fixture *f;
	uint64_t id;
};

static inline int scenario_queue_job(struct store_txn *t, void *arg, struct err *err)
{
	struct scenario_queue *q = arg;
	struct store_piece piece = { .bytes = STR("queued"), .fd = -1 };
	struct store_body body = { .pieces = &piece, .piece_count = 1 };
	struct store_message_new m = { .body = &body };
	struct store_queue_item item = { .sender = STR("a@b.example"),
		.recipient = STR("c@d.example") };

	if (store_body_hash(&body, err) < 0 || txn_message_add(t, &m, &item.message, err) < 0)
		return -1;
	return txn_queue_add(t, &item, &q->id, err);
}

#define SCENARIO_STEP(step_, call) \
	do { \
		(step_).begun = true; \
		__atomic_signal_fence(__ATOMIC_SEQ_CST); \
		if ((call) == 0) \
			(step_).acked = true; \
	} while (0)

/* The store must be open; the account is made when it is not there. False: not even that worked. */
static inline bool scenario_account(struct fixture *f, struct ledger *l)
{
	struct store_account account;

	if (store_account_find(f->store, FIXTURE_ADDRESS, f->arena, &account, &f->err) == 0) {
		f->account = account.id;
		f->inbox = account.inbox_id;
		return true;
	}
	SCENARIO_STEP(l->fill, fixture_fill(f));
	return l->fill.acked;
}

static inline void scenario_run(struct fixture *f, struct ledger *l)
{
	struct store_mailbox archive;
	struct scenario_queue q = { .f = f };

	if (!scenario_account(f, l) || store_mailbox_find(f->store, f->account, STR("Archive"),
	                                   f->arena, &archive, &f->err) < 0)
		return;
	for (unsigned i = 0; i < 4; i++)
		SCENARIO_STEP(l->deliver[i],
		    fixture_deliver(f, f->inbox, scenario_body(f, i), 0, &l->uid[i]));
	if (l->deliver[0].acked)
		SCENARIO_STEP(l->flag, fixture_flag(f, f->inbox, l->uid[0], l->uid[0], STORE_SEEN));
	if (l->deliver[1].acked)
		SCENARIO_STEP(l->move, fixture_move(f, f->inbox, archive.id, l->uid[1], l->uid[1]));
	if (l->deliver[2].acked)
		SCENARIO_STEP(
		    l->expunge, fixture_expunge(f, f->inbox, l->uid[2], l->uid[2], true, NULL));
	SCENARIO_STEP(l->create, store_write(f->store, scenario_create_job, f, &f->err));
	SCENARIO_STEP(l->queue, store_write(f->store, scenario_queue_job, &q, &f->err));
	l->queue_id = q.id;
	for (unsigned i = 4; i < SCENARIO_MESSAGES; i++)
		SCENARIO_STEP(l->deliver[i],
		    fixture_deliver(f, f->inbox, scenario_body(f, i), 0, &l->uid[i]));
}

static inline bool scenario_has_pack(const struct fixture *f, unsigned pack)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/packs/%08u.pack", f->dir, pack);
	return access(path, F_OK) == 0;
}

/* After scenario_run, where nothing waits long: the first pack becomes mostly dead, the second all dead, and both go. */
static inline void scenario_reclaim(struct fixture *f, struct ledger *l)
{
	struct store_range gone[] = { { l->uid[0], l->uid[0] }, { l->uid[3], l->uid[3] } };

	SCENARIO_STEP(
	    l->purge, fixture_expunge(f, f->inbox, gone[0].first, gone[0].last, true, NULL) +
	                  fixture_expunge(f, f->inbox, gone[1].first, gone[1].last, true, NULL));
	for (unsigned i = 0; i < 200 && (scenario_has_pack(f, 1) || scenario_has_pack(f, 2)); i++)
		usleep(10000);
	check(!scenario_has_pack(f, 1) && !scenario_has_pack(f, 2));
}

/* ---- afterwards ---- */

struct scenario_seen {
	unsigned inbox[SCENARIO_MESSAGES], archive[SCENARIO_MESSAGES];
	uint32_t flags[SCENARIO_MESSAGES];
	unsigned strange;
};

static inline void scenario_see_one(
    struct fixture *f, const struct store_entry *e, struct scenario_seen *seen, unsigned *counts)
{
	struct store_message m;
	struct store_blob blob;

	fixture_must(f, store_message_get(f->store, e->message, f->arena, &m, &f->err));
	fixture_must(f, store_blob_map(f->store, &m.blob, &blob, &f->err));
	for (unsigned i = 0; i <= SCENARIO_MESSAGES; i++) {
		if (i == SCENARIO_MESSAGES) {
			seen->strange++;
		} else if (str_eq(blob.bytes, scenario_body(f, i))) {
			counts[i]++;
			seen->flags[i] = e->flags;
			break;
		}
	}
	store_blob_release(&blob);
}

static inline void scenario_see(
    struct fixture *f, uint64_t mailbox, struct scenario_seen *seen, unsigned *counts)
{
	struct store_view *v;

	fixture_must(f, store_view_get(f->store, mailbox, &v, &f->err));
	for (uint32_t seq = 1; seq <= v->count; seq++)
		scenario_see_one(f, store_view_at(v, seq), seen, counts);
	store_view_unref(v);
}

static inline bool scenario_message_is_right(
    const struct ledger *l, const struct scenario_seen *s, unsigned i)
{
	unsigned total = s->inbox[i] + s->archive[i];

	if (total > 1)
		return false;
	if (i == 2 && l->expunge.acked)
		return total == 0;
	if (i == 2 && l->expunge.begun)
		return true;
	if ((i == 0 || i == 3) && l->purge.begun)
		return !l->purge.acked || total == 0;
	if (l->deliver[i].acked && total != 1)
		return false;
	if (i == 1 && l->move.acked && s->archive[i] != 1)
		return false;
	if (i == 0 && l->flag.acked && !(s->flags[i] & STORE_SEEN))
		return false;
	return total == 0 || l->deliver[i].begun;
}

/* exact: the store went on in the same process, so what was refused did not happen either. */
static inline void scenario_verify(
    struct fixture *f, const struct ledger *l, bool exact, const char *what)
{
	struct scenario_seen seen = { .strange = 0 };
	struct store_account account;
	struct store_queue_item item;
	struct store_mailbox box;

	if (store_account_find(f->store, FIXTURE_ADDRESS, f->arena, &account, &f->err) < 0) {
		check_case(what, !l->fill.acked);
		return;
	}
	f->account = account.id;
	scenario_see(f, account.inbox_id, &seen, seen.inbox);
	scenario_see(f, fixture_mailbox(f, "Archive"), &seen, seen.archive);
	check_case(what, seen.strange == 0);
	for (unsigned i = 0; i < SCENARIO_MESSAGES; i++) {
		check_case(what, scenario_message_is_right(l, &seen, i));
		if (exact && !l->deliver[i].acked)
			check_case(what, seen.inbox[i] + seen.archive[i] == 0);
	}
	if (l->create.acked)
		check_case(what, store_mailbox_find(f->store, f->account, STR("Made/Here"),
		                     f->arena, &box, &f->err) == 0);
	if (l->queue.acked)
		check_case(
		    what, store_queue_get(f->store, l->queue_id, f->arena, &item, &f->err) == 0);
}

#endif
