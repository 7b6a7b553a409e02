#include "services/sts/sts.h"

#include <stdlib.h>

#include "services/sts/internal.h"

enum { QUERY_ARENA_MAX = 4096 };

uint64_t sts_now_ms(const struct sts *s)
{
	return s->o.now_ms ? s->o.now_ms() : loop_now_ms(s->o.loop);
}

/* ---- what is kept ---- */

void sts_entry_drop_policy(struct sts_entry *e)
{
	if (!e->arena)
		return;
	e->sts->bytes -= arena_used(e->arena);
	arena_free(e->arena);
	e->arena = NULL;
	e->policy = (struct sts_policy){ 0 };
}

static void free_entry(struct sts_entry *e)
{
	sts_entry_stop_fetch(e);
	sts_entry_drop_policy(e);
	free(e);
}

static uint64_t age_ms(const struct sts_entry *e)
{
	return sts_now_ms(e->sts) - e->fetched_ms;
}

/* RFC 8461 §5.1: a policy whose time since the fetch has not exceeded its max_age. */
static void drop_if_expired(struct sts_entry *e)
{
	if (e->arena && age_ms(e) > e->policy.max_age_s * UINT64_C(1000))
		sts_entry_drop_policy(e);
}

static struct sts_entry *find_oldest(const struct sts *s)
{
	struct sts_entry *oldest = NULL;
	size_t at = 0;
	void *value;
	str key;

	while (table_next(s->domains, &at, &key, &value)) {
		struct sts_entry *e = value;
		if (!e->queries && !e->is_fetching && (!oldest || e->used_ms < oldest->used_ms))
			oldest = e;
	}
	return oldest;
}

static void make_room(struct sts *s)
{
	struct sts_entry *e;

	while ((table_count(s->domains) >= STS_DOMAINS_MAX || s->bytes > STS_CACHE_BYTES) &&
	       (e = find_oldest(s))) {
		table_remove(s->domains, str_c(e->domain));
		free_entry(e);
	}
}

static struct sts_entry *entry_of(struct sts *s, str domain)
{
	AUTO_ARENA a = arena_new(NULL, "name", QUERY_ARENA_MAX);
	str name = dns_name_copy(a, domain);
	struct sts_entry *e = table_get(s->domains, name);

	if (e)
		return e;
	make_room(s);
	e = calloc(1, sizeof(*e));
	if (!e)
		abort();
	e->sts = s;
	memcpy(e->domain, name.ptr, name.len);
	table_set(s->domains, name, e);
	return e;
}

/* ---- queries ---- */

static void free_query(struct sts_query *q)
{
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	free(q);
}

static void answer(struct sts_query *q)
{
	struct sts_entry *e = q->entry;
	struct sts_answer a = {
		.policy = e->arena ? &e->policy : NULL,
		.id = str_c(e->id),
		.note = str_c(e->why),
	};

	e->used_ms = sts_now_ms(q->sts);
	q->fn(q->arg, &a);
	free_query(q);
}

static struct sts_query *find_waiting(const struct sts_entry *e)
{
	for (struct sts_query *q = e->queries; q; q = q->next) {
		if (q->is_waiting)
			return q;
	}
	return NULL;
}

void sts_entry_fetched(struct sts_entry *e)
{
	struct sts_query *q;

	while ((q = find_waiting(e)))
		answer(q);
}

/* RFC 8461 §3.1: of several records that begin as they should none counts. */
static str find_id(const struct dns_answer *reply)
{
	const struct dns_record *found = NULL;
	str id;

	for (size_t i = 0; i < reply->count; i++) {
		if (!sts_record_is(reply->records[i].data))
			continue;
		if (found)
			return STR_NONE;
		found = &reply->records[i];
	}
	return found && sts_record_parse(found->data, &id, NULL) == 0 ? id : STR_NONE;
}

static bool has_failed_lately(const struct sts_entry *e, str id)
{
	return str_eq(str_c(e->failed_id), id) &&
	       sts_now_ms(e->sts) - e->failed_ms < STS_FAILED_S * UINT64_C(1000);
}

