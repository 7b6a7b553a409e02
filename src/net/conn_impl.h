/* conn_impl.h: what conn.c, conn_tls.c, conn_address.c and bytes.c share. Not for anyone else.
 *
 * Shape      Three byte queues, each without memory while empty: input (clear, unread), output (as
 *            it goes to the socket), and under TLS clear_out (not encrypted yet) and cipher_in
 *            (arrived, but input is full).
 */
#ifndef BUZON_NET_CONN_IMPL_H
#define BUZON_NET_CONN_IMPL_H

#include <openssl/ssl.h>

#include "net/conn.h"

enum {
	CONN_READ_BYTES = 32 * 1024,   /* at most per read */
	CONN_TURN_BYTES = 256 * 1024,  /* read from one conn before others get their turn */
	CONN_CIPHER_AHEAD = 64 * 1024, /* encrypted and waiting for the socket */
};

/* A queue of bytes that gives its memory back when it is empty. */
struct bytes {
	char *ptr;
	size_t start, len, cap;
	bool is_secret; /* what was in it is wiped: passwords arrive among the commands */
};

static inline str bytes_str(const struct bytes *b)
{
	return (str){ b->ptr + b->start, b->len };
}

void bytes_free(struct bytes *b);
void bytes_add(struct bytes *b, str s);
/* Room for count bytes behind what is there. */
char *bytes_space(struct bytes *b, size_t count);
void bytes_consume(struct bytes *b, size_t count);

struct conn_tls {
	SSL *ssl;
	struct tls_context *ctx;   /* server side, */
	struct tls_client *client; /* or client side */
	struct bytes cipher_in;
	struct bytes clear_out;
	str arrived; /* what the BIO reads from: the read buffer of this turn, or cipher_in */
	bool is_handshaking;
	bool is_shut; /* close_notify is queued */
	char *exporter, *end_point;
	size_t exporter_len, end_point_len;
};

struct conn {
	struct loop *loop;
	int fd;
	struct watch *watch;
	unsigned watching;
	const struct conn_handlers *handlers;
	void *owner;
	size_t input_max, high_water, low_water;
	struct bytes input;
	struct bytes output;
	struct conn_tls *tls; /* NULL in clear */
	const char *alpn;
	struct timer *deadline;
	const char *deadline_what;
	char *reason;        /* set: closed, on_closed is due */
	unsigned read_bytes; /* grows while the peer sends much */
	bool is_paused;
	bool is_eof;       /* the peer sends no more */
	bool is_eof_told;  /* on_eof was called */
	bool is_closing;   /* conn_close: nothing more is taken from either side */
	bool is_lingering; /* the owner is gone; only waiting for the peer to read our last words */
	bool is_above_low; /* on_drained is due when the queue is below low_water again */
	bool is_flush_due; /* conn_turn is deferred */
	bool is_input_news; /* bytes arrived that on_data has not been called for */
	bool is_tcp;
	struct loop_left left; /* while lingering */
	uint16_t peer_port, local_port;
	char peer_address[46], local_address[46];
};

/* Fills the addresses and is_tcp from the socket. */
void conn_read_addresses(struct conn *c);
/* Sends what the socket takes now: 1 all, 0 some is left, -1 the conn is finished. */
int conn_send(struct conn *c);
/* Ends the conn now; on_closed follows from the loop. */
void conn_finish(struct conn *c, const char *why);
/* Schedules the work at the end of this turn. */
void conn_defer_turn(struct conn *c);

/* Under TLS: bytes that came from the socket, or none to go on with what is left. -1: the conn is
 * finished. */
int conn_tls_input(struct conn *c, str arrived);
/* Bytes that wait between the socket and the input queue. */
bool conn_tls_has_left(const struct conn *c);
/* Moves clear_out into output as far as there is room; -1: the conn is finished. */
int conn_tls_output(struct conn *c);
void conn_tls_discard(struct conn *c);
/* Takes ssl, whose side is set, and puts the conn under it; frees it when the conn is closing. */
void conn_tls_begin(struct conn *c, SSL *ssl);
/* The client speaks first. */
void conn_tls_greet(struct conn *c);
void conn_tls_shutdown(struct conn *c);
void conn_tls_free(struct conn *c);

#endif
