/* internal.h: what the files of the SMTP server engine share; nobody else includes it but their tests.
 *
 * Shape      session.c feeds lines to the verbs of verbs.c; mail.c reads the arguments of MAIL and RCPT;
 *            body.c takes DATA and BDAT; auth.c the exchange of AUTH; reply.c writes to the peer.
 *            "mode" says what the next bytes are, "state" which commands are legal.
 */
#ifndef BUZON_PROTOCOLS_SMTP_INTERNAL_H
#define BUZON_PROTOCOLS_SMTP_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "protocols/smtp/data.h"
#include "protocols/smtp/smtp.h"

enum smtp_state {
	SMTP_START,  /* no EHLO yet, or TLS has just begun */
	SMTP_READY,  /* between transactions */
	SMTP_MAIL,   /* a sender, no recipient yet */
	SMTP_RCPT,   /* at least one recipient was taken */
	SMTP_CHUNKS, /* some BDAT was taken, LAST not yet */
	SMTP_FAILED, /* a BDAT failed: RSET must come. RFC 3030 §2 */
	SMTP_STATE_COUNT,
};
#define IN(state) (1u << (state))
#define IN_ANY (IN(SMTP_STATE_COUNT) - 1)

enum smtp_mode {
	SMTP_MODE_GREETING, /* nothing may come yet */
	SMTP_MODE_COMMAND,
	SMTP_MODE_SKIP, /* the rest of a line that is too long */
	SMTP_MODE_AUTH,
	SMTP_MODE_AUTH_LAST, /* the empty response to data sent with success */
	SMTP_MODE_DATA,
	SMTP_MODE_CHUNK,
	SMTP_MODE_TLS,
	SMTP_MODE_WAIT, /* for a decision */
	SMTP_MODE_DONE,
};

enum smtp_waiting {
	SMTP_WAIT_NONE,
	SMTP_WAIT_MAIL,
	SMTP_WAIT_RCPT,
	SMTP_WAIT_DATA,  /* DATA_BEGIN of DATA */
	SMTP_WAIT_CHUNK, /* DATA_BEGIN of BDAT */
	SMTP_WAIT_MESSAGE,
	SMTP_WAIT_AUTH,
};

enum {
	SMTP_OUTPUT_MAX = 1 << 20, /* LMTP: a reply for each of 1,000 recipients */
	SMTP_OUTPUT_HIGH = 16384,  /* no more commands are read while so much waits */
	SMTP_SKIP_MAX = 64 * 1024, /* of a line that is too long, before we hang up */
	SMTP_HELLO_MAX = 255,
	SMTP_ENVID_MAX = 100, /* RFC 3461 §4.4 */
	SMTP_ORCPT_MAX = 500, /* RFC 3461 §4.2 */
	SMTP_EVENTS = 8,
	SMTP_LAST_RECIPIENTS = 5, /* looked at after too many refused ones */
	SMTP_STEP_ARENA = 256 * 1024,
};

/* Somebody's decision against a body; kept until all of it has been read. */
struct smtp_failure {
	unsigned code; /* 0: not refused */
	char enhanced[12];
	char text[200];
};

struct smtp_body_reader {
	struct smtp_data data;
	struct smtp_failure failure;
	uint64_t bytes, swallowed;
	uint64_t chunk_bytes, chunk_left; /* BDAT */
	bool is_too_big, has_bare;
	bool is_last, is_stray; /* stray: BDAT outside a transaction */
};

struct smtp_transaction {
	bool open, utf8;
	enum smtp_body body;
	uint32_t recipients; /* accepted */
	uint32_t refused;    /* RCPT answered with 4xx or 5xx */
	uint32_t over;       /* RCPT above the limit */
	uint32_t unanswered; /* LMTP: replies still to come after the message */
};

struct smtp_session {
	struct smtp_options o;
	enum smtp_state state;
	enum smtp_mode mode;
	enum smtp_waiting waiting;
	bool tls, extended, signed_in, stopping, spoke;
	struct smtp_transaction tx;
	struct smtp_body_reader *body; /* only while a body is read */
	struct buf out;
	struct arena *scratch; /* what the events of this step point to */

