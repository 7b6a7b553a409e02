/* auth.c: the role that knows who may sign in. Frames and timers around services/auth. */
#include <stdlib.h>

#include "base/secret.h"
#include "base/table.h"
#include "roles/role.h"
#include "services/auth/auth.h"

enum {
	SESSIONS_MAX = 20000,         /* exchanges under way; one is about 2 KiB */
	ABANDONED_MS = 2 * 60 * 1000, /* a client that was asked and does not answer */
};

struct auth_role {
	struct role *role;
	struct auth_store *store;
	struct auth *auth;
	struct table *sessions; /* by front instance and the front's number */
	/* How often a peer was lost: a reply must not go to its successor. */
	uint64_t epochs[ROLE_COUNT][ROLE_INSTANCES_MAX];
};

struct session_key {
	uint64_t session;
	uint64_t index;
};

struct session {
	struct auth_role *owner;
	struct session_key key;
	struct link *link;
	uint32_t request; /* waits for its reply; 0: none does */
	struct auth_exchange *exchange;
	struct timer *timer; /* the held reply, or patience */
	struct arena *arena; /* of the held reply */
	struct frame_sasl_result held;
	bool is_held, is_finished, is_starting;
};

static str key_str(const struct session_key *key)
{
	return str_new(key, sizeof(*key));
}

static void session_end(struct session *s)
{
	table_remove(s->owner->sessions, key_str(&s->key));
	auth_end(s->exchange);
	timer_free(s->timer);
	arena_free(s->arena);
	free(s);
}

static void send_result(
    struct link *link, uint32_t request, const struct frame_sasl_result *r, const struct log *log)
{
	struct err err = { 0 };

	if (link_reply(link, request, &frame_def_sasl_result, r, NULL, 0, &err) < 0)
		log_warn(log, "sign-in reply not sent", F_CSTR("why", err.text));
}

static void refuse(
    struct link *link, uint32_t request, enum sasl_outcome outcome, str text, const struct log *log)
{
	send_result(
	    link, request, &(struct frame_sasl_result){ .outcome = outcome, .text = text }, log);
}

static void session_send(struct session *s, const struct frame_sasl_result *r)
{
	uint32_t request = s->request;

	s->request = 0;
	s->is_held = false;
	send_result(s->link, request, r, &s->owner->role->log);
	if (r->outcome == SASL_CONTINUE)
		timer_set(s->timer, ABANDONED_MS);
	else
		s->is_finished = true;
	if (s->is_finished && !s->is_starting)
		session_end(s);
}

static void on_timer(void *arg)
{
	struct session *s = arg;

	if (s->is_held)
		session_send(s, &s->held);
	else
		session_end(s);
}

static void session_hold(struct session *s, const struct frame_sasl_result *r, uint64_t wait_ms)
{
	arena_free(s->arena);
	s->arena = arena_new(NULL, "held sign-in reply", 64 * 1024);
	s->held = (struct frame_sasl_result){ .outcome = r->outcome,
		.data = arena_str(s->arena, r->data),
		.account = arena_str(s->arena, r->account),
		.ticket = arena_str(s->arena, r->ticket),
		.text = arena_str(s->arena, r->text) };
	s->is_held = true;
	timer_set(s->timer, wait_ms);
}

static void on_reply(void *arg, const struct auth_reply *r)
{
	struct session *s = arg;
	struct frame_sasl_result result = { .outcome = r->outcome,
		.data = r->data,
		.account = r->account,
		.ticket = r->ticket,
		.text = r->text };

	if (r->wait_ms > 0)
		session_hold(s, &result, r->wait_ms);
	else
		session_send(s, &result);
}

/* ---- frames from front-user ---- */

static struct session *session_find(struct auth_role *a, unsigned index, uint64_t session)
{
	struct session_key key = { session, index };

	return table_get(a->sessions, key_str(&key));
}

/* What waits for a reply gets one: the link keeps count. */
static void session_abort(struct session *s)
{
	if (s->request)
		refuse(s->link, s->request, SASL_UNAVAILABLE, STR("the sign-in was given up"),
		    &s->owner->role->log);
	session_end(s);
}

static struct session *session_new(
    struct auth_role *a, unsigned index, uint64_t session, struct link *link)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->owner = a;
	s->key = (struct session_key){ session, index };
	s->link = link;
	s->timer = timer_new(a->role->loop, on_timer, s);
	table_set(a->sessions, key_str(&s->key), s);
	return s;
}

static int on_start(struct auth_role *a, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_sasl_start f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || in->request == 0)
		return -1;
	struct session *s = session_find(a, index, f.session);
	if (s)
		session_abort(s);
	if (table_count(a->sessions) >= SESSIONS_MAX) {
		refuse(link, in->request, SASL_UNAVAILABLE,
		    STR("too many people are signing in, try again later"), &a->role->log);
		return 0;
	}
	s = session_new(a, index, f.session, link);
	s->request = in->request;
	/* The reply may come before the exchange is there to be ended. */
	s->is_starting = true;
	s->exchange = auth_start(a->auth, &f, on_reply, s);
	s->is_starting = false;
	if (s->is_finished)
		session_end(s);
	return 0;
}

