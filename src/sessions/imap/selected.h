/* selected.h: the mailbox a session has open: what the client knows, and telling it what changed.
 *
 * Purpose    Sequence numbers are the client's: they follow `known`, the view as last reported.
 *            imap_sync reports the difference to the newest view and makes that the known one.
 * Shape      While expunges must be held back (RFC 9051 §7.5.1), `known` stays and only flags are
 *            reported: `told` is then newer than `known` and says which flags the client has seen.
 *            Otherwise both are the same view.
 * Ownership  imap_select/imap_unselect; holds references to its views.
 * Threads    As the session (imap.h).
 * Errors     0, or -1 with *err; what was reported before the failure stays reported.
 */
#ifndef BUZON_SESSIONS_IMAP_SELECTED_H
#define BUZON_SESSIONS_IMAP_SELECTED_H

#include "sessions/imap/imap.h"

struct imap_selected {
	uint64_t mailbox;
	str name;
	bool read_only;
	struct store_view *known; /* what sequence numbers mean */
	struct store_view *told;  /* the flags the client was told: known, or newer */
	/* \Recent for this session: UIDs, ascending. */
	struct store_range *recent;
	size_t recent_count, recent_cap;
	uint32_t recent_up_to;     /* nothing up to this UID will become recent any more */
	struct store_range *saved; /* SEARCHRES: UIDs, ascending; in saved_arena */
	size_t saved_count;
	struct arena *saved_arena;
	struct store_watch *watch; /* wakes IDLE; runtime.c sets it, imap_unselect frees it */
	struct arena *arena;       /* dies with the selection */
};

/* Opens the mailbox, closing one that was open; c->state follows. Nothing is written. */
int imap_select(struct imap_conn *c, uint64_t mailbox, str name, bool read_only, struct err *err);
void imap_unselect(struct imap_conn *c);
/* Reports EXPUNGE/VANISHED (unless held back), EXISTS, RECENT, FETCH FLAGS. Does nothing when no
 * mailbox is selected. */
int imap_sync(struct imap_conn *c, bool allow_expunge, struct err *err);
/* The set as UIDs of the known view, ascending and merged; by UID or by sequence number. -1 with
 * ERR_INPUT (BAD) when a sequence number is too high. */
int imap_set_resolve(struct imap_conn *c, const struct imap_set *set, bool uid, struct arena *a,
    struct store_range **out, size_t *out_count, struct err *err);

/* Names of the commands of the open mailbox, for the list in imap.h. */
extern const struct imap_command imap_cmd_select, imap_cmd_examine, imap_cmd_close,
    imap_cmd_unselect, imap_cmd_expunge, imap_cmd_fetch, imap_cmd_store, imap_cmd_search,
    imap_cmd_copy, imap_cmd_move, imap_cmd_append;

#endif
