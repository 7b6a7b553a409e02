#include "services/intake/rates.h"

#include <stdlib.h>

#include "base/table.h"

enum { HOUR = 3600, DAY = 86400 };

struct share {
	int64_t hour, day; /* which window the counts belong to */
	uint32_t messages, recipients;
};

struct rates {
	struct table *shares; /* account id -> struct share */
};

struct rates *rates_new(void)
{
	struct rates *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->shares = table_new();
	return r;
}

void rates_free(struct rates *r)
{
	size_t at = 0;
	str key;
	void *value;

	if (!r)
		return;
	while (table_next(r->shares, &at, &key, &value))
		free(value);
	table_free(r->shares);
	free(r);
}

static struct share *share_of(struct rates *r, uint64_t account, int64_t now)
{
	struct share *s = table_get_id(r->shares, account);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			abort();
		table_set_id(r->shares, account, s);
	}
	if (s->hour != now / HOUR) {
		s->hour = now / HOUR;
		s->messages = 0;
	}
	if (s->day != now / DAY) {
		s->day = now / DAY;
		s->recipients = 0;
	}
	return s;
}

bool rates_recipient(struct rates *r, uint64_t account, int64_t now, uint32_t per_day)
{
	struct share *s = share_of(r, account, now);

	if (s->recipients >= per_day)
		return false;
	s->recipients++;
	return true;
}

bool rates_message(struct rates *r, uint64_t account, int64_t now, uint32_t per_hour)
{
	struct share *s = share_of(r, account, now);

	if (s->messages >= per_hour)
		return false;
	s->messages++;
	return true;
}
