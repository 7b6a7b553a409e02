/* auth_store.h: who may sign in: one row per account, in a database of its own.
 *
 * Purpose    Keep, per account, what is needed to check a password (Argon2id) and to run
 *            SCRAM-SHA-256 without it. Used by role auth, and by the command line when no server
 *            runs.
 * Shape      SQLite file auth/auth.db below the data directory, mode 0600 in a directory of mode
 *            0700, WAL, synchronous=FULL, locked by one process at a time. Every file is open when
 *            auth_store_open returns, so that a sandbox may be locked afterwards.
 * Ownership  auth_store_open/auth_store_close.
 * Threads    Any thread; a lock inside is held for SQL, never for hashing.
 * Units      Account names are compared as auth_name() makes them: case does not matter, a domain
 *            may be written either way.
 *            Passwords 1..AUTH_PASSWORD_MAX bytes of UTF-8.
 * Errors     ERR_INPUT a password or name that cannot be used; ERR_DENIED no such credential;
 *            ERR_RETRY another process (the running server) has the file; ERR_SYSTEM the engine.
 * Not here   Whether the account exists (services/store): core tells auth what to keep.
 *
 * A stolen copy of this file can be guessed against. The SCRAM keys are the cheaper way to do so
 * (SCRAM_ITERATIONS of PBKDF2 against 19 MiB of Argon2id); they are what lets a client prove
 * that it knows the password, and be sure of us, without saying it.
 */
#ifndef BUZON_SERVICES_AUTH_AUTH_STORE_H
#define BUZON_SERVICES_AUTH_AUTH_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "protocols/sasl/scram.h"

#define AUTH_DIRECTORY "auth" /* below the data directory */

enum {
	AUTH_ACCOUNT_MAX = 384, /* bytes of an account's address; what a ticket carries */
	AUTH_PASSWORD_MAX = 1024,
	AUTH_SECRET_BYTES = 32,
	AUTH_VERIFIER_BYTES = 128, /* "$argon2id$v=19$m=19456,t=2,p=1$..." with its NUL */
};

struct auth_store;

struct auth_credential {
	uint64_t account_id;
	char account[AUTH_ACCOUNT_MAX + 1]; /* prepared form, with a NUL */
	char verifier[AUTH_VERIFIER_BYTES];
	struct scram_keys scram;
	int64_t changed_at; /* Unix seconds */
};

/* Makes auth/auth.db below the data directory when it is not there. */
int auth_store_open(const char *data_dir, struct auth_store **out, struct err *err);
/* dir: the directory of the file itself, which is there. */
int auth_store_open_in(const char *dir, struct auth_store **out, struct err *err);
void auth_store_close(struct auth_store *s);

/* Hashes the password (some 25 ms of CPU) and keeps the result on stable storage; replaces what was
 * there. */
int auth_store_set(
    struct auth_store *s, str account, uint64_t account_id, str password, struct err *err);
int auth_store_remove(struct auth_store *s, str account, struct err *err);
/* 1 when found, 0 when not, -1 on failure. */
int auth_store_get(struct auth_store *s, str account, struct auth_credential *out, struct err *err);

/* The form in which names are kept and looked for: precis_username, the domain in A-labels.
 * ERR_INPUT for what nobody can be called. */
int auth_name(str account, struct buf *out, struct err *err);

struct auth_account {
	str account;
	uint64_t account_id;
	int64_t changed_at; /* Unix seconds */
};
/* All of them, by name. */
int auth_store_list(struct auth_store *s, struct arena *a, struct auth_account **out,
    size_t *out_count, struct err *err);

/* Random, made with the file and kept in it: what salts for names that do not exist come from. */
const unsigned char *auth_store_secret(const struct auth_store *s);

#endif
