#include "protocols/dkim/reason.h"

/* What RFC 6376 §3.9 calls PERMFAIL is "neutral" when the field cannot be read, "policy" when it is correct but
 * we do not take it, "permerror" when key and signature do not fit, "fail" when the check itself fails. */
static const struct {
	enum dkim_status status;
	const char *text;
} reasons[DKIM_REASONS] = {
	/* clang-format off */
	[DKIM_OK]                  = { DKIM_PASS,      "the signature is correct" },
	[DKIM_BAD_SYNTAX]          = { DKIM_NEUTRAL,   "the signature field is not correct" },
	[DKIM_BAD_VERSION]         = { DKIM_NEUTRAL,   "the signature is of a version other than 1" },
	[DKIM_BAD_ALGORITHM]       = { DKIM_NEUTRAL,   "the signature uses an algorithm that is not known here" },
	[DKIM_SHA1]                = { DKIM_POLICY,    "the signature uses SHA-1, which is no longer accepted" },
	[DKIM_BAD_CANON]           = { DKIM_NEUTRAL,   "the signature uses a canonical form that is not known here" },
	[DKIM_BAD_QUERY]           = { DKIM_NEUTRAL,   "the signature's key is kept where it cannot be asked for" },
	[DKIM_BAD_IDENTITY]        = { DKIM_PERMERROR, "the identity (i=) is not within the signing domain (d=)" },
	[DKIM_FROM_NOT_SIGNED]     = { DKIM_PERMERROR, "the signature does not cover the From field" },
	[DKIM_EXPIRED]             = { DKIM_FAIL,      "the signature has expired" },
	[DKIM_TOO_MANY_SIGNATURES] = { DKIM_POLICY,    "the message has more signatures than are looked at" },
	[DKIM_TOO_MANY_FIELDS]     = { DKIM_POLICY,    "the header has more fields than are looked at" },
	[DKIM_KEY_UNAVAILABLE]     = { DKIM_TEMPERROR, "the DNS gave no answer for the key" },
	[DKIM_KEY_MISSING]         = { DKIM_PERMERROR, "the domain publishes no key of that name" },
	[DKIM_KEY_SYNTAX]          = { DKIM_PERMERROR, "the published key record is not correct" },
	[DKIM_KEY_REVOKED]         = { DKIM_PERMERROR, "the key has been revoked" },
	[DKIM_KEY_TYPE]            = { DKIM_PERMERROR, "the published key is for another algorithm" },
	[DKIM_KEY_HASH]            = { DKIM_PERMERROR, "the published key does not allow this hash" },
	[DKIM_KEY_SERVICE]         = { DKIM_PERMERROR, "the published key is not for mail" },
	[DKIM_KEY_STRICT]          = { DKIM_PERMERROR, "the published key does not allow an identity in a subdomain" },
	[DKIM_KEY_UNUSABLE]        = { DKIM_PERMERROR, "the published key cannot be used" },
	[DKIM_KEY_SHORT]           = { DKIM_POLICY,    "the key is shorter than 1024 bits" },
	[DKIM_BODY_CHANGED]        = { DKIM_FAIL,      "the body was changed after signing" },
	[DKIM_HEADER_CHANGED]      = { DKIM_FAIL,      "the header was changed after signing, or another key signed" },
	[DKIM_BODY_SHORT]          = { DKIM_FAIL,      "the body is shorter than what was signed (l=)" },
	[DKIM_BODY_NOT_COVERED]    = { DKIM_POLICY,    "the signature covers only the beginning of the body (l=)" },
	[DKIM_FROM_ADDED]          = { DKIM_POLICY,    "a From field was added after signing" },
	/* clang-format on */
};

enum dkim_status dkim_reason_status(enum dkim_reason reason)
{
	return reasons[reason].status;
}

const char *dkim_reason_text(enum dkim_reason reason)
{
	return reasons[reason].text;
}

const char *dkim_status_name(enum dkim_status status)
{
	static const char *const names[] = {
		[DKIM_NONE] = "none",
		[DKIM_PASS] = "pass",
		[DKIM_FAIL] = "fail",
		[DKIM_POLICY] = "policy",
		[DKIM_NEUTRAL] = "neutral",
		[DKIM_TEMPERROR] = "temperror",
		[DKIM_PERMERROR] = "permerror",
	};
	return names[status];
}
