#include "services/route/mx.h"

#include "services/route/special.h"

enum { ARENA_MAX = 1 << 20, FAMILIES = 2, MX_ID = MX_HOSTS_MAX * FAMILIES };

/* One question of a host: its addresses of one family. */
struct family {
	bool is_given, is_answered, is_secure;
	size_t count;
	struct ip ips[MX_HOST_ADDRESSES_MAX];
};

struct host {
	str name, canonical, trouble; /* trouble: why the DNS said nothing */
	uint16_t preference;
	uint32_t chance; /* order among equals */
	bool has_failed;
	struct family families[FAMILIES]; /* IPv6, IPv4 */
};

struct mx {
	struct arena *arena;
	struct mx_options o;
	uint64_t random;
	bool has_asked_mx, has_mx, is_mx_secure, is_done;
	struct host hosts[MX_HOSTS_MAX];
	size_t count, pending;
	const char *special; /* kind of an address that was left out */
	struct mx_target targets[MX_ADDRESSES_MAX];
	struct mx_result result;
};

static const enum dns_type types[FAMILIES] = { DNS_AAAA, DNS_A };

static void finish(
    struct mx *m, enum mx_status status, uint16_t subject, uint16_t detail, str reason)
{
	m->is_done = true;
	m->result.status = status;
	m->result.is_secure = m->is_mx_secure;
	m->result.reason = reason;
	m->result.enhanced =
	    (struct enhanced_status){ status == MX_TEMPORARY ? 4 : 5, subject, detail };
}

/* splitmix64 */
static uint32_t chance(struct mx *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 16);
}

/* ---- the targets ---- */

static void add_target(struct mx *m, const struct host *h, const struct family *f, struct ip ip)
{
	const char *kind = m->o.allow_special ? NULL : ip_special_kind(&ip);

	if (kind) {
		m->special = kind;
		return;
	}
	for (size_t i = 0; i < m->result.count; i++) {
		if (ip_eq(&m->targets[i].ip, &ip) && dns_name_eq(m->targets[i].host, h->name))
			return;
	}
	if (m->result.count == MX_ADDRESSES_MAX)
		return;
	m->targets[m->result.count++] = (struct mx_target){
		.host = h->name,
		.canonical = h->canonical,
		.ip = ip,
		.preference = h->preference,
		.is_secure = m->is_mx_secure && f->is_secure,
	};
}

/* The families take turns, so that a network with one of them only costs little; those of one family come in any
 * order, so that the servers behind a name share the work. */
static void add_host(struct mx *m, struct host *h)
{
	size_t before = m->result.count;

	for (size_t i = 0; i < FAMILIES; i++) {
		struct family *f = &h->families[i];
		for (size_t k = f->count; k > 1; k--) {
			size_t other = chance(m) % k;
			struct ip ip = f->ips[other];
			f->ips[other] = f->ips[k - 1];
			f->ips[k - 1] = ip;
		}
	}
	for (size_t k = 0; k < MX_HOST_ADDRESSES_MAX; k++) {
		for (size_t i = 0; i < FAMILIES; i++) {
			if (k < h->families[i].count &&
			    m->result.count - before < MX_HOST_ADDRESSES_MAX)
				add_target(m, h, &h->families[i], h->families[i].ips[k]);
		}
	}
}

static void explain_nothing(struct mx *m)
{
	str trouble = STR_NONE;
	bool has_failed = false;

	for (size_t i = 0; i < m->count; i++) {
		has_failed = has_failed || m->hosts[i].has_failed;
		trouble = m->hosts[i].trouble.len ? m->hosts[i].trouble : trouble;
	}
	if (has_failed)
		finish(m, MX_TEMPORARY, 4, 3,
		    arena_strf(m->arena,
		        "the addresses of the mail servers of " STR_FMT
		        " cannot be found now: " STR_FMT,
		        STR_ARG(m->o.destination), STR_ARG(trouble)));
	else if (m->special)
		finish(m, MX_PERMANENT, 4, 4,
		    arena_strf(m->arena, STR_FMT " leads to %s, where no mail is sent",
		        STR_ARG(m->o.destination), m->special));
	else if (m->has_mx)
		finish(m, MX_PERMANENT, 4, 4,
		    arena_strf(m->arena, "none of the mail servers of " STR_FMT " has an address",
		        STR_ARG(m->o.destination)));
	else
		finish(m, MX_PERMANENT, 1, 2,
		    arena_strf(m->arena, STR_FMT " has neither mail servers nor an address",
		        STR_ARG(m->o.destination)));
}

