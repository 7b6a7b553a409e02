#include "protocols/dkim/body_hash.h"

#include "protocols/dkim/internal.h"

struct one {
	enum dkim_canon kind;
	uint64_t limit, seen;
	struct dkim_sha256 *sha;
	unsigned char digest[DKIM_HASH_BYTES];
};

struct dkim_body_hash {
	struct arena *arena;
	struct dkim_body_canon canon[2];
	bool is_used[2];
	struct one list[DKIM_BODY_HASHES_MAX];
	size_t count;
};

struct feed {
	struct dkim_body_hash *h;
	enum dkim_canon kind;
};

struct dkim_body_hash *dkim_body_hash_new(struct arena *a)
{
	struct dkim_body_hash *h = arena_one(a, struct dkim_body_hash);

	*h = (struct dkim_body_hash){ .arena = a };
	h->canon[DKIM_RELAXED].kind = DKIM_RELAXED;
	return h;
}

int dkim_body_hash_add(struct dkim_body_hash *h, enum dkim_canon kind, uint64_t limit)
{
	for (size_t i = 0; i < h->count; i++) {
		if (h->list[i].kind == kind && h->list[i].limit == limit)
			return (int)i;
	}
	if (h->count == DKIM_BODY_HASHES_MAX)
		return -1;
	h->is_used[kind] = true;
	h->list[h->count] =
	    (struct one){ .kind = kind, .limit = limit, .sha = dkim_sha256_new(h->arena) };
	return (int)h->count++;
}

static void hash_piece(void *arg, str piece)
{
	struct feed *f = arg;

	for (size_t i = 0; i < f->h->count; i++) {
		struct one *o = &f->h->list[i];
		if (o->kind != f->kind)
			continue;
		uint64_t left = o->limit > o->seen ? o->limit - o->seen : 0;
		o->seen += piece.len;
		dkim_sha256_add(
		    o->sha, str_sub(piece, 0, left < piece.len ? (size_t)left : piece.len));
	}
}

void dkim_body_hash_feed(struct dkim_body_hash *h, str piece)
{
	for (enum dkim_canon kind = DKIM_SIMPLE; kind <= DKIM_RELAXED; kind++) {
		if (h->is_used[kind])
			dkim_body_canon_feed(
			    &h->canon[kind], piece, hash_piece, &(struct feed){ h, kind });
	}
}

void dkim_body_hash_end(struct dkim_body_hash *h)
{
	for (enum dkim_canon kind = DKIM_SIMPLE; kind <= DKIM_RELAXED; kind++) {
		if (h->is_used[kind])
			dkim_body_canon_end(&h->canon[kind], hash_piece, &(struct feed){ h, kind });
	}
	for (size_t i = 0; i < h->count; i++)
		dkim_sha256_end(h->list[i].sha, h->list[i].digest);
}

str dkim_body_hash_digest(const struct dkim_body_hash *h, int which)
{
	return str_new(h->list[which].digest, DKIM_HASH_BYTES);
}

uint64_t dkim_body_hash_bytes(const struct dkim_body_hash *h, int which)
{
	return h->list[which].seen;
}
