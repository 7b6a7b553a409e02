/* author.h: whose name is on the message: the domains of From, as DMARC judges them.
 *
 * Purpose    Read From so that what is judged is what people see: one field, clean addresses, domains in
 *            A-labels. RFC 9989 §5.3.1 (identity), RFC 5322 §3.6.2.
 * Ownership  Domains live in the arena.
 * Threads    No state.
 * Limits     AUTHOR_DOMAINS_MAX different domains.
 * Errors     None: enum author_kind says what is wrong.
 */
#ifndef BUZON_SERVICES_JUDGE_AUTHOR_H
#define BUZON_SERVICES_JUDGE_AUTHOR_H

#include "base/arena.h"

enum { AUTHOR_DOMAINS_MAX = 4 };

enum author_kind {
	AUTHOR_CLEAR,          /* at least one domain; several when several people wrote it */
	AUTHOR_MISSING,        /* no From field */
	AUTHOR_SEVERAL_FIELDS, /* programs show one or the other */
	AUTHOR_MALFORMED,      /* no clean address list, or a domain that is none */
	AUTHOR_TOO_MANY,       /* above AUTHOR_DOMAINS_MAX */
	AUTHOR_KINDS,
};

struct author {
	enum author_kind kind;
	str domains[AUTHOR_DOMAINS_MAX];
	size_t count; /* 0 unless AUTHOR_CLEAR */
};

void author_read(str header, struct arena *a, struct author *out);
/* "clear", "several-fields" */
const char *author_kind_name(enum author_kind kind);
/* A sentence for people, lower case. */
const char *author_kind_text(enum author_kind kind);

#endif
