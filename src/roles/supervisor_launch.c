/* What a role is started with: its descriptors, its block, its program. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/supervisor.h"

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

bool supervisor_has_certificates(enum role_id id)
{
	return id == ROLE_KEYS || id == ROLE_FRONT_MX || id == ROLE_FRONT_USER;
}

str supervisor_bundle_of(struct supervisor *s, enum role_id id)
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
	l->block.has_certificates = supervisor_has_certificates(c->id);
	fill_secrets(s, c->id, &l->block);
	if (l->block.has_directory && add_directory(c, l, err) < 0)
		return -1;
	if (l->block.has_certificates &&
	    add_memfd(l, "certificates", supervisor_bundle_of(s, c->id), err) < 0)
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

int supervisor_launch(struct child *c, int *out_control, pid_t *out_pid, struct err *err)
{
	struct launch l = { .fd_count = 0 };
	int control = -1;

	if (prepare(c, &l, &control, err) < 0) {
		launch_fini(&l);
		fd_close(&control);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0)
		become_role(c, &l);
	launch_fini(&l);
	if (pid < 0) {
		fd_close(&control);
		return err_set(err, ERR_SYSTEM, "cannot start a process: %m");
	}
	*out_control = control;
	*out_pid = pid;
	return 0;
}