static int on_step(struct auth_role *a, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_sasl_step f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || in->request == 0)
		return -1;
	struct session *s = session_find(a, index, f.session);
	if (!s) {
		refuse(link, in->request, SASL_UNAVAILABLE,
		    STR("the sign-in took too long, start again"), &a->role->log);
		return 0;
	}
	if (s->request)
		return -1;
	s->request = in->request;
	timer_stop(s->timer);
	auth_step(s->exchange, f.response, on_reply, s);
	return 0;
}

static int on_abort(struct auth_role *a, unsigned index, struct link_frame *in)
{
	struct frame_sasl_abort f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0)
		return -1;
	struct session *s = session_find(a, index, f.session);
	if (s)
		session_abort(s);
	return 0;
}

/* ---- frames from core ---- */

struct change {
	struct auth_role *owner;
	struct link *link;
	unsigned index;
	uint32_t request;
	uint64_t epoch;
};

static struct change *change_new(
    struct auth_role *a, unsigned index, struct link *link, uint32_t request)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct change){ a, link, index, request, a->epochs[ROLE_CORE][index] };
	return c;
}

static void on_changed(void *arg, bool ok, str why)
{
	struct change *c = arg;
	struct frame_credential_result r = { .ok = ok, .why = str_sub(why, 0, 240) };
	struct err err = { 0 };

	if (c->epoch == c->owner->epochs[ROLE_CORE][c->index] &&
	    link_reply(c->link, c->request, &frame_def_credential_result, &r, NULL, 0, &err) < 0)
		log_warn(
		    &c->owner->role->log, "credential reply not sent", F_CSTR("why", err.text));
	free(c);
}

static int on_credential_set(
    struct auth_role *a, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_credential_set f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || in->request == 0)
		return -1;
	auth_credential_set(a->auth, f.account, f.account_id, f.password, on_changed,
	    change_new(a, index, link, in->request));
	return 0;
}

static int on_credential_remove(
    struct auth_role *a, unsigned index, struct link *link, struct link_frame *in)
{
	struct frame_credential_remove f;
	struct err err;

	if (frame_decode(in->def, in->payload, &f, &err) < 0 || in->request == 0)
		return -1;
	auth_credential_remove(
	    a->auth, f.account, on_changed, change_new(a, index, link, in->request));
	return 0;
}

/* ---- the role ---- */

static int auth_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct auth_role *a = r->state;

	(void)from;
	switch (in->def->type) {
	case FRAME_SASL_START:
		return on_start(a, index, link, in);
	case FRAME_SASL_STEP:
		return on_step(a, index, link, in);
	case FRAME_SASL_ABORT:
		return on_abort(a, index, in);
	case FRAME_CREDENTIAL_SET:
		return on_credential_set(a, index, link, in);
	case FRAME_CREDENTIAL_REMOVE:
		return on_credential_remove(a, index, link, in);
	default:
		return -1;
	}
}

static void auth_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	struct auth_role *a = r->state;
	size_t at = 0;
	str key;
	void *value;

	a->epochs[peer][index]++;
	if (peer != ROLE_FRONT_USER)
		return;
	while (table_next(a->sessions, &at, &key, &value)) {
		struct session *s = value;
		if (s->key.index == index)
			session_end(s);
	}
}

static void on_wake(void *arg)
{
	struct role *r = arg;
	struct auth_role *a = r->state;

	if (a)
		auth_collect(a->auth);
}

static void auth_wake(void *arg)
{
	struct role *r = arg;

	loop_post(r->loop, on_wake, r);
}

static int auth_role_start(struct role *r, struct err *err)
{
	struct auth_role *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->role = r;
	a->sessions = table_new();
	r->state = a;
	if (auth_store_open_in(r->path, &a->store, err) < 0)
		return -1;
	a->auth = auth_new(&(struct auth_options){ .store = a->store,
	                       .ticket_key = r->ticket_key,
	                       .allow_plain = r->config->allow_plain_sign_in,
	                       .log = &r->log,
	                       .wake = auth_wake,
	                       .wake_arg = r },
	    err);
	return a->auth ? 0 : -1;
}

static void auth_role_reload(struct role *r)
{
	struct auth_role *a = r->state;

	auth_set_allow_plain(a->auth, r->config->allow_plain_sign_in);
}

/* Nothing that was acknowledged is under way: a change of a credential is answered after it has
 * been kept, and one that is being kept is waited for. */
static void auth_role_stop(struct role *r, uint32_t grace_ms)
{
	struct auth_role *a = r->state;
	size_t at = 0;
	str key;
	void *value;

	(void)grace_ms;
	while (table_next(a->sessions, &at, &key, &value))
		session_end(value);
	auth_free(a->auth);
	auth_store_close(a->store);
	table_free(a->sessions);
	free(a);
	r->state = NULL;
	role_exit(r, 0);
}

static const struct frame_def *const from_front[] = {
	&frame_def_sasl_start,
	&frame_def_sasl_step,
	&frame_def_sasl_abort,
	NULL,
};

static const struct frame_def *const from_core[] = {
	&frame_def_credential_set,
	&frame_def_credential_remove,
	NULL,
};

const struct role_kind role_auth = {
	.name = "auth",
	.grants = GRANT_FILES,
	.directory = AUTH_DIRECTORY,
	.accepts = { [ROLE_FRONT_USER] = from_front, [ROLE_CORE] = from_core },
	.start = auth_role_start,
	.frame = auth_frame,
	.peer_lost = auth_peer_lost,
	.reload = auth_role_reload,
	.stop = auth_role_stop,
};
