#include "formats/ip.h"

#include <arpa/inet.h>

int ip_parse(str text, struct ip *out)
{
	char name[IP_TEXT_MAX + 1];
	struct ip ip = { 0 };

	if (text.len == 0 || text.len > IP_TEXT_MAX || memchr(text.ptr, '\0', text.len))
		return -1;
	memcpy(name, text.ptr, text.len);
	name[text.len] = '\0';
	ip.version = str_chr(text, ':') == STR_NPOS ? 4 : 6;
	if (inet_pton(ip.version == 4 ? AF_INET : AF_INET6, name, ip.bytes) != 1)
		return -1;
	*out = ip;
	return 0;
}

struct ip ip_from_v4(const uint8_t bytes[4])
{
	struct ip ip = { .version = 4 };

	memcpy(ip.bytes, bytes, 4);
	return ip;
}

struct ip ip_from_v6(const uint8_t bytes[16])
{
	struct ip ip = { .version = 6 };

	memcpy(ip.bytes, bytes, 16);
	return ip;
}

unsigned ip_bits(const struct ip *ip)
{
	return ip->version == 4 ? 32 : ip->version == 6 ? 128 : 0;
}

struct ip ip_unmapped(const struct ip *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (ip->version == 6 && memcmp(ip->bytes, mapped, sizeof(mapped)) == 0)
		return ip_from_v4(ip->bytes + 12);
	return *ip;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return a->version == b->version && memcmp(a->bytes, b->bytes, ip_bits(a) / 8) == 0;
}

bool ip_in_network(const struct ip *ip, const struct ip *network, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (ip->version != network->version || bits > ip_bits(ip))
		return false;
	if (memcmp(ip->bytes, network->bytes, whole) != 0)
		return false;
	return rest == 0 || (ip->bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

void ip_print(const struct ip *ip, struct buf *out)
{
	char name[IP_TEXT_MAX + 1] = "";

	if (ip->version)
		inet_ntop(ip->version == 4 ? AF_INET : AF_INET6, ip->bytes, name, sizeof(name));
	buf_addz(out, name);
}

void ip_reverse_name(const struct ip *ip, struct buf *out)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = ip_bits(ip) / 8; i-- > 0;) {
		if (ip->version == 4) {
			buf_addu(out, ip->bytes[i]);
		} else {
			buf_addc(out, hex[ip->bytes[i] & 15]);
			buf_addc(out, '.');
			buf_addc(out, hex[ip->bytes[i] >> 4]);
		}
		buf_addc(out, '.');
	}
	buf_addz(out, ip->version == 4 ? "in-addr.arpa" : "ip6.arpa");
}
