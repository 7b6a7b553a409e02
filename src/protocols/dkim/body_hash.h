/* body_hash.h: the hashes of one body for any number of signatures, in one pass.
 *
 * Purpose    SHA-256 (the only hash of RFC 8301 and 8463) over the canonical body, whole or up to l=.
 *            Signatures that want the same share one.
 * Ownership  Lives in the caller's arena.
 * Threads    One owner at a time.
 * Limits     DKIM_BODY_HASHES_MAX different ones.
 * Errors     dkim_body_hash_add: a number, or -1 when there are too many.
 */
#ifndef BUZON_PROTOCOLS_DKIM_BODY_HASH_H
#define BUZON_PROTOCOLS_DKIM_BODY_HASH_H

#include "protocols/dkim/canon.h"

enum { DKIM_BODY_HASHES_MAX = 16, DKIM_HASH_BYTES = 32 };
#define DKIM_WHOLE_BODY UINT64_MAX

struct dkim_body_hash;

struct dkim_body_hash *dkim_body_hash_new(struct arena *a);
/* limit: what l= says, or DKIM_WHOLE_BODY. Before the first feed. */
int dkim_body_hash_add(struct dkim_body_hash *h, enum dkim_canon kind, uint64_t limit);
void dkim_body_hash_feed(struct dkim_body_hash *h, str piece);
void dkim_body_hash_end(struct dkim_body_hash *h);
/* After the end. */
str dkim_body_hash_digest(const struct dkim_body_hash *h, int which);
/* How long the canonical body is, with what l= leaves out. */
uint64_t dkim_body_hash_bytes(const struct dkim_body_hash *h, int which);

#endif
