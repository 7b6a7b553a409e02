/* Records of every type from arbitrary bytes: never out of bounds, names that can be asked again. */
#include <stdlib.h>

#include "services/resolve/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_NS, DNS_CNAME, DNS_SOA, DNS_PTR, DNS_MX,
		DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA };
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 20);
	struct dns_record r;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!resolve_record(types[i], str_new(data, size), a, &r))
			continue;
		if (r.name.len && !dns_name_is_valid(r.name))
			abort();
	}
	return 0;
}
