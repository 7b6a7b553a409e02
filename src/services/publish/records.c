#include <openssl/evp.h>

#include "services/publish/internal.h"

enum { RECORDS_MAX = 64, TEXT_STRING_MAX = 255, POLICY_AGE_S = 604800, MX_PRIORITY = 10 };

struct listing {
	const struct publish_facts *facts;
	struct arena *arena;
	struct publish_record *list;
	size_t count, cap;
};

static struct publish_record *add(
    struct listing *l, enum publish_kind kind, enum dns_type type, str name)
{
	struct publish_record *r =
	    arena_push(l->arena, &l->list, &l->count, &l->cap, sizeof(*l->list));

	*r = (struct publish_record){ .kind = kind, .type = type, .name = name };
	return r;
}

static struct publish_record *add_text(
    struct listing *l, enum publish_kind kind, const char *prefix, str text)
{
	struct publish_record *r = add(l, kind, DNS_TXT,
	    arena_strf(l->arena, "%s" STR_FMT, prefix, STR_ARG(l->facts->domain)));

	r->text = text;
	return r;
}

/* ---- mail ---- */

static void add_mail(struct listing *l)
{
	str host = l->facts->config->hostname;
	struct publish_record *mx = add(l, PUBLISH_MX, DNS_MX, l->facts->domain);

	mx->priority = MX_PRIORITY;
	mx->target = host;
	mx->is_needed = true;
	add_text(l, PUBLISH_SPF, "", STR("v=spf1 mx -all"))->is_needed = true;
	/* RFC 7208 §2.4: bounces have no sender, so the name in EHLO is looked at. */
	if (!dns_name_eq(host, l->facts->domain))
		add(l, PUBLISH_SPF_HOST, DNS_TXT, host)->text = STR("v=spf1 a -all");
}

static void add_keys(struct listing *l)
{
	for (size_t i = 0; i < l->facts->key_count; i++) {
		const struct publish_key *k = &l->facts->keys[i];
		struct publish_record *r =
		    add(l, k->is_retired ? PUBLISH_DKIM_RETIRED : PUBLISH_DKIM, DNS_TXT, k->name);
		r->text = k->record;
		r->is_needed = true;
	}
}

/* ---- policies ---- */

str publish_policy(const struct publish_facts *facts, struct arena *a)
{
	return arena_strf(a, "version: STSv1\nmode: enforce\nmx: " STR_FMT "\nmax_age: %d\n",
	    STR_ARG(facts->config->hostname), POLICY_AGE_S);
}

/* RFC 8461 §3.1: another id when the policy changes; so it is made from the policy. */
static str policy_id(struct listing *l)
{
	unsigned char digest[PUBLISH_DIGEST_BYTES] = { 0 };
	str policy = publish_policy(l->facts, l->arena);
	uint64_t id = 0;

	EVP_Q_digest(NULL, "SHA256", NULL, policy.ptr, policy.len, digest, NULL);
	for (size_t i = 0; i < sizeof(id); i++)
		id = id << 8 | digest[i];
	return arena_strf(l->arena, "v=STSv1; id=%016llx", (unsigned long long)id);
}

static void add_policies(struct listing *l)
{
	str domain = l->facts->domain;

	add_text(l, PUBLISH_DMARC, "_dmarc.",
	    arena_strf(l->arena, "v=DMARC1; p=quarantine; rua=mailto:postmaster@" STR_FMT,
	        STR_ARG(domain)))
	    ->is_needed = true;
	add_text(l, PUBLISH_MTA_STS, "_mta-sts.", policy_id(l));
	add_text(l, PUBLISH_TLSRPT, "_smtp._tls.",
	    arena_strf(l->arena, "v=TLSRPTv1; rua=mailto:postmaster@" STR_FMT, STR_ARG(domain)));
	if (!l->facts->spki)
		return;
	add(l, PUBLISH_TLSA, DNS_TLSA,
	    arena_strf(l->arena, "_25._tcp." STR_FMT, STR_ARG(l->facts->config->hostname)))
	    ->digest = str_new(l->facts->spki, PUBLISH_DIGEST_BYTES);
}

