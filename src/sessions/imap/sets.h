/* sets.h: ranges of UIDs.
 *
 * Purpose    Sort, merge, cut and count ranges; the conversions between sequence numbers and UIDs
 *            of one view. A range of a billion UIDs costs what a range of one costs.
 * Ownership  Results live in the arena that was given.
 * Threads    No state.
 */
#ifndef BUZON_SESSIONS_IMAP_SETS_H
#define BUZON_SESSIONS_IMAP_SETS_H

#include "protocols/imap/lexer.h"
#include "services/store/store.h"

struct ranges {
	struct store_range *at;
	size_t count, cap;
};

/* Adds a UID that is higher than all before it. */
void ranges_add(struct arena *a, struct ranges *r, uint32_t first, uint32_t last);
/* Ascending, overlaps and neighbours merged; in place. */
void ranges_sort(struct ranges *r);
/* What is in both; both ascending. */
struct ranges ranges_common(struct arena *a, const struct store_range *x, size_t x_count,
    const struct store_range *y, size_t y_count);
bool ranges_have(const struct store_range *r, size_t count, uint32_t uid);
/* How many entries of the view they name. */
uint32_t ranges_count_in(const struct store_view *v, const struct store_range *r, size_t count);
/* The same messages by sequence number; what the view lacks is left out. */
struct ranges ranges_to_numbers(
    struct arena *a, const struct store_view *v, const struct store_range *r, size_t count);
/* A set of UIDs as given, with '*' resolved against the view, ascending and merged, also of UIDs
 * that do not exist. */
struct ranges ranges_of_uid_set(
    struct arena *a, const struct store_view *v, const struct imap_set *set);
/* "1,3:5" for a response code. */
str ranges_print(struct arena *a, const struct store_range *r, size_t count);

/* The UID of the last message; 0 when there is none. */
uint32_t view_last_uid(const struct store_view *v);

#endif
