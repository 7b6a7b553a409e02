/* selected.h: the mailbox a session has open: what the client knows, and telling it what changed.
 *
 * Purpose    Sequence numbers are the client's: they follow `known`, the view as last reported.
 *            sync() reports the difference to the newest view and makes that the known one.
 *            Ownership imap_select/imap_unselect; holds a reference to a view.
 * Threads    As the session (imap.h).
 */
#ifndef BUZON_SESSIONS_IMAP_SELECTED_H
#define BUZON_SESSIONS_IMAP_SELECTED_H

#include "sessions/imap/imap.h"

struct imap_selected {
	uint64_t mailbox;
	str name;
	bool read_only;
	struct store_view *known;  /* what sequence numbers mean */
	uint32_t first_recent;     /* UIDs from here on are \Recent for this session; 0: none */
	struct store_range *saved; /* SEARCHRES: UIDs, ascending */
	size_t saved_count;
	struct store_watch *watch; /* wakes IDLE */
	struct arena *arena;       /* dies with the selection */
	/* Own changes already told to the client, or silenced: not reported again. selected.c */
	void *own;
};

int imap_select(struct imap_conn *c, uint64_t mailbox, str name, bool read_only, struct err *err);
void imap_unselect(struct imap_conn *c);
/* Reports EXPUNGE/VANISHED (unless held back), EXISTS, RECENT, FETCH FLAGS. */
int imap_sync(struct imap_conn *c, bool allow_expunge, struct err *err);
/* The set as UIDs of the known view, ascending and merged; by UID or by sequence number. -1 BAD
 * when a sequence number is too high. */
int imap_set_resolve(struct imap_conn *c, const struct imap_set *set, bool uid, struct arena *a,
    struct store_range **out, size_t *out_count, struct err *err);
/* Called by imap_sync's users after an own STORE: changes with this modseq to these UIDs are known
 * to the client. */
void imap_selected_own(
    struct imap_conn *c, const struct store_range *uids, size_t count, uint64_t modseq);

#endif
