/* outbound.h: the lists inside DELIVER and DELIVER_RESULT.
 *
 * Purpose    Recipients on their way out and what became of each, packed into one field of a frame.
 * Ownership  Slices of the packed bytes.
 * Errors     The readers are total: false at the end; -1 when the bytes make no sense.
 */
#ifndef BUZON_SERVICES_FRAMES_OUTBOUND_H
#define BUZON_SERVICES_FRAMES_OUTBOUND_H

#include "base/buf.h"
#include "base/err.h"

enum { OUTBOUND_TEXT_MAX = 400 };

struct outbound_recipient {
	uint64_t id; /* of the queue */
	uint32_t notify;
	str address, orcpt;
};

enum outbound_outcome {
	OUTBOUND_DELIVERED,
	OUTBOUND_TEMPORARY,
	OUTBOUND_PERMANENT,
	OUTBOUND_NOT_TRIED, /* the peer takes no more at once: try again soon */
	OUTBOUND_OUTCOMES,
};

struct outbound_result {
	uint64_t id;
	enum outbound_outcome outcome;
	bool is_local;     /* our own sentence, not an answer of the peer */
	bool told_peer;    /* the peer takes over what was asked with NOTIFY. RFC 3461 §5.2.1 */
	uint32_t code;     /* 0: no answer */
	uint8_t status[3]; /* enhanced status code */
	str stage;         /* what the answer was to: "RCPT" */
	str text;          /* lines split by '\n'; cut off at OUTBOUND_TEXT_MAX */
};

void outbound_recipient_add(struct buf *out, const struct outbound_recipient *r);
int outbound_recipient_take(str *in, struct outbound_recipient *out, struct err *err);
void outbound_result_add(struct buf *out, const struct outbound_result *r);
int outbound_result_take(str *in, struct outbound_result *out, struct err *err);

#endif
