/* front.h: what a session on the strangers' side of the house (front-mx, front-user) is given.
 *
 * Purpose    roles/front.c fills it once and hands it to every session; sessions/smtp and
 *            sessions/signin use it and know no role.
 * Ownership  The role owns all of it; it outlives every session.
 * Threads    The loop's thread.
 */
#ifndef BUZON_SESSIONS_FRONT_H
#define BUZON_SESSIONS_FRONT_H

#include "net/conn.h"
#include "net/link.h"
#include "services/config/config.h"
#include "services/frames/frames.h"

/* Every session hangs itself into env->members, so that it can be told when the process stops.
 * on_stop may end the session at once (and so take the member out). */
struct front_member {
	struct front_member *prev, *next;
	void (*on_stop)(struct front_member *m);
};

struct front_env {
	struct loop *loop;
	const struct config *config; /* replaced on reload: read it anew for each decision */
	const struct log *log;
	struct tls_context *tls; /* NULL: no certificate; STARTTLS is not offered */
	struct link *core;       /* check link_is_up */
	struct link *auth;       /* NULL in front-mx */
	bool stopping;           /* finish the transaction at hand, then 421 / BYE */
	/* Called once by a session that is over, with the peer's address. */
	void (*ended)(struct front_env *env, str peer_address);
	uint64_t next_session; /* ids for frames: ++ */
	/* Counts how often core was lost: what was opened in another epoch is not known to it any
	 * more. */
	uint64_t core_epoch;
	struct front_member *members;
};

static inline void front_join(struct front_env *env, struct front_member *m)
{
	m->prev = NULL;
	m->next = env->members;
	if (m->next)
		m->next->prev = m;
	env->members = m;
}

static inline void front_leave(struct front_env *env, struct front_member *m)
{
	if (m->prev)
		m->prev->next = m->next;
	else if (env->members == m)
		env->members = m->next;
	if (m->next)
		m->next->prev = m->prev;
	m->prev = m->next = NULL;
}

/* Take an accepted descriptor. service tells protocol and whether TLS comes first. */
void smtp_accept(struct front_env *env, int fd, enum listen_service service);
void signin_accept(struct front_env *env, int fd, enum listen_service service);

#endif
