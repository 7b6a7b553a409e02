/* sasl_internal.h: what the mechanisms of one exchange share. Included by protocols/sasl only. */
#ifndef BUZON_PROTOCOLS_SASL_SASL_INTERNAL_H
#define BUZON_PROTOCOLS_SASL_SASL_INTERNAL_H

#include "base/secret.h"
#include "protocols/sasl/sasl.h"

enum sasl_wait { SASL_WAIT_RESPONSE, SASL_WAIT_ANSWER, SASL_WAIT_NOTHING };

struct sasl_server {
	const struct sasl_mechanism *mechanism;
	enum sasl_wait wait;
	unsigned round;     /* responses taken so far */
	struct buf out;     /* the challenge */
	struct buf user;    /* as said */
	struct buf authzid; /* as said */
	struct secret password;
	struct buf exporter, end_point, nonce;
	/* SCRAM */
	struct buf gs2;   /* the client's gs2 header, to be repeated in c= */
	struct buf bound; /* gs2 header and channel binding data: what c= must decode to */
	struct buf auth;  /* AuthMessage, growing */
	struct buf full_nonce;
	struct scram_keys keys;
	bool is_real, has_failed;
};

extern const struct sasl_mechanism sasl_plain, sasl_login, sasl_scram_sha256,
    sasl_scram_sha256_plus;

/* HMAC-SHA-256. */
void scram_hmac(str key, str text, unsigned char out[SCRAM_KEY_BYTES]);
/* What a client makes of its password: ClientKey, which only it has, and ServerKey, to check the server's
 * signature with. */
int scram_client_keys(str password, str salt, uint32_t iterations,
    unsigned char out_client[SCRAM_KEY_BYTES], unsigned char out_server[SCRAM_KEY_BYTES]);
/* ClientKey alone, for tests. */
int scram_client_key(
    str password, str salt, uint32_t iterations, unsigned char out[SCRAM_KEY_BYTES]);

#endif
