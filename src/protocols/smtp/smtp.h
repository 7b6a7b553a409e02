/* smtp.h: the receiving side of SMTP, LMTP and submission as a state machine.
 *
 * Purpose    Turn the bytes of a client into events, and decisions into replies. RFC 5321; PIPELINING
 *            (2920), SIZE (1870), 8BITMIME (6152), ENHANCEDSTATUSCODES (2034), STARTTLS (3207), AUTH
 *            (4954), SMTPUTF8 (6531), CHUNKING and BINARYMIME (3030), DSN (3461), LIMITS (9422),
 *            REQUIRETLS (8689), LMTP (2033), submission (6409).
 * Use        feed, then next until it says false; an event with wants_answer waits for
 *            smtp_session_answer (AUTH: smtp_session_auth). Until then, while events are unread, while
 *            TLS is being started and while too much output waits, feed takes nothing. feed takes one
 *            step at a time (one line, one run of body bytes): call it again until it returns 0 and
 *            no event came. It takes whole lines only; the caller keeps what it did not take.
 * Ownership  The session owns its memory; the slices of smtp_options must outlive it. Slices in an event
 *            are good until the next feed; those of a body point into the bytes that were fed.
 * Threads    One owner at a time. No globals, no clock: time comes in by tick.
 * Units      Bytes and milliseconds.
 * Errors     None: what a client does wrong becomes a reply.
 * Not here   Who may send what to whom (services). Waiting before the greeting (the caller's timer).
 *            The client side of SMTP.
 */
#ifndef BUZON_PROTOCOLS_SMTP_SMTP_H
#define BUZON_PROTOCOLS_SMTP_SMTP_H

#include "base/str.h"

struct smtp_session;

enum smtp_role {
	SMTP_ROLE_MX,
	SMTP_ROLE_SUBMISSION, /* MAIL needs AUTH. RFC 6409 §4.3 */
	SMTP_ROLE_LMTP,       /* LHLO, one reply per recipient after the message */
};

struct smtp_limits {
	uint32_t
	    command_bytes; /* with CRLF. RFC 5321 §4.5.3.1.4: at least 512, more for extensions */
	uint32_t auth_bytes; /* a line of AUTH, with CRLF. RFC 4954 §4: 12,288 */
	uint32_t recipients; /* RFC 5321 §4.5.3.1.8: at least 100; over it 452. LIMITS RCPTMAX */
	uint32_t messages;   /* transactions on one connection; then 421. LIMITS MAILMAX */
	uint64_t message_bytes; /* SIZE; over it 552 */
	uint64_t swallow_bytes; /* of a refused body, discarded before the connection is closed */
	uint32_t bad_commands;  /* refused commands before sign-in; then 421 */
	uint32_t bad_commands_signed_in;
	uint32_t idle_commands; /* NOOP, RSET, VRFY ... without a message; more count as bad */
	uint32_t
	    refused_recipients; /* answered 5xx on one connection; then few more are looked at */
	uint32_t idle_ms;       /* RFC 5321 §4.5.3.2.7: at least five minutes */
	uint32_t sign_in_ms;    /* submission: from the start until signed in */
	uint32_t session_ms;    /* in all; ends between transactions */
	uint32_t rate_bytes;    /* of a body, at least this many in each rate_ms */
	uint32_t rate_ms;
};
extern const struct smtp_limits smtp_limits_default;

struct smtp_options {
	str hostname;
	enum smtp_role role;
	struct smtp_limits limits;
	bool tls_offered;   /* STARTTLS can be done */
	bool tls_active;    /* TLS came before the first byte */
	bool allow_plain;   /* AUTH without TLS */
	bool hold_greeting; /* wait for smtp_session_greet; who speaks before it is refused */
	str mechanisms;     /* "SCRAM-SHA-256 PLAIN"; empty: no AUTH. Only submission offers it */
	str mechanisms_tls; /* the same under TLS, with the -PLUS ones; empty: as above */
};

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BIT, SMTP_BODY_BINARY };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify {
	SMTP_NOTIFY_NONE = 0, /* the parameter was not given */
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8,
};

