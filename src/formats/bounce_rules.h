/* bounce_rules.h: the tables behind formats/bounce_reason; see bounce_rules.c. */
#ifndef BUZON_FORMATS_BOUNCE_RULES_H
#define BUZON_FORMATS_BOUNCE_RULES_H

#include "formats/bounce_reason.h"

/* One rule: all that is given must fit. */
struct bounce_rule {
	enum bounce_reason reason;
	const char *words;  /* lower case, single spaces, " * " for a gap; NULL: any */
	const char *status; /* "5.7.26"; "x.7.26" for any class; "5.7.606-649"; NULL: any */
	enum bounce_operator operator;
};

extern const struct bounce_rule bounce_operator_rules[], bounce_word_rules[], bounce_hint_rules[],
    bounce_status_rules[];
extern const size_t bounce_operator_rule_count, bounce_word_rule_count, bounce_hint_rule_count,
    bounce_status_rule_count;

struct bounce_code_rule {
	uint16_t code;
	enum bounce_reason reason;
};

extern const struct bounce_code_rule bounce_code_rules[];
extern const size_t bounce_code_rule_count;

struct bounce_operator_sign {
	enum bounce_operator operator;
	str host;          /* end of the server's name; empty: none */
	const char *words; /* in the answer; NULL: none */
};

extern const struct bounce_operator_sign bounce_operator_signs[];
extern const size_t bounce_operator_sign_count;

#endif
