/* Role relay: the outside world. Core names what is to be delivered and where; DNS and connections are here. */
#include "roles/relay_dns.h"
#include "roles/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "services/fetch/fetch.h"
#include "sessions/outbound/outbound.h"

enum { ROOTS_MAX = 8 << 20, STOP_POLL_MS = 20 };

struct relay {
	struct role *role;
	struct resolver *resolver;
	struct relay_dns *dns; /* asks for others */
	struct tls_client *tls;
	struct fetch *web;
	struct sts *sts;
	struct outbound *outbound;
	struct timer *stop_timer;
	uint64_t stop_at_ms;
	unsigned core; /* counts those that were there: an answer goes to the one that asked */
};

/* One DELIVER on its way. */
struct delivery {
	struct relay *relay;
	uint32_t request;
	unsigned core;
};

/* ---- start ---- */

static int read_roots(const struct role *r, struct buf *out)
{
	char name[4096];
	ssize_t n;

	snprintf(name, sizeof(name), STR_FMT, STR_ARG(r->config->relay_authorities));
	AUTO_FD fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do {
		char *space = buf_space(out, 65536);
		n = space ? read(fd, space, 65536) : -1;
		if (n > 0)
			buf_grow(out, (size_t)n);
	} while (n > 0);
	return n < 0 ? -1 : 0;
}

/* Without authorities no policy host can be believed: there is no MTA-STS then. */
static int start_policies(struct relay *y, str roots, struct err *err)
{
	struct role *r = y->role;

	if (!roots.len)
		return 0;
	y->web = fetch_new(r->loop, roots, err);
	if (!y->web)
		return -1;
	struct sts_options options = sts_options_of(r->loop, &r->log, y->resolver, y->web);
	y->sts = sts_new(&options);
	return 0;
}

/* Without authorities only DANE can verify a server; opportunistic TLS does not need them. */
static int make_tls(struct relay *y, struct err *err)
{
	const struct role *r = y->role;
	AUTO_BUF roots = BUF_INIT(ROOTS_MAX);

	if (r->config->relay_authorities.len && read_roots(r, &roots) < 0) {
		log_warn(&r->log,
		    "no certificate of another server can be verified: the list of authorities "
		    "cannot be read",
		    F_STR("file", r->config->relay_authorities), F_CSTR("why", strerror(errno)));
		buf_reset(&roots);
	}
	y->tls = tls_client_new(buf_str(&roots), err);
	return y->tls ? start_policies(y, buf_str(&roots), err) : -1;
}

static struct outbound_settings settings_of(const struct relay *y)
{
	const struct role *r = y->role;

	if (y->sts)
		sts_allow_special(y->sts, r->config->relay_private_addresses);
	return (struct outbound_settings){ .hostname = r->config->hostname,
		.private_addresses = r->config->relay_private_addresses,
		.sts = y->sts };
}

static int relay_start(struct role *r, struct err *err)
{
	struct relay *y = calloc(1, sizeof(*y));

	if (!y)
		abort();
	y->role = r;
	r->state = y;
	y->resolver = relay_dns_resolver(r, err);
	if (!y->resolver || make_tls(y, err) < 0)
		return -1;
	y->dns = relay_dns_new(r, y->resolver);
	struct outbound_dns dns = outbound_dns_of(y->resolver);
	struct outbound_settings settings = settings_of(y);
	y->outbound = outbound_new(r->loop, &dns, y->tls, &settings);
	return 0;
}

static void relay_reload(struct role *r)
{
	struct relay *y = r->state;
	struct outbound_settings settings = settings_of(y);

	outbound_configure(y->outbound, &settings);
}

/* ---- deliveries ---- */

static void on_delivered(void *arg, const struct frame_deliver_result *result)
{
	struct delivery *d = arg;
	struct role *r = d->relay->role;
	struct err err = { 0 };

	if (d->core == d->relay->core && link_reply(r->links[ROLE_CORE][0], d->request,
	                                     &frame_def_deliver_result, result, NULL, 0, &err) < 0)
		log_warn(&r->log, "the result of a delivery is lost", F_CSTR("why", err.text));
	free(d);
}

static int on_deliver(struct relay *y, struct link_frame *in)
{
	struct frame_deliver f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || !in->request ||
	    f.port > UINT16_MAX || f.way > RELAY_LMTP || f.tls > RELAY_TLS_NEVER)
		return -1;
	struct delivery *d = calloc(1, sizeof(*d));
	if (!d)
		abort();
	*d = (struct delivery){ .relay = y, .request = in->request, .core = y->core };
	outbound_deliver(y->outbound, &f, &in->fds[0], on_delivered, d);
	return 0;
}

static int relay_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	struct relay *y = r->state;

	return in->def->type == FRAME_DNS_ASK ? relay_dns_frame(y->dns, from, index, link, in)
	                                      : on_deliver(y, in);
}

/* Nobody would note what becomes of them, and the next core asks again: what has not been sent yet is not sent. */
static void relay_peer_lost(struct role *r, enum role_id peer, unsigned index)
{
	struct relay *y = r->state;

	relay_dns_peer_lost(y->dns, peer, index);
	if (peer != ROLE_CORE)
		return;
	y->core++;
	outbound_abort(y->outbound);
}

/* ---- stop ---- */

static void check_stop(void *arg)
{
	struct relay *y = arg;
	bool is_late = loop_now_ms(y->role->loop) >= y->stop_at_ms;

	if (outbound_jobs(y->outbound) > 0 && !is_late) {
		timer_set(y->stop_timer, STOP_POLL_MS);
		return;
	}
	outbound_abort(y->outbound);
	role_exit(y->role, 0);
}

static void relay_stop(struct role *r, uint32_t grace_ms)
{
	struct relay *y = r->state;

	/* Half of the time for what is under way, the rest for core to note what became of it. */
	y->stop_at_ms = loop_now_ms(r->loop) + grace_ms / 2;
	outbound_stop(y->outbound);
	if (!y->stop_timer)
		y->stop_timer = timer_new(r->loop, check_stop, y);
	check_stop(y);
}

static const struct frame_def *const from_core[] = { &frame_def_deliver, NULL },
                                     *const from_worker[] = { &frame_def_dns_ask, NULL };

const struct role_kind role_relay = {
	.name = "relay",
	.grants = GRANT_CONNECT,
	.accepts = { [ROLE_CORE] = from_core, [ROLE_WORKER] = from_worker },
	.start = relay_start,
	.frame = relay_frame,
	.peer_lost = relay_peer_lost,
	.reload = relay_reload,
	.stop = relay_stop,
};
