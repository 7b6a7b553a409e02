/* role.h: what every process of buzon has: a loop, links to its peers, a configuration, a sandbox.
 *
 * Purpose    The frame that all roles share; each role adds a struct role_kind (what it opens,
 *            which frames it answers, what its sandbox allows) in its own file.
 * Life       role_main(): reads the start block that the supervisor left on a known descriptor,
 *            makes loop, log, links; calls kind->prepare; enters the sandbox's first step; calls
 *            kind->start (may still open files); locks the sandbox;
 *            sends ROLE_READY; runs the loop; on ROLE_STOP calls kind->stop, which ends with
 *            role_exit().
 * Threads    The loop's thread. A role that starts threads does so in start, before the sandbox.
 */
#ifndef BUZON_ROLES_ROLE_H
#define BUZON_ROLES_ROLE_H

#include "net/link.h"
#include "net/tls.h"
#include "services/config/config.h"
#include "services/frames/frames.h"

enum role_id {
	ROLE_SUPERVISOR,
	ROLE_FRONT_MX,
	ROLE_FRONT_USER,
	ROLE_AUTH,
	ROLE_KEYS,
	ROLE_CORE,
	ROLE_WORKER,
	ROLE_RELAY,
	ROLE_COUNT,
};
enum { ROLE_INSTANCES_MAX = 8 };

struct role {
	enum role_id id;
	unsigned index; /* 0.. among the processes of this role */
	struct loop *loop;
	struct log log;
	struct config *config;
	/* NULL where the graph has no link. A link that is down stays here and comes back. */
	struct link *links[ROLE_COUNT][ROLE_INSTANCES_MAX];
	/* core and auth: opened by the supervisor, closed again by the sandbox; else -1 */
	int directory;
	/* The same as a path: "/" for a role that was started as root, else below the data directory. */
	char path[4200];
	int certificates; /* front: memfd with certificate chains; keys: with keys; else -1 */
	unsigned char ticket_key[32];     /* auth and core: MAC of tickets; else zero */
	unsigned char tls_ticket_key[80]; /* front: TLS session tickets, same for all fronts */
	/* front: made from certificates before start and again before reload; NULL when none is
	 * configured. */
	struct tls_context *tls;
	void *state; /* the role's own */
	const struct role_kind *kind;
};

/* What the sandbox of a role allows beyond the base set (reliability.md §4); roles/sandbox.c has
 * the table. */
enum sandbox_grant {
	GRANT_SOCKETS_IO = 1, /* accept4, sendto, recvfrom, shutdown, get/setsockopt */
	GRANT_FILES = 2,      /* openat and what a database needs, in the role's directory */
	GRANT_THREADS = 4,    /* clone of threads after the sandbox is up: none needs it today */
	GRANT_CONNECT = 8,    /* socket, connect, bind: relay only */
	GRANT_MEMFD = 16,     /* memfd_create, ftruncate, seals */
	GRANT_SOCKETPAIR = 32,
	GRANT_TREE = 64, /* beside GRANT_FILES: rename, link, list; store */
};

struct role_kind {
	const char *name; /* "front-mx" */
	unsigned grants;
	const char *directory; /* of its own, below the data directory; NULL: no files */
	/* Requests this role takes from each peer role: NULL-terminated arrays, or NULL. */
	const struct frame_def *const *accepts[ROLE_COUNT];
	/* Reads what start will need of shared tables, while the tree can be seen; may be NULL. Roles
	 * without files need none: they see the tables until the end of start. */
	void (*prepare)(void);
	int (*start)(struct role *r, struct err *err);
	/* A frame from a peer; reply with link_reply. Below 0 drops the link. */
	int (*frame)(struct role *r, enum role_id from, unsigned index, struct link *link,
	    struct link_frame *in);
	void (*peer_lost)(struct role *r, enum role_id peer, unsigned index); /* may be NULL */
	/* New r->config (and r->tls) are in place; the old config stays valid until this returns. */
	void (*reload)(struct role *r); /* may be NULL */
	void (*stop)(
	    struct role *r, uint32_t grace_ms); /* finish what is acknowledged, then role_exit */
};

extern const struct role_kind role_front_mx, role_front_user, role_auth, role_keys, role_core,
    role_worker, role_relay;

/* `buzon role NAME INDEX`, run by the supervisor only. Returns the exit status. */
int role_main(const char *name, unsigned index);
void role_exit(struct role *r, int status);
/* The link to a peer, preferring one that is up; spreads over instances by key. NULL when none is
 * there. */
struct link *role_link(struct role *r, enum role_id peer, uint64_t key);
const char *role_name(enum role_id id);
/* "store", "auth", or NULL. */
const char *role_directory(enum role_id id);
/* The system user it runs as when started as root; empty: none is configured. */
str role_user(const struct config *c, enum role_id id);

/* `buzon serve`. Returns the exit status. */
int supervisor_run(struct config *config, const char *config_path);

#endif
