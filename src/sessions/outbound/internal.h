/* internal.h: what the files of sessions/outbound share.
 *
 * Purpose    outbound.c: jobs and idle connections; job.c: from a destination to its hosts, one after the other;
 *            tlsa.c: what DANE demands of a host; sts.c: what MTA-STS demands; peer.c: one connection; report.c: results and the story.
 * Threads    The loop's thread.
 */
#ifndef BUZON_SESSIONS_OUTBOUND_INTERNAL_H
#define BUZON_SESSIONS_OUTBOUND_INTERNAL_H

#include "base/arena.h"
#include "net/dial.h"
#include "protocols/smtp_client/client.h"
#include "services/frames/outbound.h"
#include "services/route/mx.h"
#include "sessions/outbound/outbound.h"

enum {
	JOB_ARENA_MAX = 4 << 20,
	PEER_ARENA_MAX = 256 << 10,
	TRACE_MAX = 7800,
	TRACE_LINE_MAX = 600,
	PORT_SUBMISSIONS = 465, /* TLS from the first byte. RFC 8314 §3.3 */
	JOB_QUESTIONS_MAX = MX_HOSTS_MAX * 2 + 1,
	NONCE_BYTES = 18,
};

struct outbound {
	struct loop *loop;
	struct outbound_dns dns;
	struct tls_client *tls;
	struct arena *arena; /* of the settings */
	struct outbound_settings settings;
	struct outbound_job *jobs;
	size_t job_count, idle_count;
	struct outbound_peer *peers;
	bool is_stopping;
};

/* ---- peer.c ---- */

struct outbound_peer_options {
	str host, address; /* address: "192.0.2.1", as dial takes it */
	str tls_name, tls_also;
	enum smtp_client_tls_policy tls;
	enum tls_trust trust;
	const struct tls_tlsa *tlsa;
	size_t tlsa_count;
	bool lmtp, is_tls_first, allow_clear;
};

struct outbound_peer {
	struct outbound *outbound;
	struct outbound_peer *next, **link;
	struct arena *arena;
	struct conn *conn; /* NULL: gone */
	struct smtp_client *client;
	struct timer *timer;
	struct outbound_job *job; /* NULL: idle, or ending */
	struct outbound_peer_options o;
	str key, own_name, user, password;
	struct conn_tls_info tls;
	enum tls_verdict verdict;
	char tls_why[200];
	char nonce[NONCE_BYTES * 2 + 1];
	unsigned transactions;
	bool is_idle, is_handshaking, is_ending;
};

/* Takes fd. The job's transaction starts as soon as the peer is ready. */
void outbound_peer_open(struct outbound_job *j, int fd, const struct outbound_peer_options *o);
/* One that waits, for this key; NULL: none. */
struct outbound_peer *outbound_peer_find(struct outbound *o, str key);
/* The next transaction on a connection that is there. False: it takes no more. */
bool outbound_peer_use(struct outbound_peer *p, struct outbound_job *j);
/* The job is through with it. */
void outbound_peer_release(struct outbound_peer *p, bool is_usable);
void outbound_peer_abort(struct outbound_peer *p);
void outbound_peer_forget(struct outbound_peer *p);

/* ---- job.c ---- */

/* How much a set of results counts: the highest stands, of equals the first. */
enum outbound_rank {
	RANK_NONE,
	RANK_HOST_PERMANENT, /* wants no mail of ours; stands only when all hosts say so */
	RANK_UNREACHABLE,
	RANK_HOST_TEMPORARY,
	RANK_HOST_CANNOT, /* the message does not suit this host, and may suit another */
	RANK_MESSAGE,
};

struct outbound_job {
	struct outbound *outbound;
	struct outbound_job *next, **link;
	struct arena *arena;
	struct frame_deliver f;
	int body_fd;
	uint64_t body_at;
	str converted; /* the message in 7 bit, when it had to be */
	bool is_converted, has_body_failed;
	outbound_fn *fn;
	void *arg;
	uint64_t started_ms;
	struct timer *deadline;
	str key;

	uint64_t *ids;
	struct smtp_client_recipient *recipients;
	struct smtp_client_transaction tx;

