#include "roles/role.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "net/tls.h"
#include "roles/sandbox.h"
#include "roles/start.h"

enum {
	LINK_QUEUE_MAX = 32 << 20,
	SIGN_TIMEOUT_MS = 1000,
	ACCEPTS_MAX = 24,
	BLOCK_BYTES = 8 << 20,
	RELAY_PORTS_MAX = 16,
	RELAY_FILES = 2,
};

static const struct role_kind *const kinds[ROLE_COUNT] = {
	[ROLE_FRONT_MX] = &role_front_mx,
	[ROLE_FRONT_USER] = &role_front_user,
	[ROLE_AUTH] = &role_auth,
	[ROLE_KEYS] = &role_keys,
	[ROLE_CORE] = &role_core,
	[ROLE_WORKER] = &role_worker,
	[ROLE_RELAY] = &role_relay,
};

static const char *const names[ROLE_COUNT] = { "supervisor", "front-mx", "front-user", "auth",
	"keys", "core", "worker", "relay" };

/* What a link's handlers are given: whose link it is. */
struct peer {
	struct role *role;
	enum role_id id;
	unsigned index;
	const struct frame_def *accepts[ACCEPTS_MAX];
};

struct boot {
	struct role role;
	struct peer peers[ROLE_COUNT][ROLE_INSTANCES_MAX];
	struct sandbox_options sandbox;
	char user[64];
	uint16_t ports[RELAY_PORTS_MAX];
	const char *files[RELAY_FILES + 1];
	struct arena *arena; /* of the start block and of each set of certificates */
};

const char *role_name(enum role_id id)
{
	return id < ROLE_COUNT ? names[id] : "unknown";
}

const char *role_directory(enum role_id id)
{
	return id < ROLE_COUNT && kinds[id] ? kinds[id]->directory : NULL;
}

/* ---- what the configuration says of a role ------------------------------------------------------- */

static const struct {
	size_t user, memory; /* in struct config */
} settings[ROLE_COUNT] = {
	[ROLE_FRONT_MX] = { offsetof(struct config, users.front_mx),
	    offsetof(struct config, memory.front) },
	[ROLE_FRONT_USER] = { offsetof(struct config, users.front_user),
	    offsetof(struct config, memory.front) },
	[ROLE_AUTH] = { offsetof(struct config, users.auth), offsetof(struct config, memory.auth) },
	[ROLE_KEYS] = { offsetof(struct config, users.keys), offsetof(struct config, memory.keys) },
	[ROLE_CORE] = { offsetof(struct config, users.core), offsetof(struct config, memory.core) },
	[ROLE_WORKER] = { offsetof(struct config, users.worker),
	    offsetof(struct config, memory.worker) },
	[ROLE_RELAY] = { offsetof(struct config, users.relay),
	    offsetof(struct config, memory.relay) },
};

str role_user(const struct config *c, enum role_id id)
{
	str own = *(const str *)(const void *)((const char *)c + settings[id].user);

	return str_empty(own) ? c->user : own;
}

static uint64_t role_memory(const struct config *c, enum role_id id)
{
	return *(const uint64_t *)(const void *)((const char *)c + settings[id].memory);
}

struct link *role_link(struct role *r, enum role_id peer, uint64_t key)
{
	struct link *up[ROLE_INSTANCES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < ROLE_INSTANCES_MAX; i++) {
		if (r->links[peer][i] && link_is_up(r->links[peer][i]))
			up[count++] = r->links[peer][i];
	}
	return count ? up[key % count] : NULL;
}

void role_exit(struct role *r, int status)
{
	log_debug(&r->log, "role ends", F_INT("status", status));
	_exit(status);
}

/* ---- links ------------------------------------------------------------------------------------ */

static int on_frame(void *owner, struct link *link, struct link_frame *in);

static void on_lost(void *owner, struct link *link, str why)
{
	struct peer *p = owner;
	struct role *r = p->role;

	(void)link;
	log_event(&r->log, "link lost", F_CSTR("peer", role_name(p->id)), F_INT("index", p->index),
	    F_STR("why", why));
	/* Without its supervisor a role has nobody who would restart or stop it. */
	if (p->id == ROLE_SUPERVISOR)
		role_exit(r, 0);
	if (r->kind->peer_lost)
		r->kind->peer_lost(r, p->id, p->index);
}

/* What every role takes from the supervisor, besides what its kind adds. */
static const struct frame_def *const common[] = { &frame_def_role_ping, &frame_def_role_stop,
	&frame_def_role_link, &frame_def_role_reload, &frame_def_role_ticket_key };

