/* internal.h: what the files of the SMTP client engine share; nobody else includes it but their tests.
 *
 * Shape      client.c has the public functions: bytes become replies, replies go to the handler that
 *            stages.c names for the command they answer. hello.c: banner, EHLO, STARTTLS; sign_in.c: AUTH;
 *            transaction.c: what may be said next, MAIL to the end of the recipients; command_line.c: the
 *            text of MAIL and RCPT; body.c: DATA, BDAT and their answers; results.c: who gets which
 *            result. "smtpc_" is what they share.
 *
 * Commands that were said and not answered stand in a queue, each with the place in the output where it
 * ends: an answer that comes before that place was sent is an answer to nothing. So is one that had come before
 * the command was said, as when a peer says everything twice.
 */
#ifndef BUZON_PROTOCOLS_SMTP_CLIENT_INTERNAL_H
#define BUZON_PROTOCOLS_SMTP_CLIENT_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "protocols/sasl/sasl_client.h"
#include "protocols/smtp_client/client.h"
#include "protocols/smtp_client/stuffing.h"

enum smtpc_state {
	SMTPC_OPENING, /* banner to AUTH */
	SMTPC_HANDSHAKE,
	SMTPC_READY,
	SMTPC_ENVELOPE, /* MAIL to the answer to DATA */
	SMTPC_BODY,
	SMTPC_DRAIN, /* refused: answers to what was said already are still to come */
	SMTPC_FINAL, /* all of it was said */
	SMTPC_RESET,
	SMTPC_QUIT,
	SMTPC_DONE,
};

enum {
	SMTPC_OUTPUT_MAX = 1 << 20,
	SMTPC_OUTPUT_HIGH = 64 * 1024, /* nothing more is said while so much waits */
	SMTPC_BODY_STEP = 64 * 1024,
	SMTPC_CHUNK_DEFAULT = 1 << 20,
	SMTPC_NAME_MAX = 255,
	SMTPC_PARAM_MAX = 1024, /* of a parameter of MAIL or RCPT */
	SMTPC_EVENTS = 8,
	SMTPC_TX_ARENA = 4 << 20,
	SMTPC_TX_RECIPIENT = 2048,            /* more of it for each recipient */
	SMTPC_BODY_GRACE_MS = 10 * 60 * 1000, /* before BODY_RATE counts */
	SMTPC_AUTH_MAX = 12288,               /* RFC 4954 §4 */
};

/* A command that waits for its answer. */
struct smtpc_pending {
	enum smtp_client_stage stage;
	uint32_t recipient;
	uint64_t end;      /* place in all the output */
	uint64_t asked_at; /* how much input had come when it was said */
};

enum smtpc_rcpt { SMTPC_RCPT_UNSAID, SMTPC_RCPT_SAID, SMTPC_RCPT_TAKEN };

struct smtpc_tx {
	bool is_open;    /* begun, no results yet */
	bool is_waiting; /* started before the connection was ready */
	struct smtp_client_transaction t;
	struct smtp_client_result *results;
	uint8_t *rcpt; /* enum smtpc_rcpt */
	bool mail_said, mail_taken, data_said;
	bool is_utf8, is_chunked, is_full; /* full: the peer takes no more recipients */
	bool is_failed;                    /* no message will be sent any more */
	size_t said, taken;                /* recipients */
	size_t lmtp_at;                    /* the next one to be answered */
	uint64_t given;                    /* of the message */
	uint64_t chunk_left;
	bool chunk_last, is_sent; /* sent: everything of it is in the output */
	uint64_t end;             /* place in all the output where the message ends */
	uint64_t body_started_at;
	struct stuffing stuffing;
};

struct smtp_client {
	struct smtp_client_options o;
	enum smtpc_state state;
	struct smtp_client_facts facts;
	char peer_name[SMTPC_NAME_MAX + 1];
	struct peer_reply_reader reader;
	struct buf out;
	uint64_t sent;          /* of all the output */
	uint64_t arrived, used; /* of all the input */
	struct smtpc_pending queue[SMTP_CLIENT_PIPELINE];
	size_t queue_at, queue_count;
	enum smtp_client_stage answered; /* the last one */
	struct smtpc_tx tx;
	struct arena *arena; /* the transaction's */
	struct sasl_client *sasl;
	unsigned mechanisms_tried;
	unsigned mechanism; /* the one at work: an index of sasl_mechanisms */
	bool auth_cancelled, is_quitting, was_ready, is_ticking;

	struct smtp_client_event events[SMTPC_EVENTS];
	size_t event_at, event_count;
	struct smtp_client_result failure;
	char failure_text[SMTP_CLIENT_REPLY_TEXT + 1];

	uint64_t now, waiting_since;
};

/* ---- stages.c: the table ---- */

typedef void smtpc_reply_fn(
    struct smtp_client *c, const struct smtpc_pending *p, const struct peer_reply *r);

struct smtpc_stage {
	const char *name;
	uint32_t timeout_ms;
	/* By the class of the reply; NULL: it makes no sense here. */
	smtpc_reply_fn *on_done, *on_more, *on_temporary, *on_permanent;
};
extern const struct smtpc_stage smtpc_stages[SMTP_CLIENT_STAGES];

