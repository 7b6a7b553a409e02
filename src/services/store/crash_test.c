/* The process stops after each call to the disk, and the machine with it: what was not synced is
 * taken back, all of it or a part. Whoever opens the store afterwards finds all that was
 * acknowledged, once, and a store that agrees with itself. reliability. */
#include "services/store/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { CRASHED = 77, FINISHED = 0 };

enum loss {
	LOSE_NOTHING, /* only the process dies */
	LOSE_ALL,     /* all that was not synced is gone */
	LOSE_SOME,    /* each unsynced write is there or not */
	LOSE_TORN,    /* and of the last one the first half */
};

/* What a file held before a write that is not on disk yet. */
struct unsynced {
	char path[200];
	uint64_t offset, length, old_size;
	char *old;
	bool created;
};

struct crash {
	pthread_mutex_t lock;
	unsigned at, seen;
	enum loss loss;
	struct unsynced *list;
	size_t count, cap;
	uint64_t random;
};

static uint64_t next_random(struct crash *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random;
}

/* ---- noting what is not synced ---- */

static struct unsynced *note(struct crash *c, const char *path)
{
	if (c->count == c->cap) {
		c->cap = c->cap * 2 + 64;
		c->list = realloc(c->list, c->cap * sizeof(*c->list));
		assert_non_null(c->list);
	}
	struct unsynced *u = &c->list[c->count++];
	*u = (struct unsynced){ .old = NULL };
	snprintf(u->path, sizeof(u->path), "%s", path);
	return u;
}

static void note_write(struct crash *c, const struct io_call *call)
{
	struct unsynced *u = note(c, call->path);
	struct stat st;

	AUTO_FD fd = open(call->path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		c->count--;
		return;
	}
	u->old_size = (uint64_t)st.st_size;
	u->offset = call->op == IO_TRUNCATE ? call->length : call->offset;
	uint64_t end = call->op == IO_TRUNCATE ? u->old_size : call->offset + call->length;
	if (end > u->old_size)
		end = u->old_size;
	u->length = end > u->offset ? end - u->offset : 0;
	if (u->length == 0)
		return;
	u->old = malloc(u->length);
	if (!u->old || fd_pread_all(fd, u->old, u->length, (off_t)u->offset) < 0)
		abort();
}

static void forget_path(struct crash *c, const char *path, bool created)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		struct unsynced *u = &c->list[i];
		bool gone = created ? u->created && str_starts(str_c(u->path), str_c(path))
		                    : !u->created && str_eq(str_c(u->path), str_c(path));
		if (gone)
			free(u->old);
		else
			c->list[kept++] = *u;
	}
	c->count = kept;
}

/* ---- taking it back ---- */

static void take_back(const struct unsynced *u, uint64_t keep)
{
	if (u->created) {
		unlink(u->path);
		return;
	}
	AUTO_FD fd = open(u->path, O_RDWR);
	if (fd < 0)
		return;
	if (u->length > keep && fd_pwrite_all(fd, str_new(u->old + keep, u->length - keep),
	                            (off_t)(u->offset + keep)) < 0)
		abort();
	if (keep == 0 && ftruncate(fd, (off_t)u->old_size) < 0)
		abort();
}

static void lose(struct crash *c)
{
	for (size_t i = c->count; i > 0 && c->loss != LOSE_NOTHING; i--) {
		const struct unsynced *u = &c->list[i - 1];
		bool stays = c->loss >= LOSE_SOME && next_random(c) % 2;
		if (!stays)
			take_back(u, 0);
		else if (c->loss == LOSE_TORN && i == c->count)
			take_back(u, u->length / 2 / 512 * 512);
	}
}

/* ---- the hook ---- */

static int crash_before(void *arg, const struct io_call *call)
{
	struct crash *c = arg;
	struct stat st;

	pthread_mutex_lock(&c->lock);
	if (call->op == IO_WRITE || call->op == IO_TRUNCATE)
		note_write(c, call);
	/* SQLite syncs the directory of what it makes by itself. */
	if (call->op == IO_OPEN && call->creates && str_ends(str_c(call->path), STR(".pack")) &&
	    stat(call->path, &st) < 0)
		note(c, call->path)->created = true;
	pthread_mutex_unlock(&c->lock);
	return IO_GO_ON;
}

