#include "services/sign/state.h"

const char *dkim_state_name(enum dkim_state state)
{
	static const char *const names[] = { "new", "active", "retired" };

	return names[state];
}

static bool has_begun(const struct store_dkim_key *k, int64_t now)
{
	return k->active_from != 0 && k->active_from <= now;
}

/* list[j] takes the place of list[i]. Of two that began in the same second the later row counts. */
static bool replaces(const struct store_dkim_key *list, size_t j, size_t i, int64_t now)
{
	return str_eq(list[j].domain, list[i].domain) &&
	       str_eq(list[j].algorithm, list[i].algorithm) && has_begun(&list[j], now) &&
	       (list[j].active_from > list[i].active_from ||
	           (list[j].active_from == list[i].active_from && j > i));
}

int64_t dkim_retired_at(const struct store_dkim_key *list, size_t count, size_t i, int64_t now)
{
	int64_t at = 0;

	if (!has_begun(&list[i], now))
		return 0;
	for (size_t j = 0; j < count; j++) {
		if (replaces(list, j, i, now) && (at == 0 || list[j].active_from < at))
			at = list[j].active_from;
	}
	return at;
}

enum dkim_state dkim_state_of(
    const struct store_dkim_key *list, size_t count, size_t i, int64_t now)
{
	if (!has_begun(&list[i], now))
		return DKIM_NEW;
	return dkim_retired_at(list, count, i, now) ? DKIM_RETIRED : DKIM_ACTIVE;
}
