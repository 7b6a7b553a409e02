/* secret.h: bytes that must not leak, and random bytes.
 *
 * Purpose    Hold passwords and keys, compare them in constant time, wipe them.
 * Ownership  struct secret owns its bytes; secret_fini wipes and releases them.
 * Threads    random_bytes from any thread.
 * Errors     random_bytes cannot fail: without randomness the process stops.
 */
#ifndef BUZON_BASE_SECRET_H
#define BUZON_BASE_SECRET_H

#include "base/str.h"

struct secret {
	unsigned char *ptr;
	size_t len;
};

#define AUTO_SECRET __attribute__((cleanup(secret_fini))) struct secret

void secret_set(struct secret *s, str bytes);
void secret_fini(struct secret *s);
static inline str secret_str(const struct secret *s)
{
	return str_new(s->ptr, s->len);
}

/* Time depends on the lengths only. */
bool secret_eq(str a, str b);
void secret_wipe(void *ptr, size_t len);
void random_bytes(void *out, size_t len);
uint64_t random_u64(void);

#endif
