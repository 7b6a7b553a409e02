/* packet.h: packets with descriptors over one SOCK_SEQPACKET socket, and the queue of those that it did
 * not take yet. For link.c.
 *
 * Purpose    What link.c needs of the kernel, without frames, requests and the loop.
 * Ownership  packet_receive gives descriptors to the caller only together with a packet; those that
 *            come with anything else are closed. packet_queue_add keeps copies of descriptors.
 * Threads    No state but the queue's, which is its link's.
 * Limits     FRAME_MAX_BYTES and LINK_MAX_FDS a packet. The queue has none of its own: see bytes.
 * Errors     errno, where an outcome says that something failed.
 */
#ifndef BUZON_NET_PACKET_H
#define BUZON_NET_PACKET_H

#include "net/link.h"

enum packet_sent { PACKET_SENT, PACKET_LATER, PACKET_NO_BUFFERS, PACKET_FAILED };
enum packet_came { PACKET_CAME, PACKET_NONE, PACKET_END, PACKET_TOO_LARGE, PACKET_BROKEN };

enum packet_sent packet_send(int fd, str bytes, const int *fds, size_t fd_count);
/* space has FRAME_MAX_BYTES, out_fds LINK_MAX_FDS: -1 where none came. */
enum packet_came packet_receive(int fd, char *space, str *out, int *out_fds);
/* All LINK_MAX_FDS of them. */
void packet_close_fds(int *fds);

struct packet;

struct packet_queue {
	struct packet **items;
	size_t head, count, cap;
	size_t bytes;
};

/* -1: a descriptor could not be kept; nothing was added. */
int packet_queue_add(struct packet_queue *q, str bytes, const int *fds, size_t fd_count);
/* Sends the first one and drops it when that worked. */
enum packet_sent packet_queue_send(struct packet_queue *q, int fd);
void packet_queue_clear(struct packet_queue *q);

#endif
