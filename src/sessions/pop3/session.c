/* session.c: one session: from the stream to the engine, to the pool for what blocks, and back. */
#include "sessions/pop3/session.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/table.h"

enum {
	ARENA_MAX = 8192,
	BY_REFERENCE = 16 * 1024, /* shorter runs of a body are cheaper to copy */
	BODIES_PER_RUN = 256,     /* then another session may have the thread */
	/* The next command often follows at once: waiting for it here saves the way to the loop and back. */
	LINGER_MS = 1,
	LINGER_ROUNDS = 100,
};

/* What a turn ended with. */
enum need {
	NEED_INPUT,
	NEED_DRAIN,  /* the client has to read first */
	NEED_THREAD, /* the next step may block */
	NEED_TURN,   /* there is more to do, after others had their turn */
	NEED_CLOSE,
};

struct pop3_conn {
	struct pop3_server *server;
	struct pop3_conn *next;
	struct arena *arena;
	str address;
	struct pop3_session_options o;
	struct stream *stream;
	struct timer *timer;
	struct pop3_drop drop;
	struct pop3_session *engine; /* NULL until the maildrop is open */
	struct pop3_event event;     /* the one at work */
	bool has_event;
	struct held_body *body; /* being sent; NULL: none */
	str body_rest;
	uint32_t sent_number;               /* whose body it is */
	bool sent_whole;                    /* RETR, not TOP */
	uint32_t sent_count, deleted_count; /* for the log */
	uint32_t bad_commands;
	bool failed;         /* the maildrop cannot be opened */
	bool lent, stopping; /* [loop] */
	uint64_t active_ms;  /* [loop] */
};

/* ---- output ---- */

static void push_output(struct pop3_conn *c)
{
	str out = pop3_session_output(c->engine);

	if (out.len == 0)
		return;
	stream_write(c->stream, out);
	pop3_session_sent(c->engine, out.len);
}

static void end_body(struct pop3_conn *c)
{
	pop3_session_body_end(c->engine);
	held_body_unref(c->body);
	c->body = NULL;
	c->sent_count++;
	if (c->sent_whole && drop_mark_seen(&c->drop, c->sent_number))
		pop3_session_want_update(c->engine);
}

/* Sends the body at hand as far as the client takes it. */
static void go_on_body(struct pop3_conn *c)
{
	while (c->body_rest.len && !stream_is_congested(c->stream)) {
		size_t n = pop3_session_body_run(c->engine, c->body_rest);
		str run = str_sub(c->body_rest, 0, n);
		push_output(c);
		if (n >= BY_REFERENCE) {
			held_body_ref(c->body);
			stream_write_ref(c->stream, run, held_body_unref, c->body);
		} else {
			stream_write(c->stream, run);
		}
		pop3_session_body_skipped(c->engine, run);
		c->body_rest = str_skip(c->body_rest, n);
	}
	if (c->body_rest.len == 0)
		end_body(c);
}

/* ---- events; on a thread of the pool ---- */

static void on_body(struct pop3_conn *c)
{
	struct err err;
	uint32_t number = c->event.number;

	if (drop_body(&c->drop, number, pop3_session_is_utf8(c->engine), &c->body, &err) < 0) {
		log_event(c->server->o.log, "pop3 message not read", F_STR("account", c->address),
		    F_INT("uid", store_view_at(c->drop.view, number)->uid),
		    F_CSTR("why", err.text));
		pop3_session_refuse(
		    c->engine, err.kind == ERR_DENIED ? STR("SYS/PERM") : STR("SYS/TEMP"));
		return;
	}
	str bytes = held_body_bytes(c->body);
	c->sent_number = number;
	c->sent_whole = c->event.lines == POP3_ALL_LINES;
	pop3_session_body_start(c->engine, bytes.len);
	c->body_rest = pop3_top(bytes, c->event.lines);
	go_on_body(c);
}

static void on_update(struct pop3_conn *c)
{
	struct err err;
	int result = drop_update(&c->drop, c->engine, &err);

	if (result < 0)
		log_warn(c->server->o.log, "pop3 deletions failed", F_STR("account", c->address),
		    F_CSTR("why", err.text));
	else
		c->deleted_count = pop3_session_deleted_count(c->engine);
	/* \Seen alone is no promise that the client was given. */
	pop3_session_updated(c->engine, result == 0 || pop3_session_deleted_count(c->engine) == 0);
}

