/* outbound.h: delivers messages to other servers, one job for each DELIVER.
 *
 * Purpose    Find the hosts of a destination (services/route/mx.h), try them in order, speak SMTP or LMTP with the
 *            first that will (protocols/smtp_client), under the TLS that is asked for or that DANE demands
 *            (RFC 7672) or the domain's policy (MTA-STS, RFC 8461), and say for each recipient what became of it.
 * Shape      outbound_new, outbound_deliver for each job; fn is called once for each.
 * Ownership  A job copies what it needs of the frame and takes the descriptor. A result is good during fn only.
 * Threads    The loop's thread.
 * Limits     OUTBOUND_JOB_MS a job, no new host after OUTBOUND_HOSTS_MS; a connection carries
 *            OUTBOUND_TRANSACTIONS messages and waits OUTBOUND_IDLE_MS for the next one, OUTBOUND_IDLE_MAX of them
 *            at once.
 * Errors     None are returned: whatever goes wrong becomes a result for each recipient.
 * Not here   When to try again, how many at once (services/queue, role core). Finding policies (services/sts).
 *
 * Which host is next: one that cannot be reached, refuses us before MAIL, says 421 or hangs up before it answered
 * anything is passed over (RFC 5321 §5.1); so is one that cannot take this message (SIZE, SMTPUTF8, REQUIRETLS).
 * Any other answer ends the job.
 */
#ifndef BUZON_SESSIONS_OUTBOUND_OUTBOUND_H
#define BUZON_SESSIONS_OUTBOUND_OUTBOUND_H

#include "net/tls_client.h"
#include "services/frames/frames.h"
#include "services/resolve/resolve.h"
#include "services/sts/sts.h"

enum {
	OUTBOUND_CONNECT_MS = 30 * 1000,
	OUTBOUND_HOSTS_MS = 5 * 60 * 1000,
	OUTBOUND_JOB_MS = 40 * 60 * 1000,
	OUTBOUND_IDLE_MS = 5 * 1000,
	OUTBOUND_TRANSACTIONS = 100,
	OUTBOUND_IDLE_MAX = 500,
};

struct outbound;

/* How the DNS is asked: resolver_ask and resolver_cancel behind pointers, so that tests can play it. */
struct outbound_dns {
	void *(*ask)(void *dns, const struct dns_question *q, resolver_fn *fn, void *arg);
	void (*cancel)(void *dns, void *query);
	void *dns;
};
struct outbound_dns outbound_dns_of(struct resolver *r);

struct outbound_settings {
	str hostname;
	bool private_addresses; /* may be connected to for MX */
	struct sts *sts;        /* borrowed; NULL: policies of MTA-STS are not looked for */
};

struct outbound *outbound_new(struct loop *l, const struct outbound_dns *dns,
    struct tls_client *tls, const struct outbound_settings *settings);
/* For jobs from now on. */
void outbound_configure(struct outbound *o, const struct outbound_settings *settings);
/* Jobs are forgotten, without an answer. */
void outbound_free(struct outbound *o);

typedef void outbound_fn(void *arg, const struct frame_deliver_result *result);

/* body_fd: -1, or a file with the body; taken. fn may be called before this returns. */
void outbound_deliver(
    struct outbound *o, const struct frame_deliver *f, int *body_fd, outbound_fn *fn, void *arg);

/* No more jobs: idle connections end, new jobs are answered at once that it is not the time. */
void outbound_stop(struct outbound *o);
/* Ends what is still under way; every job is answered before this returns. */
void outbound_abort(struct outbound *o);
size_t outbound_jobs(const struct outbound *o);

#endif
