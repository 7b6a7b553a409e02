/* special.h: addresses that lead to no server on the public internet.
 *
 * Purpose    Say of an address what it is for when mail must not be sent to it: RFC 6890 and the registries of IANA
 *            for special-purpose addresses, multicast.
 * Threads    No state.
 * Limits     IPv6: only 2000::/3 and the NAT64 prefix 64:ff9b::/96 (RFC 6052) are public at all.
 */
#ifndef BUZON_SERVICES_ROUTE_SPECIAL_H
#define BUZON_SERVICES_ROUTE_SPECIAL_H

#include "formats/ip.h"

/* "a private address", "a loopback address" …; NULL: a public one. An address inside another one is looked at as
 * well: ::ffff:10.0.0.1 is private. */
const char *ip_special_kind(const struct ip *given);

#endif
