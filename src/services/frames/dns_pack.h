/* dns_pack.h: the answer inside DNS_ANSWER.
 *
 * Purpose    A struct dns_answer with its records as one field of a frame, between role relay, which asks the
 *            DNS, and those that need to know.
 * Ownership  What was unpacked borrows from the bytes; its records lie in the arena.
 * Threads    No state.
 * Limits     DNS_PACK_MAX bytes. A larger answer is packed as DNS_TEMPORARY with a reason: half of the records
 *            would be a wrong answer.
 * Errors     dns_answer_unpack: -1 with ERR_INPUT for bytes that dns_answer_pack did not make.
 */
#ifndef BUZON_SERVICES_FRAMES_DNS_PACK_H
#define BUZON_SERVICES_FRAMES_DNS_PACK_H

#include "base/err.h"
#include "protocols/dns/dns.h"

enum { DNS_PACK_MAX = 60000 };

/* out is empty, with a ceiling of DNS_PACK_MAX or more. */
void dns_answer_pack(const struct dns_answer *answer, struct buf *out);
int dns_answer_unpack(str in, struct arena *a, struct dns_answer *out, struct err *err);

#endif
