/* key.h: public keys as domains publish them, RFC 6376 §3.6.1, RFC 8463 §4.
 *
 * Purpose    Read the TXT record of a key as found in the wild: missing v=, backslashes before semicolons,
 *            quotes, any case, white space in p=; write ours.
 * Ownership  Decoded bytes live in the arena.
 * Threads    No state.
 * Limits     DKIM_KEY_RECORD_MAX bytes.
 * Errors     dkim_key_parse: DKIM_OK or why it cannot be used.
 */
#ifndef BUZON_PROTOCOLS_DKIM_KEY_H
#define BUZON_PROTOCOLS_DKIM_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "protocols/dkim/crypto.h"
#include "protocols/dkim/reason.h"

enum { DKIM_KEY_RECORD_MAX = 8192 };

struct dkim_key {
	bool is_ed25519; /* else RSA */
	bool is_testing; /* t=y: the domain tests; the result is shown and not used against it */
	bool is_strict;  /* t=s: i= must be the signing domain itself */
	bool allows_sha256, allows_mail;
	str bytes; /* p= decoded */
	str notes; /* n= */
};

/* DKIM_KEY_MISSING: the text is no key record at all (another TXT at the same name). */
enum dkim_reason dkim_key_parse(str text, struct arena *a, struct dkim_key *out);
/* bytes: as in dkim_key. is_testing adds t=y. */
void dkim_key_write(const struct dkim_key *key, struct buf *out);

#endif
