/* relay_dns.h: role relay asks the DNS for others.
 *
 * Purpose    The frame DNS_ASK: each question goes to the resolver, its answer back when it is there.
 * Ownership  relay_dns_new/relay_dns_free; borrows the role and the resolver.
 * Threads    The loop's thread.
 * Limits     The resolver's (services/resolve): RESOLVE_OPEN_MAX questions at once, RESOLVE_TIMEOUT_S each.
 * Errors     Only a malformed frame is one; what goes wrong with the DNS is an answer.
 */
#ifndef BUZON_ROLES_RELAY_DNS_H
#define BUZON_ROLES_RELAY_DNS_H

#include "roles/role.h"
#include "services/resolve/resolve.h"

struct relay_dns;

/* The resolver that the configuration describes. A trust anchor that cannot be read is reported; nothing
 * counts as validated then. */
struct resolver *relay_dns_resolver(struct role *r, struct err *err);

struct relay_dns *relay_dns_new(struct role *r, struct resolver *resolver);
void relay_dns_free(struct relay_dns *d);
/* As role_kind.frame and role_kind.peer_lost, for DNS_ASK. */
int relay_dns_frame(struct relay_dns *d, enum role_id from, unsigned index, struct link *link,
    struct link_frame *in);
void relay_dns_peer_lost(struct relay_dns *d, enum role_id peer, unsigned index);

#endif
