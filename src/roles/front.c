/* Roles front-mx and front-user: accept, count, and hand each connection to its session. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "roles/clients.h"
#include "roles/role.h"
#include "sessions/front.h"

enum {
	SWEEP_MS = 60 * 1000,
	STOP_POLL_MS = 20,
	LISTENERS_MAX = 128,
};

struct front;

struct door {
	struct front *front;
	struct listener *listener; /* NULL: the place is free */
	uint32_t id;
	enum listen_service service;
};

struct front {
	struct front_env env; /* first: sessions hand it back */
	struct role *role;
	struct door doors[LISTENERS_MAX];
	struct clients *clients;
	struct timer *sweep, *stop_timer;
	uint64_t stop_at_ms;
};

/* ---- counting ---------------------------------------------------------------------------------- */

static void sweep(void *arg)
{
	struct front *f = arg;

	clients_forget_idle(f->clients);
	timer_set(f->sweep, SWEEP_MS);
}

static void on_ended(struct front_env *env, str peer_address)
{
	struct front *f = (struct front *)env;

	clients_left(f->clients, peer_address);
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

static enum role_id role_of(enum listen_service service)
{
	return service <= LISTEN_LMTP ? ROLE_FRONT_MX : ROLE_FRONT_USER;
}

static void take_client(struct front *f, int fd, enum listen_service service, const char *peer)
{
	/* Unix sockets are for programs of this machine; they are all one client, and not counted as one. */
	bool is_local = service == LISTEN_LMTP && !peer[0];
	const char *why = clients_take(f->clients, peer[0] ? str_c(peer) : STR("local"),
	    is_local ? NULL : &f->role->config->limits, loop_now_ms(f->role->loop));

	if (why) {
		log_event(
		    &f->role->log, "connection refused", F_CSTR("peer", peer), F_CSTR("why", why));
		refuse(fd, service, why);
		return;
	}
	f->env.core = f->role->links[ROLE_CORE][0];
	f->env.auth = f->role->links[ROLE_AUTH][0];
	if (service <= LISTEN_SUBMISSIONS)
		smtp_accept(&f->env, fd, service);
	else
		signin_accept(&f->env, fd, service);
}

/* The process of this role that counts the client; NULL: this one, or the one that should is not there. */
static struct link *counting_peer(const struct front *f, const char *peer)
{
	const struct role *r = f->role;
	unsigned processes = r->id == ROLE_FRONT_MX ? r->config->front_mx : r->config->front_user;
	unsigned owner = clients_owner(str_c(peer), processes);
	struct link *link = owner < ROLE_INSTANCES_MAX ? r->links[r->id][owner] : NULL;

	return peer[0] && owner != r->index && link_is_up(link) ? link : NULL;
}

/* Whichever process accepts, one and the same counts all connections of a client and serves them: the limits
 * hold for the role, without memory that processes share. */
static void on_accept(void *arg, int fd)
{
	struct door *door = arg;
	struct front *f = door->front;
	struct frame_client_socket frame = { .listener = door->service };
	char peer[INET6_ADDRSTRLEN];

	peer_text(fd, peer);
	struct link *other = counting_peer(f, peer);
	if (other && link_send(other, &frame_def_client_socket, &frame, &fd, 1, NULL) == 0)
		close(fd);
	else
		take_client(f, fd, door->service, peer);
}

static int on_client(struct front *f, struct link_frame *in)
{
	struct frame_client_socket c;
	char peer[INET6_ADDRSTRLEN];

	if (frame_decode(in->def, in->payload, &c, NULL) < 0 || in->fds[0] < 0 ||
	    c.listener >= LISTEN_SERVICE_COUNT ||
	    role_of((enum listen_service)c.listener) != f->role->id)
		return -1;
	int fd = in->fds[0];
	in->fds[0] = -1;
	peer_text(fd, peer);
	if (f->env.stopping)
		close(fd);
	else
		take_client(f, fd, (enum listen_service)c.listener, peer);
	return 0;
}

static struct door *find_door(struct front *f, uint32_t id, bool is_free)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		struct door *d = &f->doors[i];
		if (is_free ? !d->listener : d->listener && d->id == id)
			return d;
	}
	return NULL;
}

static int on_listen(struct front *f, struct link_frame *in)
{
	struct frame_listen_socket s;
	struct door *d = find_door(f, 0, true);

	if (frame_decode(in->def, in->payload, &s, NULL) < 0 || in->fds[0] < 0 ||
	    s.listener >= LISTEN_SERVICE_COUNT || !d || f->env.stopping)
		return -1;
	*d = (struct door){ .front = f, .id = s.id, .service = (enum listen_service)s.listener };
	int fd = in->fds[0];
	in->fds[0] = -1;
	d->listener = listener_new(f->role->loop, fd, on_accept, d);
	return 0;
}

/* After a reload. Connections that came in by it stay. */
static int on_close(struct front *f, struct link_frame *in)
{
	struct frame_listen_close c;

	if (frame_decode(in->def, in->payload, &c, NULL) < 0)
		return -1;
	struct door *d = find_door(f, c.id, false);
	if (d) {
		listener_free(d->listener);
		d->listener = NULL;
	}
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
	f->clients = clients_new();
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
	if (in->def == &frame_def_listen_socket)
		return on_listen(r->state, in);
	if (in->def == &frame_def_listen_close)
		return on_close(r->state, in);
	return in->def == &frame_def_client_socket ? on_client(r->state, in) : -1;
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
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		listener_free(f->doors[i].listener);
		f->doors[i].listener = NULL;
	}
	for (struct front_member *m = f->env.members, *next; m; m = next) {
		next = m->next;
		m->on_stop(m);
	}
	f->stop_at_ms = loop_now_ms(r->loop) + grace_ms;
	f->stop_timer = timer_new(r->loop, stop_step, f);
	timer_set(f->stop_timer, 1);
}

static const struct frame_def *const from_supervisor[] = { &frame_def_listen_socket,
	&frame_def_listen_close, NULL };
static const struct frame_def *const from_sibling[] = { &frame_def_client_socket, NULL };

const struct role_kind role_front_mx = {
	.name = "front-mx",
	.grants = GRANT_SOCKETS_IO | GRANT_MEMFD,
	.accepts = { [ROLE_SUPERVISOR] = from_supervisor, [ROLE_FRONT_MX] = from_sibling },
	.start = front_start,
	.frame = front_frame,
	.peer_lost = front_peer_lost,
	.reload = front_reload,
	.stop = front_stop,
};

const struct role_kind role_front_user = {
	.name = "front-user",
	.grants = GRANT_SOCKETS_IO | GRANT_MEMFD | GRANT_SOCKETPAIR,
	.accepts = { [ROLE_SUPERVISOR] = from_supervisor, [ROLE_FRONT_USER] = from_sibling },
	.start = front_start,
	.frame = front_frame,
	.peer_lost = front_peer_lost,
	.reload = front_reload,
	.stop = front_stop,
};