	struct smtp_event event; /* the one with a payload */
	struct smtp_refused refused;
	enum smtp_event_type queue[SMTP_EVENTS];
	uint8_t event_at, event_count;

	/* What a client has used up. */
	uint32_t bad, idle, messages, refused_recipients, last_recipients;
	uint32_t forgiven; /* out-of-order RCPT, DATA, BDAT that follow a refusal by pipelining */
	uint64_t skipped;

	bool ticking;
	uint64_t now, started_at, activity_at, window_at, window_bytes;
};

typedef void smtp_verb_fn(struct smtp_session *s, str args);

enum smtp_verb_flags {
	VERB_BARE = 1,      /* takes no argument */
	VERB_IDLE = 2,      /* does nothing for mail: counted in idle_commands */
	VERB_HELLO = 4,     /* the other role's greeting: 500 rather than 502 */
	VERB_PIPELINED = 8, /* may stand behind something refused: see forgiven */
	VERB_HIDDEN = 16,   /* not in HELP */
};

struct smtp_verb {
	str name;
	unsigned roles;  /* 1 << enum smtp_role; elsewhere it is not implemented */
	unsigned states; /* where it is legal; anywhere else the answer is 503 */
	unsigned flags;
	smtp_verb_fn *run;
};
extern const struct smtp_verb smtp_verbs[];
extern const size_t smtp_verb_count;
void smtp_run_line(struct smtp_session *s, str line);
/* Parts of EHLO that depend on the session; mechanisms as announced now. */
str smtp_mechanisms(const struct smtp_session *s);

/* reply.c */
void smtp_say(struct smtp_session *s, unsigned code, str enhanced, str text);
#define SMTP_SAY(s, code, enhanced, text) smtp_say((s), (code), STR(enhanced), STR(text))
/* One line "250-text" without an enhanced code. */
void smtp_say_line(struct smtp_session *s, unsigned code, bool more, str text);
void smtp_push(struct smtp_session *s, enum smtp_event_type type);
/* Memory for what the events of this step point to. */
struct arena *smtp_scratch(struct smtp_session *s);
/* Says no, tells the story, counts it against the client. */
void smtp_refuse(struct smtp_session *s, unsigned code, str enhanced, str text);
#define SMTP_REFUSE(s, code, enhanced, text) smtp_refuse((s), (code), STR(enhanced), STR(text))
/* The same without counting: limits, and what is the client's good right to try. */
void smtp_decline(struct smtp_session *s, unsigned code, str enhanced, str text);
#define SMTP_DECLINE(s, code, enhanced, text) smtp_decline((s), (code), STR(enhanced), STR(text))
void smtp_note(struct smtp_session *s, unsigned code, str text); /* only the story */

/* session.c */
/* The one place where a transaction ends. next is READY, START or FAILED. */
void smtp_end_transaction(struct smtp_session *s, enum smtp_state next);
void smtp_ask(struct smtp_session *s, enum smtp_event_type type, enum smtp_waiting what);
/* The reply has been said: hang up. */
void smtp_finish(struct smtp_session *s);
/* Back to commands; says 421 when we are stopping and nothing is open. */
void smtp_resume(struct smtp_session *s);

/* mail.c */
void smtp_on_mail(struct smtp_session *s, str args);
void smtp_on_rcpt(struct smtp_session *s, str args);
void smtp_answer_mail(struct smtp_session *s, struct smtp_reply r);
void smtp_answer_rcpt(struct smtp_session *s, struct smtp_reply r);

/* body.c */
void smtp_on_data(struct smtp_session *s, str args);
void smtp_on_bdat(struct smtp_session *s, str args);
void smtp_answer_begin(struct smtp_session *s, struct smtp_reply r);
void smtp_answer_message(struct smtp_session *s, struct smtp_reply r);
size_t smtp_feed_data(struct smtp_session *s, str bytes);
size_t smtp_feed_chunk(struct smtp_session *s, str bytes);

/* auth.c */
void smtp_on_auth(struct smtp_session *s, str args);
void smtp_auth_line(struct smtp_session *s, str line);
void smtp_auth_abort(struct smtp_session *s); /* tells whoever checks, says nothing */

static inline bool smtp_is_ok(struct smtp_reply r)
{
	return r.code < 400;
}

#endif
