/* sts_policy.h: what a domain says of MTA-STS: the TXT record and the policy file. RFC 8461 §3
 *
 * Purpose    Read both, and tell whether the name of a mail server is one that the policy names.
 * Ownership  The id is a slice of the record; patterns live in the arena.
 * Threads    No state.
 * Units      Seconds.
 * Limits     STS_POLICY_BYTES_MAX of file, STS_MX_MAX patterns; a max_age above STS_AGE_MAX_S counts as that.
 * Errors     ERR_INPUT or ERR_LIMIT with a sentence. Fields that nobody knows are no error, and of a field that stands
 *            twice the first counts.
 * Not here   Fetching and keeping it (services/sts), what follows from it (sessions/outbound).
 */
#ifndef BUZON_FORMATS_STS_POLICY_H
#define BUZON_FORMATS_STS_POLICY_H

#include "base/arena.h"
#include "base/err.h"

enum {
	STS_POLICY_BYTES_MAX = 64 * 1024, /* RFC 8461 §3.3 */
	STS_MX_MAX = 200,
	STS_ID_MAX = 32,
	STS_AGE_MAX_S = 31557600, /* RFC 8461 §3.2 */
};

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age_s;
	const str *mx; /* "mail.example.com", "*.example.net", as written */
	size_t mx_count;
};

/* Begins as the record of MTA-STS does; others at the same name say nothing. */
bool sts_record_is(str text);
int sts_record_parse(str text, str *out_id, struct err *err);

int sts_policy_parse(str text, struct arena *a, struct sts_policy *out, struct err *err);
/* RFC 8461 §4.1: '*' stands for exactly one label. */
bool sts_policy_matches(const struct sts_policy *p, str host);
/* "enforce" */
const char *sts_mode_name(enum sts_mode mode);

#endif
