/* ip.h: an IP address as a value.
 *
 * Purpose    Read, print and compare addresses and networks: RFC 4291 §2.2, RFC 5952 §4.
 * Ownership  struct ip is a plain value.
 * Threads    No state.
 * Units      Bytes in network order.
 * Errors     ip_parse: 0, or -1 with *out untouched.
 * Not here   Sockets (net). Which addresses are private or our own (services/route).
 */
#ifndef BUZON_FORMATS_IP_H
#define BUZON_FORMATS_IP_H

#include "base/buf.h"

struct ip {
	uint8_t version; /* 4, 6; 0 is no address */
	uint8_t bytes[16];
};

enum { IP_TEXT_MAX = 46 };

/* "192.0.2.1" or "2001:db8::1", nothing around it; no leading zeros in IPv4, no zone, no mask. */
int ip_parse(str text, struct ip *out);
struct ip ip_from_v4(const uint8_t bytes[4]);
struct ip ip_from_v6(const uint8_t bytes[16]);
/* 32 or 128; 0 for no address. */
unsigned ip_bits(const struct ip *ip);
/* ::ffff:192.0.2.1 becomes 192.0.2.1; every other address stays. RFC 4291 §2.5.5.2 */
struct ip ip_unmapped(const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b);
/* The first bits are the same; addresses of two versions never match. */
bool ip_in_network(const struct ip *ip, const struct ip *network, unsigned bits);
/* RFC 5952 §4 */
void ip_print(const struct ip *ip, struct buf *out);
/* "1.2.0.192.in-addr.arpa", "1.0. … .ip6.arpa" (RFC 3596 §2.5) */
void ip_reverse_name(const struct ip *ip, struct buf *out);

#endif
