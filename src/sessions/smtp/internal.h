/* internal.h: what the files of sessions/smtp share.
 *
 * Purpose    The session (session.c), its transaction and the frames to core (transaction.c), sign-in
 *            (auth.c), the body on its way (body.c).
 * Threads    The loop's thread.
 */
#ifndef BUZON_SESSIONS_SMTP_INTERNAL_H
#define BUZON_SESSIONS_SMTP_INTERNAL_H

#include "base/buf.h"
#include "protocols/smtp/smtp.h"
#include "sessions/front.h"

enum {
	MEMFD_BODY_MAX = 256 * 1024, /* above it the body goes to a file that core opened */
	NOTES_MAX = 50,              /* refusals of one connection that are told to the story */
	/* Who makes mistakes, or guesses addresses: five are answered at once, then each answer waits longer than
	 * the one before (limits.error_delay_ms). The engine ends it soon after: limits.bad_commands,
	 * refused_recipients. */
	ERRORS_AT_ONCE = 5,
	SLOW_STEPS = 5,
	CLOSING_MS = 30 * 1000, /* for a client that does not read our last words */
};

struct smtp_upload {
	struct buf block; /* all of it up to INLINE_BODY_MAX; then what is not written yet */
	int fd;           /* memfd or spool; -1 while inline */
	bool is_spool;
	uint64_t bytes;
};

void smtp_upload_init(struct smtp_upload *b);
void smtp_upload_fini(struct smtp_upload *b);
void smtp_upload_reset(struct smtp_upload *b);
/* -1: there is no room for it. */
int smtp_upload_add(struct smtp_upload *b, str bytes);
bool smtp_upload_wants_spool(const struct smtp_upload *b);
/* Moves what is there to the spool file; takes fd. */
int smtp_upload_to_spool(struct smtp_upload *b, int fd);
/* Writes what is left. No more changes follow: core relies on the seals. */
int smtp_upload_seal(struct smtp_upload *b);

struct smtp_front {
	struct front_member member; /* first */
	struct front_env *env;
	struct conn *conn; /* NULL: closed */
	struct smtp_session *engine;
	enum listen_service service;
	uint64_t id; /* of the session, and of its transactions: one at a time */
	struct buf helo;
	bool is_helo_only;   /* HELO, not EHLO or LHLO */
	struct buf hostname; /* the configuration may be replaced meanwhile */
	struct timer *timer;
	uint64_t timer_at, greet_at;
	uint64_t slow_until; /* the answer to a mistake waits; 0: none does */
	unsigned errors;     /* as of the last answer */
	unsigned requests;   /* frames that somebody will answer */
	bool waiting;        /* nothing is fed until the answer is there */
	bool starting_tls, tls_under_way, pumping, closing;
	bool is_eof;       /* the client has said all; it may still read */
	bool may_be_plain; /* sign-in without TLS is allowed for this peer */
	unsigned notes;

	/* sign-in */
	struct buf ticket;
	bool is_authenticating;

	/* transaction */
	uint64_t tx, tx_epoch;
	bool tx_open, tx_asked;
	struct buf sender;
	struct smtp_mail mail; /* slices: sender buffer and envid */
	struct buf envid;
	struct buf recipient; /* of the RCPT at hand */
	size_t accepted;
	struct smtp_upload upload;
	struct smtp_body_failure {
		unsigned code;
		char enhanced[16], text[512];
	} * failure; /* why the body will not be kept; NULL: it is fine so far */
};

void smtp_front_pump(struct smtp_front *s);
/* At the end of each answer's handler. */
void smtp_front_request_done(struct smtp_front *s);

typedef void smtp_event_fn(struct smtp_front *s, const struct smtp_event *e);
smtp_event_fn smtp_front_auth_start, smtp_front_auth_step, smtp_front_auth_abort;
smtp_event_fn smtp_tx_mail, smtp_tx_rcpt, smtp_tx_data, smtp_tx_body, smtp_tx_message,
    smtp_tx_reset, smtp_tx_refused;
/* The connection is gone in the middle of it. */
void smtp_tx_drop(struct smtp_front *s);
void smtp_front_auth_drop(struct smtp_front *s);
enum frame_protocol smtp_protocol_of(const struct smtp_front *s);

#endif
