/* admin.h: what `buzon domain`, `account`, `alias`, `dkim`, `queue`, `story`, `check` do.
 *
 * Purpose    One implementation for both ways: inside core for a running server (control socket), and
 *            in the command itself when no server runs.
 * Shape      A request is a JSON object {"command": "account add", ...}; facts come back as JSON
 *            objects, one call of emit each, with a "kind" member.
 * Ownership  emit borrows the object for the call.
 * Threads    Any thread that may block; not the store's writer, not a loop.
 * Errors     0, or -1 with the sentence for the administrator; ERR_DENIED and ERR_LIMIT mean "the
 *            answer is no", ERR_INPUT "wrongly asked", ERR_RETRY "try again later".
 * Not here   Words for people (src/cli). Backups: core can write nowhere but to its own directory, so the command
 *            itself reads the store beside it.
 */
#ifndef BUZON_SERVICES_ADMIN_ADMIN_H
#define BUZON_SERVICES_ADMIN_ADMIN_H

#include <jansson.h>

#include "services/config/config.h"
#include "services/store/store.h"

struct admin_env {
	struct store *store;
	const struct config *config;
	/* Credentials live with auth, not in the store. Both block. */
	int (*credential_set)(
	    void *owner, str account, uint64_t account_id, str password, struct err *err);
	int (*credential_remove)(void *owner, str account, struct err *err);
	/* A row of the queue was changed or removed. May be NULL. */
	void (*queue_changed)(void *owner, uint64_t id);
	/* The password changed, or the account is gone: sessions end. May be NULL. */
	void (*account_changed)(void *owner, uint64_t account);
	/* Files of private keys for DKIM changed: role keys reads them before this returns. Blocks. NULL: no server
	 * runs, so nobody has read any. */
	int (*dkim_changed)(void *owner, struct err *err);
	void *owner;
};

typedef void admin_emit_fn(void *arg, json_t *fact);

int admin_run(const struct admin_env *e, const json_t *request, admin_emit_fn *emit, void *arg,
    struct err *err);
/* The command changes something: without a server it needs the store writable. */
bool admin_writes(const char *command);

#endif