static void open_drop(struct pop3_conn *c)
{
	struct err err;

	if (drop_open(&c->drop, &err) < 0) {
		log_warn(c->server->o.log, "pop3 maildrop not opened", F_STR("account", c->address),
		    F_CSTR("why", err.text));
		stream_write(c->stream, STR("-ERR [SYS/TEMP] the mailbox cannot be opened now, "
		                            "try again later\r\n"));
		c->failed = true;
		return;
	}
	c->engine = pop3_session_new(&(struct pop3_options){
	    .maildrop = drop_listing(&c->drop),
	    .language = c->o.language,
	    .mechanisms = str_trim(buf_str(&c->server->mechanisms)),
	    .utf8 = c->o.utf8,
	    .bad_commands = c->bad_commands,
	});
}

/* ---- a turn ---- */

/* One step of the engine; true when it did something. */
static bool step(struct pop3_conn *c)
{
	size_t used = pop3_session_feed(c->engine, stream_input(c->stream));

	stream_consume(c->stream, used);
	if (!c->has_event)
		c->has_event = pop3_session_next(c->engine, &c->event);
	return used > 0 || c->has_event;
}

/* The maildrop is open; NEED_TURN: yes, else what is to be done first. */
static enum need open_first(struct pop3_conn *c, bool may_block)
{
	if (c->failed)
		return NEED_CLOSE;
	if (!c->engine && !may_block)
		return NEED_THREAD;
	if (!c->engine)
		open_drop(c);
	return c->engine ? NEED_TURN : NEED_CLOSE;
}

static void handle_event(struct pop3_conn *c)
{
	c->has_event = false;
	if (c->event.kind == POP3_EVENT_BODY)
		on_body(c);
	else
		on_update(c);
}

/* Nothing is left to do: more may have come meanwhile. True: it has. */
static bool read_on(struct pop3_conn *c, bool may_block)
{
	push_output(c);
	if (!may_block)
		return false;
	stream_flush(c->stream);
	return stream_read_now(c->stream);
}

/* One round; true: another one follows, else *need says for what this ended. */
static bool round_of(struct pop3_conn *c, bool may_block, unsigned *bodies, enum need *need)
{
	bool did_something = step(c);

	if (!c->has_event) {
		*need = NEED_INPUT;
		return did_something || pop3_session_is_congested(c->engine) ||
		       read_on(c, may_block);
	}
	*need = NEED_CLOSE; /* the last reply waits until the lock is released */
	if (c->event.kind == POP3_EVENT_CLOSE)
		return false;
	*need = NEED_THREAD;
	if (!may_block)
		return false;
	*need = NEED_TURN;
	if ((*bodies)++ == BODIES_PER_RUN)
		return false;
	handle_event(c);
	return true;
}

/* Goes on until something is needed. may_block: on a thread of the pool, else on the loop. */
static enum need advance(struct pop3_conn *c, bool may_block)
{
	unsigned bodies = 0;
	enum need need = open_first(c, may_block);
	bool goes_on = need == NEED_TURN;

	while (goes_on) {
		if (stream_is_broken(c->stream))
			return NEED_INPUT; /* on_closed follows */
		if (pop3_session_is_congested(c->engine))
			push_output(c);
		if (stream_is_congested(c->stream))
			return NEED_DRAIN;
		if (c->body && !may_block)
			return NEED_THREAD;
		if (c->body)
			go_on_body(c);
		else
			goes_on = round_of(c, may_block, &bodies, &need);
	}
	return need;
}

/* ---- the end; [loop] ---- */

static void release(struct pop3_conn *c)
{
	timer_free(c->timer);
	stream_free(c->stream);
	held_body_unref(c->body);
	pop3_session_free(c->engine);
	drop_fini(&c->drop);
	arena_free(c->arena);
	free(c);
}

static void end(struct pop3_conn *c, const char *why)
{
	log_event(c->server->o.log, "pop3 session ended", F_STR("account", c->address),
	    F_INT("sent", c->sent_count), F_INT("deleted", c->deleted_count), F_CSTR("why", why));
	/* Without QUIT nothing is deleted, but what was read was read. */
	drop_submit_seen(&c->drop);
	pop3_server_unlock(c->server, c);
	pop3_server_gone(c->server, c);
	release(c);
}

void pop3_conn_free(struct pop3_conn *c)
{
	pop3_server_unlock(c->server, c);
	pop3_server_gone(c->server, c);
	release(c);
}

