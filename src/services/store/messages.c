/* Messages: rows that never change, and the bodies they point to. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/fd.h"
#include "services/store/message_rows.h"

enum { HASH_STEP = 256 * 1024, INDEX_BYTES_MAX = 16 << 20 };

/* ---- hashing ---- */

static int hash_file(EVP_MD_CTX *ctx, const struct store_piece *p, struct err *err)
{
	AUTO_FREE char *step = malloc(HASH_STEP);
	uint64_t at = p->offset, left = p->length;

	if (!step)
		abort();
	while (left > 0) {
		size_t n = left < HASH_STEP ? (size_t)left : HASH_STEP;
		if (fd_pread_all(p->fd, step, n, (off_t)at) < 0)
			return err_set(err, ERR_SYSTEM, "cannot read the message body: %m");
		EVP_DigestUpdate(ctx, step, n);
		at += n;
		left -= n;
	}
	return 0;
}

int store_body_hash(struct store_body *body, struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sha256[SHA256_DIGEST_LENGTH];
	uint64_t bytes = 0;
	int result = 0;

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; i < body->piece_count && result == 0; i++) {
		const struct store_piece *p = &body->pieces[i];
		if (p->fd >= 0) {
			result = hash_file(ctx, p, err);
			bytes += p->length;
		} else {
			EVP_DigestUpdate(ctx, p->bytes.ptr, p->bytes.len);
			bytes += p->bytes.len;
		}
	}
	EVP_DigestFinal_ex(ctx, sha256, NULL);
	EVP_MD_CTX_free(ctx);
	if (result < 0)
		return -1;
	memcpy(body->sha256, sha256, sizeof(body->sha256));
	body->bytes = bytes;
	return 0;
}

/* ---- reading ---- */

int store_message_get(
    struct store *s, uint64_t message, struct arena *a, struct store_message *out, struct err *err)
{
	AUTO_BUF copy = BUF_INIT(INDEX_BYTES_MAX * 2);
	struct store_message found;
	struct db *db;

	if (reader_acquire(s, &db, err) < 0)
		return -1;
	int result = message_row_get(db, message, &copy, &found, err);
	reader_release(s, db);
	if (result < 0)
		return -1;
	found.index = arena_str(a, found.index);
	*out = found;
	return 0;
}

int store_blob_map(
    struct store *s, const struct store_blob_ref *ref, struct store_blob *out, struct err *err)
{
	return packs_map(s->packs, ref, out, err);
}

void store_blob_release(struct store_blob *b)
{
	packs_map_release(b);
}

/* ---- writing ---- */

/* A body that cannot be read from its descriptor is the caller's fault and undone like any failed
 * job; a pack that cannot be written loses the group. */
static int append_body(struct store_txn *t, uint64_t id, const struct store_body *body,
    struct store_blob_ref *out, struct err *err)
{
	struct err why = { .kind = ERR_NONE };
	uint64_t failures = packs_failures(t->store->packs);

	if (packs_append(t->store->packs, id, body, out, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return packs_failures(t->store->packs) == failures ? -1 : txn_failed(t, &why);
}

int txn_message_add(
    struct store_txn *t, const struct store_message_new *m, uint64_t *out_id, struct err *err)
{
	struct store_blob_ref ref;

	if (m->index.len > INDEX_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "the message index has %zu bytes", m->index.len);
	if (!store_accepts_mail(t->store, m->body->bytes, err))
		return -1;
	uint64_t id = counters_message(t);
	if (append_body(t, id, m->body, &ref, err) < 0)
		return -1;
	if (txn_run(t, DB_MESSAGE_ADD,
	        DB_ARGS(DB_INT(id), DB_INT(ref.pack), DB_INT(ref.offset), DB_INT(ref.bytes),
	            DB_BLOB(str_new(ref.sha256, sizeof(ref.sha256))), DB_INT(m->sent_at),
	            DB_BLOB(m->index)),
	        err) < 0)
		return -1;
	txn_ref(t, id, -1);
	*out_id = id;
	return 0;
}
