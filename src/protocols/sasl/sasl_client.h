/* sasl_client.h: the client side of a SASL exchange, without I/O. RFC 4422.
 *
 * Purpose    SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677) with tls-exporter (RFC 9266), PLAIN
 *            (RFC 4616), LOGIN (draft-murchison-sasl-login), for signing in to smart hosts.
 * Use        sasl_client_new; when sasl_client_has_initial, sasl_client_step with an empty challenge makes
 *            the initial response; then one step for each challenge. When the server says success,
 *            sasl_client_is_done tells whether to believe it: with SCRAM the server must have proven
 *            that it knows the password, else it is somebody else.
 * Ownership  The exchange owns copies of what it was given and wipes them.
 * Threads    One owner at a time.
 * Limits     A server may ask for SASL_CLIENT_ITERATIONS rounds of PBKDF2 at most, some 0.3 s of work.
 * Errors     SASL_CLIENT_FAILED with a sentence in err.
 * Not here   base64 and the protocol's commands. Which mechanism to choose.
 */
#ifndef BUZON_PROTOCOLS_SASL_SASL_CLIENT_H
#define BUZON_PROTOCOLS_SASL_SASL_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

enum {
	SASL_CLIENT_ITERATIONS = 600000,
	SASL_CLIENT_ITERATIONS_MIN = 4096, /* RFC 7677 §4 */
};

struct sasl_client;

struct sasl_client_options {
	str mechanism;
	str user, password; /* UTF-8 */
	str nonce;          /* our part: random, printable, no comma */
	str exporter;       /* tls-exporter data; empty: no channel binding */
};

enum sasl_client_result {
	SASL_CLIENT_SEND, /* what was added to out, perhaps nothing, is the response */
	SASL_CLIENT_FAILED,
};

/* NULL for a mechanism that is unknown or, for -PLUS, lacks its channel binding. */
struct sasl_client *sasl_client_new(const struct sasl_client_options *o);
void sasl_client_free(struct sasl_client *s);
bool sasl_client_has_initial(const struct sasl_client *s);
enum sasl_client_result sasl_client_step(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err);
bool sasl_client_is_done(const struct sasl_client *s);

#endif
