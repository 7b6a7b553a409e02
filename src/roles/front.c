/* Roles front-mx and front-user: accept, count, and hand each connection to its session. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/table.h"
#include "net/listener.h"
#include "roles/role.h"
#include "sessions/front.h"

enum {
	SWEEP_MS = 60 * 1000,
	STOP_POLL_MS = 20,
	LISTENERS_MAX = 128,
	CLIENTS_MAX =
	    65536, /* remembered; above it those without a connection are forgotten early */
};

struct front;

struct door {
	struct front *front;
	struct listener *listener;
	enum listen_service service;
};

/* Connections of one client: an IPv4 address, or an IPv6 /64. */
struct client {
	uint32_t open, in_minute;
	uint64_t minute; /* which one in_minute counts */
};

struct front {
	struct front_env env; /* first: sessions hand it back */
	struct role *role;
	struct door doors[LISTENERS_MAX];
	size_t door_count;
	struct table *clients;
	uint32_t open;
	struct timer *sweep, *stop_timer;
	uint64_t stop_at_ms;
};

/* ---- counting ---------------------------------------------------------------------------------- */

struct client_key {
	unsigned char bytes[16];
};

/* The address as text to the key that limits count by. */
static struct client_key key_of(str address)
{
	struct client_key key = { { 0 } };
	char text[64];

	if (address.len >= sizeof(text))
		return key;
	memcpy(text, address.ptr ? address.ptr : "", address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET, text, key.bytes) == 1)
		key.bytes[15] = 4; /* not to be taken for an IPv6 network */
	else if (inet_pton(AF_INET6, text, key.bytes) == 1)
		memset(key.bytes + 8, 0, 8);
	return key;
}

static str key_str(const struct client_key *k)
{
	return str_new(k, sizeof(*k));
}

static void forget_idle(struct front *f)
{
	size_t at = 0;
	str key;
	void *value;

	while (table_next(f->clients, &at, &key, &value)) {
		struct client *c = value;
		if (c->open > 0)
			continue;
		table_remove(f->clients, key);
		free(c);
	}
}

static void sweep(void *arg)
{
	struct front *f = arg;

	forget_idle(f);
	timer_set(f->sweep, SWEEP_MS);
}

static struct client *client_of(struct front *f, const struct client_key *key)
{
	struct client *c = table_get(f->clients, key_str(key));

	if (!c) {
		if (table_count(f->clients) >= CLIENTS_MAX)
			forget_idle(f);
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		table_set(f->clients, key_str(key), c);
	}
	uint64_t minute = loop_now_ms(f->role->loop) / SWEEP_MS;
	if (c->minute != minute) {
		c->minute = minute;
		c->in_minute = 0;
	}
	return c;
}

static void on_ended(struct front_env *env, str peer_address)
{
	struct front *f = (struct front *)env;
	struct client_key key = key_of(peer_address);
	struct client *c = client_of(f, &key);

	if (c->open > 0)
		c->open--;
	if (f->open > 0)
		f->open--;
}

static const char *over_limit(struct front *f, struct client *c)
{
	const struct config_limits *l = &f->role->config->limits;

	if (f->open >= l->connections_total)
		return "this server has as many connections as it takes; try again in a minute";
	if (c->open >= l->connections_per_client)
		return "too many connections from your address; close some and try again";
	if (c->in_minute >= l->connections_per_minute)
		return "too many new connections from your address; try again in a minute";
	return NULL;
}

/* ---- accepting ----------------------------------------------------------------------------------- */

/* In the words of the protocol, where no TLS stands before the first byte. */
static void refuse(int fd, enum listen_service service, const char *why)
{
	static const char *const forms[LISTEN_SERVICE_COUNT] = {
		[LISTEN_SMTP] = "421 4.7.0 %s\r\n",
		[LISTEN_LMTP] = "421 4.7.0 %s\r\n",
		[LISTEN_SUBMISSION] = "421 4.7.0 %s\r\n",
		[LISTEN_IMAP] = "* BYE [LIMIT] %s\r\n",
		[LISTEN_POP3] = "-ERR [SYS/TEMP] %s\r\n",
	};
	char line[256];

	if (forms[service]) {
		int n = snprintf(line, sizeof(line), forms[service], why);
		if (n > 0)
			(void)!send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	close(fd);
}

static void peer_text(int fd, char out[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage a = { 0 };
	socklen_t size = sizeof(a);

	out[0] = '\0';
	if (getpeername(fd, (struct sockaddr *)&a, &size) < 0)
		return;
	if (a.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, out, INET6_ADDRSTRLEN);
	} else if (a.ss_family == AF_INET6) {
		const struct in6_addr *v6 = &((struct sockaddr_in6 *)&a)->sin6_addr;
		bool mapped = IN6_IS_ADDR_V4MAPPED(v6);
		inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? v6->s6_addr + 12 : v6->s6_addr, out,
		    INET6_ADDRSTRLEN);
	}
}

