#include "services/resolve/resolve.h"

#include <stdlib.h>

#include <unbound.h>

#include "base/table.h"

enum {
	CLASS_IN = 1,
	RCODE_OK = 0,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	ANSWER_ARENA_MAX = 1 << 20,
};

struct resolver {
	struct loop *loop;
	struct ub_ctx *ctx;
	struct watch *watch;
	struct arena *arena; /* of the answer at hand */
	struct resolver_query *first;
	size_t open;
};

struct resolver_query {
	struct resolver *resolver;
	struct resolver_query *next, **link;
	struct dns_question question; /* without its name */
	resolver_fn *fn;
	void *arg;
	struct timer *timer;
	int async_id;
	bool is_asked; /* libunbound knows it */
};

/* ---- the end of a question ---- */

static void query_free(struct resolver_query *q)
{
	*q->link = q->next;
	if (q->next)
		q->next->link = q->link;
	q->resolver->open--;
	timer_free(q->timer);
	free(q);
}

static void tell(struct resolver_query *q, const struct dns_answer *answer)
{
	resolver_fn *fn = q->fn;
	void *arg = q->arg;
	uint32_t id = q->question.id;

	query_free(q);
	fn(arg, id, answer);
}

static void tell_failure(struct resolver_query *q, const char *reason)
{
	tell(q, &(struct dns_answer){ .status = DNS_TEMPORARY, .reason = str_c(reason) });
}

static void on_timer(void *arg)
{
	struct resolver_query *q = arg;
	bool was_asked = q->is_asked;

	if (was_asked)
		ub_cancel(q->resolver->ctx, q->async_id);
	tell_failure(q, was_asked ? "the DNS did not answer in time"
	                          : "too many questions to the DNS are open");
}

/* ---- answers ---- */

static enum dns_status status_of(const struct ub_result *r)
{
	if (r->bogus)
		return DNS_BOGUS;
	if (r->havedata)
		return DNS_OK;
	if (r->nxdomain || r->rcode == RCODE_NXDOMAIN)
		return DNS_NXDOMAIN;
	return r->rcode == RCODE_OK ? DNS_NODATA : DNS_TEMPORARY;
}

/* Records that are malformed are left out; when none is left, there was no usable answer. */
static void take_records(
    struct arena *a, enum dns_type type, const struct ub_result *r, struct dns_answer *out)
{
	size_t count = 0, cap = 0;
	struct dns_record *records = NULL, record;

	for (size_t i = 0; r->data[i] && count < DNS_RECORDS_MAX; i++) {
		if (!resolve_record(type, str_new(r->data[i], (size_t)r->len[i]), a, &record))
			continue;
		struct dns_record *at = arena_push(a, &records, &count, &cap, sizeof(*records));
		*at = record;
	}
	out->records = records;
	out->count = count;
	if (count == 0) {
		out->status = DNS_TEMPORARY;
		out->reason = STR("the DNS answered with records that make no sense");
	}
}

static str reason_of(const struct ub_result *r)
{
	if (r->bogus)
		return r->why_bogus ? str_c(r->why_bogus) : STR("DNSSEC validation failed");
	return r->rcode == RCODE_SERVFAIL
	           ? STR("the DNS servers of the name do not answer properly")
	           : STR("the DNS refused to answer");
}

static void on_answer(void *arg, int status, struct ub_result *r)
{
	struct resolver_query *q = arg;
	struct arena *a = q->resolver->arena;

	if (status != 0 || !r) {
		tell_failure(q, status ? ub_strerror(status) : "no answer");
		ub_resolve_free(r);
		return;
	}
	arena_reset(a);
	struct dns_answer answer = {
		.status = status_of(r),
		.is_secure = r->secure,
		.ttl_s = r->ttl > 0 ? (uint32_t)r->ttl : 0,
	};
	if (r->canonname && dns_name_is_valid(str_c(r->canonname)) &&
	    !dns_name_eq(str_c(r->canonname), str_c(r->qname)))
		answer.canonical = dns_name_copy(a, str_c(r->canonname));
	if (answer.status == DNS_OK)
		take_records(a, q->question.type, r, &answer);
	else if (dns_is_failure(answer.status))
		answer.reason = reason_of(r);
	tell(q, &answer);
	ub_resolve_free(r);
}

static void on_readable(void *arg, unsigned events)
{
	struct resolver *r = arg;

	(void)events;
	ub_process(r->ctx);
}

/* ---- asking ---- */

enum { NAME_TEXT_MAX = 4 * DNS_NAME_MAX + 2 };

