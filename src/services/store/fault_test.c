/* Each call to the disk fails once, in each way, while a little of everything is done: the store
 * never says done when it was not, and works again when the fault is over. reliability. */
#include "services/store/scenario.h"

#include <errno.h>
#include <pthread.h>
#include <sys/statvfs.h>

struct fault {
	pthread_mutex_t lock;
	unsigned at, seen; /* the call that fails; calls so far */
	int verdict;
	bool lasting; /* and all after it */
	bool fired;
	enum io_op only;
	bool has_only;
};

static int fault_before(void *arg, const struct io_call *call)
{
	struct fault *f = arg;
	int verdict = IO_GO_ON;

	pthread_mutex_lock(&f->lock);
	if (!f->has_only || call->op == f->only) {
		f->seen++;
		if (f->at && (f->seen == f->at || (f->lasting && f->seen > f->at))) {
			f->fired = true;
			verdict = f->verdict;
		}
	}
	pthread_mutex_unlock(&f->lock);
	/* Only writes can be short. */
	return verdict == IO_SHORT && call->op != IO_WRITE ? ENOSPC : verdict;
}

static void fault_dir(struct fixture *f)
{
	struct statvfs fs;

	/* Without a disk behind it thousands of syncs take no time. */
	if (!getenv("TMPDIR") && statvfs("/dev/shm", &fs) == 0 &&
	    fs.f_bavail * fs.f_frsize > (32u << 20))
		setenv("TMPDIR", "/dev/shm", 1);
	fixture_new_dir(f);
	f->options.reserve_bytes = 1 << 20;
	f->options.pack_bytes = 200000; /* so that a pack is left on the way */
}

static void quicken(struct fixture *f)
{
	if (f->store)
		atomic_store(&f->store->again_after_ms, 0);
}

/* One run with one fault; false when the fault was never reached. */
static bool run_with_fault(struct fault *fault, const char *what)
{
	struct fixture f;
	struct ledger l = { .queue_id = 0 };
	struct io_hook hook = { .before = fault_before, .arg = fault };

	fault_dir(&f);
	io_hook_set(&hook);
	if (fixture_open(&f) == 0) {
		quicken(&f);
		scenario_run(&f, &l);
	}
	pthread_mutex_lock(&fault->lock);
	fault->at = 0;
	pthread_mutex_unlock(&fault->lock);
	if (!f.store)
		fixture_must(&f, fixture_open(&f));
	scenario_verify(&f, &l, true, what);
	/* The fault is over: everything works. */
	struct ledger again = { .queue_id = 0 };
	check_case(what, scenario_account(&f, &again));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("after"), 0, NULL));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	l.expunge.begun = true;
	fixture_check_sound(&f, true);
	fixture_reopen(&f);
	fixture_check_sound(&f, true);
	store_close(f.store);
	f.store = NULL;
	io_hook_set(NULL);
	fixture_end(&f);
	return fault->fired;
}

/* Sanitizers and shared machines: a part of the calls only. */
static void every_call(int verdict, bool lasting, unsigned step)
{
	struct sample sample = scenario_sample(step, (unsigned)verdict);
	unsigned count = 0;

	for (unsigned at = sample.first;; at += sample.step, count++) {
		struct fault fault = { .lock = PTHREAD_MUTEX_INITIALIZER,
			.at = at,
			.verdict = verdict,
			.lasting = lasting };
		char what[80];
		snprintf(what, sizeof(what), "call %u, verdict %d%s", at, verdict,
		    lasting ? ", lasting" : "");
		if (!run_with_fault(&fault, what))
			break;
	}
	print_message("%u faults injected\n", count);
	check(count > 20);
}

static void test_eio(void **state)
{
	(void)state;
	every_call(EIO, false, 3);
}

static void test_enospc(void **state)
{
	(void)state;
	every_call(ENOSPC, false, 3);
}

static void test_short_write(void **state)
{
	(void)state;
	every_call(IO_SHORT, false, 3);
}

