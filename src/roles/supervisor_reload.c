/* A new configuration, while everything runs. */
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/supervisor.h"
#include "services/config/settings.h"

int supervisor_read_config(struct supervisor *s, struct config **out, str *out_text,
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

	if (supervisor_has_certificates(c->id))
		fds[1] = start_memfd("certificates", supervisor_bundle_of(s, c->id), &err);
	if (fds[0] >= 0 && c->ready)
		link_send(c->link, &frame_def_role_reload, &f, fds, fds[1] >= 0 ? 2 : 1, NULL);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

void supervisor_reload_rest(struct supervisor *s)
{
	FOR_CHILDREN(s, c)
	{
		if (c->id != ROLE_KEYS)
			send_reload(c);
	}
	supervisor_resize(s);
	supervisor_give_dkim(s, 0);
	log_event(&s->log, "configuration taken anew", F_INT("generation", s->generation));
}

/* ---- what cannot change while the roles run -------------------------------------------------------- */

/* Each is part of a wall that a process built around itself when it started, or of what was opened then. */
static const struct {
	const char *section, *name; /* name NULL: the whole section */
} fixed[] = {
	{ NULL, "data" },
	{ NULL, "store" },
	{ NULL, "user" },
	{ "users", NULL },
	{ "memory", NULL },
	{ "dns", "server" },
	{ "relay", "port" },
	{ "relay", "smart-host" },
};

static bool same_text(const char *a, const char *b)
{
	return a && b ? str_eq(str_c(a), str_c(b)) : a == b;
}

static bool is_fixed(const struct setting *t)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (same_text(fixed[i].section, t->section) &&
		    (!fixed[i].name || same_text(fixed[i].name, t->name)))
			return true;
	}
	return false;
}

static void say_fixed(struct supervisor *s, const struct config *fresh)
{
	AUTO_BUF names = BUF_INIT(2048);

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *t = &config_settings[i];
		if (!is_fixed(t) || setting_is_equal(t, s->config, fresh))
			continue;
		buf_addf(&names, "%s%s%s%s", names.len ? ", " : "", t->section ? t->section : "",
		    t->section ? " " : "", t->name);
	}
	if (names.len)
		log_warn(&s->log, "restart needed for some settings",
		    F_STR("settings", buf_str(&names)));
}

/* ---- sockets --------------------------------------------------------------------------------------- */

void supervisor_grant_socket(struct child *c, const struct supervisor_socket *socket)
{
	struct frame_listen_socket f = { .id = socket->id, .listener = socket->service };

	if (socket->role == c->id && c->pid)
		link_send(c->link, &frame_def_listen_socket, &f, &socket->fd, 1, NULL);
}

static void take_back(struct child *c, const struct supervisor_socket *socket)
{
	struct frame_listen_close f = { .id = socket->id };

	if (socket->role == c->id && c->pid)
		link_send(c->link, &frame_def_listen_close, &f, NULL, 0, NULL);
}

static void swap_sockets(struct supervisor *s, const struct supervisor_sockets *fresh)
{
	FOR_CHILDREN(s, c)
	{
		for (size_t i = 0; i < s->sockets.count; i++) {
			if (!supervisor_find_socket(fresh, s->sockets.list[i].id))
				take_back(c, &s->sockets.list[i]);
		}
		for (size_t i = 0; i < fresh->count; i++) {
			if (!supervisor_find_socket(&s->sockets, fresh->list[i].id))
				supervisor_grant_socket(c, &fresh->list[i]);
		}
	}
	supervisor_close_sockets(&s->sockets, fresh);
	s->sockets = *fresh;
}

/* ---- the whole -------------------------------------------------------------------------------------- */

/* What was read; moved into the supervisor when all of it is good. */
struct fresh {
	struct config *config;
	struct arena *arena;
	str text;
	struct buf public_bundle, private_bundle;
	struct supervisor_sockets sockets;
};

static void wipe(struct buf *b)
{
	if (b->ptr)
		secret_wipe(b->ptr, b->cap);
	buf_fini(b);
}

static void fresh_fini(struct fresh *f)
{
	config_free(f->config);
	arena_free(f->arena);
	buf_fini(&f->public_bundle);
	wipe(&f->private_bundle);
}

/* The sockets last: they need no clean-up after a failure of their own, and nothing can fail behind them. */
static int read_fresh(struct supervisor *s, struct fresh *f, struct err *err)
{
	return supervisor_read_config(s, &f->config, &f->text, &f->arena, err) < 0 ||
	               supervisor_certificates(
	                   f->config, &f->public_bundle, &f->private_bundle, err) < 0 ||
	               supervisor_listen(f->config, &s->sockets, &f->sockets, err) < 0
	           ? -1
	           : 0;
}

/* What was the old state goes into the struct, to be freed with it. */
static void swap_state(struct supervisor *s, struct fresh *f)
{
	struct fresh old = { .config = s->config,
		.arena = s->arena,
		.public_bundle = s->public_bundle,
		.private_bundle = s->private_bundle };

	s->config = f->config;
	s->arena = f->arena;
	s->config_text = f->text;
	s->public_bundle = f->public_bundle;
	s->private_bundle = f->private_bundle;
	f->config = old.config;
	f->arena = old.arena;
	f->public_bundle = old.public_bundle;
	f->private_bundle = old.private_bundle;
}

void supervisor_reload(struct supervisor *s)
{
	struct fresh f = { .public_bundle = BUF_INIT(64 << 20),
		.private_bundle = BUF_INIT(64 << 20) };
	struct err err;

	if (s->stop_group)
		return;
	if (read_fresh(s, &f, &err) < 0) {
		log_alert(&s->log, "the old configuration stays", F_CSTR("why", err.text));
		fresh_fini(&f);
		return;
	}
	say_fixed(s, f.config);
	swap_state(s, &f);
	swap_sockets(s, &f.sockets);
	fresh_fini(&f);
	s->log.level = s->config->log_level;
	s->generation++;
	struct child *keys = s->children[ROLE_KEYS][0];
	if (keys->ready)
		send_reload(keys);
	else
		supervisor_reload_rest(s); /* keys starts with the new ones anyway */
}
