/* Tests of check, backup and restore: damage is found, a backup made under load is whole, a restored
 * store shows nothing twice. */
#include "services/store/fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

/* ---- check ---- */

static void count_problem(void *arg, str text)
{
	unsigned *count = arg;

	(void)text;
	++*count;
}

static unsigned problems_of(struct fixture *f, bool deep)
{
	unsigned told = 0;
	struct store_progress p = { .problem = count_problem, .arg = &told };
	uint64_t problems = 0;

	fixture_must(f, store_check(f->store, deep, &p, &problems, &f->err));
	check_int_eq(told, problems);
	return told;
}

static void run_script(struct fixture *f, const char *sql)
{
	char path[200];
	struct db *db;

	store_close(f->store);
	f->store = NULL;
	snprintf(path, sizeof(path), "%s/buzon.db", f->dir);
	fixture_must(
	    f, db_open_sqlite(&(struct db_options){ .path = path, .write = true }, &db, &f->err));
	fixture_must(f, db->engine->script(db, sql, &f->err));
	db_close(db);
	fixture_must(f, fixture_open(f));
}

static void test_damage_is_found(void **state)
{
	static const struct {
		const char *name, *sql;
	} cases[] = {
		{ "count of a mailbox",
		    "UPDATE mailbox SET message_count = 7 WHERE name = 'INBOX'" },
		{ "size of a mailbox", "UPDATE mailbox SET size_bytes = 1 WHERE name = 'INBOX'" },
		{ "uidnext", "UPDATE mailbox SET uidnext = 2 WHERE name = 'INBOX'" },
		{ "modseq", "UPDATE mailbox SET highest_modseq = 1 WHERE name = 'INBOX'" },
		{ "lost page", "DELETE FROM page" },
		{ "broken page", "UPDATE page SET data = x'0102030405'" },
		{ "stray page", "INSERT INTO page VALUES (99999999999999, x'00')" },
		{ "lost message", "DELETE FROM message WHERE id = 2" },
		{ "references", "INSERT INTO ref_extra VALUES (2, 5)" },
		{ "account", "UPDATE account SET used_bytes = used_bytes + 1" },
		{ "place of a body", "UPDATE message SET offset = offset + 1 WHERE id = 2" },
		{ "pack of a body", "UPDATE message SET pack = 44 WHERE id = 2" },
	};
	(void)state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture f;
		fixture_begin(&f);
		for (unsigned k = 0; k < 4; k++)
			fixture_must(&f, fixture_deliver(&f, f.inbox, STR("a body"), 0, NULL));
		check_case(cases[i].name, problems_of(&f, true) == 0);
		run_script(&f, cases[i].sql);
		check_case(cases[i].name, problems_of(&f, false) > 0);
		fixture_end(&f);
	}
}

static void test_deep_finds_a_flipped_bit(void **state)
{
	struct fixture f;
	char path[200], byte;
	(void)state;

	fixture_begin(&f);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("a body with a bit"), 0, NULL));
	snprintf(path, sizeof(path), "%s/packs/00000001.pack", f.dir);
	AUTO_FD fd = open(path, O_RDWR);
	check(fd >= 0 && pread(fd, &byte, 1, PACK_HEADER_BYTES + 3) == 1);
	byte ^= 4;
	check(pwrite(fd, &byte, 1, PACK_HEADER_BYTES + 3) == 1);
	check_int_eq(problems_of(&f, false), 0);
	check_int_eq(problems_of(&f, true), 1);
	fixture_end(&f);
}

/* ---- backup ---- */

struct load {
	struct fixture *f;
	atomic_bool stop;
	atomic_uint done, failed;
};

static void *load_main(void *arg)
{
	struct load *l = arg;
	struct fixture mine = { .store = l->f->store, .arena = arena_new(NULL, "load", 64 << 20) };

	for (unsigned i = 1; !atomic_load(&l->stop); i++) {
		if (fixture_deliver(&mine, l->f->inbox, STR("under load"), 0, NULL) < 0 ||
		    (i % 5 == 0 && fixture_expunge(&mine, l->f->inbox, i, i, true, NULL) < 0))
			atomic_fetch_add(&l->failed, 1);
		atomic_fetch_add(&l->done, 1);
	}
	arena_free(mine.arena);
	return NULL;
}