static void test_lasting(void **state)
{
	(void)state;
	every_call(EROFS, true, 9);
	every_call(ENOSPC, true, 9);
}

/* one sync fails; what was in flight is refused, the next goes through. */
static void test_sync_fails_once(void **state)
{
	(void)state;
	for (unsigned at = 1;; at++) {
		struct fault fault = { .lock = PTHREAD_MUTEX_INITIALIZER,
			.at = at,
			.verdict = EIO,
			.only = IO_SYNC,
			.has_only = true };
		if (!run_with_fault(&fault, "sync"))
			break;
	}
}

/* While it cannot write, the store says so and goes on being read. */
static void test_read_only_meanwhile(void **state)
{
	struct fixture f;
	struct fault fault = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .verdict = EIO, .lasting = true, .at = 0
	};
	struct io_hook hook = { .before = fault_before, .arg = &fault };
	struct store_view *v;
	(void)state;

	fault_dir(&f);
	io_hook_set(&hook);
	fixture_must(&f, fixture_open(&f));
	fixture_must(&f, fixture_fill(&f));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("kept"), 0, NULL));
	pthread_mutex_lock(&fault.lock);
	fault.at = fault.seen + 1;
	pthread_mutex_unlock(&fault.lock);
	check_int_eq(fixture_deliver(&f, f.inbox, STR("refused"), 0, NULL), -1);
	check_int_eq(f.err.kind, ERR_RETRY);
	check(!store_accepts_mail(f.store, 1, &f.err));
	check_int_eq(fixture_deliver(&f, f.inbox, STR("refused"), 0, NULL), -1);
	fixture_must(&f, store_view_get(f.store, f.inbox, &v, &f.err));
	check_int_eq(v->count, 1);
	store_view_unref(v);
	pthread_mutex_lock(&fault.lock);
	fault.at = 0;
	pthread_mutex_unlock(&fault.lock);
	quicken(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("taken"), 0, NULL));
	check(store_accepts_mail(f.store, 1, &f.err));
	fixture_check_sound(&f, true);
	store_close(f.store);
	f.store = NULL;
	io_hook_set(NULL);
	fixture_end(&f);
}

/* The disk fails while nobody waits and the store tidies up; nothing falls over. */
static void test_upkeep_fails(void **state)
{
	struct fixture f;
	struct fault fault = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .verdict = EIO, .lasting = true, .at = 0
	};
	struct io_hook hook = { .before = fault_before, .arg = &fault };
	struct fixture_delivery d = { .body = STR("many"), .count = 50 };
	(void)state;

	fault_dir(&f);
	io_hook_set(&hook);
	fixture_must(&f, fixture_open(&f));
	fixture_must(&f, fixture_fill(&f));
	d.mailbox = f.inbox;
	fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, true, NULL));
	pthread_mutex_lock(&fault.lock);
	fault.at = fault.seen + 1;
	pthread_mutex_unlock(&fault.lock);
	atomic_store(&f.store->fold_after_s, -1);
	atomic_store(&f.store->remove_after_s, 0);
	for (unsigned i = 0; i < 200 && atomic_load(&f.store->state) == STORE_WORKING; i++)
		usleep(10000);
	check_int_eq(atomic_load(&f.store->state), STORE_FAILED);
	quicken(&f);
	usleep(200000);
	pthread_mutex_lock(&fault.lock);
	fault.at = 0;
	pthread_mutex_unlock(&fault.lock);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("taken"), 0, NULL));
	fixture_check_sound(&f, true);
	store_close(f.store);
	f.store = NULL;
	io_hook_set(NULL);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_only_meanwhile),
		cmocka_unit_test(test_upkeep_fails),
		cmocka_unit_test(test_sync_fails_once),
		cmocka_unit_test(test_eio),
		cmocka_unit_test(test_enospc),
		cmocka_unit_test(test_short_write),
		cmocka_unit_test(test_lasting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
