/* internal.h: what the files of services/judge share.
 *
 * Purpose    The judgement under way: judge.c asks and is answered, verdict.c goes from one evaluator to the
 *            next and draws the conclusion.
 */
#ifndef BUZON_SERVICES_JUDGE_INTERNAL_H
#define BUZON_SERVICES_JUDGE_INTERNAL_H

#include "services/judge/judge.h"

/* The evaluators of a judgement; DMARC has one for each author domain. */
enum judge_asker {
	JUDGE_IPREV,
	JUDGE_HELO,
	JUDGE_MAIL_FROM,
	JUDGE_DKIM,
	JUDGE_DMARC,
	JUDGE_ASKERS = JUDGE_DMARC + AUTHOR_DOMAINS_MAX,
};

struct judge_open {
	size_t asker;
	uint32_t id; /* the evaluator's */
	bool is_answered;
};

struct judge {
	struct arena *arena;
	struct ip ip;
	str helo, mail_from, server;
	bool with_trace, is_done, has_dmarc;
	void *evaluators[JUDGE_ASKERS]; /* NULL: does not run */
	struct judge_open *open;        /* every question there was; its place is its id outside */
	size_t open_count, open_cap;
	struct judge_question *questions; /* with_trace: as open */
	size_t question_count, question_cap;
	struct judge_result result;
};

/* After every answer: starts DMARC when what it needs is there, and ends when all is. */
void judge_advance(struct judge *j);

#endif
