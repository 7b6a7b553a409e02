/* conn.h: one byte stream to a peer, in clear or under TLS.
 *
 * Purpose    Reading with back-pressure, queued writing, TLS started at once or later, deadlines,
 *            orderly and abrupt close. What is above sees clear bytes only.
 * Ownership  conn_new takes the descriptor. The conn frees itself after on_closed has returned; the
 *            owner forgets it there. conn_close and conn_abort may be called from any of its
 *            callbacks.
 * Threads    The loop's thread only.
 * Units      Bytes; milliseconds.
 * Errors     None are returned: a broken connection ends in on_closed with the reason in words.
 * Not here   What the bytes mean. Session engines (sessions/...) feed a protocol from conn_input.
 *
 * Order of calls: on_data whenever there are unread clear bytes (again after each conn_consume that
 * leaves some only when more arrive); on_tls when a handshake has finished; on_drained when the
 * output queue went from above low_water to below it; on_closed exactly once.
 */
#ifndef BUZON_NET_CONN_H
#define BUZON_NET_CONN_H

#include "net/loop.h"

struct conn;
struct tls_context; /* net/tls.h */

struct conn_handlers {
	void (*on_data)(void *owner, struct conn *c);
	void (*on_tls)(void *owner, struct conn *c);     /* may be NULL */
	void (*on_drained)(void *owner, struct conn *c); /* may be NULL */
	/* The peer has finished sending (and may still read). When NULL, the conn closes by itself
	 * once all input is consumed and the queue is sent. When set, on_closed does not follow by
	 * itself: the owner answers what it still has to answer and calls conn_close. */
	void (*on_eof)(void *owner, struct conn *c);
	/* reason is a sentence for logs; "closed by peer" for a clean end, "closed by us" after
	 * conn_close. Always from the loop, never from inside a call on this conn. */
	void (*on_closed)(void *owner, struct conn *c, str reason);
};

struct conn_options {
	const struct conn_handlers *handlers;
	void *owner;
	size_t input_max;  /* reading pauses while this much is unread; at least one line */
	size_t high_water; /* conn_is_congested from here on */
	size_t low_water;  /* on_drained below this */
};

/* fd: a connected stream socket, TCP or Unix; made non-blocking, TCP_NODELAY and SO_KEEPALIVE set.
 */
struct conn *conn_new(struct loop *l, int fd, const struct conn_options *o);
/* Changes handlers and owner, e.g. when the pump takes over after sign-in. */
void conn_hand_over(struct conn *c, const struct conn_handlers *handlers, void *owner);

/* Unread clear bytes; the slice is good until the next call on this conn. */
str conn_input(const struct conn *c);
void conn_consume(struct conn *c, size_t count);
/* Throws unread input away, under and above TLS: commands sent before a handshake. RFC 3207 §4.2.
 */
void conn_discard_input(struct conn *c);
/* Acknowledges at once what has been read (TCP_QUICKACK), when the peer may hold back the rest until then:
 * the kernel would wait some 40 ms for an answer to send it with. Good for this once only. */
void conn_acknowledge(struct conn *c);
void conn_pause(struct conn *c); /* stops reading (back-pressure) */
void conn_resume(struct conn *c);

/* Copies bytes into the output queue; sent at the end of the loop's turn in as few writes as
 * possible. */
void conn_write(struct conn *c, str bytes);
size_t conn_queued(const struct conn *c);
bool conn_is_congested(const struct conn *c);

/* Server side handshake: sends what is queued first, discards unread input, then shakes hands;
 * on_tls or on_closed follows. What is written meanwhile is sent under TLS. Private-key operations
 * go through the context's signer and wait for it inside the turn (net/tls.h). */
void conn_start_tls(struct conn *c, struct tls_context *ctx);
/* The protocol that this listener speaks, for ALPN (RFC 7301, RFC 9325 §3.8): "imap", "pop3",
 * "managesieve", "smtp"; a literal. Before conn_start_tls. A client that offers others only is
 * refused with no_application_protocol; one that offers none is welcome. Not called: no ALPN. */
void conn_set_alpn(struct conn *c, const char *protocol);
struct conn_tls_info {
	bool active;
	char version[16]; /* "TLSv1.3" */
	char cipher[64];
	char server_name[256]; /* SNI, or empty */
	char alpn[32];         /* chosen, or empty */
	int bits;
};
void conn_tls_info(const struct conn *c, struct conn_tls_info *out);
/* Channel binding data: RFC 9266 tls-exporter (TLS 1.3; empty below it), RFC 5929
 * tls-server-end-point. The slice lives as long as the conn. */
str conn_tls_exporter(struct conn *c);
str conn_tls_server_end_point(struct conn *c);
/* The peer's user id on a Unix socket; -1 on others. */
int64_t conn_peer_uid(const struct conn *c);

/* on_closed("timed out ...") when it passes; 0 switches it off. Each call replaces the former. */
void conn_set_deadline(struct conn *c, uint64_t after_ms, const char *what);

/* "192.0.2.1" or "2001:db8::1" (never ::ffff:...), port; "local" for Unix sockets. */
str conn_peer_address(const struct conn *c);
uint16_t conn_peer_port(const struct conn *c);
str conn_local_address(const struct conn *c);
uint16_t conn_local_port(const struct conn *c);
struct loop *conn_loop(const struct conn *c);

void conn_close(struct conn *c); /* after the queue is sent; TLS close_notify */
void conn_abort(struct conn *c, const char *reason);

#endif
