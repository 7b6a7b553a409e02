/* bounce.h: what a message that came back says, whoever wrote it.
 *
 * Purpose    Read delivery status notifications (RFC 3464, RFC 6533) and the forms that are not: qmail, Exim, Postfix's
 *            text, Sendmail's transcript, Exchange, Notes, Gmail, Yahoo, Amazon SES; tell them from automatic answers
 *            (RFC 3834), receipts (RFC 8098), feedback reports (RFC 5965) and everything else.
 * Shape      The fields for programs are believed first, then the text for people, line by line.
 * Ownership  The result lives in the arena; nothing points into the message.
 * Threads    As formats/charset.
 * Limits     BOUNCE_SCAN_MAX bytes of a message are looked at, BOUNCE_TEXT_MAX of its text for people,
 *            BOUNCE_RECIPIENTS_MAX recipients, BOUNCE_ADDRESS_MAX of an address, BOUNCE_DIAGNOSTIC_MAX of what was
 *            answered; the rest is cut off. Work grows with the bytes that are looked at.
 * Errors     None: every input is something, perhaps BOUNCE_NONE.
 * Not here   What the answers mean (formats/bounce_reason). Writing notifications (formats/dsn).
 *
 * A bounce is written by strangers and can be forged: what is done about it must not harm somebody who never wrote
 * to that address.
 */
#ifndef BUZON_FORMATS_BOUNCE_H
#define BUZON_FORMATS_BOUNCE_H

#include "base/arena.h"
#include "formats/dsn.h"

enum {
	BOUNCE_SCAN_MAX = 2 << 20,
	BOUNCE_TEXT_MAX = 64 * 1024,
	BOUNCE_RECIPIENTS_MAX = 1000,
	BOUNCE_ADDRESS_MAX = 512,
	BOUNCE_DIAGNOSTIC_MAX = 2048,
	BOUNCE_CONTEXT_MAX = 4096,
};

enum bounce_kind {
	BOUNCE_NONE,       /* mail of another kind */
	BOUNCE_REPORT,     /* tells what became of a message: failed, delayed, delivered */
	BOUNCE_AUTO_REPLY, /* somebody is away, a receipt, a challenge */
	BOUNCE_FEEDBACK,   /* somebody complained, or wants off a list */
	BOUNCE_KINDS
};

struct bounce_recipient {
	str address;  /* as the reporting server knows it; UTF-8 */
	str original; /* Original-Recipient, when it is another one; empty: none */
	enum dsn_action action;
	struct enhanced_status
	    status;     /* the answer's own before that of the report; class 0: none */
	uint16_t code;  /* SMTP reply code; 0: none */
	str diagnostic; /* the answer on one line, printable UTF-8 */
	str remote_mta; /* who answered; empty: not said */
};

struct bounce {
	enum bounce_kind kind;
	const char *form; /* "RFC 3464", "qmail" ...; a literal */
	bool quoted; /* found in what a person forwarded or quoted: show it, do not act on it */
	str reporting_mta;
	str context; /* what the text for people says beyond the answers, on one line */
	str original_message_id, original_sender, original_subject;
	struct bounce_recipient *recipients;
	size_t count;
};

void bounce_parse(str message, struct arena *a, struct bounce *out);
const char *bounce_kind_name(enum bounce_kind kind);

/* The reply code and the enhanced status that stand in an answer or in a sentence around it: 0 and class 0 when there
 * are none. */
void bounce_find_reply(str text, uint16_t *out_code, struct enhanced_status *out_status);

#endif
