/* copying.h: what COPY and MOVE have in common: a set, a target, COPYUID.
 *
 * Purpose    Parse "set mailbox", find the target (TRYCREATE), print COPYUID (RFC 4315 §3).
 * Ownership  All in cmd->arena.
 */
#ifndef BUZON_SESSIONS_IMAP_COPYING_H
#define BUZON_SESSIONS_IMAP_COPYING_H

#include "sessions/imap/selected.h"

struct copying {
	struct imap_set set;
	str target;
	/* While it runs: */
	struct imap_cmd *cmd;
	uint64_t from, to;
	struct store_range *uids;
	size_t uid_count;
	struct store_uid_pairs pairs;
};

int copying_parse(struct imap_cmd *cmd, struct imap_lexer *in, struct err *err);
/* Resolves set and target, runs job in one commit. With no message left to copy, pairs stay empty. */
int copying_run(struct imap_cmd *cmd, struct imap_conn *c, store_job_fn *job, struct err *err);
/* "COPYUID 38505 304,319:320 3956:3958", or empty when nothing was copied. */
str copying_code(const struct copying *copying);
/* A mailbox that messages can go to; -1 with code TRYCREATE or CANNOT. */
int imap_find_target(struct imap_cmd *cmd, struct imap_conn *c, str name, struct store_mailbox *out,
    struct err *err);

#endif
