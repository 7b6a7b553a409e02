/* state.h: the life of keys for DKIM: new, active, retired.
 *
 * Purpose    What a key is at a time follows from the times at which keys of its domain and algorithm begin to
 *            sign: the one that began last is active, those before it are retired, the others are new. So a
 *            rotation is one number in one row, and nothing has to run when its time comes.
 * Threads    No state.
 * Units      Unix seconds.
 * Not here   Who signs (sign.h), files (services/keys/dkim_files.h).
 */
#ifndef BUZON_SERVICES_SIGN_STATE_H
#define BUZON_SERVICES_SIGN_STATE_H

#include "services/store/store.h"

/* Mail under way may be five days in our queue and some in others: so long a retired key stays published. */
enum { DKIM_RETIRED_S = 7 * 86400 };

enum dkim_state {
	DKIM_NEW,     /* to be published; signs nothing */
	DKIM_ACTIVE,  /* signs */
	DKIM_RETIRED, /* signs nothing any more; mail under way needs its record */
};

/* "new", "active", "retired" */
const char *dkim_state_name(enum dkim_state state);
/* of list[i]; list: all keys of its domain, or more. */
enum dkim_state dkim_state_of(
    const struct store_dkim_key *list, size_t count, size_t i, int64_t now);
/* When list[i] was replaced; 0: it was not. */
int64_t dkim_retired_at(const struct store_dkim_key *list, size_t count, size_t i, int64_t now);

#endif
