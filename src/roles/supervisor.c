/* The supervisor: starts the roles, joins them, watches them, starts them again. */
#include "roles/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"

enum {
	TICK_MS = 1000,
	SILENCE_MS = 10 * 1000,        /* without a pong: hung */
	START_PATIENCE_MS = 60 * 1000, /* recovery of a large store takes its time */
	ABORT_PATIENCE_MS = 2000,      /* from SIGABRT to SIGKILL */
	ALARM_DEATHS = 5,
	ALARM_WINDOW_MS = 10 * 1000,
	BACKOFF_MAX_MS = 5000,
	STEADY_MS = 10 * 1000, /* having lived that long, the next death is a first one again */
	STOP_GRACE_MS = 1600,  /* of each of the three groups: less than 5 s for all */
	STOP_MARGIN_MS = 400,  /* what a role is told is less than what it gets */
	TICKET_KEY_MS = 12 * 60 * 60 * 1000,
	CONTROL_QUEUE_MAX = 4 << 20,
};

struct supervisor;

struct child {
	struct supervisor *s;
	enum role_id id;
	unsigned index;
	pid_t pid; /* 0: not running */
	struct link *link;
	struct timer *restart;
	bool ready, was_ready, stopping, aborted;
	uint64_t heard_ms, started_ms, aborted_ms;
	uint64_t deaths[ALARM_DEATHS]; /* times, newest last */
	unsigned restarts, in_a_row;
};

struct supervisor {
	struct loop *loop;
	struct log log;
	struct config *config;
	const char *config_path;
	str config_text;
	struct arena *arena; /* of config_text */
	int data_dir, lock, control;
	struct supervisor_socket sockets[SOCKETS_MAX];
	size_t socket_count;
	struct buf public_bundle, private_bundle;
	unsigned char ticket_key[32], tls_ticket_key[80];
	struct child *children[ROLE_COUNT][ROLE_INSTANCES_MAX];
	struct timer *tick, *stop_timer, *ticket_timer;
	unsigned stop_group; /* 0: running */
	int status;
	bool announced;
	uint64_t sequence, generation;
};

/* The order of starting: whoever is asked stands before who asks. Stopping goes the other way. */
static const enum role_id start_order[] = { ROLE_KEYS, ROLE_AUTH, ROLE_WORKER, ROLE_RELAY,
	ROLE_CORE, ROLE_FRONT_MX, ROLE_FRONT_USER };
static const unsigned stop_groups[ROLE_COUNT] = { [ROLE_FRONT_MX] = 1,
	[ROLE_FRONT_USER] = 1,
	[ROLE_CORE] = 2,
	[ROLE_KEYS] = 3,
	[ROLE_AUTH] = 3,
	[ROLE_WORKER] = 3,
	[ROLE_RELAY] = 3 };
enum { STOP_GROUPS = 3 };

static void spawn(struct child *c);
static void begin_stop(struct supervisor *s, int status);

