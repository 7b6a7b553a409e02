#include "base/table.h"

#include <stdlib.h>

#include "base/secret.h"

/* Open addressing with linear probing; a removed entry leaves a tombstone until the next growth. */
struct slot {
	uint64_t hash;
	char *key;
	size_t key_len;
	void *value; /* NULL with key: tombstone */
};

struct table {
	struct slot *slots;
	size_t cap, count, filled;
};

static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static const uint64_t *process_key(void)
{
	static uint64_t key[2];
	static bool ready;

	/* Two threads may both fill it at the very first use; roles make a table before they start
	 * any. */
	if (!ready) {
		random_bytes(key, sizeof(key));
		ready = true;
	}
	return key;
}

uint64_t hash_bytes(str s)
{
	const uint64_t *k = process_key();
	uint64_t v[4] = { k[0] ^ 0x736f6d6570736575u, k[1] ^ 0x646f72616e646f6du,
		k[0] ^ 0x6c7967656e657261u, k[1] ^ 0x7465646279746573u };
	size_t whole = s.len & ~(size_t)7;
	uint64_t m;

	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&m, s.ptr + i, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)s.len << 56;
	for (size_t i = whole; i < s.len; i++)
		m |= (uint64_t)(unsigned char)s.ptr[i] << (8 * (i - whole));
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct table *table_new(void)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	(void)process_key();
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cap; i++)
		free(t->slots[i].key);
	free(t->slots);
	free(t);
}

/* The slot that holds key, or the empty one where a search for it ends. */
static struct slot *find(const struct table *t, str key, uint64_t hash)
{
	size_t i = (size_t)hash & (t->cap - 1);

	for (;; i = (i + 1) & (t->cap - 1)) {
		struct slot *s = &t->slots[i];
		if (!s->key)
			return s;
		if (s->value && s->hash == hash && str_eq(str_new(s->key, s->key_len), key))
			return s;
	}
}

static void grow(struct table *t)
{
	struct table bigger = { .cap = 16 };

	while (bigger.cap < t->count * 4)
		bigger.cap *= 2;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		abort();
	for (size_t i = 0; i < t->cap; i++) {
		struct slot *s = &t->slots[i];
		if (s->value)
			*find(&bigger, str_new(s->key, s->key_len), s->hash) = *s;
		else
			free(s->key);
	}
	free(t->slots);
	t->slots = bigger.slots;
	t->cap = bigger.cap;
	t->filled = t->count;
}

void *table_get(const struct table *t, str key)
{
	return t->count ? find(t, key, hash_bytes(key))->value : NULL;
}

void *table_set(struct table *t, str key, void *value)
{
	if (t->filled * 2 >= t->cap)
		grow(t);
	uint64_t hash = hash_bytes(key);
	struct slot *s = find(t, key, hash);
	void *before = s->value;
	if (!before) {
		char *copy = malloc(key.len + 1);
		if (!copy)
			abort();
		if (key.len)
			memcpy(copy, key.ptr, key.len);
		copy[key.len] = '\0';
		*s = (struct slot){ .hash = hash, .key = copy, .key_len = key.len };
		t->count++;
		t->filled++;
	}
	s->value = value;
	return before;
}

void *table_remove(struct table *t, str key)
{
	if (!t->count)
		return NULL;
	struct slot *s = find(t, key, hash_bytes(key));
	void *before = s->value;
	if (before) {
		s->value = NULL;
		t->count--;
	}
	return before;
}

size_t table_count(const struct table *t)
{
	return t->count;
}

bool table_next(const struct table *t, size_t *at, str *out_key, void **out_value)
{
	for (; *at < t->cap; (*at)++) {
		struct slot *s = &t->slots[*at];
		if (!s->value)
			continue;
		*out_key = str_new(s->key, s->key_len);
		*out_value = s->value;
		(*at)++;
		return true;
	}
	return false;
}

void *table_get_id(const struct table *t, uint64_t id)
{
	return table_get(t, str_new(&id, sizeof(id)));
}

void *table_set_id(struct table *t, uint64_t id, void *value)
{
	return table_set(t, str_new(&id, sizeof(id)), value);
}

void *table_remove_id(struct table *t, uint64_t id)
{
	return table_remove(t, str_new(&id, sizeof(id)));
}
