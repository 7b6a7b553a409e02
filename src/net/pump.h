/* pump.h: carries bytes between a conn and a stream socket to another role.
 *
 * Purpose    After sign-in front only decrypts and encrypts: what the client sends goes to the
 *            socket whose other end core has, and back.
 * Ownership  pump_start takes the conn and the descriptor. Both are closed, and the pump is freed,
 *            before on_end runs.
 * Threads    The loop's thread.
 * Flow       Back-pressure both ways: neither side is read while the other does not take more.
 *            The client's half-close is passed on (shutdown for writing); the end of the socket's
 *            stream closes the conn after everything has been sent. No buffer is held while idle.
 *            A client that was asked to go on ("+ ", RFC 9051 §7.6) often sends a literal and the line
 *            end after it by two calls; its kernel keeps the second one (Nagle) until the first is
 *            acknowledged. So until the next answer, what it sends is acknowledged at once.
 * Limits     No deadline of its own; idle time-outs are for the session at the other end. The one
 *            set on the conn is switched off.
 * Errors     on_end gets the conn's reason in words.
 */
#ifndef BUZON_NET_PUMP_H
#define BUZON_NET_PUMP_H

#include "net/conn.h"

typedef void pump_end_fn(void *owner, str reason);

/* on_end may be NULL. Unread input of the conn goes first. */
void pump_start(struct conn *c, int fd, pump_end_fn *on_end, void *owner);

#endif