static void conclude(struct mx *m)
{
	for (size_t i = 0; i < m->count; i++)
		add_host(m, &m->hosts[i]);
	if (m->result.count == 0) {
		explain_nothing(m);
		return;
	}
	m->is_done = true;
	m->result.targets = m->targets;
	m->result.is_secure = m->is_mx_secure;
}

/* ---- the hosts ---- */

static bool is_ourselves(const struct mx *m, str name)
{
	return m->o.hostname.len && dns_name_eq(name, m->o.hostname);
}

static void finish_loop(struct mx *m)
{
	finish(m, MX_PERMANENT, 4, 6,
	    arena_strf(m->arena,
	        "the DNS says that " STR_FMT
	        " is served here, but this server does not know the domain",
	        STR_ARG(m->o.destination)));
}

static bool is_before(const struct host *a, const struct host *b)
{
	return a->preference != b->preference ? a->preference < b->preference
	                                      : a->chance < b->chance;
}

/* Kept in order; the list stays at the preferred ones. */
static void add_host_name(struct mx *m, str name, uint16_t preference)
{
	struct host h = { .preference = preference, .chance = chance(m) };
	size_t at = m->count;

	for (size_t i = 0; i < m->count; i++) {
		if (dns_name_eq(m->hosts[i].name, name))
			return;
	}
	while (at > 0 && is_before(&h, &m->hosts[at - 1]))
		at--;
	if (at == MX_HOSTS_MAX)
		return;
	if (m->count < MX_HOSTS_MAX)
		m->count++;
	memmove(&m->hosts[at + 1], &m->hosts[at], (m->count - at - 1) * sizeof(h));
	h.name = dns_name_copy(m->arena, name);
	m->hosts[at] = h;
}

/* RFC 5321 §5.1: of a list that names us, only those that are preferred to us. True: nothing is left. */
static bool cut_at_ourselves(struct mx *m, uint16_t own)
{
	while (m->count > 0 && m->hosts[m->count - 1].preference >= own)
		m->count--;
	return m->count == 0;
}

/* RFC 7505 §3: one record that names the root. Beside others, which must not be, it says nothing. */
static bool is_null_mx(const struct dns_answer *answer)
{
	return answer->count == 1 && answer->records[0].name.len == 0;
}

static void take_mx_records(struct mx *m, const struct dns_answer *answer)
{
	uint32_t own = UINT32_MAX;

	m->has_mx = true;
	if (is_null_mx(answer)) {
		finish(m, MX_PERMANENT, 1, 10,
		    arena_strf(
		        m->arena, STR_FMT " takes no mail (null MX)", STR_ARG(m->o.destination)));
		return;
	}
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX; i++) {
		const struct dns_record *r = &answer->records[i];
		if (!r->name.len || !dns_name_is_valid(r->name))
			continue;
		if (is_ourselves(m, r->name) && r->priority < own)
			own = r->priority;
		add_host_name(m, r->name, r->priority);
	}
	if (own != UINT32_MAX && cut_at_ourselves(m, (uint16_t)own))
		finish_loop(m);
}

static void take_mx(struct mx *m, const struct dns_answer *answer)
{
	m->is_mx_secure = answer->is_secure && !dns_is_failure(answer->status);
	if (dns_is_failure(answer->status)) {
		finish(m, MX_TEMPORARY, 4, 3,
		    arena_strf(m->arena,
		        "the mail servers of " STR_FMT " cannot be found now: " STR_FMT,
		        STR_ARG(m->o.destination), STR_ARG(answer->reason)));
	} else if (answer->status == DNS_NXDOMAIN) {
		finish(m, MX_PERMANENT, 1, 2,
		    arena_strf(m->arena, "there is no domain " STR_FMT, STR_ARG(m->o.destination)));
	} else if (answer->status == DNS_OK) {
		take_mx_records(m, answer);
	} else if (is_ourselves(m, m->o.destination)) {
		finish_loop(m);
	} else {
		add_host_name(m, m->o.destination, 0);
	}
	m->pending = m->count * FAMILIES;
	if (!m->is_done && m->count == 0)
		conclude(m);
}

