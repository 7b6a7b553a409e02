/* runtime.c: the life of a session on the loop, and its way to the pool and back. */
#include <stdlib.h>

#include "base/fd.h"
#include "sessions/imap/selected.h"
#include "sessions/imap/session.h"

enum {
	/* RFC 9051 §5.4: at least 30 minutes. RFC 2177 §3 tells clients to say DONE every 29, so one
	 * that keeps to it is never cut off. */
	IDLE_AT_LEAST_S = 30 * 60,
	MS = 1000,
	/* The next command often follows at once: waiting for it here saves the way to the loop and back. */
	LINGER_MS = 1,
	LINGER_ROUNDS = 100,
};

static void turn(struct imap_session *s);

/* ---- the end ---- */

static void free_now(struct imap_session *s)
{
	imap_server_gone(s->server, s);
	arena_free(s->conn.arena);
	free(s);
}

/* A wake-up may still be on its way through the loop; then it does this. */
static void free_when_quiet(void *arg)
{
	struct imap_session *s = arg;

	s->cleaned = true;
	if (!atomic_load(&s->wake_posted))
		free_now(s);
}

static void clean(struct imap_session *s)
{
	if (s->conn.selected)
		imap_unselect(&s->conn);
	imap_sync_end(&s->sync);
	arena_free(TAKE(s->cmd.arena));
	imap_framer_free(TAKE(s->framer));
}

/* Closing a mailbox and a half-finished command may touch the store: not on the loop. */
static void clean_on_pool(void *arg)
{
	struct imap_session *s = arg;

	clean(s);
	loop_post(s->server->o.loop, free_when_quiet, s);
}

static void release_loop_side(struct imap_session *s)
{
	s->dead = true;
	timer_free(TAKE(s->timer));
	stream_free(TAKE(s->stream));
	imap_server_ended(s->server, s);
}

static void end(struct imap_session *s, const char *why)
{
	log_event(s->conn.log, "imap session ended", F_STR("account", s->conn.address),
	    F_CSTR("why", s->ended ? s->ended : why));
	release_loop_side(s);
	if (!s->conn.selected && !s->cmd.arena) {
		clean(s);
		free_when_quiet(s);
	} else if (!pool_submit(s->server->o.pool, clean_on_pool, s)) {
		clean(s);
		free_when_quiet(s);
	}
}

void imap_session_free(struct imap_session *s)
{
	if (!s->dead)
		release_loop_side(s);
	clean(s);
	free_now(s);
}

/* ---- to the pool and back ---- */

static void back(void *arg)
{
	struct imap_session *s = arg;

	s->lent = false;
	s->active_ms = loop_now_ms(s->server->o.loop);
	s->woken |= s->woken_meanwhile;
	s->woken_meanwhile = false;
	stream_take_back(s->stream);
	turn(s);
}

static void work(void *arg)
{
	struct imap_session *s = arg;

	unsigned rounds = 0;
	enum imap_need need;

	do {
		need = imap_session_advance(s, /* may_block */ true);
		stream_flush(s->stream);
	} while (need == NEED_INPUT && s->phase == PHASE_READING && rounds++ < LINGER_ROUNDS &&
	         pool_has_idle(s->server->o.pool) && stream_read_soon(s->stream, LINGER_MS));
	loop_post(s->server->o.loop, back, s);
}

static void lend(struct imap_session *s)
{
	s->lent = true;
	stream_lend(s->stream);
	if (pool_submit(s->server->o.pool, work, s))
		return;
	s->lent = false;
	imap_session_bye(s, "no thread was free", "the server is busy; come back soon");
	stream_take_back(s->stream);
	stream_close(s->stream);
}

/* The loop has the session: what can be done here is done, the rest goes to the pool. */
static void turn(struct imap_session *s)
{
	switch (imap_session_advance(s, /* may_block */ false)) {
	case NEED_THREAD:
		lend(s);
		break;
	case NEED_CLOSE:
		stream_close(s->stream);
		break;
	case NEED_INPUT:
	case NEED_DRAIN:
		stream_take_back(s->stream);
		break;
	}
}