/* libunbound reads names as in a zone file: a backslash, a blank or a quote would not stand for itself there. */
static void name_to_text(str name, char out[NAME_TEXT_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && i < DNS_NAME_MAX; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		if (ascii_is_alnum((char)c) || c == '.' || c == '-' || c == '_') {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = (char)('0' + c / 100);
		out[n++] = (char)('0' + c / 10 % 10);
		out[n++] = (char)('0' + c % 10);
	}
	out[n++] = '.';
	out[n] = '\0';
}

struct resolver_query *resolver_ask(
    struct resolver *r, const struct dns_question *question, resolver_fn *fn, void *arg)
{
	struct resolver_query *q = calloc(1, sizeof(*q));
	char name[NAME_TEXT_MAX];

	if (!q)
		abort();
	*q = (struct resolver_query){
		.resolver = r, .question = *question, .fn = fn, .arg = arg, .next = r->first
	};
	q->link = &r->first;
	if (q->next)
		q->next->link = &q->next;
	r->first = q;
	r->open++;
	q->timer = timer_new(r->loop, on_timer, q);
	name_to_text(question->name, name);
	if (r->open <= RESOLVE_OPEN_MAX && dns_name_is_valid(question->name))
		q->is_asked = ub_resolve_async(r->ctx, name, (int)question->type, CLASS_IN, q,
		                  on_answer, &q->async_id) == 0;
	timer_set(q->timer, q->is_asked ? RESOLVE_TIMEOUT_S * 1000 : 0);
	return q;
}

void resolver_cancel(struct resolver_query *q)
{
	if (!q)
		return;
	if (q->is_asked)
		ub_cancel(q->resolver->ctx, q->async_id);
	query_free(q);
}

/* ---- life ---- */

static int option(struct ub_ctx *ctx, const char *name, const char *value, struct err *err)
{
	int rc = ub_ctx_set_option(ctx, name, value);

	return rc ? err_set(err, ERR_SYSTEM, "the resolver does not take %s %s: %s", name, value,
	                ub_strerror(rc))
	          : 0;
}

static int settle_anchor(struct ub_ctx *ctx, str file, struct err *err)
{
	char path[4096];

	if (!file.len)
		return option(ctx, "module-config:", "iterator", err);
	snprintf(path, sizeof(path), STR_FMT, STR_ARG(file));
	int rc = ub_ctx_add_ta_file(ctx, path);
	return rc ? err_set(err, ERR_INPUT, "the trust anchor '%s' cannot be used: %s", path,
	                ub_strerror(rc))
	          : option(ctx, "module-config:", "validator iterator", err);
}

static int settle_server(struct ub_ctx *ctx, str server, struct err *err)
{
	char address[304];

	if (!server.len)
		return 0;
	snprintf(address, sizeof(address), STR_FMT, STR_ARG(server));
	int rc = ub_ctx_set_fwd(ctx, address);
	return rc ? err_set(err, ERR_INPUT,
	                "'%s' is not the address of a DNS server: write it as 192.0.2.1 or "
	                "192.0.2.1@53",
	                address)
	          : 0;
}

/* Addresses of 127/8 may be asked: the resolver of this machine often is there. Small caches: mail asks
 * for few names at a time. */
static int settle(struct ub_ctx *ctx, const struct resolver_options *o, struct err *err)
{
	static const char *const options[][2] = {
		{ "do-not-query-localhost:", "no" },
		{ "msg-cache-size:", "4m" },
		{ "rrset-cache-size:", "8m" },
		{ "qname-minimisation:", "yes" },
		{ "harden-glue:", "yes" },
		{ "harden-dnssec-stripped:", "yes" },
		{ "use-syslog:", "no" },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (option(ctx, options[i][0], options[i][1], err) < 0)
			return -1;
	}
	if (settle_server(ctx, o->server, err) < 0 || settle_anchor(ctx, o->trust_anchor, err) < 0)
		return -1;
	ub_ctx_debugout(ctx, NULL);
	ub_ctx_debuglevel(ctx, 0);
	return ub_ctx_async(ctx, 1) ? err_set(err, ERR_SYSTEM, "the resolver has no threads") : 0;
}

static void on_ready(void *arg, int status, struct ub_result *r)
{
	int *result = arg;

	*result = status;
	ub_resolve_free(r);
}

/* The first question makes libunbound read its files and start its thread; this one stays inside. */
static int start_thread(struct ub_ctx *ctx, struct err *err)
{
	int status = -1, id;
	int rc = ub_ctx_data_add(ctx, "ready.invalid. A 127.0.0.1");

	if (rc == 0)
		rc = ub_resolve_async(
		    ctx, "ready.invalid.", DNS_A, CLASS_IN, &status, on_ready, &id);
	if (rc == 0)
		rc = ub_wait(ctx);
	if (rc || status)
		return err_set(err, ERR_INPUT,
		    "the resolver does not start: %s; look at the section dns",
		    ub_strerror(rc ? rc : status));
	return 0;
}

struct resolver *resolver_new(const struct resolver_options *o, struct err *err)
{
	struct ub_ctx *ctx = ub_ctx_create();

	if (!ctx) {
		err_set(err, ERR_SYSTEM, "the resolver cannot be made: %m");
		return NULL;
	}
	if (settle(ctx, o, err) < 0 || start_thread(ctx, err) < 0) {
		ub_ctx_delete(ctx);
		return NULL;
	}
	struct resolver *r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	*r = (struct resolver){
		.loop = o->loop, .ctx = ctx, .arena = arena_new(NULL, "answer", ANSWER_ARENA_MAX)
	};
	r->watch = watch_new(o->loop, ub_fd(ctx), WATCH_READ, on_readable, r);
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (r->first)
		resolver_cancel(r->first);
	watch_free(r->watch);
	ub_ctx_delete(r->ctx);
	arena_free(r->arena);
	free(r);
}
