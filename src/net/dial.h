/* dial.h: opens a connection to an address.
 *
 * Purpose    A TCP connection to one address and port, or to a Unix socket, without waiting for it.
 * Ownership  dial_start gives a handle that frees itself when fn is called; dial_cancel before that
 *            ends it without a call. The descriptor (non-blocking, close-on-exec) belongs to fn.
 * Threads    The loop's thread. fn comes from the loop, never from inside dial_start.
 * Units      Milliseconds.
 * Errors     fn gets fd -1 and the reason: ERR_RETRY with errno's words, "timed out" among them;
 *            ERR_INPUT when the address is none.
 * Not here   Names (services/resolve), TLS (conn.h).
 */
#ifndef BUZON_NET_DIAL_H
#define BUZON_NET_DIAL_H

#include "net/loop.h"

struct dial;

typedef void dial_fn(void *arg, int fd, const struct err *err);

struct dial_options {
	str address; /* "192.0.2.1", "2001:db8::1" or "unix:/path" */
	uint16_t port;
	str source; /* our own address to come from, or empty: the system's choice */
	uint64_t timeout_ms;
};

struct dial *dial_start(struct loop *l, const struct dial_options *o, dial_fn *fn, void *arg);
void dial_cancel(struct dial *d);

#endif
