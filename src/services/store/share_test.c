/* Many threads at one store: appenders, readers, views that stay as they were. Run it under the
 * thread sanitizer by hand: meson setup build-tsan -Db_sanitize=thread. */
#include "services/store/fixture.h"

#include <pthread.h>

enum { APPENDERS = 4, EACH = 60, READERS = 3 };

struct crowd {
	struct fixture *f;
	atomic_bool stop;
	atomic_uint failed, looked;
	atomic_ullong newest; /* of what any reader saw: never goes back */
};

static void *append_main(void *arg)
{
	struct crowd *c = arg;
	struct fixture mine = { .store = c->f->store, .inbox = c->f->inbox };

	for (unsigned i = 0; i < EACH; i++) {
		if (fixture_deliver(&mine, c->f->inbox, STR("From: x\r\n\r\nhello"), 0, NULL) < 0)
			atomic_fetch_add(&c->failed, 1);
	}
	return NULL;
}

static void *flag_main(void *arg)
{
	struct crowd *c = arg;
	struct fixture mine = { .store = c->f->store, .arena = arena_new(NULL, "flags", 64 << 20) };

	for (unsigned i = 1; !atomic_load(&c->stop); i++) {
		if (fixture_flag(&mine, c->f->inbox, 1, i, STORE_SEEN) < 0 ||
		    fixture_expunge(&mine, c->f->inbox, i * 3, i * 3, true, NULL) < 0)
			atomic_fetch_add(&c->failed, 1);
	}
	arena_free(mine.arena);
	return NULL;
}

/* A view adds up, whatever happens meanwhile. */
static bool view_is_sound(struct store *s, const struct store_view *v, struct store_reader *r)
{
	struct store_message m;
	struct store_blob blob;
	uint32_t last = 0, seen = 0, unseen = 0;
	struct err err;

	for (size_t i = 0; i < v->page_count; i++) {
		uint32_t count;
		const struct store_entry *e = store_view_page(v, i, &count);
		for (uint32_t k = 0; k < count; k++) {
			if (e[k].uid <= last || e[k].modseq > v->highest_modseq)
				return false;
			last = e[k].uid;
			seen++;
			unseen += !(e[k].flags & STORE_SEEN);
		}
	}
	if (seen != v->count || unseen != v->unseen_count || last >= v->uidnext)
		return false;
	if (v->count == 0)
		return true;
	if (store_reader_message(r, store_view_at(v, v->count)->message, &m, &err) < 0 ||
	    store_blob_map(s, &m.blob, &blob, &err) < 0)
		return false;
	bool right = str_ends(blob.bytes, STR("hello"));
	store_blob_release(&blob);
	return right;
}

static void *read_main(void *arg)
{
	struct crowd *c = arg;
	struct store *s = c->f->store;
	struct store_reader *r;
	struct store_view *v;
	struct err err;

	if (store_reader_open(s, &r, &err) < 0)
		return NULL;
	while (!atomic_load(&c->stop)) {
		unsigned long long newest = atomic_load(&c->newest);
		if (store_view_get(s, c->f->inbox, &v, &err) < 0) {
			atomic_fetch_add(&c->failed, 1);
			continue;
		}
		if (v->highest_modseq < newest || !view_is_sound(s, v, r))
			atomic_fetch_add(&c->failed, 1);
		while (newest < v->highest_modseq &&
		       !atomic_compare_exchange_weak(&c->newest, &newest, v->highest_modseq))
			;
		store_view_unref(v);
		atomic_fetch_add(&c->looked, 1);
	}
	store_reader_close(r);
	return NULL;
}

static void test_crowd(void **state)
{
	struct fixture f;
	struct crowd c = { .f = &f };
	pthread_t appenders[APPENDERS], readers[READERS], flagger;
	(void)state;

	fixture_begin(&f);
	for (unsigned i = 0; i < APPENDERS; i++)
		check_int_eq(pthread_create(&appenders[i], NULL, append_main, &c), 0);
	for (unsigned i = 0; i < READERS; i++)
		check_int_eq(pthread_create(&readers[i], NULL, read_main, &c), 0);
	check_int_eq(pthread_create(&flagger, NULL, flag_main, &c), 0);
	for (unsigned i = 0; i < APPENDERS; i++)
		pthread_join(appenders[i], NULL);
	atomic_store(&c.stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(flagger, NULL);
	check_int_eq(atomic_load(&c.failed), 0);
	check(atomic_load(&c.looked) > 0);
	struct store_view *v;
	fixture_must(&f, store_view_get(f.store, f.inbox, &v, &f.err));
	check_int_eq(v->uidnext, APPENDERS * EACH + 1);
	store_view_unref(v);
	fixture_check_sound(&f, true);
	fixture_end(&f);
}

/* A small cache: views come and go, and the writer's own idea of a mailbox with them. */
static void test_small_cache(void **state)
{
	struct fixture f;
	char name[20];
	uint64_t boxes[8];
	(void)state;

	fixture_new_dir(&f);
	f.options.cache_bytes = 30000;
	fixture_must(&f, fixture_open(&f));
	fixture_must(&f, fixture_fill(&f));
	static const char *const names[] = { "INBOX", "Sent", "Junk", "Trash", "Drafts",
		"Archive" };
	for (unsigned i = 0; i < COUNT(names); i++) {
		snprintf(name, sizeof(name), "%s", names[i]);
		boxes[i] = fixture_mailbox(&f, name);
	}
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < COUNT(names); i++) {
			struct fixture_delivery d = {
				.mailbox = boxes[i], .body = STR("x"), .count = 1 + round % 7 * 20
			};
			fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
			struct store_view *v;
			if (round % (i + 2))
				continue;
			fixture_must(&f, store_view_get(f.store, boxes[i], &v, &f.err));
			check_int_eq(store_view_at(v, v->count)->uid, d.out_uid);
			store_view_unref(v);
		}
	}
	fixture_check_sound(&f, false);
	fixture_end(&f);
}

/* ---- a million entries ---- */

static void test_million(void **state)
{
	struct fixture f;
	struct store_view *v;
	uint32_t count, target = getenv("BUZON_TEST_ALL") ? 1000000 : 200000;
	(void)state;

	fixture_begin(&f);
	struct fixture_delivery d = { .mailbox = f.inbox, .body = STR("x"), .count = 20000 };
	for (uint32_t done = 0; done < target; done += d.count)
		fixture_must(&f, store_write(f.store, fixture_deliver_job, &d, &f.err));
	fixture_must(&f, store_view_get(f.store, f.inbox, &v, &f.err));
	check_int_eq(v->count, target);
	check_int_eq(store_view_at(v, target)->uid, target);
	check(store_view_find(v, target / 2, NULL) == store_view_at(v, target / 2));
	store_view_unref(v);
	fixture_must(&f, fixture_flag(&f, f.inbox, 1, target / 2, STORE_DELETED));
	fixture_must(&f, fixture_expunge(&f, f.inbox, 0, 0, false, &count));
	check_int_eq(count, target / 2);
	fixture_must(&f, fixture_deliver(&f, f.inbox, STR("last"), 0, NULL));
	fixture_reopen(&f);
	fixture_must(&f, store_view_get(f.store, f.inbox, &v, &f.err));
	check_int_eq(v->count, target / 2 + 1);
	store_view_unref(v);
	fixture_check_sound(&f, false);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_small_cache),
		cmocka_unit_test(test_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