static void join_path(char out[200], const char *dir, const char *name)
{
	snprintf(out, 200, "%s/%s", dir, name);
}

static uint32_t count_in(struct store *s, uint64_t mailbox, struct err *err)
{
	struct store_view *v;

	if (store_view_get(s, mailbox, &v, err) < 0)
		return UINT32_MAX;
	uint32_t count = v->count;
	store_view_unref(v);
	return count;
}

static void test_backup_under_load(void **state)
{
	struct fixture f, copy;
	struct load l = { .f = &f };
	pthread_t thread;
	char to[200];
	(void)state;

	fixture_new_dir(&f);
	f.options.pack_bytes = 4000;
	fixture_must(&f, fixture_open(&f));
	fixture_must(&f, fixture_fill(&f));
	fixture_new_dir(&copy);
	join_path(to, copy.dir, "backup");
	for (unsigned i = 0; i < 100; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, STR("before the mark"), 0, NULL));
	check_int_eq(pthread_create(&thread, NULL, load_main, &l), 0);
	for (unsigned round = 0; round < 3; round++)
		fixture_must(&f, store_backup(f.store, to, NULL, &f.err));
	atomic_store(&l.stop, true);
	pthread_join(thread, NULL);
	check_int_eq(atomic_load(&l.failed), 0);
	fixture_must(&f, store_backup(f.store, to, NULL, &f.err));
	uint32_t want = count_in(f.store, f.inbox, &f.err);
	fixture_check_sound(&f, true);

	struct store *s;
	struct store_options o = { .path = to, .read_only = true };
	fixture_must(&copy, store_open(&o, &s, &copy.err));
	check_int_eq(count_in(s, f.inbox, &copy.err), want);
	store_close(s);
	fixture_end(&f);
	fixture_end(&copy);
}

/* ---- restore ---- */

static void test_restore(void **state)
{
	struct fixture f, copy;
	char to[200], again[200];
	struct store_view *before, *after;
	uint32_t uid;
	(void)state;

	fixture_begin(&f);
	fixture_new_dir(&copy);
	join_path(to, copy.dir, "backup");
	join_path(again, copy.dir, "again");
	for (unsigned i = 0; i < 10; i++)
		fixture_must(&f, fixture_deliver(&f, f.inbox, STR("a body"), 0, NULL));
	fixture_must(&f, store_backup(f.store, to, NULL, &f.err));
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("after the backup"), 0, NULL));
	fixture_must(&f, store_view_get(f.store, f.inbox, &before, &f.err));
	check_int_eq(store_restore(to, f.dir, NULL, &f.err), -1);
	check_int_eq(f.err.kind, ERR_DENIED);
	fixture_must(&f, store_restore(to, again, NULL, &f.err));

	struct store_options o = { .path = again };
	fixture_must(&copy, store_open(&o, &copy.store, &copy.err));
	fixture_must(&copy, store_view_get(copy.store, f.inbox, &after, &copy.err));
	check_int_eq(after->count, 10);
	check_int_eq(after->uidvalidity, before->uidvalidity);
	check(after->highest_modseq > before->highest_modseq);
	check(after->uidnext > before->uidnext);
	store_view_unref(after);
	fixture_must(&copy, fixture_deliver(&copy, f.inbox, STR("new"), 0, &uid));
	check(uid > before->uidnext);
	struct store_range *gone;
	size_t count;
	fixture_must(&copy, store_vanished_since(copy.store, f.inbox, before->highest_modseq,
	                        copy.arena, &gone, &count, &copy.err));
	/* The one that only clients of the lost store have seen is among them. */
	check(count == 1 && gone[0].first <= 11 && gone[0].last >= 11);
	store_view_unref(before);
	fixture_check_sound(&copy, true);
	fixture_end(&f);
	fixture_end(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_is_found),
		cmocka_unit_test(test_deep_finds_a_flipped_bit),
		cmocka_unit_test(test_backup_under_load),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
