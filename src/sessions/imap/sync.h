/* sync.h: tell the client the difference between what it knows and the newest view.
 *
 * Purpose    The one place where EXPUNGE, VANISHED, EXISTS, RECENT and unsolicited FETCH come from;
 *            STORE and FETCH use it to report what they changed themselves.
 * Shape      imap_sync_begin takes the newest view; imap_sync_step reports what renumbers, then flags,
 *            and makes that view the known one at the end. A slow reader interrupts between two steps;
 *            until the last of them the session must do nothing else with the mailbox.
 * Ownership  The caller's struct; imap_sync_end releases it at any point, also half-way.
 * Threads    As the session.
 */
#ifndef BUZON_SESSIONS_IMAP_SYNC_H
#define BUZON_SESSIONS_IMAP_SYNC_H

#include "sessions/imap/cursor.h"
#include "sessions/imap/selected.h"
#include "sessions/imap/sets.h"

enum imap_own_say {
	OWN_SAY,    /* STORE: each message is reported, changed or not */
	OWN_SILENT, /* STORE .SILENT: only what differs from what the client expects; MODSEQ */
	OWN_INLINE, /* FETCH: it reports itself */
};

/* A change of flags that this session has made and that is committed. */
struct imap_own {
	const struct store_range *uids; /* ascending */
	size_t uid_count;
	const struct store_range *failed; /* protected by UNCHANGEDSINCE: always reported in full */
	size_t failed_count;
	enum store_flag_op op;
	uint32_t flags;
	const str *keywords;
	size_t keyword_count;
	enum imap_own_say say;
	bool with_uid; /* in reports that OWN_SAY asks for; others always have the UID */
};

enum imap_sync_stage { SYNC_GONE, SYNC_COUNTS, SYNC_FLAGS };

struct imap_sync {
	struct imap_conn *conn;
	struct store_view *to;
	bool held; /* expunges are pending and must not be told now */
	bool has_own;
	struct imap_own own;
	uint64_t own_keywords; /* as bits of `to` */
	size_t own_at, failed_at;
	uint32_t last_uid;     /* the highest the client has heard of */
	uint32_t own_reported; /* messages of own that still exist */
	struct cursor old, now, number;
	enum imap_sync_stage stage;
	struct cursor gone_old, gone_now;
	uint32_t gone_before; /* EXPUNGEs already told */
};

/* own may be NULL. */
int imap_sync_begin(struct imap_sync *s, struct imap_conn *c, bool allow_expunge,
    const struct imap_own *own, struct err *err);
/* True when all has been told; false when the queue is congested (never with whole). */
bool imap_sync_step(struct imap_sync *s, bool whole);
void imap_sync_end(struct imap_sync *s);

/* The first command that speaks of MODSEQ. RFC 7162 §3.1 */
void imap_enable_condstore(struct imap_conn *c);
/* "* FLAGS (...)" and PERMANENTFLAGS. */
void imap_write_flag_lists(struct imap_conn *c, const struct store_view *v, bool read_only);

/* ---- \Recent, for clients of RFC 3501 ---- */

/* Claims what is new in v for this session, when it may; a commit when there is something. */
void imap_recent_claim(struct imap_conn *c, const struct store_view *v);
uint32_t imap_recent_count(const struct imap_selected *sel, const struct store_view *v);
static inline bool imap_is_recent(const struct imap_selected *sel, uint32_t uid)
{
	return sel->recent_count && ranges_have(sel->recent, sel->recent_count, uid);
}

#endif
