/* auth_results.h: the Authentication-Results field, RFC 8601.
 *
 * Purpose    Write ours, read those of others, recognise those that claim to be ours.
 * Ownership  What was read lives in the arena.
 * Threads    No state.
 * Limits     AUTH_METHODS_MAX results, AUTH_PROPERTIES_MAX properties of each, AUTH_VALUE_MAX bytes of a value
 *            (a longer one is cut when written), AUTH_FIELD_MAX bytes of a field.
 * Errors     auth_results_parse: 0, or -1 with ERR_INPUT or ERR_LIMIT and a sentence. Reading the name alone
 *            never fails. Writing never fails but for the ceiling of the buf.
 * Not here   Whose results are trusted (services/policy).
 */
#ifndef BUZON_FORMATS_AUTH_RESULTS_H
#define BUZON_FORMATS_AUTH_RESULTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
	AUTH_METHODS_MAX = 64,
	AUTH_PROPERTIES_MAX = 16,
	AUTH_VALUE_MAX = 400,
	AUTH_FIELD_MAX = 65536
};

struct auth_property {
	str type, name; /* "smtp" and "mailfrom" */
	str value;      /* without quotes */
};

struct auth_method {
	str method, result; /* "spf", "softfail"; lower case when read */
	unsigned version;   /* of the method; 0: not said, which means 1 */
	str comment;        /* written behind the result in parentheses; not read */
	str reason;
	struct auth_property properties[AUTH_PROPERTIES_MAX];
	size_t property_count;
};

struct auth_results {
	str server;       /* authserv-id */
	unsigned version; /* 0: not said, which means 1 */
	struct auth_method *methods;
	size_t method_count; /* 0 is written as "none" */
};

/* value: of the field, folded or not. */
int auth_results_parse(str value, struct arena *a, struct auth_results *out, struct err *err);
/* The whole field, a line for each method, with its CRLF. Control characters become question marks. */
void auth_results_write(const struct auth_results *results, struct buf *out);
/* The field says that it was added by one of ours: RFC 8601 §5 wants it gone. name: A-labels. A field whose name
 * cannot be read counts as claiming it. */
bool auth_results_claims(str value, str name);

/* A new one at the end of the list; NULL when it is full. method and result are not copied. */
struct auth_method *auth_results_add(
    struct auth_results *results, struct arena *a, str method, str result);
/* Left out when the value is empty or the list is full. */
void auth_method_add(struct auth_method *m, const char *type, const char *name, str value);

#endif