/* The lock goes before the last reply: who reads "+OK" may come again at once. */
static void finish(struct pop3_conn *c)
{
	pop3_server_unlock(c->server, c);
	if (c->engine)
		push_output(c);
	stream_take_back(c->stream);
	stream_close(c->stream);
}

/* ---- to the pool and back; [loop] ---- */

static void turn(struct pop3_conn *c);

static void back(void *arg)
{
	struct pop3_conn *c = arg;

	c->lent = false;
	c->active_ms = loop_now_ms(c->server->o.loop);
	turn(c);
}

static void work(void *arg)
{
	struct pop3_conn *c = arg;

	unsigned rounds = 0;
	enum need need;

	do {
		need = advance(c, /* may_block */ true);
		stream_flush(c->stream);
	} while (need == NEED_INPUT && rounds++ < LINGER_ROUNDS &&
	         pool_has_idle(c->server->o.pool) && stream_read_soon(c->stream, LINGER_MS));
	if (!c->body && !c->has_event)
		drop_rest(&c->drop);
	loop_post(c->server->o.loop, back, c);
}

static void lend(struct pop3_conn *c)
{
	c->lent = true;
	stream_lend(c->stream);
	if (pool_submit(c->server->o.pool, work, c))
		return;
	c->lent = false;
	stream_write(c->stream, STR("-ERR [SYS/TEMP] the server is busy, try again later\r\n"));
	pop3_server_unlock(c->server, c);
	stream_take_back(c->stream);
	stream_close(c->stream);
}

/* Between two replies only: a body that has begun is sent to its end, or not at all. */
static void stop_here(struct pop3_conn *c)
{
	if (!c->engine) {
		if (!c->failed)
			stream_write(c->stream, STR("-ERR [SYS/TEMP] the server is going down, try "
			                            "again later\r\n"));
		c->failed = true;
		return;
	}
	bool is_closing = c->has_event && c->event.kind == POP3_EVENT_CLOSE;
	if (c->body || is_closing)
		return;
	c->has_event = false;
	pop3_session_stop(c->engine);
}

static void turn(struct pop3_conn *c)
{
	if (c->stopping)
		stop_here(c);
	switch (advance(c, /* may_block */ false)) {
	case NEED_THREAD:
	case NEED_TURN:
		lend(c);
		return;
	case NEED_CLOSE:
		finish(c);
		return;
	case NEED_INPUT:
	case NEED_DRAIN:
		pop3_session_trim(c->engine);
		stream_take_back(c->stream);
		return;
	}
}

static void on_input(void *owner, struct stream *stream)
{
	struct pop3_conn *c = owner;

	(void)stream;
	c->active_ms = loop_now_ms(c->server->o.loop);
	turn(c);
}

static void on_drained(void *owner, struct stream *stream)
{
	on_input(owner, stream);
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

/* RFC 1939 §3: the autologout timer ends the session without a reply and without deleting. */
static void on_time(void *arg)
{
	struct pop3_conn *c = arg;
	uint64_t limit = c->server->idle_ms;
	uint64_t quiet = loop_now_ms(c->server->o.loop) - c->active_ms;

	if (c->lent || quiet < limit)
		timer_set(c->timer, c->lent ? limit : limit - quiet);
	else
		end(c, "nothing was heard for too long");
}

void pop3_conn_stop(struct pop3_conn *c)
{
	c->stopping = true;
	if (!c->lent)
		turn(c);
}

uint64_t pop3_conn_account(const struct pop3_conn *c)
{
	return c->o.account;
}

struct pop3_conn **pop3_conn_next(struct pop3_conn *c)
{
	return &c->next;
}

struct pop3_conn *pop3_conn_new(struct pop3_server *v, const struct pop3_session_options *o)
{
	struct pop3_conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->server = v;
	c->arena = arena_new(NULL, "pop3 session", ARENA_MAX);
	c->o = *o;
	c->o.fd = -1;
	c->bad_commands = v->bad_commands;
	c->address = arena_str(c->arena, o->address);
	c->o.language = arena_str(c->arena, str_sub(o->language, 0, 16));
	c->drop = (struct pop3_drop){ .store = v->o.store, .account = o->account };
	c->stream = stream_new(v->o.loop, o->fd, &handlers, c);
	c->timer = timer_new(v->o.loop, on_time, c);
	c->active_ms = loop_now_ms(v->o.loop);
	timer_set(c->timer, v->idle_ms);
	log_event(v->o.log, "pop3 session started", F_STR("account", o->address),
	    F_STR("peer", o->peer_address));
	return c;
}
