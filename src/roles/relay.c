/* Role relay: the outside world. It asks the DNS for the workers; delivery to other servers, fetches and
 * probes come with the issue "Mail out". */
#include "roles/relay_dns.h"
#include "roles/role.h"

static int relay_start(struct role *r, struct err *err)
{
	struct resolver *resolver = relay_dns_resolver(r, err);

	if (!resolver)
		return -1;
	r->state = relay_dns_new(r, resolver);
	return 0;
}

static int relay_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	return in->def->type == FRAME_DNS_ASK ? relay_dns_frame(r->state, from, index, link, in)
	                                      : -1;
}

static void relay_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	relay_dns_peer_lost(r->state, peer, index);
}

static void relay_stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	role_exit(r, 0);
}

static const struct frame_def *const from_worker[] = { &frame_def_dns_ask, NULL };

const struct role_kind role_relay = {
	.name = "relay",
	.grants = GRANT_CONNECT,
	.accepts = { [ROLE_WORKER] = from_worker },
	.start = relay_start,
	.frame = relay_frame,
	.peer_lost = relay_peer_lost,
	.stop = relay_stop,
};
