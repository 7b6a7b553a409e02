/* preauth.h: POP3 until somebody has signed in, the AUTHORIZATION state.
 *
 * Purpose    Greeting, CAPA, STLS, USER and PASS, AUTH, LANG, UTF8, QUIT. RFC 1939 §4, RFC 2449,
 *            RFC 2595 §4, RFC 5034, RFC 6856. Runs among strangers: it sees no mail and no verifier.
 * Ownership  new/free. Slices in an event are good until the next call of feed or answer. What may
 *            be a password is wiped after use.
 * Threads    One owner at a time.
 * Limits     struct pop3_preauth_limits. Too many bad commands or failed sign-ins: a last -ERR and
 *            POP3_PREAUTH_CLOSE.
 * Errors     None: whatever the peer sends gets its answer.
 * Not here   Timeouts (the connection's deadline). TLS. Checking credentials.
 *
 * The caller's loop: feed what has arrived, send output, pull events until false, answer each (feed
 * takes nothing while an event waits for its answer, and nothing after STLS until tls_started, and
 * nothing after POP3_PREAUTH_SIGN_IN was accepted: those bytes belong to the session in core).
 * Clear bytes that follow STLS must be thrown away by the caller (RFC 2595 §4 lets the client send
 * none): they could be a third party's.
 */
#ifndef BUZON_PROTOCOLS_POP3_PREAUTH_H
#define BUZON_PROTOCOLS_POP3_PREAUTH_H

#include "base/buf.h"

struct pop3_preauth;

struct pop3_preauth_limits {
	uint32_t command_bytes;   /* RFC 2449 §4: 255 with CRLF */
	uint32_t response_bytes;  /* a line inside AUTH, base64 */
	uint32_t bad_commands;    /* then -ERR and close */
	uint32_t failed_sign_ins; /* likewise */
};
extern const struct pop3_preauth_limits pop3_preauth_limits_default;

struct pop3_preauth_options {
	str hostname;
	str mechanisms_tls;   /* for CAPA under TLS: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" */
	str mechanisms_clear; /* without TLS; may be empty */
	bool tls_available;   /* a certificate is there: offer STLS */
	bool tls_active;      /* from the first byte */
	bool allow_plain;     /* USER and PASS without TLS */
	struct pop3_preauth_limits limits; /* all zero: the default */
};

enum pop3_preauth_event_kind {
	POP3_PREAUTH_STARTTLS,   /* send the output, start TLS, then tls_started; no answer */
	POP3_PREAUTH_SASL_START, /* mechanism, has_initial, initial; answer */
	POP3_PREAUTH_SASL_STEP,  /* response; answer */
	POP3_PREAUTH_SASL_ABORT, /* the client gave up; no answer, forget the exchange */
	POP3_PREAUTH_SIGN_IN,    /* credentials are right: open the maildrop; signed_in or refuse */
	POP3_PREAUTH_CLOSE,      /* send the output and close */
};

struct pop3_preauth_event {
	enum pop3_preauth_event_kind kind;
	str mechanism; /* upper case; USER and PASS come as PLAIN with an initial response */
	bool has_initial;
	str initial;  /* decoded */
	str response; /* decoded */
};

enum pop3_sasl_outcome {
	POP3_SASL_CHALLENGE,   /* data */
	POP3_SASL_OK,          /* data may be there (SCRAM): sent as a last challenge */
	POP3_SASL_FAILED,      /* wrong credentials: [AUTH] */
	POP3_SASL_MALFORMED,   /* not what the mechanism expects */
	POP3_SASL_UNKNOWN,     /* no such mechanism */
	POP3_SASL_NEEDS_TLS,   /* not without TLS */
	POP3_SASL_UNAVAILABLE, /* our side: [SYS/TEMP] */
};

/* options are copied, their text as well. The greeting is in the output at once. */
struct pop3_preauth *pop3_preauth_new(const struct pop3_preauth_options *o);
void pop3_preauth_free(struct pop3_preauth *p);

size_t pop3_preauth_feed(struct pop3_preauth *p, str bytes);
bool pop3_preauth_next(struct pop3_preauth *p, struct pop3_preauth_event *out);
/* To SASL_START and SASL_STEP; data is raw, not base64. */
void pop3_preauth_sasl_answer(struct pop3_preauth *p, enum pop3_sasl_outcome outcome, str data);
/* To SIGN_IN: the maildrop is open and the session in core answers from here on; queues +OK. */
void pop3_preauth_signed_in(struct pop3_preauth *p);
/* To SIGN_IN: code "IN-USE", "SYS/TEMP", "SYS/PERM" or "" (RFC 2449 §8, RFC 3206), text for the
 * user; still in the AUTHORIZATION state. */
void pop3_preauth_refuse(struct pop3_preauth *p, str code, str text);
void pop3_preauth_tls_started(struct pop3_preauth *p);
/* The server is going down: queues -ERR [SYS/TEMP]; the next event is CLOSE. */
void pop3_preauth_stop(struct pop3_preauth *p);

str pop3_preauth_output(const struct pop3_preauth *p);
void pop3_preauth_sent(struct pop3_preauth *p, size_t count);
bool pop3_preauth_is_done(const struct pop3_preauth *p);

/* For the attach frame. */
bool pop3_preauth_is_utf8(const struct pop3_preauth *p); /* UTF8 was given */
str pop3_preauth_language(const struct pop3_preauth *p); /* "en" unless LANG chose another */

#endif
