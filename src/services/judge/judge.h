/* judge.h: who really sent this message? iprev, SPF, DKIM and DMARC together.
 *
 * Purpose    One judgement of one message: runs the evaluators of protocols/, asks their questions at the same
 *            time where they do not depend on each other, and makes a judgement, the field
 *            Authentication-Results and the list of fields that were forged in our name (RFC 8601 §5). The
 *            worker and `buzon auth` both run this.
 * Shape      judge_start, then judge_next_question and judge_answer until judge_result is not NULL
 *            (protocols/dns/dns.h shows the loop). judge_expire ends it at once: what is not known by then
 *            is a temporary error.
 * Ownership  All of it lives in an arena of its own, a child of the caller's. The message is used only during
 *            judge_start, where its body is hashed; the other options are copied.
 * Threads    One owner at a time.
 * Limits     Those of the evaluators and of judgement.h.
 * Errors     None: there is always a result.
 * Not here   What to do about it (services/policy), time (the caller's timer and judge_expire).
 */
#ifndef BUZON_SERVICES_JUDGE_JUDGE_H
#define BUZON_SERVICES_JUDGE_JUDGE_H

#include "services/judge/judgement.h"

enum { JUDGE_ARENA_BYTES = 256 << 20 };

struct judge_options {
	struct ip ip;
	str helo;      /* as said */
	str mail_from; /* without angle brackets, its domain in A-labels; empty: the null path */
	str server;    /* our name, in A-labels */
	int64_t now_s;
	str message;
	bool only_clean;                  /* only look for forged fields */
	bool with_trace;                  /* keep the questions and answers for people */
	const struct dkim_crypto *crypto; /* NULL: OpenSSL */
};

struct judge_question {
	const char *asker; /* "iprev", "helo", "spf", "dkim", "dmarc" */
	enum dns_type type;
	str name;
	bool is_answered;
	enum dns_status status;
	str answer; /* its records in words, or the reason there are none */
};

struct judge_result {
	struct judgement judgement;
	struct author author;
	const struct iprev_result *iprev;
	const struct spf_result *helo, *mail_from; /* mail_from: NULL for the null path */
	const struct dkim_results *dkim;
	const struct dmarc_result *dmarc;       /* of the author domain that counts */
	const struct judge_question *questions; /* with_trace */
	size_t question_count;
};

struct judge;

struct judge *judge_start(struct arena *parent, const struct judge_options *options);
bool judge_next_question(struct judge *j, struct dns_question *out);
void judge_answer(struct judge *j, uint32_t id, const struct dns_answer *answer);
/* reason: why no more is known, a literal. */
void judge_expire(struct judge *j, const char *reason);
/* With only_clean nothing but judgement is there. */
const struct judge_result *judge_result(const struct judge *j);

/* Peers of one's own network, whom judging tells nothing about: loopback, link-local and private addresses (RFC
 * 1918, RFC 4193, RFC 6598). */
bool judge_is_private(const struct ip *ip);

#endif
