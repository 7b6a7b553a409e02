/* supervisor.h: what the files of the supervisor share.
 *
 * Purpose    `buzon serve`: sockets (listen.c), data directory (data.c), certificates (certs.c), a new configuration
 *            (reload.c), what a process is started with (launch.c), the life of processes (supervisor.c).
 * Threads    One. It parses nothing that comes from strangers.
 */
#ifndef BUZON_ROLES_SUPERVISOR_H
#define BUZON_ROLES_SUPERVISOR_H

#include "roles/role.h"
#include "roles/start.h"

enum { SOCKETS_MAX = 128, SUPERVISOR_DEATHS = 5, SOCKET_HOST_MAX = 128 };

struct supervisor_socket {
	int fd;
	uint32_t id; /* by which fronts are told to close it; never used again */
	enum listen_service service;
	enum role_id role;
	char host[SOCKET_HOST_MAX]; /* as in the configuration */
	uint16_t port;
	bool is_unix;
};

struct supervisor_sockets {
	struct supervisor_socket list[SOCKETS_MAX];
	size_t count;
	uint32_t last_id;
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
	uint64_t deaths[SUPERVISOR_DEATHS]; /* times, newest last */
	unsigned restarts, in_a_row;
	bool retiring; /* fewer processes of its role are wanted: it goes when it is done */
	uint64_t retired_ms;
};

struct supervisor {
	struct loop *loop;
	struct log log;
	struct config *config;
	const char *config_path;
	str config_text;
	struct arena *arena; /* of config_text */
	int data_dir, lock, control;
	struct supervisor_sockets sockets;
	struct buf public_bundle, private_bundle;
	unsigned char ticket_key[32], tls_ticket_key[80];
	struct child *children[ROLE_COUNT][ROLE_INSTANCES_MAX];
	struct timer *tick, *stop_timer, *ticket_timer;
	unsigned stop_group; /* 0: running */
	int status;
	bool announced;
	uint64_t sequence, generation;
};

#define FOR_CHILDREN(s, c) \
	for (struct child **c##_at = &(s)->children[0][0], *c = NULL; \
	     c##_at < &(s)->children[0][0] + ROLE_COUNT * ROLE_INSTANCES_MAX; c##_at++) \
		if ((c = *c##_at) != NULL)

/* How many processes of the role are wanted. */
unsigned supervisor_count_of(const struct config *c, enum role_id id);
/* Starts and retires processes until there are as many as wanted. */
void supervisor_resize(struct supervisor *s);

/* ---- supervisor_launch.c ---- */
/* Starts the process with all it is given; the other end of its control link comes back. */
int supervisor_launch(struct child *c, int *out_control, pid_t *out_pid, struct err *err);
/* Which roles are handed certificates, and the bundle that is theirs. */
bool supervisor_has_certificates(enum role_id id);
str supervisor_bundle_of(struct supervisor *s, enum role_id id);

/* ---- supervisor_reload.c ---- */
int supervisor_read_config(struct supervisor *s, struct config **out, str *out_text,
    struct arena **out_arena, struct err *err);
/* Everything is read, checked and opened before anything changes: a mistake keeps the old state. */
void supervisor_reload(struct supervisor *s);
/* The second half, when keys has the new keys. */
void supervisor_reload_rest(struct supervisor *s);
/* Gives a front a socket. */
void supervisor_grant_socket(struct child *c, const struct supervisor_socket *socket);

/* ---- supervisor_listen.c ---- */
/* Opens every address of the configuration. old: what is open already (NULL: nothing); an address that is in
 * both keeps its socket. On failure nothing is left open that was not before. */
int supervisor_listen(const struct config *c, const struct supervisor_sockets *old,
    struct supervisor_sockets *out, struct err *err);
/* Closes what is in old and not in fresh. */
void supervisor_close_sockets(
    const struct supervisor_sockets *old, const struct supervisor_sockets *fresh);
const struct supervisor_socket *supervisor_find_socket(
    const struct supervisor_sockets *set, uint32_t id);
/* The control socket in the data directory, mode 0600. */
int supervisor_listen_control(int data_dir, int *out_fd, struct err *err);

/* ---- supervisor_data.c ---- */
/* Opens the data directory, locks it against a second server and makes the directories of the roles. Started as
 * root, a role's directory and all in it becomes its user's: he can reach nothing else of the data directory. */
int supervisor_open_data(const struct config *c, int *out_dir, int *out_lock, struct err *err);

/* run/status.json: tests and people find pids there. */
void supervisor_write_status(struct supervisor *s);
bool supervisor_all_ready(struct supervisor *s);

/* ---- supervisor_dkim.c ---- */
/* Hands role keys the keys for DKIM, read anew. request: of core, which is told when keys has them; else 0. */
void supervisor_give_dkim(struct supervisor *s, uint32_t request);

/* ---- supervisor_certs.c ---- */
/* Reads and checks all certificates and keys; two bundles: for fronts, and (with keys) for keys. */
int supervisor_certificates(
    const struct config *c, struct buf *out_public, struct buf *out_private, struct err *err);

#endif
