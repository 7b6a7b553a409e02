/* qresync.h: bring a client that was away up to date, RFC 7162 §3.2.
 *
 * Purpose    The QRESYNC parameter of SELECT, and what it and UID FETCH (VANISHED) answer.
 * Ownership  Parsed data in the lexer's arena.
 */
#ifndef BUZON_SESSIONS_IMAP_QRESYNC_H
#define BUZON_SESSIONS_IMAP_QRESYNC_H

#include "sessions/imap/selected.h"

struct qresync {
	bool given;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_uids;
	struct imap_set uids;
	bool has_match; /* message numbers and their UIDs, both ascending */
	struct imap_set match_numbers, match_uids;
};

/* Behind "QRESYNC ". */
int qresync_parse(struct imap_lexer *in, struct qresync *out, struct err *err);
/* What happened since, as FETCH, in slices. */
struct qresync_walk {
	uint64_t modseq;
	struct store_range *uids;
	size_t count, at;
	uint32_t next_uid;
};
/* VANISHED (EARLIER) for what happened since; to be called with the mailbox selected. */
int qresync_begin(struct imap_conn *c, const struct qresync *q, struct arena *a,
    struct qresync_walk *out, struct err *err);
/* True when all has been told; false when the queue is congested. */
bool qresync_step(struct imap_conn *c, struct qresync_walk *w);
/* VANISHED (EARLIER) for those of uids that are gone since modseq; nothing when there are none. */
int qresync_vanished(struct imap_conn *c, uint64_t modseq, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct err *err);

#endif
