#include "protocols/dns/dns.h"

static const struct {
	enum dns_type type;
	const char *name;
} types[] = {
	{ DNS_A, "A" },
	{ DNS_NS, "NS" },
	{ DNS_CNAME, "CNAME" },
	{ DNS_SOA, "SOA" },
	{ DNS_PTR, "PTR" },
	{ DNS_MX, "MX" },
	{ DNS_TXT, "TXT" },
	{ DNS_AAAA, "AAAA" },
	{ DNS_SRV, "SRV" },
	{ DNS_TLSA, "TLSA" },
};

const char *dns_type_name(enum dns_type type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].type == type)
			return types[i].name;
	}
	return NULL;
}

bool dns_type_parse(str name, enum dns_type *out)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_ieq(str_c(types[i].name), name)) {
			*out = types[i].type;
			return true;
		}
	}
	return false;
}

const char *dns_status_name(enum dns_status status)
{
	static const char *const names[] = {
		[DNS_OK] = "ok",
		[DNS_NODATA] = "no data",
		[DNS_NXDOMAIN] = "no such name",
		[DNS_TEMPORARY] = "temporary failure",
		[DNS_BOGUS] = "bogus",
	};
	return names[status];
}

bool dns_is_failure(enum dns_status status)
{
	return status == DNS_TEMPORARY || status == DNS_BOGUS;
}

static str without_dot(str name)
{
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool dns_name_is_valid(str name)
{
	str rest = without_dot(name), label;

	if (rest.len == 0 || rest.len > DNS_NAME_MAX || memchr(rest.ptr, '\0', rest.len))
		return false;
	while (str_split(&rest, '.', &label)) {
		if (label.len == 0 || label.len > 63)
			return false;
	}
	return true;
}

str dns_name_copy(struct arena *a, str name)
{
	str plain = without_dot(name);
	char *copy = arena_cstr(a, plain);

	for (size_t i = 0; i < plain.len; i++)
		copy[i] = ascii_lower(copy[i]);
	return str_new(copy, plain.len);
}

bool dns_name_eq(str a, str b)
{
	return str_ieq(without_dot(a), without_dot(b));
}

bool dns_name_is_within(str name, str parent)
{
	name = without_dot(name);
	parent = without_dot(parent);
	if (name.len <= parent.len || parent.len == 0)
		return parent.len == 0 || str_ieq(name, parent);
	return str_iends(name, parent) && name.ptr[name.len - parent.len - 1] == '.';
}

size_t dns_name_labels(str name)
{
	size_t dots = 0;

	name = without_dot(name);
	for (size_t i = 0; i < name.len; i++)
		dots += name.ptr[i] == '.';
	return name.len ? dots + 1 : 0;
}

str dns_name_last(str name, size_t count)
{
	name = without_dot(name);
	for (size_t i = name.len; i > 0; i--) {
		if (name.ptr[i - 1] == '.' && --count == 0)
			return str_skip(name, i);
	}
	return name;
}
