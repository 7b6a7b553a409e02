/* One connection to a server: bytes between conn and the SMTP client engine. */
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "sessions/outbound/internal.h"

enum {
	INPUT_MAX = 64 * 1024,
	HIGH_WATER = 256 * 1024,
	LOW_WATER = 64 * 1024,
	BODY_STEP = 32 * 1024,
	ENDING_MS = 10 * 1000,
};

static void run(struct outbound_peer *p);

static void leave_idle(struct outbound_peer *p)
{
	if (p->is_idle)
		p->outbound->idle_count--;
	p->is_idle = false;
}

static void free_peer(struct outbound_peer *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	leave_idle(p);
	smtp_client_free(p->client);
	timer_free(p->timer);
	secret_wipe((char *)(uintptr_t)p->password.ptr, p->password.len);
	arena_free(p->arena);
	free(p);
}

/* What is queued still goes out; on_closed frees. */
static void end(struct outbound_peer *p)
{
	leave_idle(p);
	if (p->is_ending || !p->conn)
		return;
	p->is_ending = true;
	timer_stop(p->timer);
	conn_set_deadline(p->conn, ENDING_MS, "closing");
	conn_close(p->conn);
}

/* ---- TLS ---- */

static void start_tls(struct outbound_peer *p)
{
	struct tls_peer peer = {
		.name = p->o.tls_name,
		.also = p->o.tls_also,
		.trust = p->o.trust,
		.tlsa = p->o.tlsa,
		.tlsa_count = p->o.tlsa_count,
	};
	struct err err = { 0 };

	p->is_handshaking = true;
	if (conn_start_tls_client(p->conn, p->outbound->tls, &peer, &err) == 0)
		return;
	p->is_handshaking = false;
	if (p->client)
		smtp_client_tls_failed(p->client, str_c(err.text));
}

static void on_tls(void *owner, struct conn *c)
{
	struct outbound_peer *p = owner;
	struct smtp_client_tls facts = { 0 };
	const char *why;

	p->is_handshaking = false;
	conn_tls_info(c, &p->tls);
	p->verdict = conn_tls_verdict(c, &why);
	snprintf(p->tls_why, sizeof(p->tls_why), "%s", why ? why : "");
	facts.is_verified = p->verdict != TLS_UNVERIFIED;
	facts.exporter = conn_tls_exporter(c);
	if (p->o.is_tls_first)
		return;
	smtp_client_tls_started(p->client, &facts);
	run(p);
}

/* ---- events ---- */

/* RFC 5321 §6.3, and what others call "mail loops back to myself": a host that has our name is us, or is wrong. */
static void look_at_name(struct outbound_peer *p)
{
	str name = smtp_client_facts(p->client)->peer_name;

	if (!p->job || p->job->f.way != RELAY_MX || !str_ieq(name, p->own_name))
		return;
	p->job->is_loop = true;
	smtp_client_abort(p->client);
}

static void on_event(struct outbound_peer *p, const struct smtp_client_event *e)
{
	switch (e->type) {
	case SMTP_CLIENT_EVENT_REPLY:
		if (p->job)
			p->job->was_answered = true;
		break;
	case SMTP_CLIENT_EVENT_STARTTLS:
		start_tls(p);
		break;
	case SMTP_CLIENT_EVENT_INJECTED:
		if (p->job)
			outbound_trace(p->job, p->o.host, p->o.address,
			    STR("bytes in clear behind the answer to STARTTLS were thrown away"));
		break;
	case SMTP_CLIENT_EVENT_READY:
		look_at_name(p);
		break;
	case SMTP_CLIENT_EVENT_RESULTS:
		if (p->job)
			outbound_job_on_results(p->job, e);
		break;
	case SMTP_CLIENT_EVENT_CLOSED:
		end(p);
		break;
	}
}

static bool run_events(struct outbound_peer *p)
{
	struct smtp_client_event e;
	bool did = false;

	while (smtp_client_next(p->client, &e)) {
		on_event(p, &e);
		did = true;
	}
	return did;
}

/* ---- bytes ---- */

