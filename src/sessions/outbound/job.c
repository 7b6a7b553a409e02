/* One job: from a destination to its hosts, one after the other, until one has answered. */
#include <stdlib.h>

#include "base/fd.h"
#include "base/secret.h"
#include "sessions/outbound/internal.h"

static void try_host(struct outbound_job *j);

/* ---- the end ---- */

static void cancel_questions(struct outbound_job *j)
{
	struct outbound_dns *dns = &j->outbound->dns;

	for (size_t i = 0; i < JOB_QUESTIONS_MAX; i++) {
		if (j->questions[i].query)
			dns->cancel(dns->dns, j->questions[i].query);
		j->questions[i].query = NULL;
	}
}

void outbound_job_free(struct outbound_job *j)
{
	cancel_questions(j);
	sts_cancel(j->sts_query);
	dial_cancel(j->dial);
	timer_free(j->deadline);
	*j->link = j->next;
	if (j->next)
		j->next->link = j->link;
	j->outbound->job_count--;
	fd_close(&j->body_fd);
	buf_fini(&j->trace);
	secret_wipe((char *)(uintptr_t)j->f.password.ptr, j->f.password.len);
	arena_free(j->arena);
	free(j);
}

/* Mail that one host refuses for good, and another might take, is kept. */
static enum relay_verdict verdict_of(const struct outbound_job *j)
{
	bool is_settled = j->rank == RANK_MESSAGE || j->rank == RANK_HOST_CANNOT;

	return j->is_slow_down                 ? RELAY_SLOW_DOWN
	       : j->was_answered || is_settled ? RELAY_ANSWERED
	                                       : RELAY_UNREACHABLE;
}

void outbound_job_finish(struct outbound_job *j)
{
	AUTO_BUF results = BUF_INIT(RELAY_RESULTS_MAX);

	if (j->rank == RANK_NONE) {
		static const struct outbound_own none = { RANK_UNREACHABLE, OUTBOUND_TEMPORARY,
			{ 4, 4, 1 }, "connect" };
		outbound_report_own(j, &none, STR("no host of the destination could be tried"));
	}
	for (size_t i = 0; i < j->tx.count; i++)
		outbound_result_add(&results, &j->results[i]);
	j->report.verdict = verdict_of(j);
	j->report.results = buf_str(&results);
	j->report.trace = buf_str(&j->trace);
	j->fn(j->arg, &j->report);
	outbound_job_free(j);
}

static void finish_own(struct outbound_job *j, const struct outbound_own *own, str text)
{
	outbound_trace(j, j->f.host, STR_NONE, text);
	outbound_report_own(j, own, text);
	outbound_job_finish(j);
}

static void on_deadline(void *arg)
{
	static const struct outbound_own late = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 4, 7 }, "time" };
	struct outbound_job *j = arg;

	if (j->peer)
		outbound_peer_abort(j->peer);
	else
		finish_own(j, &late, STR("there was no time left for another host"));
}

/* ---- the message ---- */

/* The size is what core says; the file may be shorter all the same, then nothing comes. */
str outbound_job_body(struct outbound_job *j, char *scratch, size_t max)
{
	uint64_t left = j->tx.size > j->body_at ? j->tx.size - j->body_at : 0;
	size_t count = max < left ? max : (size_t)left;

	if (j->is_converted || j->body_fd < 0)
		return str_sub(j->is_converted ? j->converted : j->f.body, j->body_at, count);
	if (count == 0 || fd_pread_all(j->body_fd, scratch, count, (off_t)j->body_at) < 0)
		return STR_NONE;
	return str_new(scratch, count);
}

/* ---- results ---- */

static bool all(const struct smtp_client_event *e, bool (*is)(const struct smtp_client_result *r))
{
	for (size_t i = 0; i < e->results.count; i++) {
		if (!is(&e->results.items[i]))
			return false;
	}
	return true;
}

static bool is_own_permanent(const struct smtp_client_result *r)
{
	return r->is_local && r->outcome == SMTP_CLIENT_PERMANENT;
}

