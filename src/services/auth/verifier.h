/* verifier.h: from a password to what is kept of it, and the check against that.
 *
 * Purpose    Argon2id for checking, SCRAM-SHA-256 keys for proving. All that costs time is here.
 * Threads    No state, usable from any thread.
 * Units      VERIFIER_MEMORY bytes and VERIFIER_PASSES over them: the least that OWASP advises. The
 *            64 MiB and 2 passes of libsodium's "moderate" class would let two cores check five
 *            passwords a second.
 * Errors     ERR_INPUT: a password that cannot be used. ERR_RETRY: no memory for Argon2id.
 */
#ifndef BUZON_SERVICES_AUTH_VERIFIER_H
#define BUZON_SERVICES_AUTH_VERIFIER_H

#include "base/buf.h"
#include "services/auth/auth_store.h"

enum { VERIFIER_MEMORY = 19 * 1024 * 1024, VERIFIER_PASSES = 2 };

/* Fills verifier and scram. password: as typed. */
int verifier_make(str password, struct auth_credential *out, struct err *err);
/* Only the Argon2id part, of a random password: takes as long to check as any, and never fits. */
int verifier_make_unusable(char out[AUTH_VERIFIER_BYTES], struct err *err);

enum verifier_result { VERIFIER_WRONG, VERIFIER_RIGHT, VERIFIER_UNAVAILABLE };
/* password: prepared (precis_password). */
enum verifier_result verifier_check(const char *verifier, str password);

#endif