static void fill_accepts(struct peer *p)
{
	const struct frame_def *const *own = p->role->kind->accepts[p->id];
	size_t n = 0;

	for (size_t i = 0; p->id == ROLE_SUPERVISOR && i < sizeof(common) / sizeof(common[0]); i++)
		p->accepts[n++] = common[i];
	for (; own && *own && n < ACCEPTS_MAX - 1; own++)
		p->accepts[n++] = *own;
}

static void connect_peer(struct boot *b, enum role_id id, unsigned index, int fd)
{
	struct role *r = &b->role;
	struct peer *p = &b->peers[id][index];

	if (r->links[id][index]) {
		link_reconnect(r->links[id][index], fd);
		return;
	}
	*p = (struct peer){ .role = r, .id = id, .index = index };
	fill_accepts(p);
	r->links[id][index] = link_new(r->loop, fd,
	    &(struct link_options){
	        .peer = role_name(id),
	        .accepts = p->accepts,
	        .on_frame = on_frame,
	        .on_lost = on_lost,
	        .owner = p,
	        .queue_max = LINK_QUEUE_MAX,
	    });
}

/* ---- certificates ----------------------------------------------------------------------------- */

static int sign(void *owner, uint32_t key, uint16_t scheme, str digest, struct buf *out)
{
	struct role *r = owner;
	struct link *keys = role_link(r, ROLE_KEYS, 0);
	struct frame_key_sign f = { .key = key, .scheme = scheme, .digest = digest };
	struct frame_key_signature s;
	struct link_frame reply;
	struct err err = { .text = "the keys process is not there" };

	if (!keys || link_call(keys, &frame_def_key_sign, &f, &frame_def_key_signature,
	                 SIGN_TIMEOUT_MS, &reply, &err) < 0) {
		log_warn(&r->log, "no signature", F_CSTR("why", err.text));
		return -1;
	}
	if (frame_decode(reply.def, reply.payload, &s, &err) < 0 || !s.ok)
		return -1;
	buf_add(out, s.signature);
	return buf_ok(out) ? 0 : -1;
}

static int make_tls(struct role *r, struct tls_context **out, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "certificates", 64 << 20);
	struct start_certificate *list;
	struct tls_options o = { .sign = sign, .sign_owner = r };
	str bytes;
	size_t count;

	if (start_read_fd(r->certificates, a, &bytes, err) < 0 ||
	    start_certificates_read(bytes, a, &list, &count, err) < 0)
		return -1;
	*out = NULL;
	if (count == 0)
		return 0;
	struct tls_certificate *certificates = arena_array(a, struct tls_certificate, count);
	for (size_t i = 0; i < count; i++)
		certificates[i] = (struct tls_certificate){ .server_name = list[i].server_name,
			.chain = list[i].chain,
			.key = (uint32_t)i };
	o.certificates = certificates;
	o.certificate_count = count;
	memcpy(o.ticket_key, r->tls_ticket_key, sizeof(o.ticket_key));
	*out = tls_context_new(&o, err);
	return *out ? 0 : -1;
}

static bool is_front(const struct role *r)
{
	return r->id == ROLE_FRONT_MX || r->id == ROLE_FRONT_USER;
}

/* ---- frames from the supervisor ---------------------------------------------------------------- */

static int on_ping(struct boot *b, struct link *link, struct link_frame *in)
{
	struct frame_role_ping f;

	(void)b;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	return link_send(link, &frame_def_role_pong,
	    &(struct frame_role_pong){ .sequence = f.sequence }, NULL, 0, NULL);
}

static int on_stop(struct boot *b, struct link *link, struct link_frame *in)
{
	struct frame_role_stop f;

	(void)link;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	if (b->role.kind->stop)
		b->role.kind->stop(&b->role, f.grace_ms);
	else
		role_exit(&b->role, 0);
	return 0;
}

static int on_link(struct boot *b, struct link *link, struct link_frame *in)
{
	struct frame_role_link f;

	(void)link;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || in->fds[0] < 0 ||
	    f.peer_role >= ROLE_COUNT || f.peer_index >= ROLE_INSTANCES_MAX)
		return -1;
	connect_peer(b, (enum role_id)f.peer_role, f.peer_index, TAKE_FD(in->fds[0]));
	return 0;
}