static void on_input(void *owner, struct stream *stream)
{
	struct imap_session *s = owner;

	(void)stream;
	s->active_ms = loop_now_ms(s->server->o.loop);
	turn(s);
}

static void on_drained(void *owner, struct stream *stream)
{
	(void)stream;
	turn(owner);
}

static void on_closed(void *owner, struct stream *stream, const char *why)
{
	(void)stream;
	end(owner, why);
}

static const struct stream_handlers handlers = {
	.on_input = on_input,
	.on_drained = on_drained,
	.on_closed = on_closed,
};

void imap_session_stop(struct imap_session *s)
{
	atomic_store(&s->stopping, true);
	if (!s->lent && !s->dead)
		turn(s);
}

/* ---- waking and time ---- */

static void on_wake(void *arg)
{
	struct imap_session *s = arg;

	atomic_store(&s->wake_posted, false);
	if (s->cleaned) {
		free_now(s);
		return;
	}
	s->woken_meanwhile = s->lent;
	if (s->dead || s->lent || s->phase != PHASE_WAITING)
		return;
	s->woken = true;
	turn(s);
}

void imap_session_wake(void *arg, uint64_t account, uint64_t mailbox)
{
	struct imap_session *s = arg;

	(void)account;
	(void)mailbox;
	if (!atomic_exchange(&s->wake_posted, true))
		loop_post(s->server->o.loop, on_wake, s);
}

static uint64_t base_limit_ms(const struct imap_session *s)
{
	return (uint64_t)imap_server_config(s->server)->limits.imap_idle_s * MS;
}

static uint64_t idle_limit_ms(const struct imap_session *s)
{
	uint64_t limit = base_limit_ms(s);

	if (!s->lent && s->phase == PHASE_WAITING && limit < IDLE_AT_LEAST_S * MS)
		limit = IDLE_AT_LEAST_S * MS;
	return limit;
}

/* Set once for the whole limit and looked at when it fires, not with each command. */
static void on_time(void *arg)
{
	struct imap_session *s = arg;
	uint64_t quiet = loop_now_ms(s->server->o.loop) - s->active_ms, limit = idle_limit_ms(s);

	if (s->lent || quiet < limit) {
		/* IDLE may end meanwhile, and the shorter limit be in force. */
		uint64_t left = s->lent ? MS : limit - quiet;
		timer_set(s->timer, left < base_limit_ms(s) ? left : base_limit_ms(s));
		return;
	}
	if (s->phase != PHASE_OVER)
		imap_session_bye(
		    s, "nothing was heard for too long", "nothing was heard from you for too long");
	stream_close(s->stream);
	/* A client that does not even read that is cut off. */
	if (s->stream && stream_queued(s->stream) > 0 && quiet >= limit + MS)
		end(s, "the client does not read");
	else
		timer_set(s->timer, MS);
}

struct imap_session *imap_session_new(struct imap_server *v, const struct imap_session_options *o)
{
	struct imap_session *s = calloc(1, sizeof(*s));
	const struct config *config = imap_server_config(v);
	struct imap_limits limits = imap_limits_default(config->limits.append_bytes);

	if (!s)
		abort();
	s->server = v;
	s->conn = (struct imap_conn){
		.store = v->o.store,
		.config = config,
		.log = v->o.log,
		.account = o->account,
		.state = IMAP_AUTHENTICATED,
		.arena = arena_new(/* parent */ NULL, "IMAP session", IMAP_SESSION_ARENA_MAX),
		.session_ = s,
	};
	s->conn.address = arena_str(s->conn.arena, o->address);
	s->cmd.conn = &s->conn;
	s->spool_fd = -1;
	s->framer = imap_framer_new(&limits);
	s->stream = stream_new(v->o.loop, o->fd, &handlers, s);
	s->timer = timer_new(v->o.loop, on_time, s);
	s->active_ms = loop_now_ms(v->o.loop);
	timer_set(s->timer, idle_limit_ms(s));
	log_event(v->o.log, "imap session started", F_STR("account", o->address),
	    F_STR("peer", o->peer_address));
	return s;
}
