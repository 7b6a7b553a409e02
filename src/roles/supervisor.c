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
	ALARM_WINDOW_MS = 10 * 1000,
	BACKOFF_MAX_MS = 5000,
	STEADY_MS = 10 * 1000, /* having lived that long, the next death is a first one again */
	STOP_GRACE_MS = 1600,  /* of each of the three groups: less than 5 s for all */
	RETIRE_GRACE_MS = 20 * 1000, /* for the connections of a front that is one too many */
	RETIRE_PATIENCE_MS = 30 * 1000,
	STOP_MARGIN_MS = 400, /* what a role is told is less than what it gets */
	TICKET_KEY_MS = 12 * 60 * 60 * 1000,
	CONTROL_QUEUE_MAX = 4 << 20,
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
	[ROLE_RELAY] = 1 };
enum { STOP_GROUPS = 3 };

static void spawn(struct child *c);
static void begin_stop(struct supervisor *s, int status);

unsigned supervisor_count_of(const struct config *c, enum role_id id)
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

/* ---- life of a child --------------------------------------------------------------------------- */

static void grant_sockets(struct child *c)
{
	struct supervisor *s = c->s;

	if (c->id == ROLE_CORE)
		link_send(c->link, &frame_def_control_socket,
		    &(struct frame_control_socket){ .version = 1 }, &s->control, 1, NULL);
	if (c->id == ROLE_KEYS)
		supervisor_give_dkim(s, 0);
	for (size_t i = 0; i < s->sockets.count; i++)
		supervisor_grant_socket(c, &s->sockets.list[i]);
}

static int on_frame(void *owner, struct link *link, struct link_frame *in);
static void on_lost(void *owner, struct link *link, str why);

static const struct frame_def *const accepts[] = { &frame_def_role_ready, &frame_def_role_pong,
	&frame_def_role_reloaded, &frame_def_dkim_changed, NULL };

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
	struct err err;
	int control = -1;
	pid_t pid = 0;

	c->ready = c->aborted = c->stopping = false;
	c->started_ms = c->heard_ms = loop_now_ms(s->loop);
	if (supervisor_launch(c, &control, &pid, &err) < 0) {
		log_alert(&s->log, "role not started", F_CSTR("role", role_name(c->id)),
		    F_CSTR("why", err.text));
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
	supervisor_write_status(s);
	if (s->announced || !supervisor_all_ready(s))
		return;
	s->announced = true;
	log_event(&s->log, "ready", F_STR("hostname", s->config->hostname), F_INT("pid", getpid()));
}

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
		supervisor_reload_rest(c->s);
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
	} else if (in->def == &frame_def_dkim_changed) {
		if (c->id != ROLE_CORE)
			return -1;
		supervisor_give_dkim(c->s, in->request);
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
	c->deaths[SUPERVISOR_DEATHS - 1] = now;
	return c->deaths[0] && now - c->deaths[0] < ALARM_WINDOW_MS;
}

static uint64_t backoff_ms(unsigned in_a_row)
{
	uint64_t ms = in_a_row <= 1 ? 0 : (uint64_t)50 << (in_a_row < 8 ? in_a_row : 8);

	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void child_free(struct child *c)
{
	c->s->children[c->id][c->index] = NULL;
	link_free(c->link);
	timer_free(c->restart);
	free(c);
}

/* Gone as it was told to; wanted again, when the number was raised meanwhile. */
static void retired(struct child *c)
{
	struct supervisor *s = c->s;

	c->retiring = false;
	log_event(&s->log, "role ended: fewer processes are wanted",
	    F_CSTR("role", role_name(c->id)), F_INT("index", c->index));
	if (c->index < supervisor_count_of(s->config, c->id))
		spawn(c);
	else
		child_free(c);
	supervisor_write_status(s);
}

static void died(struct child *c, int how)
{
	struct supervisor *s = c->s;
	bool started_once = c->was_ready;

	c->pid = 0;
	c->ready = false;
	if (s->stop_group)
		return;
	if (c->retiring) {
		retired(c);
		return;
	}
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
	supervisor_write_status(s);
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
	if (c->retiring && now - c->retired_ms > RETIRE_PATIENCE_MS) {
		kill(c->pid, SIGKILL);
	} else if (c->aborted && now - c->aborted_ms > ABORT_PATIENCE_MS) {
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

static void on_sighup(void *arg)
{
	supervisor_reload(arg);
}

/* ---- more or fewer processes -------------------------------------------------------------------- */

static void add_child(struct supervisor *s, enum role_id id, unsigned index)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct child){ .s = s, .id = id, .index = index };
	c->restart = timer_new(s->loop, spawn_again, c);
	s->children[id][index] = c;
	spawn(c);
}

static void retire(struct child *c)
{
	struct supervisor *s = c->s;

	if (!c->pid) {
		child_free(c);
		return;
	}
	c->retiring = c->stopping = true;
	c->retired_ms = loop_now_ms(s->loop);
	if (!c->ready ||
	    link_send(c->link, &frame_def_role_stop,
	        &(struct frame_role_stop){ .grace_ms = RETIRE_GRACE_MS }, NULL, 0, NULL) < 0)
		kill(c->pid, SIGKILL);
}

void supervisor_resize(struct supervisor *s)
{
	for (size_t i = 0; i < sizeof(start_order) / sizeof(start_order[0]); i++) {
		enum role_id id = start_order[i];
		unsigned wanted = supervisor_count_of(s->config, id);
		for (unsigned index = 0; index < ROLE_INSTANCES_MAX; index++) {
			struct child *c = s->children[id][index];
			if (!c && index < wanted)
				add_child(s, id, index);
			else if (c && index >= wanted && !c->retiring)
				retire(c);
		}
	}
	supervisor_write_status(s);
}

/* ---- ticket keys ---------------------------------------------------------------------------------- */

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

static int begin(struct supervisor *s, struct err *err)
{
	random_bytes(s->ticket_key, sizeof(s->ticket_key));
	random_bytes(s->tls_ticket_key, sizeof(s->tls_ticket_key));
	if (supervisor_read_config(s, &s->config, &s->config_text, &s->arena, err) < 0 ||
	    supervisor_open_data(s->config, &s->data_dir, &s->lock, err) < 0 ||
	    supervisor_certificates(s->config, &s->public_bundle, &s->private_bundle, err) < 0 ||
	    supervisor_listen(s->config, NULL, &s->sockets, err) < 0 ||
	    supervisor_listen_control(s->data_dir, &s->control, err) < 0)
		return -1;
	s->loop = loop_new();
	return on_signals(s, err);
}

static void supervisor_free(struct supervisor *s)
{
	FOR_CHILDREN(s, c)
	child_free(c);
	timer_free(s->tick);
	timer_free(s->stop_timer);
	timer_free(s->ticket_timer);
	loop_free(s->loop);
	supervisor_close_sockets(&s->sockets, NULL);
	fd_close(&s->control);
	fd_close(&s->data_dir);
	fd_close(&s->lock);
	buf_fini(&s->public_bundle);
	secret_wipe(s->private_bundle.ptr, s->private_bundle.len);
	buf_fini(&s->private_bundle);
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
	supervisor_resize(s);
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
