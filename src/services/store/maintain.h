/* maintain.h: check, backup and restore of a store.
 *
 * Purpose    `buzon check`, `buzon backup`, `buzon restore`.
 * Threads    store_check and store_backup run beside a working store, from any thread but the
 *            writer's.
 * Errors     As in store.h. A problem found by a check is not an error: it is reported.
 */
#ifndef BUZON_SERVICES_STORE_MAINTAIN_H
#define BUZON_SERVICES_STORE_MAINTAIN_H

#include "services/store/store.h"

struct store_progress {
	/* May be NULL. total is 0 while it is not known. */
	void (*step)(void *arg, const char *what, uint64_t done, uint64_t total);
	/* One problem, in words. */
	void (*problem)(void *arg, str text);
	void *arg;
};

/* Database, pages against counts, messages against packs, hashes of bodies (deep). *out_problems
 * counts. */
int store_check(struct store *s, bool deep, const struct store_progress *p, uint64_t *out_problems,
    struct err *err);
/* A consistent copy in the directory `to`; packs already there and complete are not copied again.
 * Verified at the end. */
int store_backup(struct store *s, const char *to, const struct store_progress *p, struct err *err);
/* Makes a data directory from a backup; refuses one that is not empty. Bumps modseqs so that none
 * is used twice. */
int store_restore(
    const char *from, const char *data, const struct store_progress *p, struct err *err);

#endif