/* Early enough that one fetch that fails does not matter. */
static bool is_stale(const struct sts_entry *e)
{
	uint64_t half_ms = e->policy.max_age_s * UINT64_C(500);

	return age_ms(e) > (half_ms < STS_REFRESH_S * UINT64_C(1000)
	                           ? half_ms
	                           : STS_REFRESH_S * UINT64_C(1000));
}

/* A policy with the id of the record is good at once, and is fetched again behind it when it is old. */
static void on_record(void *arg, uint32_t question, const struct dns_answer *reply)
{
	struct sts_query *q = arg;
	struct sts_entry *e = q->entry;
	str id = find_id(reply);

	(void)question;
	q->question = NULL;
	drop_if_expired(e);
	bool is_same = e->arena && str_eq(str_c(e->id), id);
	bool may_fetch = id.len && !e->is_fetching && !has_failed_lately(e, id);
	if (!id.len)
		e->why[0] = '\0';
	if (may_fetch && (!is_same || is_stale(e)))
		sts_entry_fetch(e, id);
	if (id.len && !is_same && e->is_fetching)
		q->is_waiting = true;
	else
		answer(q);
}

struct sts_query *sts_ask(struct sts *s, str domain, sts_fn *fn, void *arg)
{
	struct sts_entry *e = entry_of(s, domain);
	struct sts_query *q = calloc(1, sizeof(*q));
	AUTO_BUF name = BUF_INIT(DNS_NAME_MAX * 2);

	if (!q)
		abort();
	*q = (struct sts_query){
		.sts = s, .entry = e, .next = e->queries, .link = &e->queries, .fn = fn, .arg = arg
	};
	if (q->next)
		q->next->link = &q->next;
	e->queries = q;
	buf_addz(&name, "_mta-sts.");
	buf_addz(&name, e->domain);
	q->question = s->o.ask(s->o.dns,
	    &(struct dns_question){ .type = DNS_TXT, .name = buf_str(&name) }, on_record, q);
	return q;
}

const struct sts_policy *sts_known(struct sts *s, str domain)
{
	AUTO_ARENA a = arena_new(NULL, "name", QUERY_ARENA_MAX);
	struct sts_entry *e = table_get(s->domains, dns_name_copy(a, domain));

	if (e)
		drop_if_expired(e);
	return e && e->arena ? &e->policy : NULL;
}

void sts_cancel(struct sts_query *q)
{
	if (!q)
		return;
	if (q->question)
		q->sts->o.cancel(q->sts->o.dns, q->question);
	free_query(q);
}

/* ---- life ---- */

static void *ask_resolver(void *dns, const struct dns_question *q, resolver_fn *fn, void *arg)
{
	return resolver_ask(dns, q, fn, arg);
}

static void cancel_resolver(void *dns, void *query)
{
	(void)dns;
	resolver_cancel(query);
}

static void *get_by_fetch(void *web, const struct fetch_request *r, fetch_fn *fn, void *arg)
{
	return fetch_get(web, r, fn, arg);
}

static void cancel_fetch(void *web, void *transfer)
{
	(void)web;
	fetch_cancel(transfer);
}

struct sts_options sts_options_of(
    struct loop *l, const struct log *log, struct resolver *r, struct fetch *f)
{
	return (struct sts_options){
		.loop = l,
		.log = log,
		.ask = ask_resolver,
		.cancel = cancel_resolver,
		.dns = r,
		.get = get_by_fetch,
		.cancel_get = cancel_fetch,
		.web = f,
	};
}

struct sts *sts_new(const struct sts_options *o)
{
	struct sts *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	*s = (struct sts){ .o = *o, .domains = table_new() };
	return s;
}

void sts_allow_special(struct sts *s, bool allow)
{
	s->allow_special = allow;
}

void sts_free(struct sts *s)
{
	size_t at = 0;
	void *value;
	str key;

	if (!s)
		return;
	while (table_next(s->domains, &at, &key, &value)) {
		struct sts_entry *e = value;
		while (e->queries)
			sts_cancel(e->queries);
		free_entry(e);
	}
	table_free(s->domains);
	free(s);
}
