/* sasl.h: the server side of a SASL exchange, without I/O. RFC 4422.
 *
 * Purpose    PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), SCRAM-SHA-256 and
 *            SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) with tls-exporter (RFC 9266) and
 *            tls-server-end-point (RFC 5929).
 * Order      sasl_server_start, then whatever the event asks for, until DONE, FAILED or MALFORMED:
 *              CHALLENGE  send sasl_server_challenge, bring the response with sasl_server_step
 *              KEYS       look up sasl_server_username, say it with sasl_server_keys
 *              PASSWORD   check sasl_server_password for sasl_server_username, say the result with
 *                         sasl_server_checked
 * Ownership  Slices returned live until the next call on the same exchange.
 * Threads    One owner at a time.
 * Units      Bytes; messages are decoded (base64 is the protocol's). Limits below.
 * Errors     Events; nothing tells apart why credentials were refused.
 * Not here   Time, throttling, whether TLS is required (services/auth).
 *
 * IMAP, POP3 and SMTP have no room for data beside success (RFC 4422 §3.6), so the last message of
 * SCRAM is a challenge as well, answered by an empty response.
 */
#ifndef BUZON_PROTOCOLS_SASL_SASL_H
#define BUZON_PROTOCOLS_SASL_SASL_H

#include "base/buf.h"
#include "protocols/sasl/scram.h"

enum {
	SASL_USERNAME_MAX = 384,  /* RFC 4616 §2 asks for 255 */
	SASL_PASSWORD_MAX = 1024, /* the same */
	SASL_MESSAGE_MAX = 4096,  /* one message of the client */
	SASL_NONCE_MAX = 256,     /* the client's part */
	SASL_STEPS_MAX = 8,
};

struct sasl_server;

enum sasl_event {
	SASL_EVENT_CHALLENGE,
	SASL_EVENT_KEYS,
	SASL_EVENT_PASSWORD,
	SASL_EVENT_DONE,
	SASL_EVENT_FAILED,
	SASL_EVENT_MALFORMED,
};

enum sasl_mechanism_flag {
	SASL_SAYS_PASSWORD = 1, /* whoever sees the exchange knows the password */
	SASL_NEEDS_BINDING = 2, /* only with channel binding data */
	SASL_IS_LEGACY = 4,     /* offered by SMTP only, where old clients know nothing else */
};

struct sasl_mechanism {
	str name;
	unsigned flags;
	bool server_first;
	enum sasl_event (*step)(struct sasl_server *s, str response);
	/* One of these, for the question the mechanism asks. */
	enum sasl_event (*keys)(struct sasl_server *s, const struct scram_keys *keys, bool real);
	enum sasl_event (*checked)(struct sasl_server *s, bool ok);
};

/* Every mechanism, best first, NULL-terminated: the only list. */
extern const struct sasl_mechanism *const sasl_mechanisms[];
/* In any case; NULL when there is none. */
const struct sasl_mechanism *sasl_mechanism_find(str name);

struct sasl_offer {
	bool passwords; /* mechanisms that say the password may be offered: TLS */
	bool binding;   /* channel binding data is there */
	bool legacy;    /* LOGIN as well */
};
/* Adds prefix, name, for each mechanism on offer: prefix " AUTH=" for IMAP, " " for SMTP, POP3. */
void sasl_list(struct buf *out, const struct sasl_offer *offer, str prefix);

struct sasl_options {
	str mechanism;
	str exporter, end_point; /* channel binding data; empty: that type is not available */
	str nonce;               /* the server's part: random, printable, no comma */
};

/* NULL for an unknown mechanism. Slices in options are copied. */
struct sasl_server *sasl_server_new(const struct sasl_options *o);
void sasl_server_free(struct sasl_server *s);

enum sasl_event sasl_server_start(struct sasl_server *s, bool has_initial, str initial);
enum sasl_event sasl_server_step(struct sasl_server *s, str response);
str sasl_server_challenge(const struct sasl_server *s);
/* As the client said it, not prepared. */
str sasl_server_username(const struct sasl_server *s);
/* Empty unless the client asked to act as somebody else than it signs in as. */
str sasl_server_authzid(const struct sasl_server *s);
str sasl_server_password(const struct sasl_server *s);
const struct sasl_mechanism *sasl_server_mechanism(const struct sasl_server *s);

/* real false: the keys are made up (scram_fake); the exchange goes on and fails at its end. */
enum sasl_event sasl_server_keys(struct sasl_server *s, const struct scram_keys *keys, bool real);
enum sasl_event sasl_server_checked(struct sasl_server *s, bool ok);

#endif