enum smtp_event_type {
	SMTP_EVENT_HELLO,      /* hello: EHLO, HELO or LHLO was accepted */
	SMTP_EVENT_STARTTLS,   /* send the output, shake hands, call smtp_session_tls_started */
	SMTP_EVENT_AUTH_START, /* auth; answer with smtp_session_auth */
	SMTP_EVENT_AUTH_STEP,  /* auth.data; answer with smtp_session_auth */
	SMTP_EVENT_AUTH_ABORT, /* the exchange is over without a result */
	SMTP_EVENT_MAIL,       /* mail; 2xx opens the transaction */
	SMTP_EVENT_RCPT,       /* rcpt; 2xx adds the recipient */
	SMTP_EVENT_DATA_BEGIN, /* DATA or the first BDAT; any 2xx or 3xx lets the body come */
	SMTP_EVENT_BODY,       /* body: decoded bytes, in order */
	SMTP_EVENT_MESSAGE,    /* the body is complete; LMTP: an answer per recipient, in order */
	SMTP_EVENT_RESET,      /* the transaction is over, however it ended: forget it */
	SMTP_EVENT_QUIT,
	SMTP_EVENT_REFUSED, /* refused: the engine said no by itself; for the story */
};

struct smtp_hello {
	str name;      /* letters, digits and "-._:[]" only; others became "?" */
	bool extended; /* EHLO or LHLO */
};
struct smtp_auth {
	str mechanism; /* upper case; AUTH_START only */
	bool has_initial;
	str data; /* decoded from base64: initial response, or response */
};
struct smtp_mail {
	str sender;    /* local@domain, domain as A-labels; empty for <> */
	uint64_t size; /* as declared; 0: not declared */
	enum smtp_body body;
	enum smtp_ret ret;
	str envid; /* xtext as received, valid; empty: none */
	bool utf8, requiretls;
};
struct smtp_rcpt {
	str recipient;   /* local@domain, or "Postmaster" alone */
	unsigned notify; /* enum smtp_notify */
	str orcpt;       /* "rfc822;xtext" as received, valid; empty: none */
};
struct smtp_refused {
	unsigned code;
	str text;
};

struct smtp_event {
	enum smtp_event_type type;
	bool wants_answer;
	union {
		struct smtp_hello hello;
		struct smtp_auth auth;
		struct smtp_mail mail;
		struct smtp_rcpt rcpt;
		struct smtp_refused refused;
		str body;
	};
};

struct smtp_reply {
	unsigned code;
	str enhanced; /* "5.1.1"; empty: the general one of the code's class */
	str text;     /* one line; "\n" begins another */
};

struct smtp_session *smtp_session_new(const struct smtp_options *o);
void smtp_session_free(struct smtp_session *s);

/* Returns how many of the bytes were used. */
size_t smtp_session_feed(struct smtp_session *s, str bytes);
bool smtp_session_next(struct smtp_session *s, struct smtp_event *out);
void smtp_session_answer(struct smtp_session *s, struct smtp_reply reply);

enum smtp_auth_result {
	SMTP_AUTH_CHALLENGE, /* data: the challenge */
	SMTP_AUTH_OK,        /* data: additional data with success, or empty */
	SMTP_AUTH_FAILED,
	SMTP_AUTH_MALFORMED,
	SMTP_AUTH_UNKNOWN_MECHANISM,
	SMTP_AUTH_NEEDS_TLS,
	SMTP_AUTH_UNAVAILABLE,
};
void smtp_session_auth(struct smtp_session *s, enum smtp_auth_result result, str data);

/* Ends hold_greeting. */
void smtp_session_greet(struct smtp_session *s);
/* After SMTP_EVENT_STARTTLS. Everything the client said before is forgotten. RFC 3207 §4.2 */
void smtp_session_tls_started(struct smtp_session *s);
/* We are going away: 421 now, or after the transaction at hand. */
void smtp_session_stop(struct smtp_session *s);
/* Says this (a 421 as a rule) and ends, whatever is going on. */
void smtp_session_shut(struct smtp_session *s, struct smtp_reply reply);

/* Bytes waiting for the peer; the slice is good until the next call. */
str smtp_session_output(const struct smtp_session *s);
void smtp_session_sent(struct smtp_session *s, size_t count);

/* Tells the time; timeouts become replies and events. Called before feed and before answer as well, as
 * timeouts count from the last of them. */
void smtp_session_tick(struct smtp_session *s, uint64_t now_ms);
/* When to tick next at the latest; UINT64_MAX: no need. */
uint64_t smtp_session_deadline(const struct smtp_session *s);
/* Refused commands and unknown recipients before sign-in: the caller makes who collects them wait. */
unsigned smtp_session_errors(const struct smtp_session *s);
/* Nothing more will be read; close when the output has been sent. */
bool smtp_session_is_done(const struct smtp_session *s);
/* Name of an event, for tests and logs: "RCPT". */
const char *smtp_event_name(enum smtp_event_type type);

#endif
