/* param.h: the values of Content-Type and Content-Disposition with their parameters.
 *
 * Purpose    Read RFC 2045 §5.1 and RFC 2183 §2 values; join RFC 2231 §3 continuations, keep §4
 *            charsets; take what broken mailers write: no quotes, no semicolons, no end quote.
 * Ownership  The result lives in the arena.
 * Threads    No state, usable from any thread.
 * Limits     PARAM_MAX parameters (a continuation counts as one), PARAM_VALUE_MAX_BYTES of the
 *            field; what follows is not looked at.
 * Errors     None: every text gives a value, perhaps an empty one.
 */
#ifndef BUZON_FORMATS_PARAM_H
#define BUZON_FORMATS_PARAM_H

#include "base/arena.h"

enum { PARAM_MAX = 256, PARAM_VALUE_MAX_BYTES = 64 * 1024 };

struct param {
	str name;      /* lower case, without the asterisks of RFC 2231 */
	str value;     /* when extended: charset'language'percent-encoded, else the plain text */
	bool extended; /* belongs on the wire as name* */
};

struct param_value {
	str main;   /* "text/plain", "attachment": lower case, without comments; may be empty */
	bool valid; /* main is type/subtype, as Content-Type must have it */
	struct param *params;
	size_t count;
};

void param_parse(str field_value, struct arena *a, struct param_value *out);
/* The first of that name, the extended form preferred; NULL when there is none. */
const struct param *param_find(const struct param_value *value, str name);
/* Takes an extended value apart; percent-encoding undone. False when it has no two apostrophes. */
bool param_split_extended(str value, struct arena *a, str *out_charset, str *out_bytes);

#endif
