/* deliver.h: one accepted message into mailboxes and queue, in one transaction.
 *
 * Purpose    The store job behind a 250: the body, the message row, an entry in each local recipient's
 *            mailbox, a queue row for each remote one, and the story. All of it or nothing.
 * Ownership  The caller keeps everything alive until the job's done function has run.
 * Threads    deliver_job runs on the store's writer thread.
 * Errors     As the store's: the job fails as a whole.
 * Not here   Who the recipients are (services/route), whether to accept (services/policy).
 */
#ifndef BUZON_SERVICES_DELIVER_DELIVER_H
#define BUZON_SERVICES_DELIVER_DELIVER_H

#include "services/store/store.h"

struct delivery_target {
	uint64_t account; /* 0: remote */
	uint64_t mailbox; /* of a local account */
	str folder;       /* its name for the story; empty: INBOX */
	str address;      /* the account's, or the remote one */
	str recipient;    /* as the client wrote it */
	str orcpt;
	uint32_t notify;
	uint32_t uid;      /* out: of a local one */
	uint64_t queue_id; /* out: of a remote one */
};

struct delivery {
	uint64_t id; /* story id, queue batch */
	struct store_message_new message;
	int64_t now;
	str sender;         /* empty: the null path */
	str message_id;     /* Message-ID field, for the story's keys */
	str received;       /* detail of the story's first step */
	str judged;         /* of its second; empty: nobody judged */
	uint64_t submitter; /* account, or 0 */
	str envid;
	uint32_t ret;
	uint32_t queue_flags; /* struct store_queue_item.flags */
	int64_t expires_at;
	struct delivery_target *targets;
	size_t target_count;
};

int deliver_job(struct store_txn *t, void *delivery, struct err *err);

#endif
