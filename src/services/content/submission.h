/* submission.h: header changes and checks for mail that a signed-in user hands in; Received fields.
 *
 * Purpose    RFC 6409 §6 and §8: From and Sender must belong to the account, a missing Date or
 *            Message-ID is added, Bcc fields are cut. RFC 5321 §4.4: the trace field of every message.
 * Ownership  Results live in the arena.
 * Threads    No state; the clock is a fact among the others.
 * Errors     submission_check: -1 with a sentence for the client.
 */
#ifndef BUZON_SERVICES_CONTENT_SUBMISSION_H
#define BUZON_SERVICES_CONTENT_SUBMISSION_H

#include "formats/message_index.h"

struct submission_facts {
	str hostname;
	str id;      /* for a Message-ID: "<id.time@hostname>" */
	int64_t now; /* Unix seconds */
	/* Whether this address (user@domain) is the account's own, an alias of it, ... */
	bool (*may_send_as)(void *arg, str address);
	void *may_send_as_arg;
};

struct submission_changes {
	str prefix; /* fields to put in front, each with its CRLF; empty when none */
	struct index_range cuts[8]; /* ascending, whole fields */
	uint32_t cut_count;
};

/* Refused: no From address; more than one From field; From or Sender that is no clean address list; a
 * Sender that is not the account's; a foreign From address, unless Sender is given and another From
 * address is the account's. When something changes, index the changed message anew: its ENVELOPE and
 * its Bcc are others. Without changes message_index_shift is enough for a Received field in front. */
int submission_check(const struct message_index *index, const struct submission_facts *f,
    struct arena *a, struct submission_changes *out, struct err *err);

struct received_facts {
	uint32_t protocol; /* enum frame_protocol: SMTP, LMTP, SUBMISSION */
	str helo, peer_address, hostname, id;
	str tls_version, tls_cipher; /* empty: clear */
	bool signed_in, utf8;
	bool helo_only; /* the client said HELO, not EHLO */
	str recipient;  /* for the "for" clause; empty: none */
	int64_t at;
};

/* One folded Received field with its CRLF. RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3 keywords. */
void received_field(const struct received_facts *f, struct buf *out);

#endif
