/* link.h: frames between two roles over one SOCK_SEQPACKET socket.
 *
 * Purpose    Send frames, match replies to requests, carry descriptors, apply back-pressure.
 * Shape      Each packet: type u16, flags u16, request u32, length u32, payload; little-endian; at
 *            most FRAME_MAX_BYTES with the header. flags bit 0 marks a reply. Descriptors ride as
 *            SCM_RIGHTS.
 * Ownership  link_new takes the descriptor. Descriptors in a received frame belong to the handler
 *            when it takes them (TAKE_FD from in->fds); what it leaves is closed after it returns.
 *            Descriptors given to link_send are duplicated by the kernel; the caller still closes
 *            its own.
 * Threads    The loop's thread only.
 * Limits     32 packets are handled per wake-up, then others get their turn. Unsent bytes: queue_max.
 * Errors     A malformed, unknown or unexpected frame drops the link: on_lost is called and every
 *            waiting request gets NULL, later, from the loop. The process goes on.
 */
#ifndef BUZON_NET_LINK_H
#define BUZON_NET_LINK_H

#include "net/frame.h"
#include "net/loop.h"

enum { LINK_MAX_FDS = 4 };

struct link;

struct link_frame {
	const struct frame_def *def;
	uint32_t request; /* 0: no reply wanted */
	str payload;
	int fds[LINK_MAX_FDS]; /* -1 where none */
};

/* Decode with frame_decode(in->def, in->payload, &s, err). A return below 0 drops the link. */
typedef int link_frame_fn(void *owner, struct link *link, struct link_frame *in);
/* reply is NULL when the link was lost first. */
typedef void link_reply_fn(void *arg, struct link_frame *reply);

struct link_options {
	const char *peer; /* for messages: "core" */
	const struct frame_def *const
	    *accepts; /* what this peer may send as a request, NULL-terminated */
	link_frame_fn *on_frame;
	void (*on_lost)(void *owner, struct link *link, str why);
	void *owner;
	size_t queue_max; /* unsent bytes; over it the link is dropped as stuck */
};

/* fd may be -1: a link that is down until link_reconnect. */
struct link *link_new(struct loop *l, int fd, const struct link_options *o);
/* Requests that wait get NULL now. */
void link_free(struct link *link);
bool link_is_up(const struct link *link);

/* No reply expected. fds may be NULL when fd_count is 0. -1 when the link is down or does not take
 * it. */
int link_send(struct link *link, const struct frame_def *def, const void *in, const int *fds,
    size_t fd_count, struct err *err);
/* A reply of type reply_def is expected; fn is called exactly once (also when sending failed:
 * later, from the loop). */
void link_request(struct link *link, const struct frame_def *def, const void *in, const int *fds,
    size_t fd_count, const struct frame_def *reply_def, link_reply_fn *fn, void *arg);
int link_reply(struct link *link, uint32_t request, const struct frame_def *def, const void *in,
    const int *fds, size_t fd_count, struct err *err);
/* Sends a request and waits here for its reply, at most timeout_ms; other frames wait meanwhile.
 * Only for links to a peer that answers at once and asks nothing back (keys). 0: *reply holds the
 * frame, good until the next call on this link. -1 with ERR_RETRY: the link is down, the peer did
 * not answer in time, or it still owes the answer to a call that timed out: then this one fails at
 * once, so that a peer that hangs costs its callers one time-out and not one each. */
int link_call(struct link *link, const struct frame_def *def, const void *in,
    const struct frame_def *reply_def, uint32_t timeout_ms, struct link_frame *out_reply,
    struct err *err);
/* Unsent bytes: a sender of much stops above a few hundred KiB until on the next turn it is less.
 */
size_t link_queued(const struct link *link);
/* Puts a new socket under a link that was lost (its peer was restarted). */
void link_reconnect(struct link *link, int fd);

/* A pair of sockets for two links, close-on-exec, with buffers that take several large frames. */
int link_pair(int out_fds[2], struct err *err);

#endif
