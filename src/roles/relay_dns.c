#include "roles/relay_dns.h"

#include <stdlib.h>

#include "services/frames/dns_pack.h"

struct relay_dns {
	struct role *role;
	struct resolver *resolver;
	/* Counts the connections of each peer: an answer for an earlier one is dropped. */
	uint64_t generation[ROLE_COUNT][ROLE_INSTANCES_MAX];
	size_t open;
	bool is_over; /* freed when the last question is answered */
};

/* Whom to answer. */
struct asker {
	struct relay_dns *dns;
	enum role_id from;
	unsigned index;
	uint64_t generation;
	struct link *link;
	uint32_t request;
};

static struct resolver *open_resolver(struct role *r, str anchor, struct err *err)
{
	return resolver_new(
	    &(struct resolver_options){
	        .loop = r->loop, .server = r->config->dns_server, .trust_anchor = anchor },
	    err);
}

struct resolver *relay_dns_resolver(struct role *r, struct err *err)
{
	struct resolver *resolver = open_resolver(r, r->config->dns_trust_anchor, err);

	if (resolver || str_empty(r->config->dns_trust_anchor))
		return resolver;
	resolver = open_resolver(r, STR_NONE, NULL);
	if (resolver)
		log_alert(
		    &r->log, "answers of the DNS are not validated", F_CSTR("why", err->text));
	return resolver;
}

struct relay_dns *relay_dns_new(struct role *r, struct resolver *resolver)
{
	struct relay_dns *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->role = r;
	d->resolver = resolver;
	return d;
}

void relay_dns_free(struct relay_dns *d)
{
	if (!d)
		return;
	d->is_over = true;
	if (d->open == 0)
		free(d);
}

static void answered(void *arg, uint32_t id, const struct dns_answer *answer)
{
	struct asker *a = arg;
	struct relay_dns *d = a->dns;
	AUTO_BUF packed = BUF_INIT(DNS_PACK_MAX);

	(void)id;
	d->open--;
	if (!d->is_over && d->generation[a->from][a->index] == a->generation &&
	    link_is_up(a->link)) {
		dns_answer_pack(answer, &packed);
		struct frame_dns_answer f = { .answer = buf_str(&packed) };
		link_reply(a->link, a->request, &frame_def_dns_answer, &f, NULL, 0, NULL);
	}
	if (d->is_over && d->open == 0)
		free(d);
	free(a);
}

int relay_dns_frame(struct relay_dns *d, enum role_id from, unsigned index, struct link *link,
    struct link_frame *in)
{
	struct frame_dns_ask f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || in->request == 0 ||
	    !dns_type_name((enum dns_type)f.kind) || !dns_name_is_valid(f.name))
		return -1;
	struct asker *a = malloc(sizeof(*a));
	if (!a)
		abort();
	*a = (struct asker){ d, from, index, d->generation[from][index], link, in->request };
	d->open++;
	resolver_ask(d->resolver,
	    &(struct dns_question){ .type = (enum dns_type)f.kind, .name = f.name }, answered, a);
	return 0;
}

void relay_dns_peer_lost(struct relay_dns *d, enum role_id peer, unsigned index)
{
	d->generation[peer][index]++;
}
