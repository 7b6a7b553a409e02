/* address.h: lists of addresses as they stand in From, To, Cc and the like.
 *
 * Purpose    Read RFC 5322 §3.4 address lists with groups, comments, quoted strings, the obsolete
 *            syntax of §4.4 and UTF-8 (RFC 6532 §3.2). What does not follow the grammar gets the
 *            best reading that can be made of it, and is marked.
 * Ownership  The result lives in the arena, also its text.
 * Threads    No state, usable from any thread.
 * Limits     ADDRESS_LIST_MAX entries; what follows is dropped and the list is marked broken.
 * Errors     None: every text is a list, perhaps an empty one.
 * Not here   Paths of the SMTP envelope (formats/mailbox). Decoding of names (formats/word).
 */
#ifndef BUZON_FORMATS_ADDRESS_H
#define BUZON_FORMATS_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"

enum { ADDRESS_LIST_MAX = 10000 };

enum address_kind {
	ADDRESS_MAILBOX,
	ADDRESS_GROUP,     /* name: of the group; its members follow */
	ADDRESS_GROUP_END, /* nothing in it */
};

struct address {
	enum address_kind kind;
	bool broken; /* a best guess; do not trust it for decisions */
	str name; /* phrase without quotes, or the comment when there is none; RFC 2047 words as is */
	str route;  /* obsolete source route "@a,@b"; nearly always empty */
	str local;  /* without quotes */
	str domain; /* case as written; literals with brackets; empty only when broken */
};

struct address_list {
	struct address *items;
	size_t count;
	bool broken; /* one of them is, or the list was cut */
};

/* value: one field's value, folded or not. */
void address_list_parse(str value, struct arena *a, struct address_list *out);
/* local@domain, quoted where RFC 5322 §3.4.1 wants it, the ASCII of the domain in lower case. */
void address_print(const struct address *address, struct buf *out);

#endif