static bool is_host_permanent(const struct smtp_client_result *r)
{
	return !r->is_local && r->outcome == SMTP_CLIENT_PERMANENT &&
	       smtp_client_result_is_of_host(r);
}

/* Before MAIL, or the connection ended, or 421: not an answer about the message. */
static bool is_host_temporary(const struct smtp_client_result *r)
{
	return r->outcome == SMTP_CLIENT_TEMPORARY &&
	       (smtp_client_result_is_of_host(r) || r->is_local || r->code == 421);
}

static enum outbound_rank rank_of(const struct outbound_job *j, const struct smtp_client_event *e)
{
	return j->has_body_failed          ? RANK_MESSAGE
	       : all(e, is_host_temporary) ? RANK_HOST_TEMPORARY
	       : all(e, is_host_permanent) ? RANK_HOST_PERMANENT
	       : all(e, is_own_permanent)  ? RANK_HOST_CANNOT
	                                   : RANK_MESSAGE;
}

static bool is_handshake_failure(const struct smtp_client_event *e)
{
	const struct smtp_client_result *r = &e->results.items[0];

	return e->results.count && r->is_local && r->stage == SMTP_CLIENT_HANDSHAKE;
}

/* The connection was kept and the peer has closed it meanwhile, or does not suit this message: that says nothing of
 * the other hosts. */
static bool has_gone_stale(const struct outbound_job *j, enum outbound_rank rank)
{
	return j->is_reused && rank != RANK_MESSAGE && !j->outbound->is_stopping;
}

static void begin_way(struct outbound_job *j);

static void look_for_slow_down(struct outbound_job *j, const struct smtp_client_event *e)
{
	for (size_t i = 0; i < e->results.count; i++)
		j->is_slow_down |= outbound_is_slow_down(&e->results.items[i]);
}

static void on_loop(struct outbound_job *j)
{
	static const struct outbound_own loop = { RANK_HOST_CANNOT, OUTBOUND_PERMANENT, { 5, 4, 6 },
		"EHLO" };
	str text = STR("the host has the name of this server: the mail would come back here");

	outbound_trace(j, j->peer->o.host, j->peer->o.address, text);
	outbound_report_own(j, &loop, text);
	outbound_peer_release(j->peer, false);
	outbound_job_next(j);
}

static void on_stale(struct outbound_job *j)
{
	outbound_trace(j, j->peer->o.host, j->peer->o.address,
	    STR("the connection of an earlier message cannot be used again; connecting"));
	outbound_peer_release(j->peer, false);
	j->is_reused = false;
	j->body_at = 0;
	begin_way(j);
}

/* RFC 7435: encryption without a promise is better than none, and none is better than no mail. */
static bool may_go_clear(const struct outbound_job *j, const struct smtp_client_event *e)
{
	return is_handshake_failure(e) && !outbound_job_needs_tls(j) && !j->in_clear &&
	       !j->outbound->is_stopping;
}

void outbound_job_on_results(struct outbound_job *j, const struct smtp_client_event *e)
{
	enum outbound_rank rank = rank_of(j, e);

	if (j->is_loop) {
		on_loop(j);
		return;
	}
	if (has_gone_stale(j, rank)) {
		on_stale(j);
		return;
	}
	outbound_trace_results(j, e);
	outbound_sts_note(j, e);
	look_for_slow_down(j, e);
	if (may_go_clear(j, e)) {
		j->in_clear = true;
		outbound_peer_release(j->peer, false);
		try_host(j);
		return;
	}
	outbound_report_results(j, rank, e);
	outbound_peer_release(j->peer, e->results.is_usable);
	if (rank == RANK_MESSAGE)
		outbound_job_finish(j);
	else
		outbound_job_next(j);
}

/* ---- one host ---- */

bool outbound_job_needs_name(const struct outbound_job *j)
{
	return j->f.tls == RELAY_TLS_VERIFIED || (j->f.flags & RELAY_REQUIRETLS) ||
	       outbound_sts_applies(j);
}