static bool feed(struct outbound_peer *p)
{
	if (p->is_handshaking || !p->conn)
		return false;
	size_t used = smtp_client_feed(p->client, conn_input(p->conn));
	if (used)
		conn_consume(p->conn, used);
	return used > 0;
}

static bool send_output(struct outbound_peer *p)
{
	str out = smtp_client_output(p->client);

	if (!out.len || !p->conn || p->is_ending || conn_is_congested(p->conn))
		return false;
	conn_write(p->conn, out);
	smtp_client_sent(p->client, out.len);
	return true;
}

static bool give_body(struct outbound_peer *p)
{
	char scratch[BODY_STEP];
	size_t wants = smtp_client_wants(p->client);

	if (!wants || !p->job || !p->conn || conn_is_congested(p->conn))
		return false;
	str piece = outbound_job_body(p->job, scratch, wants < BODY_STEP ? wants : BODY_STEP);
	if (!piece.len) {
		p->job->has_body_failed = true;
		smtp_client_body_failed(p->client);
		return true;
	}
	size_t used = smtp_client_body(p->client, piece);
	p->job->body_at += used;
	return used > 0;
}

static void set_timer(struct outbound_peer *p)
{
	uint64_t now = loop_now_ms(p->outbound->loop), at = smtp_client_deadline(p->client);

	if (p->is_ending)
		return;
	if (p->is_idle)
		at = at < now + OUTBOUND_IDLE_MS ? at : now + OUTBOUND_IDLE_MS;
	if (at == UINT64_MAX)
		timer_stop(p->timer);
	else
		timer_set(p->timer, at > now ? at - now : 0);
}

/* Everything that can be done with what is there. */
static void run(struct outbound_peer *p)
{
	bool did;

	smtp_client_tick(p->client, loop_now_ms(p->outbound->loop));
	do {
		did = run_events(p);
		did |= send_output(p);
		did |= give_body(p);
		did |= feed(p);
	} while (did);
	set_timer(p);
}

static void on_timer(void *arg)
{
	struct outbound_peer *p = arg;

	if (p->is_idle)
		outbound_peer_release(p, false);
	else
		run(p);
}

static void on_data(void *owner, struct conn *c)
{
	(void)c;
	run(owner);
}

/* A transaction that could not even begin. */
static void lose_job(struct outbound_peer *p)
{
	static const struct outbound_own lost = { RANK_HOST_TEMPORARY, OUTBOUND_TEMPORARY,
		{ 4, 4, 2 }, "connect" };
	struct outbound_job *j = p->job;

	if (!j)
		return;
	outbound_report_own(j, &lost, STR("the connection was lost before it could be used"));
	p->job = NULL;
	j->peer = NULL;
	outbound_job_next(j);
}

static void on_closed(void *owner, struct conn *c, str reason)
{
	struct outbound_peer *p = owner;

	(void)c;
	p->conn = NULL;
	if (p->is_handshaking && !p->o.is_tls_first)
		smtp_client_tls_failed(p->client, reason);
	else
		smtp_client_lost(p->client, reason);
	run_events(p);
	lose_job(p);
	free_peer(p);
}

static const struct conn_handlers handlers = {
	.on_data = on_data, .on_tls = on_tls, .on_drained = on_data, .on_closed = on_closed
};

/* ---- life ---- */

static void make_nonce(struct outbound_peer *p)
{
	unsigned char random[NONCE_BYTES];

	random_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(p->nonce + i * 2, 3, "%02x", random[i]);
}

static void copy_options(struct outbound_peer *p, const struct outbound_peer_options *o)
{
	struct outbound_job *j = p->job;
	struct tls_tlsa *records = arena_array(p->arena, struct tls_tlsa, o->tlsa_count);

	p->o = *o;
	p->o.host = arena_str(p->arena, o->host);
	p->o.address = arena_str(p->arena, o->address);
	p->o.tls_name = arena_str(p->arena, o->tls_name);
	p->o.tls_also = arena_str(p->arena, o->tls_also);
	for (size_t i = 0; i < o->tlsa_count; i++) {
		records[i] = o->tlsa[i];
		records[i].data = arena_str(p->arena, o->tlsa[i].data);
	}
	p->o.tlsa = records;
	p->key = arena_str(p->arena, j->key);
	p->own_name = arena_str(p->arena, p->outbound->settings.hostname);
	p->user = arena_str(p->arena, j->f.user);
	p->password = arena_str(p->arena, j->f.password);
}

