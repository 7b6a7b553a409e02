/* crypto.h: what DKIM needs from a library of cryptography.
 *
 * Purpose    An interface, so that verification can be tested and fuzzed without real keys, and its
 *            implementation by OpenSSL. Private keys are never here: the signer asks its caller.
 * Threads    No state.
 * Errors     As an answer: damaged keys are ordinary.
 */
#ifndef BUZON_PROTOCOLS_DKIM_CRYPTO_H
#define BUZON_PROTOCOLS_DKIM_CRYPTO_H

#include "base/str.h"

enum dkim_algorithm {
	DKIM_ALGORITHM_UNKNOWN,
	DKIM_RSA_SHA1, /* known only to be refused, RFC 8301 §3.1 */
	DKIM_RSA_SHA256,
	DKIM_ED25519_SHA256, /* RFC 8463 */
};

enum dkim_check {
	DKIM_CHECK_GOOD,
	DKIM_CHECK_WRONG,    /* the signature was not made with this key over this digest */
	DKIM_CHECK_UNUSABLE, /* the key is none, or none for this algorithm, or absurdly long */
};

enum { DKIM_RSA_BITS_MIN = 1024, DKIM_RSA_BITS_MAX = 8192 }; /* RFC 8301 §3.2 */

struct dkim_crypto {
	/* key: what p= holds, decoded; digest: SHA-256 of the header data. *out_bits is the size of the key
	 * unless it is unusable. */
	enum dkim_check (*verify)(
	    enum dkim_algorithm algorithm, str key, str digest, str signature, unsigned *out_bits);
};

extern const struct dkim_crypto dkim_crypto_openssl;

/* "rsa-sha256" */
const char *dkim_algorithm_name(enum dkim_algorithm algorithm);

#endif
