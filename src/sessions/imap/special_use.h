/* special_use.h: names of the special uses of mailboxes, RFC 6154 §2.
 *
 * Threads    No state.
 */
#ifndef BUZON_SESSIONS_IMAP_SPECIAL_USE_H
#define BUZON_SESSIONS_IMAP_SPECIAL_USE_H

#include "services/store/store.h"

/* "Sent", without the backslash; empty for SPECIAL_NONE. */
str special_use_name(enum store_special_use use);
/* In any case; SPECIAL_NONE when there is no such use. */
enum store_special_use special_use_of(str name);

#endif
