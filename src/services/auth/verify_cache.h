/* verify_cache.h: which password was right for which account a moment ago.
 *
 * Purpose    Mail clients sign in again and again; after the first time it costs a hash of some
 *            bytes and not 19 MiB of Argon2id.
 * Shape      Per account a BLAKE2b of name and password under a key of this process, in memory
 *            only. Who can read our memory finds less here than in the password's next use.
 * Threads    One owner at a time.
 * Units      Milliseconds of a clock that never goes back.
 * Limits     VERIFY_CACHE_MAX accounts, VERIFY_CACHE_MS each.
 * Not here   Wrong passwords: they always cost the full check, so that their time tells nothing.
 */
#ifndef BUZON_SERVICES_AUTH_VERIFY_CACHE_H
#define BUZON_SERVICES_AUTH_VERIFY_CACHE_H

#include "base/str.h"

enum { VERIFY_CACHE_MAX = 20000, VERIFY_CACHE_MS = 10 * 60 * 1000 };

struct verify_cache;

struct verify_cache *verify_cache_new(void);
void verify_cache_free(struct verify_cache *c);

/* name and password prepared. True: it is right, *out_account_id tells whose. */
bool verify_cache_check(const struct verify_cache *c, str name, str password, uint64_t now_ms,
    uint64_t *out_account_id);
/* Changes with every drop. A check that takes time notes it first and gives it to add, so that a
 * password which was replaced meanwhile does not get in. */
uint64_t verify_cache_epoch(const struct verify_cache *c);
void verify_cache_add(struct verify_cache *c, str name, str password, uint64_t account_id,
    uint64_t epoch, uint64_t now_ms);
/* The credential of name was changed or removed. */
void verify_cache_drop(struct verify_cache *c, str name);

#endif
