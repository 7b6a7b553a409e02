/* recent.c: which messages are \Recent for whom. RFC 3501 §2.3.2; IMAP4rev2 has no such flag. */
#include "sessions/imap/sync.h"

struct claim {
	uint64_t mailbox;
	uint32_t first; /* UID of the first that nobody had */
};

static int claim_job(struct store_txn *t, void *arg, struct err *err)
{
	struct claim *claim = arg;

	return txn_claim_recent(t, claim->mailbox, &claim->first, err);
}

/* When the commit fails (a full disk), reading mail must still work; and when it cannot be said who
 * was told first, a message is recent (RFC 3501 §2.3.2). A session that reads only sees what is recent and takes it from nobody. RFC 3501 §6.3.2 */
void imap_recent_claim(struct imap_conn *c, const struct store_view *v)
{
	struct imap_selected *sel = c->selected;
	struct claim claim = { .mailbox = sel->mailbox, .first = v->recent_uid + 1 };

	if (c->enabled & IMAP_ON_REV2 || claim.first >= v->uidnext ||
	    sel->recent_up_to + 1 >= v->uidnext)
		return;
	if (!sel->read_only)
		(void)store_write(c->store, claim_job, &claim, NULL);
	if (claim.first <= sel->recent_up_to)
		claim.first = sel->recent_up_to + 1;
	sel->recent_up_to = v->uidnext - 1;
	if (claim.first > sel->recent_up_to)
		return;
	struct ranges recent = { sel->recent, sel->recent_count, sel->recent_cap };
	ranges_add(sel->arena, &recent, claim.first, sel->recent_up_to);
	sel->recent = recent.at;
	sel->recent_count = recent.count;
	sel->recent_cap = recent.cap;
}

uint32_t imap_recent_count(const struct imap_selected *sel, const struct store_view *v)
{
	return ranges_count_in(v, sel->recent, sel->recent_count);
}
