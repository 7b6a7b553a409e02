/* list_match.h: does a mailbox name match a LIST pattern? RFC 9051 §6.3.9.
 *
 * Purpose    '*' matches anything, '%' anything without the hierarchy separator '/'.
 * Shape      No recursion and no backtracking: time is at most name times pattern.
 * Limits     Patterns of IMAP_PATTERN_MAX bytes; longer ones match nothing.
 * Threads    No state.
 */
#ifndef BUZON_PROTOCOLS_IMAP_LIST_MATCH_H
#define BUZON_PROTOCOLS_IMAP_LIST_MATCH_H

#include "base/str.h"

enum { IMAP_PATTERN_MAX = 1024 };

/* Both UTF-8. The first component INBOX matches in any case. */
bool imap_list_match(str pattern, str name);

#endif