static int reload(struct boot *b, struct link_frame *in, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "reload", BLOCK_BYTES);
	struct role *r = &b->role;
	struct config *fresh, *old = r->config;
	struct tls_context *old_tls = r->tls;
	char name[512];
	str text;

	snprintf(name, sizeof(name), STR_FMT, STR_ARG(r->config->file));
	if (start_read_fd(in->fds[0], a, &text, err) < 0 ||
	    config_parse(name, text, &fresh, err) < 0)
		return -1;
	if (in->fds[1] >= 0) {
		fd_close(&r->certificates);
		r->certificates = TAKE_FD(in->fds[1]);
		if (is_front(r) && make_tls(r, &r->tls, err) < 0) {
			r->tls = old_tls;
			config_free(fresh);
			return -1;
		}
	}
	r->config = fresh;
	r->log.level = fresh->log_level;
	if (r->kind->reload)
		r->kind->reload(r);
	if (old_tls && old_tls != r->tls)
		tls_context_unref(old_tls);
	config_free(old);
	return 0;
}

static int on_reload(struct boot *b, struct link *link, struct link_frame *in)
{
	struct frame_role_reload f;
	struct err err = { 0 };

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || in->fds[0] < 0)
		return -1;
	bool ok = reload(b, in, &err) == 0;
	return link_send(link, &frame_def_role_reloaded,
	    &(struct frame_role_reloaded){
	        .generation = f.generation, .ok = ok, .why = str_c(err.text) },
	    NULL, 0, NULL);
}

static int on_ticket_key(struct boot *b, struct link *link, struct link_frame *in)
{
	struct role *r = &b->role;
	struct frame_role_ticket_key f;

	(void)link;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0 ||
	    f.key.len != sizeof(r->tls_ticket_key))
		return -1;
	memcpy(r->tls_ticket_key, f.key.ptr, f.key.len);
	if (r->tls)
		tls_context_set_ticket_key(r->tls, r->tls_ticket_key);
	return 0;
}

static const struct {
	const struct frame_def *def;
	int (*run)(struct boot *b, struct link *link, struct link_frame *in);
} handlers[] = {
	{ &frame_def_role_ping, on_ping },
	{ &frame_def_role_stop, on_stop },
	{ &frame_def_role_link, on_link },
	{ &frame_def_role_reload, on_reload },
	{ &frame_def_role_ticket_key, on_ticket_key },
};

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct peer *p = owner;
	struct boot *b = (struct boot *)p->role; /* the role is its first member */

	for (size_t i = 0; p->id == ROLE_SUPERVISOR && i < sizeof(handlers) / sizeof(handlers[0]);
	     i++) {
		if (handlers[i].def == in->def)
			return handlers[i].run(b, link, in);
	}
	return p->role->kind->frame(p->role, p->id, p->index, link, in);
}

/* ---- start ------------------------------------------------------------------------------------ */

static enum role_id find_role(const char *name)
{
	for (int i = ROLE_FRONT_MX; i < ROLE_COUNT; i++) {
		if (strcmp(names[i], name) == 0)
			return (enum role_id)i;
	}
	return ROLE_SUPERVISOR;
}

static void take_descriptors(struct boot *b, const struct start_block *s)
{
	int fd = START_FD_FIRST;

	b->role.directory = s->has_directory ? fd++ : -1;
	b->role.certificates = s->has_certificates ? fd++ : -1;
	for (size_t i = 0; i < s->link_count; i++)
		connect_peer(b, (enum role_id)s->links[i].role, s->links[i].index, fd++);
	connect_peer(b, ROLE_SUPERVISOR, 0, START_FD_CONTROL);
}

static int read_start(struct boot *b, struct err *err)
{
	struct role *r = &b->role;
	struct start_block s;
	char name[512];
	str bytes;

	if (start_read_fd(START_FD_BLOCK, b->arena, &bytes, err) < 0 ||
	    start_block_read(bytes, &s, err) < 0)
		return -1;
	close(START_FD_BLOCK);
	snprintf(name, sizeof(name), STR_FMT, STR_ARG(s.config_name));
	if (config_parse(name, s.config_text, &r->config, err) < 0)
		return -1;
	memcpy(r->ticket_key, s.ticket_key, sizeof(r->ticket_key));
	memcpy(r->tls_ticket_key, s.tls_ticket_key, sizeof(r->tls_ticket_key));
	r->log.level = r->config->log_level;
	r->loop = loop_new();
	take_descriptors(b, &s);
	return 0;
}

