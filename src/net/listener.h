/* listener.h: accepts connections from a listening socket.
 *
 * Purpose    Accept in batches; when descriptors or memory run out, wait instead of spinning.
 * Ownership  listener_new takes the descriptor; each accepted one (non-blocking, close-on-exec)
 *            belongs to fn.
 * Threads    The loop's thread.
 * Limits     64 connections per wake-up; after EMFILE and its like nothing for 100 ms.
 */
#ifndef BUZON_NET_LISTENER_H
#define BUZON_NET_LISTENER_H

#include "net/loop.h"

struct listener;

typedef void listener_fn(void *arg, int fd);

struct listener *listener_new(struct loop *l, int fd, listener_fn *fn, void *arg);
/* Pause and resume: e.g. when as many connections are open as allowed; the rest wait in the
 * kernel. */
void listener_pause(struct listener *n);
void listener_resume(struct listener *n);
/* May be called from fn. */
void listener_free(struct listener *n);

#endif
