/* enhanced_status.h: the enhanced status codes of mail: "5.1.1".
 *
 * Purpose    Read and write class.subject.detail of RFC 3463 §2, as it stands at the front of a reply
 *            (RFC 2034 §4) and in the Status field of a delivery status notification (RFC 3464 §2.3.4).
 * Ownership  A plain value.
 * Threads    No state.
 * Errors     take_enhanced_status: 0, or -1 with cursor and out untouched.
 */
#ifndef BUZON_FORMATS_ENHANCED_STATUS_H
#define BUZON_FORMATS_ENHANCED_STATUS_H

#include "base/buf.h"

/* clang-format off */
enum { ENHANCED_STATUS_TEXT = 10 }; /* "5.999.999" and a NUL */
/* clang-format on */

struct enhanced_status {
	uint8_t class; /* 2, 4 or 5; 0: there is none */
	uint16_t subject, detail;
};

/* From the front of *in; the end, a space or a tab must follow, which stays. */
int take_enhanced_status(str *in, struct enhanced_status *out);
/* Nothing when there is none. */
void enhanced_status_print(struct enhanced_status s, struct buf *out);
/* The one to use where a peer gave none: x.0.0 by the class of the code, or what RFC 5321 §4.2.3 and
 * RFC 5248 say of this code; none below 200, from 300 to 399 and above 599. */
struct enhanced_status enhanced_status_of_code(unsigned code);
bool enhanced_status_eq(struct enhanced_status a, struct enhanced_status b);

#endif