/* ---- programs of users ---- */

/* RFC 6186 §3.3: the priority says which of two services a client should rather use; RFC 8314 §3: TLS from the
 * start. */
static const struct {
	enum listen_service service;
	const char *prefix;
	uint16_t priority;
} services[] = {
	{ LISTEN_SUBMISSIONS, "_submissions._tcp.", 0 },
	{ LISTEN_SUBMISSION, "_submission._tcp.", 10 },
	{ LISTEN_IMAPS, "_imaps._tcp.", 0 },
	{ LISTEN_IMAP, "_imap._tcp.", 10 },
	{ LISTEN_POP3S, "_pop3s._tcp.", 20 },
	{ LISTEN_POP3, "_pop3._tcp.", 30 },
};

/* 0: it is not served by TCP. */
static uint16_t port_of(const struct config *c, enum listen_service service)
{
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *listen = &c->listens[i];
		for (size_t j = 0; listen->service == service && j < listen->address_count; j++) {
			if (!listen->addresses[j].is_unix)
				return listen->addresses[j].port;
		}
	}
	return 0;
}

static void add_services(struct listing *l)
{
	static const char *const names[] = { "autoconfig.", "autodiscover." };
	const struct config *c = l->facts->config;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		uint16_t port = port_of(c, services[i].service);
		if (!port)
			continue;
		struct publish_record *r = add(l, PUBLISH_SRV, DNS_SRV,
		    arena_strf(
		        l->arena, "%s" STR_FMT, services[i].prefix, STR_ARG(l->facts->domain)));
		r->priority = services[i].priority;
		r->weight = 1;
		r->port = port;
		r->target = c->hostname;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(l, PUBLISH_AUTOCONFIG, DNS_CNAME,
		    arena_strf(l->arena, "%s" STR_FMT, names[i], STR_ARG(l->facts->domain)))
		    ->target = c->hostname;
}

size_t publish_records(
    const struct publish_facts *facts, struct arena *a, struct publish_record **out)
{
	struct listing l = { .facts = facts, .arena = a };

	add_mail(&l);
	add_keys(&l);
	add_policies(&l);
	add_services(&l);
	*out = l.list;
	return l.count;
}

/* ---- printing ---- */

/* RFC 1035 §5.1: strings of at most 255 octets; a long text is several of them. */
static void print_text(str text, struct buf *out)
{
	do {
		str piece = str_sub(text, 0, TEXT_STRING_MAX);
		text = str_skip(text, piece.len);
		buf_addc(out, '"');
		for (size_t i = 0; i < piece.len; i++) {
			if (piece.ptr[i] == '"' || piece.ptr[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, piece.ptr[i]);
		}
		buf_addz(out, text.len ? "\" " : "\"");
	} while (text.len);
}

void publish_value(const struct publish_record *r, struct buf *out)
{
	switch (r->type) {
	case DNS_TXT:
		print_text(r->text, out);
		break;
	case DNS_MX:
		buf_addf(out, "%u " STR_FMT ".", r->priority, STR_ARG(r->target));
		break;
	case DNS_SRV:
		buf_addf(out, "%u %u %u " STR_FMT ".", r->priority, r->weight, r->port,
		    STR_ARG(r->target));
		break;
	case DNS_TLSA:
		buf_addz(out, "3 1 1 ");
		for (size_t i = 0; i < r->digest.len; i++)
			buf_addf(out, "%02x", (unsigned char)r->digest.ptr[i]);
		break;
	default:
		buf_addf(out, STR_FMT ".", STR_ARG(r->target));
	}
}

void publish_zone_line(const struct publish_record *r, struct buf *out)
{
	buf_addf(
	    out, STR_FMT ". %d IN %s ", STR_ARG(r->name), PUBLISH_TTL_S, dns_type_name(r->type));
	publish_value(r, out);
}
