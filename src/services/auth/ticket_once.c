#include "services/auth/ticket_once.h"

#include <stdlib.h>

#include "base/table.h"

enum { SWEEP_MS = 10 * 1000 };

struct ticket_once {
	struct table *used; /* nonce to the time it expires */
	int64_t started_at, swept_at;
};

struct ticket_once *ticket_once_new(int64_t now_ms)
{
	struct ticket_once *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->used = table_new();
	o->started_at = o->swept_at = now_ms;
	return o;
}

static void forget(struct ticket_once *o, int64_t before_ms)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(o->used, &at, &key, &value)) {
		int64_t *expires_at = value;
		if (*expires_at > before_ms)
			continue;
		table_remove(o->used, key);
		free(expires_at);
	}
}

void ticket_once_free(struct ticket_once *o)
{
	if (!o)
		return;
	forget(o, INT64_MAX);
	table_free(o->used);
	free(o);
}

static void sweep(struct ticket_once *o, int64_t now_ms)
{
	bool is_due = now_ms - o->swept_at >= SWEEP_MS;

	if (!is_due && table_count(o->used) < TICKET_ONCE_MAX)
		return;
	o->swept_at = now_ms;
	forget(o, now_ms);
}

int ticket_once_use(struct ticket_once *o, const struct ticket *t, int64_t now_ms, struct err *err)
{
	str nonce = str_new(t->nonce, sizeof(t->nonce));

	if (t->expires_at - TICKET_ATTACH_S * INT64_C(1000) < o->started_at)
		return err_set(err, ERR_RETRY, "the server was started anew; sign in again");
	if (table_get(o->used, nonce))
		return err_set(err, ERR_DENIED, "the sign-in ticket was used before");
	sweep(o, now_ms);
	if (table_count(o->used) >= TICKET_ONCE_MAX)
		return err_set(err, ERR_RETRY, "too many people are signing in; try again");
	int64_t *expires_at = malloc(sizeof(*expires_at));
	if (!expires_at)
		abort();
	*expires_at = t->expires_at;
	table_set(o->used, nonce, expires_at);
	return 0;
}
