#include "protocols/iprev/iprev.h"

enum { ARENA_MAX = 1 << 20, REVERSE_ID = IPREV_NAMES_MAX };

struct name {
	str name;
	bool is_given, is_answered, is_ours, has_failed;
};

struct iprev {
	struct arena *arena;
	struct ip ip;
	struct iprev_result result;
	struct name reverse;
	struct name names[IPREV_NAMES_MAX];
	size_t count, pending;
	bool is_done;
};

static void finish(struct iprev *p, enum iprev_status status, str name, str reason)
{
	p->is_done = true;
	p->result = (struct iprev_result){ status, name, reason };
}

static void conclude(struct iprev *p)
{
	bool has_failed = false;

	for (size_t i = 0; i < p->count; i++) {
		const struct name *n = &p->names[i];
		has_failed = has_failed || n->has_failed;
		if (n->is_ours) {
			finish(p, IPREV_PASS, n->name,
			    arena_strf(
			        p->arena, "the address belongs to " STR_FMT, STR_ARG(n->name)));
			return;
		}
	}
	if (has_failed)
		finish(p, IPREV_TEMPERROR, STR_NONE,
		    STR("the DNS gave no answer for a name of the address"));
	else if (p->count == 0)
		finish(p, IPREV_PERMERROR, STR_NONE, STR("the address has no name"));
	else
		finish(p, IPREV_FAIL, STR_NONE, STR("no name of the address leads back to it"));
}

static void take_names(struct iprev *p, const struct dns_answer *answer)
{
	if (dns_is_failure(answer->status)) {
		finish(p, IPREV_TEMPERROR, STR_NONE,
		    STR("the DNS gave no answer for the name of the address"));
		return;
	}
	for (size_t i = 0; i < answer->count && p->count < IPREV_NAMES_MAX; i++) {
		if (dns_name_is_valid(answer->records[i].name))
			p->names[p->count++].name =
			    dns_name_copy(p->arena, answer->records[i].name);
	}
	p->pending = p->count;
	if (p->count == 0)
		conclude(p);
}

static void take_addresses(struct iprev *p, struct name *n, const struct dns_answer *answer)
{
	n->has_failed = dns_is_failure(answer->status);
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++)
		n->is_ours = n->is_ours || ip_eq(&answer->records[i].ip, &p->ip);
	if (--p->pending == 0)
		conclude(p);
}

struct iprev *iprev_start(struct arena *parent, const struct ip *ip)
{
	struct arena *a = arena_new(parent, "iprev", ARENA_MAX);
	struct iprev *p = arena_one(a, struct iprev);
	AUTO_BUF name = BUF_INIT(DNS_NAME_MAX);

	*p = (struct iprev){ .arena = a, .ip = ip_unmapped(ip) };
	ip_reverse_name(&p->ip, &name);
	p->reverse.name = arena_str(a, buf_str(&name));
	if (!p->ip.version)
		finish(p, IPREV_PERMERROR, STR_NONE, STR("there is no address"));
	return p;
}

bool iprev_next_question(struct iprev *p, struct dns_question *out)
{
	if (p->is_done)
		return false;
	if (!p->reverse.is_given) {
		p->reverse.is_given = true;
		*out = (struct dns_question){ REVERSE_ID, DNS_PTR, p->reverse.name };
		return true;
	}
	for (size_t i = 0; i < p->count; i++) {
		if (p->names[i].is_given)
			continue;
		p->names[i].is_given = true;
		*out = (struct dns_question){ (uint32_t)i, p->ip.version == 4 ? DNS_A : DNS_AAAA,
			p->names[i].name };
		return true;
	}
	return false;
}

void iprev_answer(struct iprev *p, uint32_t id, const struct dns_answer *answer)
{
	struct name *n = id == REVERSE_ID ? &p->reverse : id < p->count ? &p->names[id] : NULL;

	if (p->is_done || !n || !n->is_given || n->is_answered)
		return;
	n->is_answered = true;
	if (n == &p->reverse)
		take_names(p, answer);
	else
		take_addresses(p, n, answer);
}

const struct iprev_result *iprev_result(const struct iprev *p)
{
	return p->is_done ? &p->result : NULL;
}

const char *iprev_status_name(enum iprev_status status)
{
	static const char *const names[] = {
		[IPREV_PASS] = "pass",
		[IPREV_FAIL] = "fail",
		[IPREV_TEMPERROR] = "temperror",
		[IPREV_PERMERROR] = "permerror",
	};
	return names[status];
}
