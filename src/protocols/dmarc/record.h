/* record.h: what a domain publishes at _dmarc: RFC 9989 §4.7, RFC 7489 §6.3.
 *
 * Purpose    Read DMARC policy records, those of RFC 7489 as well; forgiving as RFC 9989 §4.8 wants it: what is
 *            wrong or unknown is as if it were not there.
 * Ownership  Text lives in the arena.
 * Threads    No state.
 * Limits     DMARC_RECORD_MAX bytes, DMARC_URIS_MAX addresses in rua= and in ruf=.
 * Errors     dmarc_record_parse: false for a text that is no DMARC record at all.
 */
#ifndef BUZON_PROTOCOLS_DMARC_RECORD_H
#define BUZON_PROTOCOLS_DMARC_RECORD_H

#include "base/arena.h"

enum { DMARC_RECORD_MAX = 8192, DMARC_URIS_MAX = 20 };

enum dmarc_policy {
	DMARC_POLICY_UNSET,
	DMARC_POLICY_INVALID, /* a word that is none of these */
	DMARC_POLICY_NONE,
	DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_REJECT,
};

enum dmarc_failure_options {
	DMARC_FO_ALL = 1,
	DMARC_FO_ANY = 2,
	DMARC_FO_DKIM = 4,
	DMARC_FO_SPF = 8
};

struct dmarc_uris {
	str items[DMARC_URIS_MAX]; /* whole URIs, without the obsolete "!10m" */
	size_t count;
};

struct dmarc_record {
	str text; /* as published */
	enum dmarc_policy p, sp, np;
	bool is_dkim_strict, is_spf_strict;
	char psd; /* 'u', 'y', 'n' */
	bool
	    is_test; /* t=y; or pct=0 of RFC 7489 without t=, which meant the same (RFC 9989 appendix A.6) */
	unsigned failure_options; /* fo= */
	struct dmarc_uris rua, ruf;
};

bool dmarc_record_parse(str text, struct arena *a, struct dmarc_record *out);
/* "none", "quarantine", "reject"; what is unset or invalid is "none". */
const char *dmarc_policy_name(enum dmarc_policy policy);

#endif