bool outbound_job_needs_tls(const struct outbound_job *j)
{
	return j->f.tls == RELAY_TLS_REQUIRED || outbound_job_needs_name(j) ||
	       j->tlsa == TLSA_THERE;
}

static bool is_literal(const struct mx_target *t)
{
	return !dns_name_is_valid(t->host) || t->host.ptr[0] == '[' ||
	       ip_parse(t->host, &(struct ip){ 0 }) == 0;
}

static void choose_trust(
    struct outbound_job *j, const struct mx_target *t, struct outbound_peer_options *o)
{
	bool is_name = !is_literal(t);

	o->tls_name = is_name ? t->host : o->address;
	if (j->tlsa == TLSA_THERE && (j->is_tlsa_usable || !outbound_job_needs_name(j))) {
		/* RFC 7672 §3.2.2: names that are good enough besides the host's. */
		o->trust = TLS_DANE;
		o->tls_name = j->is_tlsa_alias ? t->canonical : t->host;
		o->tls_also = j->f.way == RELAY_MX ? j->f.host : STR_NONE;
		o->tlsa = j->tlsa_records;
		o->tlsa_count = j->tlsa_count;
	} else if (outbound_job_needs_name(j)) {
		o->trust = TLS_NAMED;
	} else if (!is_name) {
		o->tls_name = STR_NONE;
	}
}

static struct outbound_peer_options options_of(struct outbound_job *j)
{
	const struct mx_target *t = &j->targets[j->at];
	AUTO_BUF address = BUF_INIT(IP_TEXT_MAX);
	struct outbound_peer_options o = {
		.host = t->host,
		.lmtp = j->f.way == RELAY_LMTP,
		.is_tls_first = j->f.way == RELAY_HOST && j->f.port == PORT_SUBMISSIONS,
		.allow_clear = j->f.tls == RELAY_TLS_NEVER || j->f.tls == RELAY_TLS_OPPORTUNISTIC,
	};

	ip_print(&t->ip, &address);
	o.address = arena_str(j->arena, buf_str(&address));
	if (j->f.tls == RELAY_TLS_NEVER || j->in_clear)
		o.tls = SMTP_CLIENT_TLS_NEVER;
	else
		o.tls = outbound_job_needs_tls(j) ? SMTP_CLIENT_TLS_REQUIRED
		                                  : SMTP_CLIENT_TLS_OPPORTUNISTIC;
	choose_trust(j, t, &o);
	return o;
}

static void on_dialed(void *arg, int fd, const struct err *err)
{
	static const struct outbound_own unreachable = { RANK_UNREACHABLE, OUTBOUND_TEMPORARY,
		{ 4, 4, 1 }, "connect" };
	struct outbound_job *j = arg;
	struct outbound_peer_options o = options_of(j);

	j->dial = NULL;
	if (fd >= 0) {
		j->body_at = 0;
		outbound_peer_open(j, fd, &o);
		return;
	}
	outbound_trace(j, o.host, o.address, str_c(err->text));
	outbound_report_own(j, &unreachable,
	    arena_strf(j->arena, "cannot connect to " STR_FMT " [" STR_FMT "]: %s", STR_ARG(o.host),
	        STR_ARG(o.address), err->text));
	outbound_job_next(j);
}

static void open_connection(struct outbound_job *j)
{
	struct outbound_peer_options o = options_of(j);

	j->dial = dial_start(j->outbound->loop,
	    &(struct dial_options){ .address = o.address,
	        .port = (uint16_t)j->f.port,
	        .timeout_ms = OUTBOUND_CONNECT_MS },
	    on_dialed, j);
}

