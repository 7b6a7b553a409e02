/* auth_internal.h: what the files of services/auth share. */
#ifndef BUZON_SERVICES_AUTH_AUTH_INTERNAL_H
#define BUZON_SERVICES_AUTH_AUTH_INTERNAL_H

#include "services/auth/auth.h"
#include "services/auth/hash_pool.h"
#include "services/auth/ticket.h"
#include "services/auth/verify_cache.h"

struct auth {
	struct auth_options o;
	unsigned char ticket_key[TICKET_KEY_BYTES];
	char unusable[AUTH_VERIFIER_BYTES]; /* checked for names that do not exist */
	struct hash_pool *pool;
	struct verify_cache *cache;
	struct throttle *throttle;
};

uint64_t auth_now(const struct auth *a);

#endif
