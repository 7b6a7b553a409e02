#include "services/route/special.h"

/* clang-format off */
static const struct {
	const char *network;
	unsigned bits;
	const char *kind;
} v4[] = {
	{ "0.0.0.0",       8, "an address of this network" },
	{ "10.0.0.0",      8, "a private address" },
	{ "100.64.0.0",   10, "a private address of a provider" },
	{ "127.0.0.0",     8, "a loopback address" },
	{ "169.254.0.0",  16, "a link-local address" },
	{ "172.16.0.0",   12, "a private address" },
	{ "192.0.0.0",    24, "a reserved address" },
	{ "192.0.2.0",    24, "an address for documentation" },
	{ "192.88.99.0",  24, "a reserved address" },
	{ "192.168.0.0",  16, "a private address" },
	{ "198.18.0.0",   15, "an address for measurements" },
	{ "198.51.100.0", 24, "an address for documentation" },
	{ "203.0.113.0",  24, "an address for documentation" },
	{ "224.0.0.0",     4, "a multicast address" },
	{ "240.0.0.0",     4, "a reserved address" },
}, v6[] = {
	{ "::",          128, "no address" },
	{ "::1",         128, "a loopback address" },
	{ "100::",        64, "an address that discards" },
	{ "2001::",       23, "a reserved address" },
	{ "2001:db8::",   32, "an address for documentation" },
	{ "2002::",       16, "an address of a tunnel (6to4)" },
	{ "3fff::",       20, "an address for documentation" },
	{ "fc00::",        7, "a private address" },
	{ "fe80::",       10, "a link-local address" },
	{ "fec0::",       10, "a private address" },
	{ "ff00::",        8, "a multicast address" },
};
/* clang-format on */

static bool is_within(const struct ip *ip, const char *text, unsigned bits)
{
	struct ip network;

	return ip_parse(str_c(text), &network) == 0 && ip_in_network(ip, &network, bits);
}

static const char *kind_of_v4(const struct ip *ip)
{
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		if (is_within(ip, v4[i].network, v4[i].bits))
			return v4[i].kind;
	}
	return NULL;
}

const char *ip_special_kind(const struct ip *given)
{
	struct ip ip = ip_unmapped(given);

	if (ip.version == 4)
		return kind_of_v4(&ip);
	if (ip.version != 6)
		return "no address";
	if (is_within(&ip, "64:ff9b::", 96)) {
		struct ip inner = ip_from_v4(ip.bytes + 12);
		return kind_of_v4(&inner);
	}
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		if (is_within(&ip, v6[i].network, v6[i].bits))
			return v6[i].kind;
	}
	return is_within(&ip, "2000::", 3) ? NULL : "a reserved address";
}