	/* the way */
	struct mx *mx;
	struct outbound_question {
		struct outbound_job *job;
		void *query; /* NULL: not on its way */
	} questions[JOB_QUESTIONS_MAX];
	size_t question_count;
	struct sts_query *sts_query; /* NULL: not on its way */
	struct sts_policy policy;    /* of the destination, by MTA-STS; mode none: there is none */
	const struct mx_target *targets;
	size_t target_count, at;

	/* what DANE says of tlsa_host */
	str tlsa_host;
	enum { TLSA_NONE, TLSA_THERE, TLSA_FAILED } tlsa;
	struct tls_tlsa *tlsa_records;
	size_t tlsa_count;
	bool is_tlsa_usable, is_tlsa_alias; /* asking for the name behind the aliases */

	struct dial *dial;
	struct outbound_peer *peer;
	bool in_clear;  /* TLS failed with this target: again without */
	bool is_reused; /* peer is a connection of an earlier job */
	bool is_loop;   /* the peer has our own name */

	/* what is known so far */
	enum outbound_rank rank;
	struct outbound_result *results;
	struct frame_deliver_result report;
	struct buf trace;
	bool was_answered, is_slow_down;
};

/* The frame's lists are checked and copied; takes the descriptor. */
void outbound_job_start(struct outbound_job *j);
void outbound_job_free(struct outbound_job *j);
/* Up to max octets of the message from where it stands; nothing: it cannot be read. */
str outbound_job_body(struct outbound_job *j, char *scratch, size_t max);
void outbound_job_on_results(struct outbound_job *j, const struct smtp_client_event *e);
/* TLS is asked for in any case. */
bool outbound_job_needs_tls(const struct outbound_job *j);
bool outbound_job_needs_name(const struct outbound_job *j);
/* The host's TLSA records are known, or it has none. */
void outbound_job_connect(struct outbound_job *j);
/* MX records, addresses and the policy are known, or some of them. */
void outbound_job_follow(struct outbound_job *j);
/* This host is not the one. */
void outbound_job_next(struct outbound_job *j);
/* Answers and frees. */
void outbound_job_finish(struct outbound_job *j);

/* ---- tlsa.c ---- */

/* True: known at once; else outbound_job_connect follows. */
bool outbound_tlsa_ask(struct outbound_job *j, const struct mx_target *t);
bool outbound_tlsa_is_usable(const struct tls_tlsa *r);

/* ---- sts.c ---- */

/* When there may be a policy; outbound_job_follow follows. */
void outbound_sts_ask(struct outbound_job *j);
/* A connection that waits is what the policy, as far as it is known, asks for. */
bool outbound_sts_allows_reuse(const struct outbound_job *j, const struct outbound_peer *p);
/* The host must show a certificate that is good for its name. */
bool outbound_sts_applies(const struct outbound_job *j);
/* The policy does not name this host. */
bool outbound_sts_excludes(const struct outbound_job *j, const struct mx_target *t);
/* False, and reported: the policy does not name this host. */
bool outbound_sts_allows(struct outbound_job *j, const struct mx_target *t);
/* Why TLS was needed, in front of what went wrong with it. */
str outbound_sts_explain(struct outbound_job *j, const struct smtp_client_result *r, str text);
/* For the story: what a policy that is being tested would have said. */
void outbound_sts_note(struct outbound_job *j, const struct smtp_client_event *e);

/* ---- report.c ---- */

/* One result for all recipients, in our own words. */
struct outbound_own {
	enum outbound_rank rank;
	enum outbound_outcome outcome;
	struct enhanced_status enhanced;
	const char *stage;
};
void outbound_report_own(struct outbound_job *j, const struct outbound_own *own, str text);
void outbound_report_results(
    struct outbound_job *j, enum outbound_rank rank, const struct smtp_client_event *e);
/* A line of the story: "host [address]: text". */
void outbound_trace(struct outbound_job *j, str host, str address, str text);
void outbound_trace_results(struct outbound_job *j, const struct smtp_client_event *e);
/* The peer wants fewer connections or messages of us. */
bool outbound_is_slow_down(const struct smtp_client_result *r);

#endif