static void open_client(struct outbound_peer *p)
{
	struct smtp_client_options options = {
		.hello_name = p->own_name,
		.lmtp = p->o.lmtp,
		.tls = p->o.tls,
		.tls_active = p->o.is_tls_first,
		.chunking = SMTP_CLIENT_CHUNKING_NEEDED,
		.user = p->user,
		.password = p->password,
		.auth_nonce = str_c(p->nonce),
		.allow_clear = p->o.allow_clear,
	};
	/* What the certificate turns out to be worth is not known yet; who needs a name gets none that is wrong,
	 * because the handshake fails then. */
	if (p->o.is_tls_first)
		options.tls_facts.is_verified = p->o.trust == TLS_NAMED;
	p->client = smtp_client_new(&options);
}

void outbound_peer_open(struct outbound_job *j, int fd, const struct outbound_peer_options *o)
{
	struct outbound_peer *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	*p = (struct outbound_peer){ .outbound = j->outbound,
		.job = j,
		.next = j->outbound->peers,
		.link = &j->outbound->peers,
		.arena = arena_new(NULL, "connection", PEER_ARENA_MAX) };
	if (p->next)
		p->next->link = &p->next;
	j->outbound->peers = p;
	j->peer = p;
	make_nonce(p);
	copy_options(p, o);
	p->timer = timer_new(p->outbound->loop, on_timer, p);
	p->conn = conn_new(p->outbound->loop, fd,
	    &(struct conn_options){ .handlers = &handlers,
	        .owner = p,
	        .input_max = INPUT_MAX,
	        .high_water = HIGH_WATER,
	        .low_water = LOW_WATER });
	open_client(p);
	p->transactions = 1;
	smtp_client_start(p->client, &j->tx);
	if (o->is_tls_first)
		start_tls(p);
	run(p);
}

struct outbound_peer *outbound_peer_find(struct outbound *o, str key)
{
	for (struct outbound_peer *p = o->peers; p; p = p->next) {
		if (p->is_idle && smtp_client_stage(p->client) == SMTP_CLIENT_IDLE &&
		    str_eq(p->key, key))
			return p;
	}
	return NULL;
}

bool outbound_peer_use(struct outbound_peer *p, struct outbound_job *j)
{
	leave_idle(p);
	p->job = j;
	j->peer = p;
	p->transactions++;
	if (!smtp_client_start(p->client, &j->tx)) {
		j->peer = NULL;
		outbound_peer_release(p, false);
		return false;
	}
	run(p);
	return true;
}

void outbound_peer_release(struct outbound_peer *p, bool is_usable)
{
	struct outbound *o = p->outbound;

	if (p->job)
		p->job->peer = NULL;
	p->job = NULL;
	if (is_usable && p->conn && !p->is_ending && !o->is_stopping &&
	    p->transactions < OUTBOUND_TRANSACTIONS && o->idle_count < OUTBOUND_IDLE_MAX) {
		p->is_idle = true;
		o->idle_count++;
		set_timer(p);
		return;
	}
	leave_idle(p);
	if (!p->conn || p->is_ending)
		return;
	smtp_client_quit(p->client);
	/* The answer to QUIT is not worth a socket for minutes. */
	conn_set_deadline(p->conn, ENDING_MS, "waiting for the answer to QUIT");
	(void)send_output(p);
	if (smtp_client_is_done(p->client))
		end(p);
}

void outbound_peer_abort(struct outbound_peer *p)
{
	smtp_client_abort(p->client);
	(void)run_events(p);
	lose_job(p);
	end(p);
}

void outbound_peer_forget(struct outbound_peer *p)
{
	static const struct conn_handlers nobody = { 0 };

	if (p->conn) {
		conn_hand_over(p->conn, &nobody, NULL);
		conn_abort(p->conn, "forgotten");
	}
	if (p->job)
		p->job->peer = NULL;
	free_peer(p);
}
