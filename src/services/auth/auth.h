/* auth.h: sign-ins: the exchange with a client, the check, the throttle, the ticket.
 *
 * Purpose    What role auth does with the frames SASL_START, SASL_STEP, SASL_ABORT, CREDENTIAL_SET
 *            and CREDENTIAL_REMOVE, without links and timers.
 * Messages   Responses and challenges are bytes, not base64: the protocol in front codes them. The
 *            last message of SCRAM goes out as a challenge (protocols/sasl/sasl.h), so that success
 *            never carries data.
 * Ownership  auth_new/auth_free. An exchange is its starter's until auth_end; slices in a reply are
 *            good during the callback.
 * Threads    The owner's thread; hashing runs on two threads inside and comes back through `wake`.
 * Errors     Every outcome is a reply with a text for the user. Unknown name and wrong password
 *            differ neither in text nor in the work that is done.
 * Not here   Waiting: the reply says wait_ms, the caller's timer keeps it.
 */
#ifndef BUZON_SERVICES_AUTH_AUTH_H
#define BUZON_SERVICES_AUTH_AUTH_H

#include "base/log.h"
#include "services/auth/auth_store.h"
#include "services/auth/throttle.h"
#include "services/frames/frames.h"

struct auth;
struct auth_exchange;

struct auth_options {
	struct auth_store *store;             /* stays the caller's */
	const unsigned char *ticket_key;      /* TICKET_KEY_BYTES, copied */
	const struct throttle_limits *limits; /* NULL: the default */
	bool allow_plain; /* without TLS, for peers on this machine. config allow_plain_sign_in */
	const struct log *log;
	/* Makes the owner's thread call auth_collect soon; called from any thread. */
	void (*wake)(void *wake_arg);
	void *wake_arg;
	uint64_t (*now_ms)(void); /* NULL: time_mono_ms */
};

struct auth *auth_new(const struct auth_options *o, struct err *err);
/* Exchanges must have been ended. Waits for hashing that is under way; changes of credentials are
 * answered first. */
void auth_free(struct auth *a);
void auth_collect(struct auth *a);
void auth_set_allow_plain(struct auth *a, bool allow_plain);

/* A peer on this machine, for whom allow_plain may hold: loopback or a Unix socket. */
bool auth_peer_is_local(str address);

struct auth_reply {
	enum sasl_outcome outcome;
	str data;         /* SASL_CONTINUE: the challenge */
	str account;      /* SASL_OK */
	str ticket;       /* SASL_OK */
	str text;         /* for the user, plain; empty with SASL_CONTINUE */
	uint64_t wait_ms; /* the reply must not go out before */
};
typedef void auth_reply_fn(void *arg, const struct auth_reply *r);

/* fn is called exactly once for each start and step, perhaps before the call returns, unless
 * auth_end comes first. */
struct auth_exchange *auth_start(
    struct auth *a, const struct frame_sasl_start *f, auth_reply_fn *fn, void *arg);
void auth_step(struct auth_exchange *x, str response, auth_reply_fn *fn, void *arg);
/* After the last reply, or to give up. */
void auth_end(struct auth_exchange *x);

typedef void auth_credential_fn(void *arg, bool ok, str why);
/* Both answer after the change is on stable storage. remove: a credential that is not there is
 * fine. */
void auth_credential_set(struct auth *a, str account, uint64_t account_id, str password,
    auth_credential_fn *fn, void *arg);
void auth_credential_remove(struct auth *a, str account, auth_credential_fn *fn, void *arg);

#endif