#define FOR_CHILDREN(s, c) \
	for (struct child **c##_at = &(s)->children[0][0], *c = NULL; \
	     c##_at < &(s)->children[0][0] + ROLE_COUNT * ROLE_INSTANCES_MAX; c##_at++) \
		if ((c = *c##_at) != NULL)

static unsigned count_of(const struct config *c, enum role_id id)
{
	switch (id) {
	case ROLE_FRONT_MX:
		return c->front_mx;
	case ROLE_FRONT_USER:
		return c->front_user;
	case ROLE_WORKER:
		return c->workers;
	default:
		return 1;
	}
}

/* ---- status file: tests and people find pids here ---------------------------------------------- */

static bool all_ready(struct supervisor *s)
{
	bool ready = true;

	FOR_CHILDREN(s, c)
	ready = ready && c->ready;
	return ready;
}

static void write_status(struct supervisor *s)
{
	AUTO_BUF text = BUF_INIT(65536);
	const char *comma = "";

	buf_addf(&text, "{\"pid\":%d,\"ready\":%s,\"roles\":[", getpid(),
	    all_ready(s) ? "true" : "false");
	FOR_CHILDREN(s, c)
	{
		buf_addf(&text,
		    "%s\n{\"role\":\"%s\",\"index\":%u,\"pid\":%d,\"ready\":%s,\"restarts\":%u}",
		    comma, role_name(c->id), c->index, c->pid, c->ready ? "true" : "false",
		    c->restarts);
		comma = ",";
	}
	buf_addz(&text, "]}\n");
	mkdirat(s->data_dir, "run", 0700);
	AUTO_FD fd =
	    openat(s->data_dir, "run/status.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && fd_write_all(fd, buf_str(&text)) == 0)
		renameat(s->data_dir, "run/status.new", s->data_dir, "run/status.json");
}

/* ---- a child's first descriptors ---------------------------------------------------------------- */

struct launch {
	struct start_block block;
	int fds[START_LINKS_MAX + 4];
	size_t fd_count;
};

static void launch_fini(struct launch *l)
{
	for (size_t i = 0; i < l->fd_count; i++)
		fd_close(&l->fds[i]);
}

/* One end for the child that starts, the other for its peer, who learns of it by a frame. */
static int join(struct child *c, struct child *peer, struct launch *l, struct err *err)
{
	struct frame_role_link f = { .peer_role = c->id, .peer_index = c->index };
	int pair[2];

	if (!peer->pid || !peer->link || !link_is_up(peer->link))
		return 0;
	if (link_pair(pair, err) < 0)
		return -1;
	l->block.links[l->block.link_count].role = (uint8_t)peer->id;
	l->block.links[l->block.link_count++].index = (uint8_t)peer->index;
	l->fds[l->fd_count++] = pair[0];
	link_send(peer->link, &frame_def_role_link, &f, &pair[1], 1, NULL);
	fd_close(&pair[1]);
	return 0;
}

static int add_memfd(struct launch *l, const char *name, str bytes, struct err *err)
{
	int fd = start_memfd(name, bytes, err);

	if (fd < 0)
		return -1;
	l->fds[l->fd_count++] = fd;
	return 0;
}

static int add_directory(const struct child *c, struct launch *l, struct err *err)
{
	const char *name = role_directory(c->id);
	int fd = openat(c->s->data_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, ERR_SYSTEM, "cannot open '%s' in the data directory: %m", name);
	l->fds[l->fd_count++] = fd;
	return 0;
}

static bool has_certificates(enum role_id id)
{
	return id == ROLE_KEYS || id == ROLE_FRONT_MX || id == ROLE_FRONT_USER;
}

static str bundle_of(struct supervisor *s, enum role_id id)
{
	return buf_str(id == ROLE_KEYS ? &s->private_bundle : &s->public_bundle);
}

static void fill_secrets(struct supervisor *s, enum role_id id, struct start_block *b)
{
	if (id == ROLE_AUTH || id == ROLE_CORE)
		memcpy(b->ticket_key, s->ticket_key, sizeof(b->ticket_key));
	if (id == ROLE_FRONT_MX || id == ROLE_FRONT_USER)
		memcpy(b->tls_ticket_key, s->tls_ticket_key, sizeof(b->tls_ticket_key));
}

/* fds: [0] the control link, [1] the block, then as start.h says. */
static int prepare(struct child *c, struct launch *l, int *out_control, struct err *err)
{
	struct supervisor *s = c->s;
	AUTO_BUF block = BUF_INIT(8 << 20);
	int pair[2];

	if (link_pair(pair, err) < 0)
		return -1;
	*out_control = pair[1];
	l->fds[0] = pair[0];
	l->fd_count = 2;
	l->fds[1] = -1;
	l->block.config_name = s->config->file;
	l->block.config_text = s->config_text;
	l->block.has_directory = role_directory(c->id) != NULL;
	l->block.has_certificates = has_certificates(c->id);
	fill_secrets(s, c->id, &l->block);
	if (l->block.has_directory && add_directory(c, l, err) < 0)
		return -1;
	if (l->block.has_certificates && add_memfd(l, "certificates", bundle_of(s, c->id), err) < 0)
		return -1;
	FOR_CHILDREN(s, peer)
	{
		if (peer != c && start_are_joined(c->id, peer->id) && join(c, peer, l, err) < 0)
			return -1;
	}
	start_block_write(&l->block, &block);
	l->fds[1] = start_memfd("start", buf_str(&block), err);
	secret_wipe(block.ptr, block.len);
	return l->fds[1] < 0 ? -1 : 0;
}

/* In the new process: descriptors to their places, everything else closed, then this program again. */
static void become_role(const struct child *c, const struct launch *l)
{
	char index[16], *argv[] = { (char *)(uintptr_t) "buzon", (char *)(uintptr_t) "role",
		(char *)(uintptr_t)role_name(c->id), index, NULL };
	sigset_t none;
	int high[START_LINKS_MAX + 4];

	/* First out of the way, then into place: a target may be another one's source. */
	for (size_t i = 0; i < l->fd_count; i++)
		high[i] = fcntl(l->fds[i], F_DUPFD, 500);
	for (size_t i = 0; i < l->fd_count; i++) {
		if (high[i] < 0 || dup2(high[i], START_FD_CONTROL + (int)i) < 0)
			_exit(1);
	}
	close_range((unsigned)(START_FD_CONTROL + l->fd_count), ~0u, 0);
	snprintf(index, sizeof(index), "%u", c->index);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	_exit(1);
}

/* ---- life of a child --------------------------------------------------------------------------- */

static void grant_sockets(struct child *c)
{
	struct supervisor *s = c->s;

	if (c->id == ROLE_CORE)
		link_send(c->link, &frame_def_control_socket,
		    &(struct frame_control_socket){ .version = 1 }, &s->control, 1, NULL);
	for (size_t i = 0; i < s->socket_count; i++) {
		struct frame_listen_socket f = { .listener = s->sockets[i].service };
		if (s->sockets[i].role == c->id)
			link_send(
			    c->link, &frame_def_listen_socket, &f, &s->sockets[i].fd, 1, NULL);
	}
}

static int on_frame(void *owner, struct link *link, struct link_frame *in);
static void on_lost(void *owner, struct link *link, str why);

static const struct frame_def *const accepts[] = { &frame_def_role_ready, &frame_def_role_pong,
	&frame_def_role_reloaded, NULL };

static void attach(struct child *c, int fd)
{
	if (c->link) {
		link_reconnect(c->link, fd);
		return;
	}
	c->link = link_new(c->s->loop, fd,
	    &(struct link_options){ .peer = role_name(c->id),
	        .accepts = accepts,
	        .on_frame = on_frame,
	        .on_lost = on_lost,
	        .owner = c,
	        .queue_max = CONTROL_QUEUE_MAX });
}

static void spawn(struct child *c)
{
	struct supervisor *s = c->s;
	struct launch l = { .fd_count = 0 };
	struct err err;
	int control = -1;

	if (prepare(c, &l, &control, &err) < 0) {
		log_alert(&s->log, "role not started", F_CSTR("role", role_name(c->id)),
		    F_CSTR("why", err.text));
		launch_fini(&l);
		fd_close(&control);
		timer_set(c->restart, BACKOFF_MAX_MS);
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		become_role(c, &l);
	launch_fini(&l);
	c->ready = c->aborted = false;
	c->started_ms = c->heard_ms = loop_now_ms(s->loop);
	if (pid < 0) {
		fd_close(&control);
		timer_set(c->restart, BACKOFF_MAX_MS);
		return;
	}
	/* The loss of the old link, if it comes only now, must not be laid on the new process. */
	attach(c, control);
	c->pid = pid;
	grant_sockets(c);
}

static void spawn_again(void *arg)
{
	struct child *c = arg;

	if (!c->s->stop_group && !c->pid)
		spawn(c);
}

static void announce(struct supervisor *s)
{
	write_status(s);
	if (s->announced || !all_ready(s))
		return;
	s->announced = true;
	log_event(&s->log, "ready", F_STR("hostname", s->config->hostname), F_INT("pid", getpid()));
}

static void reload_rest(struct supervisor *s);

static int on_reloaded(struct child *c, struct link_frame *in)
{
	struct frame_role_reloaded f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0)
		return -1;
	if (!f.ok)
		log_alert(&c->s->log, "role keeps its old configuration",
		    F_CSTR("role", role_name(c->id)), F_STR("why", f.why));
	/* Keys first: then fronts may show the new certificates. */
	if (c->id == ROLE_KEYS && f.generation == c->s->generation)
		reload_rest(c->s);
	return 0;
}

static int on_frame(void *owner, struct link *link, struct link_frame *in)
{
	struct child *c = owner;

	(void)link;
	c->heard_ms = loop_now_ms(c->s->loop);
	if (in->def == &frame_def_role_ready) {
		c->ready = c->was_ready = true;
		log_debug(&c->s->log, "role ready", F_CSTR("role", role_name(c->id)),
		    F_INT("pid", c->pid));
		announce(c->s);
	} else if (in->def == &frame_def_role_reloaded) {
		return on_reloaded(c, in);
	}
	return 0;
}

/* The process is dying or broke the rules of its link; it is not worth keeping either way. */
static void on_lost(void *owner, struct link *link, str why)
{
	struct child *c = owner;

	(void)link, (void)why;
	if (c->pid && !c->stopping)
		kill(c->pid, SIGKILL);
}

/* True when this was the fifth death in ten seconds. */
static bool note_death(struct child *c, uint64_t now)
{
	memmove(c->deaths, c->deaths + 1, sizeof(c->deaths) - sizeof(c->deaths[0]));
	c->deaths[ALARM_DEATHS - 1] = now;
	return c->deaths[0] && now - c->deaths[0] < ALARM_WINDOW_MS;
}

static uint64_t backoff_ms(unsigned in_a_row)
{
	uint64_t ms = in_a_row <= 1 ? 0 : (uint64_t)50 << (in_a_row < 8 ? in_a_row : 8);

	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void died(struct child *c, int how)
{
	struct supervisor *s = c->s;
	bool started_once = c->was_ready;

	c->pid = 0;
	c->ready = false;
	if (s->stop_group)
		return;
	log_warn(&s->log, "role died", F_CSTR("role", role_name(c->id)), F_INT("index", c->index),
	    F_INT("signal", WIFSIGNALED(how) ? WTERMSIG(how) : 0),
	    F_INT("status", WIFEXITED(how) ? WEXITSTATUS(how) : 0));
	if (!started_once && !s->announced) {
		log_alert(
		    &s->log, "cannot start: see the line above", F_CSTR("role", role_name(c->id)));
		begin_stop(s, 1);
		return;
	}
	uint64_t now = loop_now_ms(s->loop);
	c->restarts++;
	c->in_a_row = now - c->started_ms > STEADY_MS ? 1 : c->in_a_row + 1;
	if (note_death(c, now))
		log_alert(&s->log, "role dies again and again; clients get temporary errors",
		    F_CSTR("role", role_name(c->id)));
	timer_set(c->restart, backoff_ms(c->in_a_row));
	write_status(s);
}

static struct child *child_of(struct supervisor *s, pid_t pid)
{
	FOR_CHILDREN(s, c)
	{
		if (c->pid == pid)
			return c;
	}
	return NULL;
}

static void stop_step(void *arg);

static void on_sigchld(void *arg)
{
	struct supervisor *s = arg;
	pid_t pid;
	int how;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		struct child *c = child_of(s, pid);
		if (c)
			died(c, how);
	}
	if (s->stop_group)
		stop_step(s);
}

/* ---- watchdog ----------------------------------------------------------------------------------- */

static void watch(struct child *c, uint64_t now)
{
	struct supervisor *s = c->s;
	uint64_t patience = c->ready ? SILENCE_MS : START_PATIENCE_MS;

	if (!c->pid || s->stop_group)
		return;
	if (c->aborted && now - c->aborted_ms > ABORT_PATIENCE_MS) {
		kill(c->pid, SIGKILL);
	} else if (!c->aborted && now - c->heard_ms > patience) {
		log_alert(
		    &s->log, "role hangs", F_CSTR("role", role_name(c->id)), F_INT("pid", c->pid));
		kill(c->pid, SIGABRT);
		c->aborted = true;
		c->aborted_ms = now;
	}
	link_send(c->link, &frame_def_role_ping,
	    &(struct frame_role_ping){ .sequence = ++s->sequence }, NULL, 0, NULL);
}

static void on_tick(void *arg)
{
	struct supervisor *s = arg;
	uint64_t now = loop_now_ms(s->loop);

	FOR_CHILDREN(s, c)
	watch(c, now);
	timer_set(s->tick, TICK_MS);
}

/* ---- stop ---------------------------------------------------------------------------------------- */

static bool group_is_gone(struct supervisor *s, unsigned group)
{
	bool gone = true;

	FOR_CHILDREN(s, c)
	gone = gone && (stop_groups[c->id] != group || !c->pid);
	return gone;
}

static void stop_group(struct supervisor *s)
{
	FOR_CHILDREN(s, c)
	{
		if (stop_groups[c->id] != s->stop_group || !c->pid)
			continue;
		c->stopping = true;
		if (!c->ready ||
		    link_send(c->link, &frame_def_role_stop,
		        &(struct frame_role_stop){ .grace_ms = STOP_GRACE_MS - STOP_MARGIN_MS },
		        NULL, 0, NULL) < 0)
			kill(c->pid, SIGKILL);
	}
	timer_set(s->stop_timer, STOP_GRACE_MS);
}

static void stop_step(void *arg)
{
	struct supervisor *s = arg;

	while (s->stop_group <= STOP_GROUPS && group_is_gone(s, s->stop_group)) {
		if (++s->stop_group <= STOP_GROUPS)
			stop_group(s);
	}
	if (s->stop_group > STOP_GROUPS)
		loop_stop(s->loop);
}

static void stop_late(void *arg)
{
	struct supervisor *s = arg;

	FOR_CHILDREN(s, c)
	{
		if (stop_groups[c->id] == s->stop_group && c->pid) {
			log_warn(&s->log, "role does not stop", F_CSTR("role", role_name(c->id)));
			kill(c->pid, SIGKILL);
		}
	}
}

static void begin_stop(struct supervisor *s, int status)
{
	if (s->stop_group)
		return;
	s->status = status;
	s->stop_group = 1;
	stop_group(s);
	stop_step(s);
}

static void on_sigterm(void *arg)
{
	struct supervisor *s = arg;

	log_event(&s->log, "stopping");
	begin_stop(s, 0);
}

/* ---- reload --------------------------------------------------------------------------------------- */

static int read_config(struct supervisor *s, struct config **out, str *out_text,
    struct arena **out_arena, struct err *err)
{
	struct arena *a = arena_new(NULL, "configuration text", 4 << 20);
	AUTO_FD fd = open(s->config_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		arena_free(a);
		return err_set(
		    err, ERR_SYSTEM, "cannot open the configuration '%s': %m", s->config_path);
	}
	if (start_read_fd(fd, a, out_text, err) < 0 ||
	    config_parse(s->config_path, *out_text, out, err) < 0) {
		arena_free(a);
		return -1;
	}
	*out_arena = a;
	return 0;
}

static void send_reload(struct child *c)
{
	struct supervisor *s = c->s;
	struct frame_role_reload f = { .generation = s->generation };
	struct err err;
	int fds[2] = { start_memfd("configuration", s->config_text, &err), -1 };

	if (has_certificates(c->id))
		fds[1] = start_memfd("certificates", bundle_of(s, c->id), &err);
	if (fds[0] >= 0 && c->ready)
		link_send(c->link, &frame_def_role_reload, &f, fds, fds[1] >= 0 ? 2 : 1, NULL);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void reload_rest(struct supervisor *s)
{
	FOR_CHILDREN(s, c)
	{
		if (c->id != ROLE_KEYS)
			send_reload(c);
	}
	log_event(&s->log, "configuration taken anew", F_INT("generation", s->generation));
}

static bool same_listens(const struct config *a, const struct config *b)
{
	bool same = a->listen_count == b->listen_count && str_eq(a->data, b->data);

	for (size_t i = 0; same && i < a->listen_count; i++) {
		const struct config_listen *x = &a->listens[i], *y = &b->listens[i];
		same = x->service == y->service && x->address_count == y->address_count;
		for (size_t j = 0; same && j < x->address_count; j++)
			same = str_eq(x->addresses[j].host, y->addresses[j].host) &&
			       x->addresses[j].port == y->addresses[j].port;
	}
	return same;
}

static void wipe(struct buf *b)
{
	if (b->ptr)
		secret_wipe(b->ptr, b->cap);
	buf_fini(b);
}

/* Everything is read and checked before anything changes: a mistake keeps the old state. */
static void on_sighup(void *arg)
{
	struct supervisor *s = arg;
	struct buf public_bundle = BUF_INIT(64 << 20), private_bundle = BUF_INIT(64 << 20);
	struct config *fresh;
	struct arena *arena;
	struct err err;
	str text;

	if (read_config(s, &fresh, &text, &arena, &err) < 0) {
		log_alert(&s->log, "the old configuration stays", F_CSTR("why", err.text));
		return;
	}
	if (supervisor_certificates(fresh, &public_bundle, &private_bundle, &err) < 0) {
		log_alert(&s->log, "the old configuration stays", F_CSTR("why", err.text));
		config_free(fresh);
		arena_free(arena);
		return;
	}
	if (!same_listens(s->config, fresh))
		log_warn(&s->log,
		    "listening addresses and the data directory change with a restart only");
	buf_fini(&s->public_bundle);
	wipe(&s->private_bundle);
	s->public_bundle = public_bundle;
	s->private_bundle = private_bundle;
	config_free(s->config);
	arena_free(s->arena);
	s->config = fresh;
	s->config_text = text;
	s->arena = arena;
	s->log.level = fresh->log_level;
	s->generation++;
	struct child *keys = s->children[ROLE_KEYS][0];
	if (keys->ready)
		send_reload(keys);
	else
		reload_rest(s); /* keys starts with the new ones anyway */
}

/* RFC 9325 §3.4: ticket keys are changed; fronts go on reading tickets under the one before. */
static void renew_ticket_key(void *arg)
{
	struct supervisor *s = arg;
	struct frame_role_ticket_key f = { .key = str_new(
		                               s->tls_ticket_key, sizeof(s->tls_ticket_key)) };

	random_bytes(s->tls_ticket_key, sizeof(s->tls_ticket_key));
	FOR_CHILDREN(s, c)
	{
		if (c->pid && (c->id == ROLE_FRONT_MX || c->id == ROLE_FRONT_USER))
			link_send(c->link, &frame_def_role_ticket_key, &f, NULL, 0, NULL);
	}
	timer_set(s->ticket_timer, TICKET_KEY_MS);
}

/* ---- start ----------------------------------------------------------------------------------------- */

static int on_signals(struct supervisor *s, struct err *err)
{
	signal(SIGPIPE, SIG_IGN);
	return loop_on_signal(s->loop, SIGCHLD, on_sigchld, s, err) < 0 ||
	               loop_on_signal(s->loop, SIGTERM, on_sigterm, s, err) < 0 ||
	               loop_on_signal(s->loop, SIGINT, on_sigterm, s, err) < 0 ||
	               loop_on_signal(s->loop, SIGHUP, on_sighup, s, err) < 0
	           ? -1
	           : 0;
}

static void make_children(struct supervisor *s)
{
	for (size_t i = 0; i < sizeof(start_order) / sizeof(start_order[0]); i++) {
		enum role_id id = start_order[i];
		for (unsigned index = 0; index < count_of(s->config, id); index++) {
			struct child *c = calloc(1, sizeof(*c));
			if (!c)
				abort();
			*c = (struct child){ .s = s, .id = id, .index = index };
			c->restart = timer_new(s->loop, spawn_again, c);
			s->children[id][index] = c;
			spawn(c);
		}
	}
}

static int begin(struct supervisor *s, struct err *err)
{
	random_bytes(s->ticket_key, sizeof(s->ticket_key));
	random_bytes(s->tls_ticket_key, sizeof(s->tls_ticket_key));
	if (read_config(s, &s->config, &s->config_text, &s->arena, err) < 0 ||
	    supervisor_open_data(s->config, &s->data_dir, &s->lock, err) < 0 ||
	    supervisor_certificates(s->config, &s->public_bundle, &s->private_bundle, err) < 0 ||
	    supervisor_listen(s->config, s->sockets, &s->socket_count, err) < 0 ||
	    supervisor_listen_control(s->data_dir, &s->control, err) < 0)
		return -1;
	s->loop = loop_new();
	return on_signals(s, err);
}

static void supervisor_free(struct supervisor *s)
{
	FOR_CHILDREN(s, c)
	{
		link_free(c->link);
		timer_free(c->restart);
		free(c);
	}
	timer_free(s->tick);
	timer_free(s->stop_timer);
	timer_free(s->ticket_timer);
	loop_free(s->loop);
	for (size_t i = 0; i < s->socket_count; i++)
		fd_close(&s->sockets[i].fd);
	fd_close(&s->control);
	fd_close(&s->data_dir);
	fd_close(&s->lock);
	buf_fini(&s->public_bundle);
	wipe(&s->private_bundle);
	config_free(s->config);
	arena_free(s->arena);
	secret_wipe(s, sizeof(*s));
	free(s);
}

static void run(struct supervisor *s)
{
	s->tick = timer_new(s->loop, on_tick, s);
	s->stop_timer = timer_new(s->loop, stop_late, s);
	s->ticket_timer = timer_new(s->loop, renew_ticket_key, s);
	timer_set(s->ticket_timer, TICKET_KEY_MS);
	make_children(s);
	on_tick(s);
	loop_run(s->loop);
	unlinkat(s->data_dir, "run/status.json", 0);
	unlinkat(s->data_dir, "control", 0);
	log_event(&s->log, "stopped");
}

int supervisor_run(struct config *config, const char *config_path)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct err err;

	if (!s)
		abort();
	*s = (struct supervisor){ .config_path = config_path,
		.data_dir = -1,
		.lock = -1,
		.control = -1,
		.public_bundle = BUF_INIT(64 << 20),
		.private_bundle = BUF_INIT(64 << 20) };
	s->log =
	    (struct log){ .role = "supervisor", .level = config->log_level, .fd = STDERR_FILENO };
	if (begin(s, &err) == 0) {
		run(s);
	} else {
		fprintf(stderr, "buzon: %s\n", err.text);
		s->status = err.kind == ERR_RETRY ? 75 : 1;
	}
	int status = s->status;
	supervisor_free(s);
	return status;
}
