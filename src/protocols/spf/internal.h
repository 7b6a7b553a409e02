/* internal.h: what the parts of the SPF evaluator share. Included by protocols/spf only. */
#ifndef BUZON_PROTOCOLS_SPF_INTERNAL_H
#define BUZON_PROTOCOLS_SPF_INTERNAL_H

#include "base/err.h"
#include "protocols/spf/spf.h"

enum spf_mechanism {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
};

struct spf_term {
	enum spf_mechanism mechanism;
	enum spf_status match; /* what the qualifier says */
	str text;              /* as published */
	str domain;            /* domain-spec, or empty */
	unsigned uses;         /* of its macros */
	struct ip network;     /* ip4, ip6 */
	unsigned bits4, bits6;
};

struct spf_modifier {
	bool is_given;
	str domain;
	unsigned uses;
};

struct spf_record {
	struct spf_term *terms;
	size_t count;
	bool has_all;
	struct spf_modifier redirect, exp;
};

/* What macros need to know beforehand. */
enum spf_macro_uses { SPF_USES_PTR = 1, SPF_USES_LOCAL = 2 };

/* What macros expand to. */
struct spf_macro_values {
	struct ip ip;
	str sender, local, sender_domain, domain, helo, receiver;
	str validated; /* %{p} */
	int64_t now_s;
};

/* text: behind "v=spf1". RFC 7208 §4.6.1; ERR_INPUT names the term that is wrong. */
int spf_record_parse(str text, struct arena *a, struct spf_record *out, struct err *err);
/* RFC 7208 §4.5: begins with "v=spf1" and a space or the end; *out_terms is the rest. */
bool spf_record_is(str text, str *out_terms);

/* RFC 7208 §7.1: a macro-string, for explanations with spaces and with %{c}, %{r}, %{t}. */
int spf_macro_check(str text, bool is_explanation, unsigned *out_uses);
/* A domain-spec: a macro-string that ends in a macro or a top label. */
int spf_domain_spec_check(str text, unsigned *out_uses);
/* text must have passed the check. */
void spf_macro_expand(str text, const struct spf_macro_values *values, struct buf *out);

#endif
