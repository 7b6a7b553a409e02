/* reason.h: why a signature counts, or does not.
 *
 * Purpose    One table of everything that can come out of a verification: the result word of RFC 8601 §2.7.1
 *            and a sentence for people.
 * Threads    No state.
 */
#ifndef BUZON_PROTOCOLS_DKIM_REASON_H
#define BUZON_PROTOCOLS_DKIM_REASON_H

/* RFC 8601 §2.7.1 */
enum dkim_status {
	DKIM_NONE,
	DKIM_PASS,
	DKIM_FAIL,
	DKIM_POLICY,
	DKIM_NEUTRAL,
	DKIM_TEMPERROR,
	DKIM_PERMERROR,
};

enum dkim_reason {
	DKIM_OK,
	/* the field */
	DKIM_BAD_SYNTAX,
	DKIM_BAD_VERSION,
	DKIM_BAD_ALGORITHM,
	DKIM_SHA1,
	DKIM_BAD_CANON,
	DKIM_BAD_QUERY,
	DKIM_BAD_IDENTITY,
	DKIM_FROM_NOT_SIGNED,
	DKIM_EXPIRED,
	DKIM_TOO_MANY_SIGNATURES,
	DKIM_TOO_MANY_FIELDS,
	/* the key */
	DKIM_KEY_UNAVAILABLE,
	DKIM_KEY_MISSING,
	DKIM_KEY_SYNTAX,
	DKIM_KEY_REVOKED,
	DKIM_KEY_TYPE,
	DKIM_KEY_HASH,
	DKIM_KEY_SERVICE,
	DKIM_KEY_STRICT,
	DKIM_KEY_UNUSABLE,
	DKIM_KEY_SHORT,
	/* the message */
	DKIM_BODY_CHANGED,
	DKIM_HEADER_CHANGED,
	DKIM_BODY_SHORT,
	DKIM_BODY_NOT_COVERED,
	DKIM_FROM_ADDED,
	DKIM_REASONS,
};

enum dkim_status dkim_reason_status(enum dkim_reason reason);
/* Lower case, no full stop. */
const char *dkim_reason_text(enum dkim_reason reason);
/* "pass", "permerror" */
const char *dkim_status_name(enum dkim_status status);

#endif
