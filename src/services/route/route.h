/* route.h: where an address leads: an account here, an alias, another server, or nowhere.
 *
 * Purpose    The domains, accounts and aliases of the store, kept in memory, and the answer to RCPT.
 * Ownership  route_load makes a directory, route_free releases it; results live in the given arena.
 * Threads    A directory is immutable after loading: any thread.
 * Limits     Alias expansion: 10 deep, 1,000 targets; a target met twice is taken once, so loops end.
 * Errors     route_load: as the store's. route_resolve never fails: nowhere is an answer.
 * Not here   Delivering (services/deliver), MX look-ups (mx.h).
 */
#ifndef BUZON_SERVICES_ROUTE_ROUTE_H
#define BUZON_SERVICES_ROUTE_ROUTE_H

#include "services/config/config.h"
#include "services/store/store.h"

enum { ROUTE_DEPTH_MAX = 10, ROUTE_TARGETS_MAX = 1000 };

struct directory;

enum route_kind {
	ROUTE_OK,        /* targets say where */
	ROUTE_NO_USER,   /* the domain is ours, the user is not there */
	ROUTE_NOT_LOCAL, /* the domain is not ours */
	ROUTE_MALFORMED,
};

struct route_target {
	uint64_t account; /* 0: a remote address */
	uint64_t inbox;
	str address; /* the account's address, or the remote one */
	str tag;     /* of user+tag, or empty */
};

struct route_result {
	enum route_kind kind;
	const char
	    *rule; /* which rule decided, for the story: "account", "alias", "catch-all", ... */
	struct route_target *targets;
	size_t target_count;
};

int route_load(
    struct store *s, const struct config *config, struct directory **out, struct err *err);
void route_free(struct directory *d);
/* The store's version when it was loaded: load again when store_directory_version moved. */
uint64_t route_version(const struct directory *d);

/* recipient without angle brackets; "postmaster" alone is allowed. */
void route_resolve(
    const struct directory *d, str recipient, struct arena *a, struct route_result *out);
bool route_domain_is_local(const struct directory *d, str domain);
/* Whether mail may carry this address when the account sends it: its own, its sub-addresses, and aliases
 * that lead to it. RFC 6409 §6.1 */
bool route_may_send_as(const struct directory *d, uint64_t account, str address);

#endif
