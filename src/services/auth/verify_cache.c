#include "services/auth/verify_cache.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/secret.h"
#include "services/auth/lru.h"

enum { HASH_BYTES = 32 };

struct entry {
	unsigned char hash[HASH_BYTES];
	uint64_t account_id, good_until;
};

struct verify_cache {
	struct lru *entries;
	unsigned char key[HASH_BYTES];
	uint64_t epoch;
};

static void hash(
    const struct verify_cache *c, str name, str password, unsigned char out[HASH_BYTES])
{
	static const unsigned char nul = 0;
	crypto_generichash_state state;

	crypto_generichash_init(&state, c->key, sizeof(c->key), HASH_BYTES);
	crypto_generichash_update(&state, (const unsigned char *)name.ptr, name.len);
	crypto_generichash_update(&state, &nul, 1);
	crypto_generichash_update(&state, (const unsigned char *)password.ptr, password.len);
	crypto_generichash_final(&state, out, HASH_BYTES);
	secret_wipe(&state, sizeof(state));
}

bool verify_cache_check(
    const struct verify_cache *c, str name, str password, uint64_t now_ms, uint64_t *out_account_id)
{
	const struct entry *e = lru_get(c->entries, name);
	unsigned char got[HASH_BYTES];

	if (!e || now_ms >= e->good_until)
		return false;
	hash(c, name, password, got);
	if (!secret_eq(str_new(got, HASH_BYTES), str_new(e->hash, HASH_BYTES)))
		return false;
	*out_account_id = e->account_id;
	return true;
}

uint64_t verify_cache_epoch(const struct verify_cache *c)
{
	return c->epoch;
}

void verify_cache_add(struct verify_cache *c, str name, str password, uint64_t account_id,
    uint64_t epoch, uint64_t now_ms)
{
	if (epoch != c->epoch)
		return;
	struct entry *e = lru_touch(c->entries, name);
	hash(c, name, password, e->hash);
	e->account_id = account_id;
	e->good_until = now_ms + VERIFY_CACHE_MS;
}

void verify_cache_drop(struct verify_cache *c, str name)
{
	c->epoch++;
	lru_remove(c->entries, name);
}

struct verify_cache *verify_cache_new(void)
{
	struct verify_cache *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	random_bytes(c->key, sizeof(c->key));
	c->entries = lru_new(sizeof(struct entry), VERIFY_CACHE_MAX);
	return c;
}

void verify_cache_free(struct verify_cache *c)
{
	if (!c)
		return;
	lru_free(c->entries);
	secret_wipe(c->key, sizeof(c->key));
	free(c);
}
