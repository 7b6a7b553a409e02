/* dsn.h: delivery status notifications.
 *
 * Purpose    Write the message that tells a sender what became of a message: multipart/report (RFC 6522) with a
 *            text for people, the fields for programs (RFC 3464) and the header or all of the message; in UTF-8
 *            where that may be sent (RFC 6533). Say who is to be told at all (RFC 3461).
 * Ownership  The result is added to the caller's buf, whose ceiling is the limit.
 * Threads    No state (formats/charset has some).
 * Units      Unix seconds; zones in minutes east of UTC.
 * Limits     DSN_FULL_MAX bytes of a message are returned, of a longer one the header; DSN_HEADER_MAX of a
 *            header; DSN_VALUE_MAX of a value, DSN_DIAGNOSTIC_MAX of a diagnostic; the rest is cut off.
 * Errors     None; what does not fit sets out->failed.
 * Not here   The envelope: the sender of a notification is always <> (RFC 3461 §6.1), it is never answered by
 *            another one, and NOTIFY=NEVER is a good idea for it. When to send which (queue). Signing.
 *
 * Whatever stands in addresses, answers and headers, it cannot add a field, a part or a line of its own.
 */
#ifndef BUZON_FORMATS_DSN_H
#define BUZON_FORMATS_DSN_H

#include "formats/enhanced_status.h"

enum {
	DSN_FULL_MAX = 64 * 1024,
	DSN_HEADER_MAX = 64 * 1024,
	DSN_VALUE_MAX = 1024,
	DSN_DIAGNOSTIC_MAX = 2048,
};

enum dsn_action { /* RFC 3464 §2.3.3 */
	DSN_FAILED,
	DSN_DELAYED,
	DSN_DELIVERED,
	DSN_RELAYED,  /* handed to a server that knows nothing of notifications */
	DSN_EXPANDED, /* handed to several others */
};

/* What the sender asked for, RFC 3461 §4.1; the values of enum smtp_notify. */
enum dsn_notify {
	DSN_NOTIFY_NONE = 0,
	DSN_NOTIFY_NEVER = 1,
	DSN_NOTIFY_SUCCESS = 2,
	DSN_NOTIFY_FAILURE = 4,
	DSN_NOTIFY_DELAY = 8,
};

enum dsn_language { DSN_ENGLISH, DSN_SPANISH, DSN_LANGUAGES };
/* "es", "es-AR", "spa": Spanish; anything else: English. */
enum dsn_language dsn_language_find(str tag);

struct dsn_recipient {
	str address;  /* UTF-8 */
	str original; /* ORCPT as received: "rfc822;xtext", "utf-8;..."; empty: none */
	enum dsn_action action;
	struct enhanced_status status; /* class 0: x.0.0 by the action */
	str remote_mta;                /* the server that answered; empty: none did */
	str diagnostic; /* "550 5.1.1 no such user", lines split by '\n'; empty: none */
	bool is_local;  /* the diagnostic is our own sentence, not an answer */
	int64_t last_attempt_at, retry_until; /* 0: not said */
};

struct dsn {
	enum dsn_language language;
	bool utf8;      /* the notification may need SMTPUTF8 */
	str host;       /* our name */
	str to;         /* the sender who is told; never empty */
	str message_id; /* without angle brackets */
	str boundary;   /* random; letters and digits */
	int64_t now;
	int zone_min;
	str envid;           /* ENVID as received (xtext); empty: none */
	int64_t arrived_at;  /* 0: not said */
	str original;        /* the message, or its header at least */
	bool has_body;       /* original is all of it */
	bool is_full_wanted; /* RET=FULL; failures only. RFC 3461 §4.3 */
	const struct dsn_recipient *recipients;
	size_t count;
};

/* What the transport must be able to do. */
struct dsn_needs {
	bool utf8;    /* SMTPUTF8 */
	bool is_8bit; /* 8BITMIME */
};

/* Whether the sender wants to know, for one recipient. Nobody is told of what came from <>. */
bool dsn_is_wanted(str sender, unsigned notify, enum dsn_action action);
void dsn_write(const struct dsn *d, struct buf *out, struct dsn_needs *out_needs);
const char *dsn_action_name(enum dsn_action action);

/* dsn_text.c: the part for people. */
void dsn_write_text(const struct dsn *d, struct buf *out);
const char *dsn_subject(const struct dsn *d);
const char *dsn_from_name(enum dsn_language language);
/* The gravest of the recipients' actions. */
enum dsn_action dsn_gravest(const struct dsn *d);
/* What a status means, in plain words. */
const char *dsn_explain(struct enhanced_status s, enum dsn_language language);

#endif