/* RFC 8689 §4.2.1: with REQUIRETLS the name of the host must be one that DNSSEC vouches for. */
static bool is_name_vouched(struct outbound_job *j, const struct mx_target *t)
{
	static const struct outbound_own insecure = { RANK_HOST_CANNOT, OUTBOUND_PERMANENT,
		{ 5, 7, 30 }, "MX" };
	str text = STR("the sender asked for TLS on the whole way (REQUIRETLS), and nobody vouches "
	               "for the names "
	               "of the mail servers of this domain (DNSSEC)");

	if (!(j->f.flags & RELAY_REQUIRETLS) || j->f.way != RELAY_MX || t->is_secure)
		return true;
	outbound_trace(j, t->host, STR_NONE, text);
	outbound_report_own(j, &insecure, text);
	return false;
}

void outbound_job_connect(struct outbound_job *j)
{
	const struct mx_target *t = &j->targets[j->at];

	if (j->tlsa == TLSA_FAILED || !is_name_vouched(j, t) || !outbound_sts_allows(j, t))
		outbound_job_next(j);
	else
		open_connection(j);
}

static void try_host(struct outbound_job *j)
{
	const struct mx_target *t = &j->targets[j->at];

	if (outbound_tlsa_ask(j, t))
		outbound_job_connect(j);
}

/* A host whose TLSA records cannot be had, or that the policy of MTA-STS does not name, is passed over with all of its
 * addresses. */
static bool is_hopeless(const struct outbound_job *j)
{
	const struct mx_target *t = &j->targets[j->at];

	return str_eq(t->host, j->tlsa_host) &&
	       (j->tlsa == TLSA_FAILED || outbound_sts_excludes(j, t));
}

void outbound_job_next(struct outbound_job *j)
{
	uint64_t age = loop_now_ms(j->outbound->loop) - j->started_ms;

	j->in_clear = j->is_loop = false;
	do
		j->at++;
	while (j->at < j->target_count && is_hopeless(j));
	if (j->at < j->target_count && age < OUTBOUND_HOSTS_MS && !j->outbound->is_stopping)
		try_host(j);
	else
		outbound_job_finish(j);
}

/* ---- the way ---- */

static bool follow_mx(struct outbound_job *j)
{
	const struct mx_result *r = mx_result(j->mx);

	if (!r)
		return false;
	cancel_questions(j);
	if (j->sts_query && r->status == MX_OK)
		return true; /* the policy is not known yet; then from here on again */
	if (r->status != MX_OK) {
		struct outbound_own own = { r->status == MX_PERMANENT ? RANK_MESSAGE
			                                              : RANK_UNREACHABLE,
			r->status == MX_PERMANENT ? OUTBOUND_PERMANENT : OUTBOUND_TEMPORARY,
			r->enhanced, "DNS" };
		finish_own(j, &own, r->reason);
		return true;
	}
	j->targets = r->targets;
	j->target_count = r->count;
	j->at = 0;
	try_host(j);
	return true;
}

static void ask_for_way(struct outbound_job *j);

void outbound_job_follow(struct outbound_job *j)
{
	(void)follow_mx(j);
}

static void on_answer(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct outbound_question *q = arg;
	struct outbound_job *j = q->job;

	q->query = NULL;
	mx_answer(j->mx, id, answer);
	ask_for_way(j);
}

static void ask_for_way(struct outbound_job *j)
{
	struct outbound_dns *dns = &j->outbound->dns;
	struct dns_question question;

	if (follow_mx(j))
		return;
	while (mx_next_question(j->mx, &question)) {
		struct outbound_question *q = &j->questions[j->question_count++];
		q->job = j;
		q->query = dns->ask(dns->dns, &question, on_answer, q);
	}
}

static void begin_way(struct outbound_job *j)
{
	struct mx_options o = {
		.destination = j->f.host,
		.hostname = j->outbound->settings.hostname,
		.is_host = j->f.way != RELAY_MX,
		.allow_special = j->outbound->settings.private_addresses,
		.seed = (uint32_t)random_u64(),
	};
	static const struct outbound_own unix_socket = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 3, 5 }, "connect" };

	if (str_starts(j->f.host, STR("unix:"))) {
		finish_own(j, &unix_socket,
		    STR("the process that delivers may not open Unix sockets; name a host and a "
		        "port instead"));
		return;
	}
	j->mx = mx_start(j->arena, &o);
	if (!mx_result(j->mx))
		outbound_sts_ask(j);
	ask_for_way(j);
}