/* The number behind the last mark in "host:25", "192.0.2.1@53"; 0: none. */
static uint16_t port_in(str text, char mark)
{
	size_t at = str_rchr(text, mark);
	uint64_t port = 0;

	return at != STR_NPOS && num_parse_u64(str_skip(text, at + 1), UINT16_MAX, &port) == 0
	           ? (uint16_t)port
	           : 0;
}

/* What relay connects to: mail, names (the servers it is told to ask too), and HTTPS for policies and reports. */
static size_t find_ports(const struct config *c, uint16_t out[RELAY_PORTS_MAX])
{
	static const uint16_t common_ports[] = { 24, 25, 53, 443, 465, 587, 853 };
	const uint16_t own[] = { c->relay_port, port_in(c->dns_server, '@'),
		port_in(c->smart_host, ':') };
	size_t n = sizeof(common_ports) / sizeof(common_ports[0]);

	memcpy(out, common_ports, sizeof(common_ports));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i])
			out[n++] = own[i];
	}
	return n;
}

/* What relay reads while it starts. Where there is no such file, it says so itself. */
static void find_files(struct boot *b)
{
	const struct config *c = b->role.config;
	const str paths[RELAY_FILES] = { c->dns_trust_anchor, c->relay_authorities };
	size_t n = 0;

	for (size_t i = 0; i < RELAY_FILES; i++) {
		if (paths[i].len)
			b->files[n++] = arena_cstr(b->arena, paths[i]);
	}
}

static void fill_sandbox(struct boot *b)
{
	struct role *r = &b->role;

	snprintf(b->user, sizeof(b->user), STR_FMT, STR_ARG(role_user(r->config, r->id)));
	b->sandbox = (struct sandbox_options){
		.grants = r->kind->grants,
		.directory = r->directory,
		.ports = b->ports,
		.memory_bytes = role_memory(r->config, r->id),
		.user = b->user,
		.die_with_parent = true,
	};
	if (r->kind->grants & GRANT_CONNECT) {
		b->sandbox.port_count = find_ports(r->config, b->ports);
		b->sandbox.start_files = b->files;
		find_files(b);
	}
	r->directory = -1; /* the sandbox closes it */
}

static void find_path(struct boot *b)
{
	struct role *r = &b->role;

	if (b->sandbox.has_own_root)
		snprintf(r->path, sizeof(r->path), "/");
	else if (r->kind->directory)
		snprintf(r->path, sizeof(r->path), STR_FMT "/%s", STR_ARG(r->config->data),
		    r->kind->directory);
}

static int enter(struct boot *b, struct err *err)
{
	struct role *r = &b->role;

	if (r->kind->prepare)
		r->kind->prepare();
	fill_sandbox(b);
	if (sandbox_early(&b->sandbox, err) < 0)
		return -1;
	find_path(b);
	if (is_front(r) && make_tls(r, &r->tls, err) < 0)
		return -1;
	if (r->kind->start(r, err) < 0)
		return -1;
	return sandbox_late(&b->sandbox, err);
}

int role_main(const char *name, unsigned index)
{
	struct boot *b = calloc(1, sizeof(*b));
	struct err err = { 0 };
	struct stat st;

	if (!b)
		abort();
	struct role *r = &b->role;
	r->id = find_role(name);
	r->index = index;
	r->kind = kinds[r->id];
	r->log =
	    (struct log){ .role = role_name(r->id), .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO };
	if (!r->kind || fstat(START_FD_BLOCK, &st) < 0) {
		fputs("buzon: roles are started by 'buzon serve'\n", stderr);
		return 2;
	}
	/* The words of errno in another language are a file, which would be opened when the first error comes. */
	setlocale(LC_ALL, "C");
	/* So would be the machine's time zone, at each look: OpenSSL asks mktime whether a certificate is still good. */
	setenv("TZ", "UTC0", 1);
	tzset();
	signal(SIGPIPE, SIG_IGN);
	/* The terminal's Ctrl-C reaches every process; only the supervisor acts on it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	b->arena = arena_new(NULL, "start", BLOCK_BYTES);
	if (read_start(b, &err) < 0 || enter(b, &err) < 0) {
		log_alert(&r->log, "role cannot start", F_CSTR("why", err.text));
		return 1;
	}
	link_send(r->links[ROLE_SUPERVISOR][0], &frame_def_role_ready,
	    &(struct frame_role_ready){ .version = 1 }, NULL, 0, NULL);
	loop_run(r->loop);
	return 0;
}
