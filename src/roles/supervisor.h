/* supervisor.h: what the files of the supervisor share.
 *
 * Purpose    `buzon serve`: sockets (listen.c), data directory (data.c), certificates (certs.c), processes (supervisor.c).
 * Threads    One. It parses nothing that comes from strangers.
 */
#ifndef BUZON_ROLES_SUPERVISOR_H
#define BUZON_ROLES_SUPERVISOR_H

#include "roles/role.h"
#include "roles/start.h"

/* ---- supervisor_listen.c ---- */
struct supervisor_socket {
	int fd;
	enum listen_service service;
	enum role_id role;
};
enum { SOCKETS_MAX = 128 };

/* Opens every address of the configuration. */
int supervisor_listen(const struct config *c, struct supervisor_socket out[SOCKETS_MAX],
    size_t *out_count, struct err *err);
/* The control socket in the data directory, mode 0600. */
int supervisor_listen_control(int data_dir, int *out_fd, struct err *err);

/* ---- supervisor_data.c ---- */
/* Opens the data directory, locks it against a second server and makes the directories of the roles. Started as
 * root, a role's directory and all in it becomes its user's: he can reach nothing else of the data directory. */
int supervisor_open_data(const struct config *c, int *out_dir, int *out_lock, struct err *err);

/* ---- supervisor_certs.c ---- */
/* Reads and checks all certificates and keys; two bundles: for fronts, and (with keys) for keys. */
int supervisor_certificates(
    const struct config *c, struct buf *out_public, struct buf *out_private, struct err *err);

#endif