/* ---- start ---- */

static void copy_frame(struct outbound_job *j)
{
	str *const texts[] = { &j->f.host, &j->f.user, &j->f.password, &j->f.sender, &j->f.envid,
		&j->f.recipients, &j->f.body };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = arena_str(j->arena, *texts[i]);
}

static int take_recipients(struct outbound_job *j, struct err *err)
{
	str rest = j->f.recipients;

	j->ids = arena_array(j->arena, uint64_t, RELAY_RECIPIENTS_MAX);
	j->recipients = arena_array(j->arena, struct smtp_client_recipient, RELAY_RECIPIENTS_MAX);
	while (rest.len && j->tx.count < RELAY_RECIPIENTS_MAX) {
		struct outbound_recipient r;
		if (outbound_recipient_take(&rest, &r, err) < 0)
			return -1;
		j->ids[j->tx.count] = r.id;
		j->recipients[j->tx.count++] =
		    (struct smtp_client_recipient){ r.address, r.notify, r.orcpt };
	}
	return rest.len ? err_set(err, ERR_LIMIT, "there are more than %d recipients",
	                      RELAY_RECIPIENTS_MAX)
	                : 0;
}

static void fill_transaction(struct outbound_job *j)
{
	j->tx.sender = j->f.sender;
	j->tx.recipients = j->recipients;
	j->tx.size = j->f.body_bytes;
	j->tx.body = j->f.flags & RELAY_BINARY ? SMTP_BODY_BINARY
	             : j->f.flags & RELAY_8BIT ? SMTP_BODY_8BIT
	                                       : SMTP_BODY_7BIT;
	j->tx.utf8_header = j->f.flags & RELAY_UTF8;
	j->tx.requiretls = j->f.flags & RELAY_REQUIRETLS;
	j->tx.ret = j->f.ret <= SMTP_RET_HDRS ? (enum smtp_ret)j->f.ret : SMTP_RET_NONE;
	j->tx.envid = j->f.envid;
}

/* Connections are shared by jobs that would have opened the same one. */
static void make_key(struct outbound_job *j)
{
	AUTO_BUF key = BUF_INIT(4096);

	buf_addf(&key, "%u %u %u %d ", (unsigned)j->f.way, (unsigned)j->f.port, (unsigned)j->f.tls,
	    !!(j->f.flags & RELAY_REQUIRETLS));
	buf_add_counted(&key, j->f.host);
	buf_add_counted(&key, j->f.user);
	buf_add_counted(&key, j->f.password);
	j->key = arena_str(j->arena, buf_str(&key));
}

void outbound_job_start(struct outbound_job *j)
{
	static const struct outbound_own broken = { RANK_MESSAGE, OUTBOUND_TEMPORARY, { 4, 3, 0 },
		"start" },
	                                 stopping = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		                                 { 4, 3, 2 }, "stop" };
	struct err err = { 0 };

	copy_frame(j);
	if (take_recipients(j, &err) < 0 ||
	    (j->body_fd < 0 && j->f.body.len != j->f.body_bytes &&
	        err_set(&err, ERR_INPUT, "the message is not all there") < 0)) {
		finish_own(j, &broken, str_c(err.text));
		return;
	}
	fill_transaction(j);
	make_key(j);
	if (j->outbound->is_stopping) {
		finish_own(j, &stopping, STR("delivery is being stopped here"));
		return;
	}
	j->deadline = timer_new(j->outbound->loop, on_deadline, j);
	timer_set(j->deadline, OUTBOUND_JOB_MS);
	struct outbound_peer *idle = outbound_peer_find(j->outbound, j->key);
	if (idle && !outbound_sts_allows_reuse(j, idle)) {
		outbound_peer_release(idle, false);
		idle = NULL;
	}
	j->is_reused = idle != NULL;
	if (idle && outbound_peer_use(idle, j))
		return;
	j->is_reused = false;
	begin_way(j);
}
