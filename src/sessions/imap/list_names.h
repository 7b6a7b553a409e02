/* list_names.h: all names of an account, and which of them a LIST or LSUB answers with.
 *
 * Purpose    Mailboxes, subscriptions and the names above both, in one order where the names below
 *            another follow it directly, so that one walk finds children. RFC 9051 §6.3.9.3.
 * Ownership  All in the arena that was given.
 * Limits     As many as the store has; each is matched with each pattern once.
 * Threads    The running command's.
 */
#ifndef BUZON_SESSIONS_IMAP_LIST_NAMES_H
#define BUZON_SESSIONS_IMAP_LIST_NAMES_H

#include "services/store/store.h"

enum list_criteria {
	LIST_SUBSCRIBED = 1,
	LIST_SPECIAL_USE = 2,
};

struct list_name {
	str name;
	const struct store_mailbox *box; /* NULL: there is no such mailbox */
	bool subscribed;
	bool has_children; /* mailboxes below */
	bool matches;      /* a pattern */
	bool meets;        /* the criteria */
	bool meets_below;  /* a name below does */
	bool meets_hidden; /* a name below does, and matches no pattern */
};

struct list_names {
	struct list_name *names;
	size_t count;
};

/* criteria 0: mailboxes. Patterns are canonical: reference and pattern joined. */
int list_names_collect(struct store *s, uint64_t account, unsigned criteria, const str *patterns,
    size_t pattern_count, struct arena *a, struct list_names *out, struct err *err);

#endif
