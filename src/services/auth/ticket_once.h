/* ticket_once.h: tickets that are good for one use.
 *
 * Purpose    Core remembers the nonces of the tickets that opened a session until they expire, so that one that
 *            leaked, or is shown again by a front in foreign hands, opens no second one.
 * Shape      Tickets made before the set was are refused: their uses are not known.
 * Ownership  ticket_once_new/ticket_once_free.
 * Threads    One owner at a time.
 * Units      Milliseconds of the monotonic clock, as in tickets.
 * Limits     TICKET_ONCE_MAX nonces; more sign-ins within a ticket's life are put off.
 * Errors     ERR_DENIED used before; ERR_RETRY made before the set, or too many at once.
 * Not here   Submission: its ticket is shown for each message of a session (ticket.h).
 */
#ifndef BUZON_SERVICES_AUTH_TICKET_ONCE_H
#define BUZON_SERVICES_AUTH_TICKET_ONCE_H

#include "services/auth/ticket.h"

enum { TICKET_ONCE_MAX = 65536 };

struct ticket_once;

struct ticket_once *ticket_once_new(int64_t now_ms);
void ticket_once_free(struct ticket_once *o);
/* t has passed ticket_check. */
int ticket_once_use(struct ticket_once *o, const struct ticket *t, int64_t now_ms, struct err *err);

#endif
