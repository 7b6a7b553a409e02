/* preauth.h: IMAP until somebody has signed in: the not-authenticated state. RFC 9051 §3.1.
 *
 * Purpose    Greeting, CAPABILITY, NOOP, ID, STARTTLS, LOGIN, AUTHENTICATE, LOGOUT. RFC 9051 §6.1,
 *            §6.2; RFC 2971; RFC 4959; RFC 7888. Runs among strangers: it sees no mail and no
 *            verifier.
 * Ownership  new/free. Slices in an event are good until the answer to it. What may be a password
 *            is wiped after use.
 * Threads    One owner at a time.
 * Limits     struct imap_preauth_limits. Too many bad commands or failed sign-ins: BYE and
 *            IMAP_PREAUTH_CLOSE.
 * Errors     None: whatever the peer sends gets its answer.
 * Not here   Timeouts (the connection's deadline). TLS. Checking credentials.
 *
 * The caller's loop: feed what has arrived, send output, pull events until false, answer each. feed
 * takes nothing while an event waits for its answer, nothing after STARTTLS until tls_started,
 * nothing while much output waits, and nothing after signed_in: those bytes belong to the session
 * in core. Clear bytes behind STARTTLS must be thrown away by the caller: they could be a third
 * party's (RFC 9051 §11.1).
 */
#ifndef BUZON_PROTOCOLS_IMAP_PREAUTH_H
#define BUZON_PROTOCOLS_IMAP_PREAUTH_H

#include "base/buf.h"

struct imap_preauth;

struct imap_preauth_limits {
	uint32_t line_bytes;      /* of a line; with its literals of a command */
	uint32_t response_bytes;  /* a line inside AUTHENTICATE, base64. RFC 4954 §4 has 12,288 */
	uint32_t bad_commands;    /* then BYE: nobody types HTTP at us for long */
	uint32_t failed_sign_ins; /* likewise */
};
extern const struct imap_preauth_limits imap_preauth_limits_default;

struct imap_preauth_options {
	str hostname;
	bool tls_available;                /* a certificate is there: offer STARTTLS */
	bool tls_active;                   /* from the first byte */
	bool has_binding;                  /* with tls_active: channel binding data is there */
	bool allow_clear;                  /* signing in without TLS */
	struct imap_preauth_limits limits; /* all zero: the default */
};

enum imap_preauth_event_kind {
	IMAP_PREAUTH_STARTTLS,   /* send the output, start TLS, then tls_started; no answer */
	IMAP_PREAUTH_SASL_START, /* mechanism, has_initial, initial; sasl_answer */
	IMAP_PREAUTH_SASL_STEP,  /* response; sasl_answer */
	IMAP_PREAUTH_SASL_ABORT, /* the client gave up; no answer, forget the exchange */
	IMAP_PREAUTH_SIGN_IN,    /* credentials are right: open the session; signed_in or refuse */
	IMAP_PREAUTH_CLOSE,      /* send the output and close */
};

struct imap_preauth_event {
	enum imap_preauth_event_kind kind;
	str mechanism; /* LOGIN comes as PLAIN with an initial response */
	bool has_initial;
	str initial;  /* decoded */
	str response; /* decoded */
};

/* In the order of enum sasl_outcome (services/frames). */
enum imap_sasl_outcome {
	IMAP_SASL_CHALLENGE,   /* data */
	IMAP_SASL_OK,          /* SIGN_IN follows */
	IMAP_SASL_FAILED,      /* NO [AUTHENTICATIONFAILED] */
	IMAP_SASL_MALFORMED,   /* BAD */
	IMAP_SASL_UNKNOWN,     /* NO: no such mechanism */
	IMAP_SASL_NEEDS_TLS,   /* NO [PRIVACYREQUIRED] */
	IMAP_SASL_UNAVAILABLE, /* NO [UNAVAILABLE] */
};

/* options are copied, their text as well. The greeting is in the output at once. */
struct imap_preauth *imap_preauth_new(const struct imap_preauth_options *o);
void imap_preauth_free(struct imap_preauth *p);

/* Returns how many bytes were used. */
size_t imap_preauth_feed(struct imap_preauth *p, str bytes);
bool imap_preauth_next(struct imap_preauth *p, struct imap_preauth_event *out);
/* To SASL_START and SASL_STEP. data: the challenge, not base64; text for the user, may be empty. */
void imap_preauth_sasl_answer(
    struct imap_preauth *p, enum imap_sasl_outcome outcome, str data, str text);
/* To SIGN_IN: queues the tagged OK. capability: "CAPABILITY ..." of the signed-in state, or empty.
 */
void imap_preauth_signed_in(struct imap_preauth *p, str capability);
/* To SIGN_IN: NO [code] text; code may be empty. Still not signed in. */
void imap_preauth_refuse(struct imap_preauth *p, str code, str text);
void imap_preauth_tls_started(struct imap_preauth *p, bool has_binding);
/* The server is going down: queues BYE; the next event is CLOSE. */
void imap_preauth_stop(struct imap_preauth *p);
/* Of the command that is being answered. */
str imap_preauth_tag(const struct imap_preauth *p);

str imap_preauth_output(const struct imap_preauth *p);
void imap_preauth_sent(struct imap_preauth *p, size_t count);

#endif