static void crash_after(void *arg, const struct io_call *call)
{
	struct crash *c = arg;

	pthread_mutex_lock(&c->lock);
	if (++c->seen == c->at) {
		/* A sync that just returned has synced. */
		if (call->op == IO_SYNC)
			forget_path(c, call->path, false);
		if (call->op == IO_SYNC_DIR)
			forget_path(c, call->path, true);
		lose(c);
		_exit(CRASHED);
	}
	if (call->op == IO_SYNC)
		forget_path(c, call->path, false);
	if (call->op == IO_SYNC_DIR)
		forget_path(c, call->path, true);
	if (call->op == IO_UNLINK) {
		forget_path(c, call->path, false);
		forget_path(c, call->path, true);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- one crash ---- */

static void crash_dir(struct fixture *f)
{
	struct statvfs fs;

	if (!getenv("TMPDIR") && statvfs("/dev/shm", &fs) == 0 &&
	    fs.f_bavail * fs.f_frsize > (32u << 20))
		setenv("TMPDIR", "/dev/shm", 1);
	fixture_new_dir(f);
	f->options.reserve_bytes = 1 << 20;
	f->options.pack_bytes = 200000;
}

/* In the child: never returns. */
static void run_until_crash(
    struct fixture *f, struct ledger *l, unsigned at, enum loss loss, bool reclaims)
{
	struct crash c = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.at = at,
		.loss = loss,
		.random = at * 2654435761u + loss + 1 };
	struct io_hook hook = { .before = crash_before, .after = crash_after, .arg = &c };

	io_hook_set(&hook);
	if (fixture_open(f) < 0)
		_exit(1);
	if (reclaims) {
		atomic_store(&f->store->fold_after_s, -1);
		atomic_store(&f->store->remove_after_s, 0);
	}
	scenario_run(f, l);
	if (reclaims)
		scenario_reclaim(f, l);
	store_close(f->store);
	_exit(FINISHED);
}

/* False when the run ended before its crash. */
static bool crash_at(unsigned at, enum loss loss, bool reclaims)
{
	struct fixture f;
	char what[80];
	int status;
	struct ledger *l =
	    mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(l != MAP_FAILED);
	snprintf(what, sizeof(what), "crash after call %u, loss %d", at, loss);
	crash_dir(&f);
	fflush(stdout);
	fflush(stderr);
	pid_t pid = fork();
	check(pid >= 0);
	if (pid == 0)
		run_until_crash(&f, l, at, loss, reclaims);
	check_case(what, waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	check_case(what, WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == FINISHED);
	fixture_must(&f, fixture_open(&f));
	scenario_verify(&f, l, false, what);
	fixture_check_sound(&f, true);
	/* And it goes on, with UIDs that nobody has seen. */
	struct ledger again = { .queue_id = 0 };
	uint32_t uid = 0;
	check_case(what, scenario_account(&f, &again));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("after"), 0, &uid));
	for (unsigned i = 0; i < SCENARIO_MESSAGES; i++)
		check_case(what, uid > l->uid[i] || !l->deliver[i].acked);
	fixture_reopen(&f);
	fixture_check_sound(&f, true);
	fixture_end(&f);
	munmap(l, sizeof(*l));
	return WEXITSTATUS(status) == CRASHED;
}

static unsigned scenario_calls;

static void every_call(enum loss loss)
{
	/* Shifted so that the kinds of loss differ. */
	struct sample sample = scenario_sample(4, (unsigned)loss);
	unsigned at, count = 0;

	for (at = sample.first; crash_at(at, loss, false); at += sample.step)
		count++;
	scenario_calls = at;
	print_message("%u crashes\n", count);
	check(count > 20);
}

static void test_process_dies(void **state)
{
	(void)state;
	every_call(LOSE_NOTHING);
}

static void test_power_fails(void **state)
{
	(void)state;
	every_call(LOSE_ALL);
}

static void test_some_is_lost(void **state)
{
	(void)state;
	every_call(LOSE_SOME);
}

static void test_torn(void **state)
{
	(void)state;
	every_call(LOSE_TORN);
}

/* Bodies are copied and packs removed while nobody waits: what comes after the scenario, which the
 * others have tried, or nearly. */
static void test_reclaim_dies(void **state)
{
	unsigned count = 0;
	(void)state;

	for (enum loss loss = LOSE_NOTHING; loss <= LOSE_TORN; loss++) {
		struct sample sample = scenario_sample(8, (unsigned)loss * 2);
		unsigned at = scenario_calls - 20 + sample.first;
		for (; crash_at(at, loss, true); at += sample.step)
			count++;
	}
	print_message("%u crashes\n", count);
	check(count > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_dies),
		cmocka_unit_test(test_power_fails),
		cmocka_unit_test(test_some_is_lost),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_reclaim_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
