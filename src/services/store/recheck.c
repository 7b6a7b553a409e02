/* After an unclean stop the whole database is looked through (PRAGMA quick_check), beside the work,
 * so that starting takes no longer for a large store. */
#include <stdlib.h>

#include "base/time.h"
#include "services/store/recover.h"

struct recheck {
	pthread_t thread;
	struct store *store;
	struct db *db;
};

static void report(void *arg, str text)
{
	struct store *s = arg;

	log_alert(&s->log, "database is damaged: run buzon check", F_STR("what", text));
}

static void *recheck_main(void *arg)
{
	struct recheck *r = arg;
	struct err err = { .kind = ERR_NONE };
	uint64_t problems, began = time_mono_ms();

	if (r->db->engine->verify(r->db, false, report, r->store, &problems, &err) == 0)
		log_event(&r->store->log, "database checked", F_INT("problems", problems),
		    F_INT("ms", time_mono_ms() - began));
	return NULL;
}

void recheck_start(struct store *s)
{
	struct err err = { .kind = ERR_NONE };
	struct recheck *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->store = s;
	if (reader_acquire(s, &r->db, &err) == 0 &&
	    pthread_create(&r->thread, NULL, recheck_main, r) == 0) {
		s->recheck = r;
		return;
	}
	log_warn(&s->log, "database not checked after an unclean stop", F_CSTR("why", err.text));
	reader_release(s, r->db);
	free(r);
}

void recover_stop(struct store *s)
{
	struct recheck *r = s->recheck;

	if (!r)
		return;
	r->db->engine->interrupt(r->db);
	pthread_join(r->thread, NULL);
	reader_release(s, r->db);
	free(r);
	s->recheck = NULL;
}
