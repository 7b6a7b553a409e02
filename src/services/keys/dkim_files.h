/* dkim_files.h: private keys for DKIM as files, and new ones.
 *
 * Purpose    One PEM file a key, DKIM_DIRECTORY/SELECTOR._domainkey.DOMAIN.pem below the data directory, mode
 *            0600 in a directory of mode 0700. The command that makes a key writes it; the supervisor reads
 *            all and hands them to role keys; no role can open them.
 * Ownership  Bytes come in the caller's buffers, who wipes those with private keys.
 * Threads    No state.
 * Limits     DKIM_FILES_MAX keys, DKIM_FILE_BYTES each.
 * Errors     ERR_INPUT what is no key, ERR_DENIED a file that is there already, ERR_SYSTEM the disk.
 * Not here   Which keys sign (services/sign); the words for people (src/cli).
 */
#ifndef BUZON_SERVICES_KEYS_DKIM_FILES_H
#define BUZON_SERVICES_KEYS_DKIM_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "services/keys/keys.h"

#define DKIM_DIRECTORY "keys"

enum {
	DKIM_FILES_MAX = 1024,
	DKIM_FILE_BYTES = 16384,
	DKIM_NAME_BYTES = 256,
	DKIM_RSA_BITS = 2048
};

/* A new key. algorithm: "rsa" (2,048 bits) or "ed25519". *out_public: base64 for p=, RFC 6376 §3.6.1 and
 * RFC 8463 §4. */
int dkim_key_make(str algorithm, struct buf *out_pem, struct buf *out_public, struct err *err);
/* "s._domainkey.example.org" */
int dkim_key_name(str selector, str domain, char out[DKIM_NAME_BYTES], struct err *err);

/* Durable when it returns. Made by root, the file belongs to the owner of the data directory, who runs the
 * server. */
int dkim_file_write(const char *data, const char *name, str pem, struct err *err);
/* No file is no error. */
int dkim_file_remove(const char *data, const char *name, struct err *err);

/* All files below the open data directory, as one block. One that is unusable is logged and left out: mail
 * that needs it waits, everything else goes on. */
int dkim_files_read(int data_dir, const struct log *log, struct buf *out, struct err *err);
int dkim_block_read(str block, struct keys *into, struct err *err);

#endif
