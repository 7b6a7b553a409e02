/* fetch.h: gets a small file from a web server by HTTPS.
 *
 * Purpose    One GET by libcurl on our own loop: no thread, no file, no question to the C library's resolver. The
 *            caller looks the addresses up and decides which may be connected to.
 * Ownership  fetch_new/fetch_free. What a request holds is copied; a result is good during fn only.
 * Threads    The loop's thread.
 * Limits     FETCH_TIMEOUT_MS a transfer, FETCH_BYTES_MAX of answer, FETCH_ADDRESSES_MAX addresses; TLS 1.2 or later;
 *            the certificate must be good for the name by the given authorities. No redirect is followed, nothing is
 *            cached, no connection is used twice, no proxy.
 * Errors     fetch_new: ERR_SYSTEM. A transfer never fails here: code 0 and a sentence.
 * Not here   What the answer means.
 */
#ifndef BUZON_SERVICES_FETCH_FETCH_H
#define BUZON_SERVICES_FETCH_FETCH_H

#include "formats/ip.h"
#include "net/loop.h"

enum {
	FETCH_TIMEOUT_MS = 60 * 1000, /* RFC 8461 §3.3 */
	FETCH_BYTES_MAX = 64 * 1024,  /* the same */
	FETCH_ADDRESSES_MAX = 8,
};

struct fetch;
struct fetch_transfer;

struct fetch_request {
	str host; /* its name, in A-labels */
	uint16_t port;
	str path; /* "/.well-known/mta-sts.txt" */
	const struct ip *addresses;
	size_t address_count;
};

struct fetch_result {
	unsigned code; /* of HTTP; 0: there is no whole answer */
	str type, body;
	str why; /* for code 0 */
};

typedef void fetch_fn(void *arg, const struct fetch_result *result);

/* roots: PEM of the authorities that are trusted. Before the sandbox closes: OpenSSL and curl read settings. */
struct fetch *fetch_new(struct loop *l, str roots, struct err *err);
/* Transfers that are still open are not answered any more. */
void fetch_free(struct fetch *f);
/* fn is called once, from the loop, never from inside this call. The handle ends with it. */
struct fetch_transfer *fetch_get(
    struct fetch *f, const struct fetch_request *request, fetch_fn *fn, void *arg);
/* fn is not called any more. */
void fetch_cancel(struct fetch_transfer *t);

#endif
