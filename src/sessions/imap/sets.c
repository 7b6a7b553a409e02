#include "sessions/imap/sets.h"

#include <stdlib.h>

#include "base/buf.h"
#include "sessions/imap/selected.h"

enum { PRINTED_MAX = 64 << 20 };

uint32_t view_last_uid(const struct store_view *v)
{
	return v->count ? store_view_at(v, v->count)->uid : 0;
}

void ranges_add(struct arena *a, struct ranges *r, uint32_t first, uint32_t last)
{
	if (r->count && r->at[r->count - 1].last + 1 == first) {
		r->at[r->count - 1].last = last;
		return;
	}
	struct store_range *range = arena_push(a, &r->at, &r->count, &r->cap, sizeof(*r->at));
	*range = (struct store_range){ first, last };
}

static int by_first(const void *a, const void *b)
{
	const struct store_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void ranges_sort(struct ranges *r)
{
	size_t kept = 0;

	if (!r->count)
		return;
	qsort(r->at, r->count, sizeof(*r->at), by_first);
	for (size_t i = 1; i < r->count; i++) {
		struct store_range *last = &r->at[kept];
		if (last->last != UINT32_MAX && r->at[i].first > last->last + 1)
			r->at[++kept] = r->at[i];
		else if (r->at[i].last > last->last)
			last->last = r->at[i].last;
	}
	r->count = kept + 1;
}

struct ranges ranges_common(struct arena *a, const struct store_range *x, size_t x_count,
    const struct store_range *y, size_t y_count)
{
	struct ranges out = { 0 };
	size_t i = 0, j = 0;

	while (i < x_count && j < y_count) {
		uint32_t first = x[i].first > y[j].first ? x[i].first : y[j].first;
		uint32_t last = x[i].last < y[j].last ? x[i].last : y[j].last;
		if (first <= last)
			ranges_add(a, &out, first, last);
		if (x[i].last < y[j].last)
			i++;
		else
			j++;
	}
	return out;
}

bool ranges_have(const struct store_range *r, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (r[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && r[low].first <= uid;
}

/* Sequence numbers [first, last) of the entries whose UIDs are in the range. */
static void numbers_of(
    const struct store_view *v, struct store_range r, uint32_t *out_first, uint32_t *out_end)
{
	*out_first = store_view_seek(v, r.first);
	*out_end = r.last == UINT32_MAX ? v->count + 1 : store_view_seek(v, r.last + 1);
}

uint32_t ranges_count_in(const struct store_view *v, const struct store_range *r, size_t count)
{
	uint32_t total = 0, first, end;

	for (size_t i = 0; i < count; i++) {
		numbers_of(v, r[i], &first, &end);
		total += end - first;
	}
	return total;
}

struct ranges ranges_to_numbers(
    struct arena *a, const struct store_view *v, const struct store_range *r, size_t count)
{
	struct ranges out = { 0 };
	uint32_t first, end;

	for (size_t i = 0; i < count; i++) {
		numbers_of(v, r[i], &first, &end);
		if (first < end)
			ranges_add(a, &out, first, end - 1);
	}
	return out;
}

/* '*' is the last message. "559:*" includes it also when 559 is higher. RFC 9051 §9, seq-range */
static struct store_range resolved(struct imap_range r, uint32_t star)
{
	uint32_t first = r.first == UINT32_MAX ? star : r.first;
	uint32_t last = r.last == UINT32_MAX ? star : r.last;

	return first <= last ? (struct store_range){ first, last }
	                     : (struct store_range){ last, first };
}

struct ranges ranges_of_uid_set(
    struct arena *a, const struct store_view *v, const struct imap_set *set)
{
	struct ranges out = { 0 };
	uint32_t star = view_last_uid(v);

	out.at = arena_array(a, struct store_range, set->count ? set->count : 1);
	for (size_t i = 0; i < set->count; i++) {
		struct store_range r = resolved(set->ranges[i], star);
		if (r.last)
			out.at[out.count++] = (struct store_range){ r.first ? r.first : 1, r.last };
	}
	ranges_sort(&out);
	return out;
}

str ranges_print(struct arena *a, const struct store_range *r, size_t count)
{
	AUTO_BUF b = BUF_INIT(PRINTED_MAX);

	for (size_t i = 0; i < count; i++) {
		uint32_t first = r[i].first;
		while (i + 1 < count && r[i + 1].first == r[i].last + 1)
			i++;
		if (b.len)
			buf_addc(&b, ',');
		buf_addu(&b, first);
		if (r[i].last != first) {
			buf_addc(&b, ':');
			buf_addu(&b, r[i].last);
		}
	}
	return arena_str(a, buf_str(&b));
}

/* ---- what a client wrote ----------------------------------------------------------------------
 */

static int resolve_numbers(const struct store_view *v, const struct imap_set *set, struct arena *a,
    struct ranges *out, struct err *err)
{
	out->at = arena_array(a, struct store_range, set->count ? set->count : 1);
	for (size_t i = 0; i < set->count; i++) {
		struct store_range r = resolved(set->ranges[i], v->count);
		/* RFC 9051 §9, seq-number: also for '*' in an empty mailbox. */
		if (!r.first || r.last > v->count)
			return err_set(err, ERR_INPUT,
			    "message number %u is too high, the mailbox has %u", r.last, v->count);
		out->at[out->count++] = (struct store_range){ store_view_at(v, r.first)->uid,
			store_view_at(v, r.last)->uid };
	}
	ranges_sort(out);
	return 0;
}

/* RFC 5182 §2.1: "$" holds UIDs; those gone meanwhile are passed over by whoever walks. */
int imap_set_resolve(struct imap_conn *c, const struct imap_set *set, bool uid, struct arena *a,
    struct store_range **out, size_t *out_count, struct err *err)
{
	const struct imap_selected *sel = c->selected;
	struct ranges r = { 0 };

	if (set->saved) {
		*out = sel->saved;
		*out_count = sel->saved_count;
		return 0;
	}
	if (!uid && resolve_numbers(sel->known, set, a, &r, err) < 0)
		return -1;
	if (uid) {
		/* Nothing that the client has not heard of: STORE 1:* must not reach new mail. */
		struct store_range all = { 1, view_last_uid(sel->known) };
		r = ranges_of_uid_set(a, sel->known, set);
		r = ranges_common(a, r.at, r.count, &all, all.last ? 1 : 0);
	}
	*out = r.at;
	*out_count = r.count;
	return 0;
}
