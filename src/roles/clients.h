/* clients.h: how many connections each client has.
 *
 * Purpose    The limits per client and in all of one front process, and which process of a role counts a client.
 * Shape      A client is an IPv4 address or an IPv6 /64: who has one address there has all of them.
 * Ownership  clients_new/clients_free.
 * Threads    One owner at a time.
 * Limits     65,536 clients are remembered; above that those without a connection are forgotten early.
 * Not here   Sockets, clocks, words of protocols.
 */
#ifndef BUZON_ROLES_CLIENTS_H
#define BUZON_ROLES_CLIENTS_H

#include "services/config/config.h"

struct clients;

struct clients *clients_new(void);
void clients_free(struct clients *c);

/* Counts one connection more, or says why not. limits NULL: it is counted and never refused. */
const char *clients_take(
    struct clients *c, str address, const struct config_limits *limits, uint64_t now_ms);
void clients_left(struct clients *c, str address);
/* Those without a connection, whose minute is over or not. */
void clients_forget_idle(struct clients *c);
size_t clients_known(const struct clients *c);

/* 0.. below processes: the same for all addresses of a client, in every process. */
unsigned clients_owner(str address, unsigned processes);

#endif
