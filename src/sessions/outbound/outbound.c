#include "sessions/outbound/outbound.h"

#include <stdlib.h>

#include "base/fd.h"
#include "sessions/outbound/internal.h"

enum { SETTINGS_MAX = 4096 };

static void *ask_resolver(void *dns, const struct dns_question *q, resolver_fn *fn, void *arg)
{
	return resolver_ask(dns, q, fn, arg);
}

static void cancel_resolver(void *dns, void *query)
{
	(void)dns;
	resolver_cancel(query);
}

struct outbound_dns outbound_dns_of(struct resolver *r)
{
	return (struct outbound_dns){ ask_resolver, cancel_resolver, r };
}

void outbound_configure(struct outbound *o, const struct outbound_settings *settings)
{
	arena_reset(o->arena);
	o->settings = *settings;
	o->settings.hostname = arena_str(o->arena, settings->hostname);
}

struct outbound *outbound_new(struct loop *l, const struct outbound_dns *dns,
    struct tls_client *tls, const struct outbound_settings *settings)
{
	struct outbound *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	*o = (struct outbound){ .loop = l,
		.dns = *dns,
		.tls = tls_client_ref(tls),
		.arena = arena_new(NULL, "outbound", SETTINGS_MAX) };
	outbound_configure(o, settings);
	return o;
}

void outbound_free(struct outbound *o)
{
	if (!o)
		return;
	while (o->peers)
		outbound_peer_forget(o->peers);
	while (o->jobs)
		outbound_job_free(o->jobs);
	tls_client_unref(o->tls);
	arena_free(o->arena);
	free(o);
}

void outbound_deliver(
    struct outbound *o, const struct frame_deliver *f, int *body_fd, outbound_fn *fn, void *arg)
{
	struct outbound_job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	*j = (struct outbound_job){ .outbound = o,
		.next = o->jobs,
		.link = &o->jobs,
		.arena = arena_new(NULL, "delivery", JOB_ARENA_MAX),
		.f = *f,
		.body_fd = TAKE_FD(*body_fd),
		.fn = fn,
		.arg = arg,
		.started_ms = loop_now_ms(o->loop) };
	if (j->next)
		j->next->link = &j->next;
	o->jobs = j;
	o->job_count++;
	buf_init(&j->trace, TRACE_MAX);
	outbound_job_start(j);
}

void outbound_stop(struct outbound *o)
{
	o->is_stopping = true;
	for (struct outbound_peer *p = o->peers, *next; p; p = next) {
		next = p->next;
		if (p->is_idle)
			outbound_peer_release(p, false);
	}
}

void outbound_abort(struct outbound *o)
{
	static const struct outbound_own stopped = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 3, 2 }, "stop" };

	bool was_stopping = o->is_stopping;

	o->is_stopping = true; /* nobody looks for another host */
	while (o->jobs) {
		struct outbound_job *j = o->jobs;
		if (j->peer) {
			outbound_peer_abort(j->peer);
		} else {
			outbound_report_own(j, &stopped, STR("delivery was stopped here"));
			outbound_job_finish(j);
		}
	}
	o->is_stopping = was_stopping;
}

size_t outbound_jobs(const struct outbound *o)
{
	return o->job_count;
}
