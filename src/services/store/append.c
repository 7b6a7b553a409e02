/* A message goes into a mailbox; and RECENT, which IMAP4rev1 still asks for. */
#include "base/time.h"
#include "services/store/entries.h"

int entries_need_message(struct store_txn *t, uint64_t message, struct err *err)
{
	int64_t ignored;

	if (message >= t->first_new_message)
		return 0;
	int found = txn_look_up(t, DB_MESSAGE_PLACE, DB_ARGS(DB_INT(message)), &ignored, err);
	return found == 0 ? err_set(err, ERR_DENIED, "the message is gone") : found < 0 ? -1 : 0;
}

int txn_append(
    struct store_txn *t, const struct store_append *a, uint32_t *out_uid, struct err *err)
{
	struct box *b;
	struct store_entry e = { .message = a->message,
		.size = a->size,
		.flags = a->flags & STORE_FLAGS_ALL,
		.internal_at = a->internal_at ? a->internal_at : t->now,
		.saved_at = (uint32_t)t->now };

	if (box_get(t, a->mailbox, BOX_TAIL, &b, err) < 0 ||
	    entries_need_message(t, a->message, err) < 0 ||
	    box_keywords(t, b, a->keywords, a->keyword_count, true, &e.keywords, err) < 0 ||
	    purse_charge(t, b->account, (int64_t)e.size, 1, !a->quota_exempt, err) < 0)
		return -1;
	box_touch(t, b);
	e.modseq = ++b->now.head.modseq;
	if (box_append(t, b, &e, err) < 0)
		return -1;
	txn_ref(t, a->message, 1);
	if (out_uid)
		*out_uid = e.uid;
	return 0;
}

int txn_claim_recent(
    struct store_txn *t, uint64_t mailbox, uint32_t *out_first_recent, struct err *err)
{
	struct box *b;

	if (box_get(t, mailbox, BOX_HEAD, &b, err) < 0)
		return -1;
	*out_first_recent = b->now.head.recent_uid + 1;
	if (b->now.head.recent == 0)
		return 0;
	box_touch(t, b);
	b->now.head.recent_uid = b->now.head.uidnext - 1;
	b->now.head.recent = 0;
	return 0;
}