static void take_addresses(struct mx *m, struct host *h, size_t family, const struct dns_answer *a)
{
	struct family *f = &h->families[family];

	f->is_answered = true;
	f->is_secure = a->is_secure;
	if (dns_is_failure(a->status)) {
		h->has_failed = true;
		h->trouble =
		    arena_str(m->arena, a->reason.len ? a->reason : STR("the DNS did not answer"));
	}
	if (a->canonical.len)
		h->canonical = arena_str(m->arena, a->canonical);
	for (size_t i = 0; i < a->count && i < DNS_RECORDS_MAX; i++) {
		unsigned version = types[family] == DNS_A ? 4 : 6;
		if (a->records[i].ip.version == version && f->count < MX_HOST_ADDRESSES_MAX)
			f->ips[f->count++] = a->records[i].ip;
	}
	if (--m->pending == 0)
		conclude(m);
}

/* ---- start ---- */

/* "[192.0.2.1]", "[IPv6:2001:db8::1]"; of a host also without the brackets. */
static bool parse_literal(const struct mx *m, struct ip *out)
{
	str text = m->o.destination;

	if (take_char(&text, '[') < 0)
		return m->o.is_host && ip_parse(text, out) == 0;
	if (!str_ends(text, STR("]")))
		return false;
	text.len--;
	(void)take_ilit(&text, STR("IPv6:"));
	return ip_parse(text, out) == 0;
}

static bool start_literal(struct mx *m)
{
	struct ip ip;
	struct host h = { .name = m->o.destination };

	if (!parse_literal(m, &ip))
		return false;
	m->o.allow_special = m->o.allow_special || m->o.is_host;
	add_target(m, &h, &h.families[0], ip);
	if (m->result.count == 0) {
		explain_nothing(m);
	} else {
		m->is_done = true;
		m->result.targets = m->targets;
	}
	return true;
}

struct mx *mx_start(struct arena *parent, const struct mx_options *o)
{
	struct arena *a = arena_new(parent, "mx", ARENA_MAX);
	struct mx *m = arena_one(a, struct mx);

	*m = (struct mx){ .arena = a, .o = *o, .random = o->seed };
	m->o.destination = arena_str(a, o->destination);
	m->o.hostname = arena_str(a, o->hostname);
	if (start_literal(m))
		return m;
	if (!dns_name_is_valid(o->destination) || !o->destination.len ||
	    o->destination.ptr[0] == '[') {
		finish(m, MX_PERMANENT, 1, 2,
		    arena_strf(
		        a, "'" STR_FMT "' is not the name of a domain", STR_ARG(m->o.destination)));
		return m;
	}
	m->o.destination = dns_name_copy(a, o->destination);
	if (o->is_host) {
		/* The operator named it: it may be anywhere, and DNSSEC need not vouch for the choice. */
		m->o.allow_special = m->has_asked_mx = m->is_mx_secure = true;
		add_host_name(m, m->o.destination, 0);
		m->pending = FAMILIES;
	}
	return m;
}

bool mx_next_question(struct mx *m, struct dns_question *out)
{
	if (m->is_done)
		return false;
	if (!m->has_asked_mx) {
		m->has_asked_mx = true;
		*out = (struct dns_question){ MX_ID, DNS_MX, m->o.destination };
		return true;
	}
	for (size_t i = 0; i < m->count * FAMILIES && m->pending; i++) {
		struct family *f = &m->hosts[i / FAMILIES].families[i % FAMILIES];
		if (f->is_given)
			continue;
		f->is_given = true;
		*out = (struct dns_question){ (uint32_t)i, types[i % FAMILIES],
			m->hosts[i / FAMILIES].name };
		return true;
	}
	return false;
}

void mx_answer(struct mx *m, uint32_t id, const struct dns_answer *answer)
{
	if (m->is_done || (id == MX_ID ? !m->has_asked_mx || m->count || m->has_mx || m->o.is_host
	                               : id >= m->count * FAMILIES))
		return;
	if (id == MX_ID) {
		take_mx(m, answer);
		return;
	}
	struct host *h = &m->hosts[id / FAMILIES];
	if (h->families[id % FAMILIES].is_given && !h->families[id % FAMILIES].is_answered)
		take_addresses(m, h, id % FAMILIES, answer);
}

const struct mx_result *mx_result(const struct mx *m)
{
	return m->is_done ? &m->result : NULL;
}
