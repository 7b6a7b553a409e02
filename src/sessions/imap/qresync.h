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
/* VANISHED (EARLIER) and FETCH for what happened since; to be called with the mailbox selected. */
int qresync_answer(struct imap_conn *c, const struct qresync *q, struct arena *a, struct err *err);
/* VANISHED (EARLIER) for those of uids that are gone since modseq; nothing when there are none. */
int qresync_vanished(struct imap_conn *c, uint64_t modseq, const struct store_range *uids,
    size_t uid_count, struct arena *a, struct err *err);

#endif
