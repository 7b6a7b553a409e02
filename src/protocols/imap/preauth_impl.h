/* preauth_impl.h: what preauth.c (input, answers, life) and preauth_verbs.c (the commands) share. Not for
 * anyone else.
 */
#ifndef BUZON_PROTOCOLS_IMAP_PREAUTH_IMPL_H
#define BUZON_PROTOCOLS_IMAP_PREAUTH_IMPL_H

#include "protocols/imap/framer.h"
#include "protocols/imap/preauth.h"

enum { IMAP_MECHANISM_MAX = 20 }; /* RFC 4422 §3.1 */

enum preauth_state {
	IN_COMMANDS,
	IN_QUESTION, /* an event waits for its answer */
	IN_RESPONSE, /* the client's next line belongs to AUTHENTICATE */
	IN_TLS,      /* STARTTLS was answered */
	IS_SIGNED_IN,
	IS_OVER,
};

struct imap_preauth {
	struct imap_preauth_options o;
	char *hostname;
	enum preauth_state state;
	struct imap_framer *framer;
	struct arena *arena; /* of the command */
	struct buf out, tag;
	struct buf line; /* IN_RESPONSE: the line so far */
	struct buf data; /* what the event carries */
	char mechanism[IMAP_MECHANISM_MAX + 1];
	struct imap_preauth_event event;
	bool has_event;
	uint32_t bad_commands, failed_sign_ins;
};

/* ---- preauth.c ---- */

/* A line. */
void imap_preauth_say(struct imap_preauth *p, const char *text);
/* "tag OK text", "tag NO [CODE] text"; without a tag "* ...". */
void imap_preauth_reply(struct imap_preauth *p, const char *status, str code, str text);
void imap_preauth_raise(struct imap_preauth *p, enum imap_preauth_event_kind kind);
/* Back to commands; the engine holds nothing that could be a secret. */
void imap_preauth_end_command(struct imap_preauth *p);
/* A BAD that counts; one too many ends the connection. */
void imap_preauth_bad(struct imap_preauth *p, const char *why);
/* A line of AUTHENTICATE: base64 into data. */
int imap_preauth_decode(struct imap_preauth *p, str text, struct err *err);
void imap_preauth_set_tag(struct imap_preauth *p, str tag);

/* ---- preauth_verbs.c ---- */

void imap_preauth_greet(struct imap_preauth *p);
/* A whole command, without its line end. */
void imap_preauth_command(struct imap_preauth *p, str text);

#endif
