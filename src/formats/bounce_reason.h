/* bounce_reason.h: what an answer of a mail server means.
 *
 * Purpose    From reply code, enhanced status, words and the server's name to a reason, who is to blame and what to do.
 *            Used for answers in our own queue and for bounces.
 * Shape      Tables (bounce_rules.c) that anyone can read and extend, asked in this order: what one operator means by
 *            its words or codes; words that say it plainly; a status that says it; words that hint at it; codes.
 *            A rule's words match as a sequence of whole words in any case; punctuation, addresses and the codes that
 *            stand before each line of a long answer are left out; " * " skips up to BOUNCE_GAP_MAX words.
 * Ownership  A classifier lives in the arena that it was made in, and is only read afterwards.
 * Threads    A classifier can be used by many at once.
 * Limits     BOUNCE_MATCH_MAX bytes of an answer are looked at. Time is bounded by them times the rules that begin with
 *            the same word; there is no backtracking.
 * Errors     None: every answer has a reason, perhaps BOUNCE_UNKNOWN.
 * Not here   Reading bounces (formats/bounce). What people are told (cli). Counting failures (queue).
 */
#ifndef BUZON_FORMATS_BOUNCE_REASON_H
#define BUZON_FORMATS_BOUNCE_REASON_H

#include "base/arena.h"
#include "formats/bounce.h"

enum { BOUNCE_MATCH_MAX = 2048, BOUNCE_GAP_MAX = 12 };

enum bounce_reason {
	BOUNCE_UNKNOWN,
	BOUNCE_DELIVERED,
	BOUNCE_USER_UNKNOWN,
	BOUNCE_MAILBOX_DISABLED,
	BOUNCE_MAILBOX_FULL,
	BOUNCE_MOVED,
	BOUNCE_DOMAIN_UNKNOWN,
	BOUNCE_NULL_MX,
	BOUNCE_HOST_UNREACHABLE,
	BOUNCE_EXPIRED,
	BOUNCE_GREYLISTED,
	BOUNCE_RATE_LIMITED,
	BOUNCE_IP_REPUTATION,
	BOUNCE_DNSBL,
	BOUNCE_PTR_HELO,
	BOUNCE_AUTH_SPF,
	BOUNCE_AUTH_DKIM,
	BOUNCE_AUTH_DMARC,
	BOUNCE_AUTH_MISSING, /* neither SPF nor DKIM, or the server does not say which */
	BOUNCE_SENDER_REFUSED,
	BOUNCE_TLS_REQUIRED,
	BOUNCE_TLS_FAILED,
	BOUNCE_RELAY_DENIED,
	BOUNCE_AUTH_REQUIRED,
	BOUNCE_SPAM_CONTENT,
	BOUNCE_VIRUS,
	BOUNCE_BAD_ATTACHMENT,
	BOUNCE_POLICY_LOCAL,
	BOUNCE_TOO_BIG,
	BOUNCE_MALFORMED,
	BOUNCE_LOOP,
	BOUNCE_RECEIVER_FAULT,
	BOUNCE_REASONS
};

enum bounce_blame {
	BLAME_NONE,
	BLAME_RECIPIENT,
	BLAME_DOMAIN,
	BLAME_SENDER,
	BLAME_NETWORK,
	BLAME_COUNT
};

enum bounce_todo {
	TODO_NOTHING,
	TODO_RETRY,
	TODO_SLOW_DOWN,
	TODO_SUPPRESS,
	TODO_REPAIR,
	TODO_ASK,
	TODO_COUNT
};

enum bounce_operator {
	OPERATOR_NONE,
	OPERATOR_GMAIL,
	OPERATOR_MICROSOFT,
	OPERATOR_YAHOO,
	OPERATOR_APPLE,
	OPERATOR_AMAZON,
	OPERATOR_PROOFPOINT,
	OPERATOR_MIMECAST,
	OPERATOR_BARRACUDA,
	OPERATOR_CISCO,
	OPERATOR_BROADCOM,
	OPERATOR_SOPHOS,
	OPERATOR_CLOUDMARK,
	OPERATOR_GMX,
	OPERATOR_TELEKOM,
	OPERATOR_ORANGE,
	OPERATOR_FREE,
	OPERATOR_MAILRU,
	OPERATOR_YANDEX,
	OPERATOR_TENCENT,
	OPERATOR_NETEASE,
	OPERATOR_COMCAST,
	OPERATOR_ZOHO,
	OPERATOR_EXCHANGE, /* no place, but a program with words of its own */
	OPERATOR_COUNT
};

enum bounce_certainty {
	CERTAIN_NOTHING,
	CERTAIN_CODE,   /* the reply code or the class of the status */
	CERTAIN_HINT,   /* words that can mean several things */
	CERTAIN_STATUS, /* an enhanced status that says it */
	CERTAIN_WORDS,  /* words that say it */
	CERTAIN_OPERATOR,
};

struct bounce_answer {
	uint16_t code; /* 0: none */
	struct enhanced_status status;
	str text;
	str host; /* who answered, or the operator's name is in the text */
};

struct bounce_verdict {
	enum bounce_reason reason;
	enum bounce_blame blame;
	enum bounce_todo todo;
	bool is_permanent;
	unsigned suppress_after; /* failures within 30 days; 0: do not suppress */
	enum bounce_operator operator;
	enum bounce_certainty certainty;
	const char *rule;  /* the words or the status of the rule that decided; "" */
	const char *check; /* the finding of the doctor that would prove it; "" */
};

struct bounce_classifier;

/* without: an operator whose own rules are left out, to measure what the others are worth; OPERATOR_NONE: none. */
struct bounce_classifier *bounce_classifier_new(struct arena *a, enum bounce_operator without);
struct bounce_verdict bounce_classify(
    const struct bounce_classifier *c, const struct bounce_answer *answer);

/* The same for a recipient of a bounce: where the answer says little, with what the text for people says. */
struct bounce_verdict bounce_judge(
    const struct bounce_classifier *c, const struct bounce *b, const struct bounce_recipient *to);

/* "user_unknown", "recipient", "slow_down", "gmail": for JSON and tables. */
const char *bounce_reason_name(enum bounce_reason reason);
const char *bounce_blame_name(enum bounce_blame blame);
const char *bounce_todo_name(enum bounce_todo todo);
const char *bounce_operator_name(enum bounce_operator op);

#endif
