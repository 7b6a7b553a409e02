/* From the results of the evaluators to the judgement. */
#include "services/judge/internal.h"

/* ---- DMARC --------------------------------------------------------------------------------------- */

/* RFC 9989 §4.3: MAIL FROM counts, and HELO for the null path only. */
static const struct spf_result *spf_for_dmarc(const struct judge_result *r)
{
	return r->mail_from ? r->mail_from : r->helo;
}

static void start_dmarc(struct judge *j)
{
	struct judge_result *r = &j->result;
	const struct spf_result *spf = spf_for_dmarc(r);
	str domains[DKIM_SIGNATURES_MAX];
	struct dmarc_options o = { .dkim_domains = domains };

	if (spf->status == SPF_PASS)
		o.spf_domain = spf->domain;
	for (size_t i = 0; i < r->dkim->count && o.dkim_count < DKIM_SIGNATURES_MAX; i++) {
		if (r->dkim->items[i].status == DKIM_PASS)
			domains[o.dkim_count++] = r->dkim->items[i].domain;
	}
	for (size_t i = 0; i < r->author.count; i++) {
		o.author_domain = r->author.domains[i];
		j->evaluators[JUDGE_DMARC + i] = dmarc_start(j->arena, &o);
	}
	j->has_dmarc = true;
}

static bool may_align(const struct dmarc_result *d, str domain)
{
	str organization =
	    d->organizational_domain.len ? d->organizational_domain : d->author_domain;

	return domain.len && dns_name_is_within(domain, organization);
}

/* A look-up that failed for now may hide what would have passed: a refusal for good would then be wrong. */
static bool is_undecided(const struct judge_result *r, const struct dmarc_result *d)
{
	const struct spf_result *spf = spf_for_dmarc(r);

	if (d->status != DMARC_FAIL)
		return false;
	if (spf->status == SPF_TEMPERROR && may_align(d, spf->domain))
		return true;
	for (size_t i = 0; i < r->dkim->count; i++) {
		const struct dkim_result *s = &r->dkim->items[i];
		if (s->status == DKIM_TEMPERROR && may_align(d, s->domain))
			return true;
	}
	return false;
}

static const struct dmarc_result *settle(struct judge *j, const struct dmarc_result *d)
{
	if (!is_undecided(&j->result, d))
		return d;
	struct dmarc_result *undecided = arena_one(j->arena, struct dmarc_result);
	*undecided = *d;
	undecided->status = DMARC_TEMPERROR;
	undecided->disposition = DMARC_POLICY_NONE;
	undecided->reason =
	    STR("the DNS did not say whether the domain signed or sent it; try again later");
	return undecided;
}

/* With several authors the one counts whose domain is wronged most: RFC 9989 §5.3.1 leaves it to us. */
static unsigned gravity(const struct dmarc_result *d)
{
	static const unsigned by_status[] = {
		[DMARC_PASS] = 0,
		[DMARC_NONE] = 1,
		[DMARC_PERMERROR] = 2,
		[DMARC_TEMPERROR] = 3,
		[DMARC_FAIL] = 4,
	};

	return by_status[d->status] + (unsigned)d->disposition;
}

static const struct dmarc_result *dmarc_of(struct judge *j)
{
	const struct dmarc_result *worst = NULL;

	for (size_t i = 0; i < j->result.author.count; i++) {
		const struct dmarc_result *d =
		    settle(j, dmarc_result(j->evaluators[JUDGE_DMARC + i]));
		if (!worst || gravity(d) > gravity(worst))
			worst = d;
	}
	if (worst)
		return worst;
	struct dmarc_result *none = arena_one(j->arena, struct dmarc_result);
	none->status = DMARC_PERMERROR;
	none->reason = str_c(author_kind_text(j->result.author.kind));
	return none;
}

/* ---- the judgement ------------------------------------------------------------------------------- */

static void write_field(struct judge *j, struct buf *out)
{
	const struct judge_result *r = &j->result;
	struct authres a = {
		.server = j->server,
		.ip = j->ip,
		.helo = j->helo,
		.mail_from = j->mail_from,
		.iprev = r->iprev,
		.spf_helo = r->helo,
		.spf_mail_from = r->mail_from,
		.dkim = r->dkim,
		.dmarc = r->dmarc,
	};

	authres_write(&a, out);
	if (buf_ok(out))
		return;
	/* Ten signatures with very long names: what they came to stands in the story. */
	buf_reset(out);
	a.dkim = NULL;
	authres_write(&a, out);
}

static void take_spf(struct judgement *out, const struct judge_result *r)
{
	const struct spf_result *from = r->mail_from;

	out->helo = r->helo->status;
	out->helo_domain = r->helo->domain;
	out->helo_reason = r->helo->reason;
	if (from) {
		out->mail_from = from->status;
		out->mail_from_domain = from->domain;
		out->mail_from_reason = from->reason;
	}
	out->spf_explanation = from ? from->explanation : r->helo->explanation;
}

static void take_signatures(struct judge *j)
{
	struct judgement *out = &j->result.judgement;
	const struct dkim_results *dkim = j->result.dkim;

	out->signature_count =
	    dkim->count < JUDGEMENT_SIGNATURES_MAX ? dkim->count : JUDGEMENT_SIGNATURES_MAX;
	out->signatures = arena_array(j->arena, struct judged_signature, out->signature_count + 1);
	for (size_t i = 0; i < out->signature_count; i++) {
		const struct dkim_result *s = &dkim->items[i];
		out->signatures[i] = (struct judged_signature){ .status = s->status,
			.domain = s->domain,
			.selector = s->selector,
			.reason = s->status == DKIM_PASS ? STR_NONE
			                                 : str_c(dkim_reason_text(s->reason)) };
	}
}

static void conclude(struct judge *j)
{
	struct judge_result *r = &j->result;
	struct judgement *out = &r->judgement;
	AUTO_BUF field = BUF_INIT(JUDGEMENT_FIELD_MAX);

	r->dmarc = dmarc_of(j);
	out->is_judged = true;
	out->iprev = r->iprev->status;
	out->iprev_name = r->iprev->name;
	out->iprev_reason = r->iprev->reason;
	take_spf(out, r);
	take_signatures(j);
	out->author = r->author.kind;
	out->dmarc = r->dmarc->status;
	out->policy = r->dmarc->policy;
	out->disposition = r->dmarc->disposition;
	out->author_domain = r->dmarc->author_domain;
	out->policy_domain = r->dmarc->policy_domain;
	out->dmarc_reason = r->dmarc->reason;
	write_field(j, &field);
	out->field = arena_str(j->arena, buf_str(&field));
	r->questions = j->questions;
	r->question_count = j->question_count;
	j->is_done = true;
}

void judge_advance(struct judge *j)
{
	struct judge_result *r = &j->result;

	if (j->is_done)
		return;
	r->iprev = iprev_result(j->evaluators[JUDGE_IPREV]);
	r->helo = spf_result(j->evaluators[JUDGE_HELO]);
	if (j->evaluators[JUDGE_MAIL_FROM])
		r->mail_from = spf_result(j->evaluators[JUDGE_MAIL_FROM]);
	r->dkim = dkim_verify_result(j->evaluators[JUDGE_DKIM]);
	if (!r->helo || !r->dkim || (j->evaluators[JUDGE_MAIL_FROM] && !r->mail_from))
		return;
	if (!j->has_dmarc)
		start_dmarc(j);
	for (size_t i = 0; i < r->author.count; i++) {
		if (!dmarc_result(j->evaluators[JUDGE_DMARC + i]))
			return;
	}
	if (r->iprev)
		conclude(j);
}
