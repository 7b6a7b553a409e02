/* refs.h: folding and reading the lines of references.
 *
 * Threads    refs_fold: the writer's. The rest has no state.
 */
#ifndef BUZON_SERVICES_STORE_REFS_H
#define BUZON_SERVICES_STORE_REFS_H

#include "services/store/internal.h"

struct ref_changes {
	struct ref_change *items; /* free() */
	size_t count, cap;
};

/* Sorts, adds up what belongs to the same message, drops zeros; returns how many are left. */
size_t refs_merge(struct ref_change *changes, size_t count);
int refs_parse(str line, struct ref_changes *out, struct err *err);
/* One bounded step over lines written until then. */
int refs_fold(struct store *s, int64_t until, bool *out_more, struct err *err);

#endif
