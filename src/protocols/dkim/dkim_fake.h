/* dkim_fake.h: cryptography for tests: the digest is its own signature, "weak" is a key of 1023 bits, "edge" one of
 * 1024, "junk" none. Included by tests and fuzz targets only. */
#ifndef BUZON_PROTOCOLS_DKIM_DKIM_FAKE_H
#define BUZON_PROTOCOLS_DKIM_DKIM_FAKE_H

#include "protocols/dkim/crypto.h"

static inline enum dkim_check dkim_fake_verify(
    enum dkim_algorithm algorithm, str key, str digest, str signature, unsigned *out_bits)
{
	(void)algorithm;
	if (str_eq(key, STR("junk")))
		return DKIM_CHECK_UNUSABLE;
	*out_bits = str_eq(key, STR("weak")) ? 1023 : str_eq(key, STR("edge")) ? 1024 : 2048;
	return str_eq(digest, signature) ? DKIM_CHECK_GOOD : DKIM_CHECK_WRONG;
}

static const struct dkim_crypto dkim_fake = { dkim_fake_verify };

#endif
