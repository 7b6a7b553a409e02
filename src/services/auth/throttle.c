#include "services/auth/throttle.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/buf.h"
#include "services/auth/lru.h"

/* Ten thousand guessing addresses and the names they try fit, at some 200
 * bytes each: at most 7 MB. */
const struct throttle_limits throttle_limits_default = {
	.entries = 32768,
	.known = 32768,
	.failures = 20,
	.first_delay_ms = 2000,
	.max_delay_ms = 15000,
	.ban_ms = 15 * 60 * 1000,
	.forget_ms = 15 * 60 * 1000,
	.known_forget_ms = UINT64_C(30) * 24 * 3600 * 1000,
};

struct bucket {
	uint32_t failures;
	uint64_t failed_at, free_at, banned_until;
	uint64_t fingerprint; /* of the last failure */
};

struct known {
	uint64_t signed_in_at;
};

struct throttle {
	struct throttle_limits limits;
	struct lru *buckets; /* "a" address, "n" name, "p" pair */
	struct lru *known;   /* pair */
};

enum { KEY_MAX = 1024 };

/* A client with a whole IPv6 network has 2^64 addresses in it. */
static void add_address(struct buf *key, str address)
{
	unsigned char bytes[16];
	AUTO_BUF text = BUF_INIT(64);

	buf_add(&text, address);
	buf_addc(&text, '\0');
	if (buf_ok(&text) && inet_pton(AF_INET6, text.ptr, bytes) == 1)
		buf_add(key, str_new(bytes, 8));
	else
		buf_add(key, address);
}

static void pair_key(struct buf *key, str address, str name)
{
	buf_addc(key, 'p');
	add_address(key, address);
	buf_addc(key, '\0');
	buf_add(key, name);
}

static bool is_known(struct throttle *t, str pair, uint64_t now_ms)
{
	const struct known *k = lru_get(t->known, pair);

	return k && now_ms - k->signed_in_at < t->limits.known_forget_ms;
}

/* The buckets that count for one try. */
struct budget {
	struct buf keys[2];
	size_t count;
	bool is_own; /* the pair's own budget */
};

static void budget_find(
    struct throttle *t, str address, str name, uint64_t now_ms, struct budget *out)
{
	*out = (struct budget){ .keys = { BUF_INIT(KEY_MAX), BUF_INIT(KEY_MAX) } };
	pair_key(&out->keys[0], address, name);
	out->count = 1;
	out->is_own = is_known(t, buf_str(&out->keys[0]), now_ms);
	if (out->is_own)
		return;
	buf_reset(&out->keys[0]);
	buf_addc(&out->keys[0], 'a');
	add_address(&out->keys[0], address);
	buf_addc(&out->keys[1], 'n');
	buf_add(&out->keys[1], name);
	out->count = 2;
}

static void budget_fini(struct budget *b)
{
	buf_fini(&b->keys[0]);
	buf_fini(&b->keys[1]);
}

bool throttle_is_banned(struct throttle *t, str address, str name, uint64_t now_ms)
{
	struct budget budget;

	budget_find(t, address, name, now_ms, &budget);
	/* The first key is the address or the pair; a name is never banned. */
	const struct bucket *b = lru_get(t->buckets, buf_str(&budget.keys[0]));
	bool is_banned = b && now_ms < b->banned_until;
	budget_fini(&budget);
	return is_banned;
}

static uint64_t delay_after(const struct throttle *t, uint32_t failures)
{
	uint64_t delay = t->limits.first_delay_ms;

	for (uint32_t i = 1; i < failures && delay < t->limits.max_delay_ms; i++)
		delay *= 2;
	return delay < t->limits.max_delay_ms ? delay : t->limits.max_delay_ms;
}

/* When the answer to this failure may go out. Tries side by side queue up behind each other, up to
 * the longest delay. */
static uint64_t count_failure(
    struct throttle *t, struct bucket *b, uint64_t fingerprint, bool may_ban, uint64_t now_ms)
{
	if (b->failures && now_ms - b->failed_at >= t->limits.forget_ms)
		*b = (struct bucket){ 0 };
	if (!b->failures || !fingerprint || fingerprint != b->fingerprint)
		b->failures++;
	b->fingerprint = fingerprint;
	b->failed_at = now_ms;
	if (may_ban && b->failures >= t->limits.failures) {
		b->banned_until = now_ms + t->limits.ban_ms;
		b->failures = 0;
	}
	uint64_t free_at =
	    (b->free_at > now_ms ? b->free_at : now_ms) + delay_after(t, b->failures);
	uint64_t latest = now_ms + t->limits.max_delay_ms;
	b->free_at = free_at < latest ? free_at : latest;
	return b->free_at;
}

uint64_t throttle_failed(
    struct throttle *t, str address, str name, uint64_t fingerprint, uint64_t now_ms)
{
	struct budget budget;
	uint64_t answer_at = now_ms;

	budget_find(t, address, name, now_ms, &budget);
	for (size_t i = 0; i < budget.count; i++) {
		struct bucket *b = lru_touch(t->buckets, buf_str(&budget.keys[i]));
		uint64_t at = count_failure(t, b, fingerprint, i == 0, now_ms);
		if (at > answer_at)
			answer_at = at;
	}
	budget_fini(&budget);
	return answer_at - now_ms;
}

/* A right answer waits as long as a wrong one would have had to, else "no answer yet" would mean
 * "wrong" and a guesser need not wait. */
static uint64_t budget_wait(const struct throttle *t, const struct budget *budget, uint64_t now_ms)
{
	uint64_t answer_at = now_ms;

	for (size_t i = 0; i < budget->count; i++) {
		const struct bucket *b = lru_get(t->buckets, buf_str(&budget->keys[i]));
		if (b && b->free_at > answer_at)
			answer_at = b->free_at;
	}
	return answer_at - now_ms;
}

uint64_t throttle_wait(struct throttle *t, str address, str name, uint64_t now_ms)
{
	struct budget budget;

	budget_find(t, address, name, now_ms, &budget);
	uint64_t wait_ms = budget_wait(t, &budget, now_ms);
	budget_fini(&budget);
	return wait_ms;
}

uint64_t throttle_passed(struct throttle *t, str address, str name, uint64_t now_ms)
{
	struct budget budget;
	AUTO_BUF pair = BUF_INIT(KEY_MAX);

	budget_find(t, address, name, now_ms, &budget);
	uint64_t wait_ms = budget_wait(t, &budget, now_ms);
	if (budget.is_own)
		lru_remove(t->buckets, buf_str(&budget.keys[0]));
	budget_fini(&budget);
	pair_key(&pair, address, name);
	struct known *k = lru_touch(t->known, buf_str(&pair));
	k->signed_in_at = now_ms;
	return wait_ms;
}

struct throttle *throttle_new(const struct throttle_limits *limits)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->limits = *limits;
	t->buckets = lru_new(sizeof(struct bucket), limits->entries);
	t->known = lru_new(sizeof(struct known), limits->known);
	return t;
}

void throttle_free(struct throttle *t)
{
	if (!t)
		return;
	lru_free(t->buckets);
	lru_free(t->known);
	free(t);
}
