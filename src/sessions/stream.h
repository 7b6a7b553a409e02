/* stream.h: a session's end of the socket pair it shares with the front.
 *
 * Purpose    Non-blocking reads on the loop, an output queue of copied bytes and of bytes by
 *            reference, and the handing back and forth of both between the loop and the one pool
 *            thread that runs a command. Used by every kind of session in core (IMAP, POP3).
 * Ownership  stream_new takes the descriptor; stream_free closes it, drops what is unsent and
 *            releases the references. May be called from any of its handlers.
 * Threads    Exactly one thread works on a stream at a time. It is the loop's thread until
 *            stream_lend; then the thread that was given the session, until the loop's thread calls
 *            stream_take_back. Meanwhile no handler is called. Functions marked [owner] are for
 *            whoever has it; the others are for the loop's thread while it has it.
 * Units      Bytes.
 * Errors     A broken stream is told by on_closed, once. [owner] functions on a broken stream do
 *            nothing; stream_is_broken tells a command that its work is for nobody.
 *
 * A slow reader holds no thread: a command that writes much asks stream_is_congested at each
 * message and returns; on_drained says when to go on. What is not asked goes to the queue, up to
 * STREAM_QUEUE_MAX, over which the stream is broken.
 * An idle stream holds no buffers.
 */
#ifndef BUZON_SESSIONS_STREAM_H
#define BUZON_SESSIONS_STREAM_H

#include "net/loop.h"

struct stream;

enum {
	STREAM_INPUT_MAX = 256 * 1024,       /* reading pauses while this much is unread */
	STREAM_READ_MAX = 64 * 1024,         /* per turn, so that one peer does not hold the loop */
	STREAM_HIGH_WATER = 256 * 1024,      /* congested from here on */
	STREAM_LOW_WATER = 64 * 1024,        /* on_drained at or below */
	STREAM_QUEUE_MAX = 64 * 1024 * 1024, /* copied bytes that wait; over it: broken */
	STREAM_IOVECS = 64,
};

struct stream_handlers {
	/* There are unread bytes: called when some arrived, not again for those that were left. */
	void (*on_input)(void *owner, struct stream *s);
	/* Was congested, and is not any more. */
	void (*on_drained)(void *owner, struct stream *s);
	/* The peer is gone, or stream_close has sent everything. why is a sentence for logs. The
	 * owner calls stream_free, here or later. */
	void (*on_closed)(void *owner, struct stream *s, const char *why);
};

struct stream *stream_new(
    struct loop *l, int fd, const struct stream_handlers *handlers, void *owner);
void stream_free(struct stream *s);

/* [owner] Unread bytes; good until the next call that takes or reads. */
str stream_input(const struct stream *s);
void stream_consume(struct stream *s, size_t count);
/* [owner] Reads what is there without waiting, so that pipelined commands need no turn of the loop.
 * False when nothing came. */
bool stream_read_now(struct stream *s);
/* [owner] The same, but waits up to ms for something to come; not on the loop's thread. */
bool stream_read_soon(struct stream *s, int ms);

/* [owner] Into the queue. */
void stream_write(struct stream *s, str bytes);
/* By reference: release(arg) is called once, on the owner's or the loop's thread, when they have
 * been sent or dropped. Small ones are copied and released at once. */
void stream_write_ref(struct stream *s, str bytes, void (*release)(void *arg), void *arg);
/* [owner] Sends what the socket takes now. */
void stream_flush(struct stream *s);
/* [owner] Tries to send first; true when the queue is still above the high-water mark. */
bool stream_is_congested(struct stream *s);
bool stream_is_broken(const struct stream *s);
size_t stream_queued(const struct stream *s);

/* The loop gives the stream away, and gets it back (after a loop_post by the one who had it).
 * Taking it back flushes, and watches for what is then needed; it is also the way to send what the
 * loop's thread wrote outside of a handler. */
void stream_lend(struct stream *s);
void stream_take_back(struct stream *s);

/* Sends what is queued, then on_closed("closed"). Input is not read any more. */
void stream_close(struct stream *s);

#endif
