/* scram.h: the keys of SCRAM-SHA-256: made from a password once, used for each exchange.
 *
 * Purpose    RFC 5802 §3 with SHA-256 (RFC 7677): SaltedPassword, StoredKey, ServerKey.
 * Threads    No state, usable from any thread.
 * Not here   The exchange (sasl.h).
 */
#ifndef BUZON_PROTOCOLS_SASL_SCRAM_H
#define BUZON_PROTOCOLS_SASL_SCRAM_H

#include "base/err.h"
#include "base/str.h"

enum {
	SCRAM_KEY_BYTES = 32,
	SCRAM_SALT_BYTES = 16, /* what we make */
	SCRAM_SALT_MAX = 64,
	/* RFC 7677 §4 asks for at least 4,096. The client pays for it at every sign-in: 10,000 cost
	 * a laptop about 3 ms and a slow telephone some 50 ms, which nobody notices; the 100,000
	 * and more that would slow a thief of the database down would be felt on each of the many
	 * connections that a mail client opens. */
	SCRAM_ITERATIONS = 10000,
};

struct scram_keys {
	uint32_t iterations;
	uint32_t salt_bytes;
	unsigned char salt[SCRAM_SALT_MAX];
	unsigned char stored_key[SCRAM_KEY_BYTES];
	unsigned char server_key[SCRAM_KEY_BYTES];
};

/* password: already prepared (precis_password). salt: 1..SCRAM_SALT_MAX bytes. */
int scram_derive(
    str password, str salt, uint32_t iterations, struct scram_keys *out, struct err *err);
/* Keys for a name that does not exist: the same for the same secret and name, so that asking twice
 * tells nothing. Nobody can sign in with them. */
void scram_fake(str secret, str username, struct scram_keys *out);

#endif
