/* pack.h: message bodies in append-only files.
 *
 * Purpose    packs/NNNNNNNN.pack: records of a 64-byte header (magic, message id, length, SHA-256,
 *            CRC-32C) and the body. Written by one thread, mapped by all.
 * Ownership  packs_open, packs_close; a map is held by its blobs and, for a while, by the packs.
 * Threads    all but packs_map and release, forget, path: the writer's only. Those: any thread.
 * Units      Bytes; the offset of a body is that of its first byte, behind the header.
 * Errors     ERR_RETRY no space; ERR_SYSTEM. packs_failures tells whether the group can go on.
 * Not here   Which bodies are alive (refs.c), what to do at start (recover.c).
 *
 * What was once synced is never written again. After a failed sync or commit the current pack is
 * left as it is, because a later crash may still bring that commit back, and a new one is begun.
 */
#ifndef BUZON_SERVICES_STORE_PACK_H
#define BUZON_SERVICES_STORE_PACK_H

#include "services/store/store.h"

enum {
	PACK_HEADER_BYTES = 64,
	PACK_MAPS_IDLE_MAX = 32,
};

struct packs;

struct pack_header {
	uint64_t message;
	uint64_t bytes;
	unsigned char sha256[32];
};

/* Where the writer stands; packs_rewind goes back to it when a job is undone. */
struct pack_mark {
	uint64_t pack, end;
};

struct packs *packs_open(const char *dir, uint64_t limit);
void packs_close(struct packs *p);

/* Goes on appending to this pack at this length; what lies behind it is cut off. */
int packs_resume(struct packs *p, uint64_t pack, uint64_t length, struct err *err);
/* New packs get numbers above this one. */
void packs_above(struct packs *p, uint64_t pack);
int packs_append(struct packs *p, uint64_t message, const struct store_body *body,
    struct store_blob_ref *out, struct err *err);
/* Leaves the pack that grows, as it is, for a new one. */
int packs_next(struct packs *p, struct err *err);
struct pack_mark packs_mark(const struct packs *p);
void packs_rewind(struct packs *p, struct pack_mark mark);
/* Everything appended is on stable storage. */
int packs_sync(struct packs *p, struct err *err);
/* The group is lost. It is not known what became of it when a commit was tried or a sync failed. */
void packs_give_up(struct packs *p, struct pack_mark group, bool commit_tried);
/* Grows with each write or sync that failed: the group in which it did is lost. */
uint64_t packs_failures(const struct packs *p);
/* The pack that grows now (0: none), and how far it is. */
struct pack_mark packs_current(const struct packs *p);

/* Length of a pack's file, for the current one how far it is; 0 when it is not there. */
uint64_t packs_file_bytes(const struct packs *p, uint64_t pack);

/* ERR_DENIED: there is no such pack, or it ends before the body does. */
int packs_map(
    struct packs *p, const struct store_blob_ref *ref, struct store_blob *out, struct err *err);
void packs_map_release(struct store_blob *blob);
/* Forgets the map of a pack that goes away; those who hold it keep it. */
void packs_forget(struct packs *p, uint64_t pack);

/* Name of a pack's file. */
void packs_path(const struct packs *p, uint64_t pack, char *out, size_t size);
/* Reads and checks a header: 1, 0 when there is none here, -1. */
int pack_header_decode(str bytes, struct pack_header *out);
void pack_header_encode(const struct pack_header *h, unsigned char out[PACK_HEADER_BYTES]);
/* Number of a file name like 00000012.pack; -1 for other names. */
int pack_number(const char *name, uint64_t *out);

#endif