static void on_accept(void *arg, int fd)
{
	struct door *door = arg;
	struct front *f = door->front;
	char peer[INET6_ADDRSTRLEN];

	peer_text(fd, peer);
	/* Unix sockets are for programs of this machine; they are all one client, and not counted as one. */
	bool is_local = door->service == LISTEN_LMTP && !peer[0];
	struct client_key key = key_of(peer[0] ? str_c(peer) : STR("local"));
	struct client *c = client_of(f, &key);
	const char *why = is_local ? NULL : over_limit(f, c);
	if (why) {
		log_event(
		    &f->role->log, "connection refused", F_CSTR("peer", peer), F_CSTR("why", why));
		refuse(fd, door->service, why);
		return;
	}
	c->open++;
	c->in_minute++;
	f->open++;
	f->env.core = f->role->links[ROLE_CORE][0];
	f->env.auth = f->role->links[ROLE_AUTH][0];
	if (door->service <= LISTEN_SUBMISSIONS)
		smtp_accept(&f->env, fd, door->service);
	else
		signin_accept(&f->env, fd, door->service);
}

static int on_listen(struct front *f, struct link_frame *in)
{
	struct frame_listen_socket s;

	if (frame_decode(in->def, in->payload, &s, NULL) < 0 || in->fds[0] < 0 ||
	    s.listener >= LISTEN_SERVICE_COUNT || f->door_count == LISTENERS_MAX)
		return -1;
	struct door *d = &f->doors[f->door_count++];
	d->front = f;
	d->service = (enum listen_service)s.listener;
	int fd = in->fds[0];
	in->fds[0] = -1;
	d->listener = listener_new(f->role->loop, fd, on_accept, d);
	return 0;
}

/* ---- the role --------------------------------------------------------------------------------------- */

static int front_start(struct role *r, struct err *err)
{
	struct front *f = calloc(1, sizeof(*f));

	(void)err;
	if (!f)
		abort();
	f->role = r;
	f->clients = table_new();
	f->env = (struct front_env){ .loop = r->loop,
		.config = r->config,
		.log = &r->log,
		.tls = r->tls,
		.core = r->links[ROLE_CORE][0],
		.auth = r->links[ROLE_AUTH][0],
		.ended = on_ended,
		/* Transactions of a front that was restarted must not meet those of the one before. */
		.next_session = loop_now_ms(r->loop) << 20 };
	f->sweep = timer_new(r->loop, sweep, f);
	timer_set(f->sweep, SWEEP_MS);
	r->state = f;
	return 0;
}

static int front_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	(void)from, (void)index, (void)link;
	return in->def == &frame_def_listen_socket ? on_listen(r->state, in) : -1;
}

static void front_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	struct front *f = r->state;

	(void)index;
	if (peer == ROLE_CORE)
		f->env.core_epoch++;
}

static void front_reload(struct role *r)
{
	struct front *f = r->state;

	f->env.config = r->config;
	f->env.tls = r->tls;
}

static void stop_step(void *arg)
{
	struct front *f = arg;

	if (f->env.members && loop_now_ms(f->role->loop) < f->stop_at_ms)
		timer_set(f->stop_timer, STOP_POLL_MS);
	else
		role_exit(f->role, 0);
}

static void front_stop(struct role *r, uint32_t grace_ms)
{
	struct front *f = r->state;

	f->env.stopping = true;
	for (size_t i = 0; i < f->door_count; i++)
		listener_free(f->doors[i].listener);
	f->door_count = 0;
	for (struct front_member *m = f->env.members, *next; m; m = next) {
		next = m->next;
		m->on_stop(m);
	}
	f->stop_at_ms = loop_now_ms(r->loop) + grace_ms;
	f->stop_timer = timer_new(r->loop, stop_step, f);
	timer_set(f->stop_timer, 1);
}

static const struct frame_def *const from_supervisor[] = { &frame_def_listen_socket, NULL };

const struct role_kind role_front_mx = {
	.name = "front-mx",
	.grants = GRANT_SOCKETS_IO | GRANT_MEMFD,
	.accepts = { [ROLE_SUPERVISOR] = from_supervisor },
	.start = front_start,
	.frame = front_frame,
	.peer_lost = front_peer_lost,
	.reload = front_reload,
	.stop = front_stop,
};

const struct role_kind role_front_user = {
	.name = "front-user",
	.grants = GRANT_SOCKETS_IO | GRANT_MEMFD | GRANT_SOCKETPAIR,
	.accepts = { [ROLE_SUPERVISOR] = from_supervisor },
	.start = front_start,
	.frame = front_frame,
	.peer_lost = front_peer_lost,
	.reload = front_reload,
	.stop = front_stop,
};