/* ---- results.c ---- */

/* Things that we say ourselves. */
enum smtpc_local {
	SMTPC_LOST,
	SMTPC_TIMEOUT,
	SMTPC_MALFORMED,
	SMTPC_FLOOD,
	SMTPC_UNEXPECTED,
	SMTPC_EARLY,
	SMTPC_STOPPED,
	SMTPC_SOURCE_FAILED,
	SMTPC_TOO_SLOW,
	SMTPC_TLS_MISSING,
	SMTPC_TLS_BROKEN,
	SMTPC_AUTH_MISSING,
	SMTPC_AUTH_BROKEN,
	SMTPC_TOO_BIG,
	SMTPC_UTF8_ADDRESS,
	SMTPC_UTF8_HEADER,
	SMTPC_NO_REQUIRETLS,
	SMTPC_NEEDS_7BIT,
	SMTPC_BAD_SENDER,
	SMTPC_BAD_RECIPIENT,
	SMTPC_OVER_LIMIT,
	SMTPC_BINARY,
	SMTPC_LOCALS,
};

enum smtp_client_outcome smtpc_outcome(const struct peer_reply *r);
void smtpc_settle(struct smtp_client *c, size_t i, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r);
void smtpc_settle_local(struct smtp_client *c, size_t i, enum smtpc_local why);
/* Everybody who has no result yet. */
void smtpc_settle_rest(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r);
void smtpc_settle_rest_local(struct smtp_client *c, enum smtpc_local why);
/* The connection makes no sense any more: results for all, closed. detail may be empty. */
void smtpc_break(struct smtp_client *c, enum smtpc_local why, str detail);
/* The peer wants none of our mail: results for all, then QUIT; or closed, after 421. */
void smtpc_give_up(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r);
/* The same, for a reason of our own. */
void smtpc_give_up_local(struct smtp_client *c, enum smtpc_local why, str detail);
/* The peer said no in the middle of something: results for all, closed without another word. */
void smtpc_hang_up(struct smtp_client *c, enum smtp_client_stage stage,
    enum smtp_client_outcome outcome, const struct peer_reply *r);
/* Says EVENT_RESULTS. */
void smtpc_end_transaction(struct smtp_client *c, bool is_usable);

/* ---- client.c ---- */

void smtpc_push(struct smtp_client *c, struct smtp_client_event e);
/* Puts a command into the queue; extra octets behind what is in the output belong to it. */
void smtpc_await(
    struct smtp_client *c, enum smtp_client_stage stage, size_t recipient, uint64_t extra);
/* One more answer to the same command. */
void smtpc_await_again(struct smtp_client *c, const struct smtpc_pending *p, size_t recipient);
void smtpc_say(struct smtp_client *c, enum smtp_client_stage stage, str line);
void smtpc_say_quit(struct smtp_client *c);
/* Another transaction may follow on this connection. */
bool smtpc_is_usable(const struct smtp_client *c);
void smtpc_close(struct smtp_client *c);
/* Between transactions: begins one that waits, quits when that was asked for. */
void smtpc_enter_ready(struct smtp_client *c);
/* Says and does everything that can be done now. */
void smtpc_pump(struct smtp_client *c);

static inline uint64_t smtpc_place(const struct smtp_client *c)
{
	return c->sent + c->out.len;
}

static inline bool smtpc_pipelines(const struct smtp_client *c)
{
	return smtp_can(&c->facts.can, SMTP_CAN_PIPELINING);
}

/* ---- the handlers of stages.c ---- */

/* hello.c */
smtpc_reply_fn smtpc_on_banner, smtpc_on_ehlo, smtpc_on_ehlo_refused, smtpc_on_helo,
    smtpc_on_starttls, smtpc_on_starttls_refused, smtpc_on_refused;
/* sign_in.c */
smtpc_reply_fn smtpc_on_auth, smtpc_on_auth_more, smtpc_on_auth_refused;
bool smtpc_wants_sign_in(const struct smtp_client *c);
void smtpc_sign_in(struct smtp_client *c);
/* transaction.c */
smtpc_reply_fn smtpc_on_mail, smtpc_on_mail_refused, smtpc_on_rcpt, smtpc_on_rcpt_refused,
    smtpc_on_rset;
void smtpc_begin(struct smtp_client *c);
void smtpc_pump_envelope(struct smtp_client *c);
/* No message will be sent: waits for the answers that are still to come, then ends. */
void smtpc_drain(struct smtp_client *c);
/* command_line.c */
bool smtpc_is_path(str address);
void smtpc_say_mail(struct smtp_client *c);
void smtpc_say_rcpt(struct smtp_client *c, size_t i);
/* body.c */
smtpc_reply_fn smtpc_on_data, smtpc_on_data_refused, smtpc_on_message, smtpc_on_message_refused,
    smtpc_on_chunk, smtpc_on_chunk_refused;
void smtpc_begin_body(struct smtp_client *c);
void smtpc_pump_body(struct smtp_client *c);
/* A reply while the message is on its way and nothing was asked. */
void smtpc_on_early(struct smtp_client *c, const struct peer_reply *r);

#endif
