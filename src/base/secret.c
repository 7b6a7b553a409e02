#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void secret_wipe(void *ptr, size_t len)
{
	if (len)
		explicit_bzero(ptr, len);
}

void secret_set(struct secret *s, str bytes)
{
	unsigned char *copy = malloc(bytes.len + 1);

	if (!copy)
		abort();
	if (bytes.len)
		memcpy(copy, bytes.ptr, bytes.len);
	copy[bytes.len] = 0;
	secret_fini(s);
	s->ptr = copy;
	s->len = bytes.len;
}

void secret_fini(struct secret *s)
{
	if (s->ptr)
		secret_wipe(s->ptr, s->len);
	free(s->ptr);
	*s = (struct secret){ 0 };
}

bool secret_eq(str a, str b)
{
	volatile unsigned char diff = a.len != b.len;

	for (size_t i = 0; i < a.len && i < b.len; i++)
		diff = (unsigned char)(diff | (a.ptr[i] ^ b.ptr[i]));
	return diff == 0;
}

void random_bytes(void *out, size_t len)
{
	unsigned char *p = out;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

uint64_t random_u64(void)
{
	uint64_t n;

	random_bytes(&n, sizeof(n));
	return n;
}
