#include "services/judge/judge.h"

#include "formats/auth_results.h"
#include "formats/header.h"
#include "services/judge/internal.h"

enum { ANSWER_TEXT_MAX = 4096 };

/* ---- the evaluators, as one table ---------------------------------------------------------------- */

static bool iprev_next(void *e, struct dns_question *out)
{
	return iprev_next_question(e, out);
}

static void iprev_take(void *e, uint32_t id, const struct dns_answer *answer)
{
	iprev_answer(e, id, answer);
}

static bool spf_next(void *e, struct dns_question *out)
{
	return spf_next_question(e, out);
}

static void spf_take(void *e, uint32_t id, const struct dns_answer *answer)
{
	spf_answer(e, id, answer);
}

static bool dkim_next(void *e, struct dns_question *out)
{
	return dkim_verify_next_question(e, out);
}

static void dkim_take(void *e, uint32_t id, const struct dns_answer *answer)
{
	dkim_verify_answer(e, id, answer);
}

static bool dmarc_next(void *e, struct dns_question *out)
{
	return dmarc_next_question(e, out);
}

static void dmarc_take(void *e, uint32_t id, const struct dns_answer *answer)
{
	dmarc_answer(e, id, answer);
}

static const struct {
	const char *name;
	bool (*next)(void *e, struct dns_question *out);
	void (*take)(void *e, uint32_t id, const struct dns_answer *answer);
} kinds[JUDGE_ASKERS] = {
	[JUDGE_IPREV] = { "iprev", iprev_next, iprev_take },
	[JUDGE_HELO] = { "helo", spf_next, spf_take },
	[JUDGE_MAIL_FROM] = { "spf", spf_next, spf_take },
	[JUDGE_DKIM] = { "dkim", dkim_next, dkim_take },
	[JUDGE_DMARC] = { "dmarc", dmarc_next, dmarc_take },
	[JUDGE_DMARC + 1] = { "dmarc", dmarc_next, dmarc_take },
	[JUDGE_DMARC + 2] = { "dmarc", dmarc_next, dmarc_take },
	[JUDGE_DMARC + 3] = { "dmarc", dmarc_next, dmarc_take },
};
_Static_assert(AUTHOR_DOMAINS_MAX == 4, "a row of kinds for each author domain");

/* ---- start --------------------------------------------------------------------------------------- */

/* RFC 8601 §5: whoever reads our name must be able to believe what stands behind it. Fields that follow each
 * other are cut as one. */
static void find_forged(struct judge *j, str message, str header, str server)
{
	struct judgement *out = &j->result.judgement;
	struct header_field f;
	str rest = header;

	out->cuts = arena_array(j->arena, struct index_range, JUDGEMENT_CUTS_MAX);
	while (header_next(&rest, &f)) {
		uint64_t at = (uint64_t)(f.whole.ptr - message.ptr);
		if (!str_ieq(f.name, STR("Authentication-Results")) ||
		    !auth_results_claims(f.value, server))
			continue;
		struct index_range *last = out->cut_count ? &out->cuts[out->cut_count - 1] : NULL;
		if (last && last->at + last->bytes == at)
			last->bytes += f.whole.len;
		else if (out->cut_count < JUDGEMENT_CUTS_MAX)
			out->cuts[out->cut_count++] = (struct index_range){ at, f.whole.len };
		else
			out->is_overrun = true;
	}
}

static struct spf *start_spf(struct judge *j, const struct judge_options *o, str mail_from)
{
	return spf_start(j->arena, &(struct spf_options){ .ip = o->ip,
	                               .helo = o->helo,
	                               .mail_from = mail_from,
	                               .receiver = o->server,
	                               .now_s = o->now_s });
}

static struct dkim_verify *start_dkim(
    struct judge *j, const struct judge_options *o, str header, str body)
{
	struct dkim_verify *v = dkim_verify_start(j->arena, header,
	    &(struct dkim_verify_options){ .now_s = o->now_s, .crypto = o->crypto });

	if (dkim_verify_open(v))
		dkim_verify_body(v, body);
	dkim_verify_body_end(v);
	return v;
}

struct judge *judge_start(struct arena *parent, const struct judge_options *o)
{
	struct arena *a = arena_new(parent, "judge", JUDGE_ARENA_BYTES);
	struct judge *j = arena_one(a, struct judge);
	str header = header_block(o->message);

	j->arena = a;
	j->ip = ip_unmapped(&o->ip);
	j->helo = arena_str(a, o->helo);
	j->mail_from = arena_str(a, o->mail_from);
	j->server = arena_str(a, o->server);
	j->with_trace = o->with_trace;
	find_forged(j, o->message, header, o->server);
	if (o->only_clean) {
		j->is_done = true;
		return j;
	}
	author_read(header, a, &j->result.author);
	j->evaluators[JUDGE_IPREV] = iprev_start(a, &j->ip);
	j->evaluators[JUDGE_HELO] = start_spf(j, o, STR_NONE);
	if (!str_empty(o->mail_from))
		j->evaluators[JUDGE_MAIL_FROM] = start_spf(j, o, o->mail_from);
	j->evaluators[JUDGE_DKIM] = start_dkim(j, o, header, str_skip(o->message, header.len));
	judge_advance(j);
	return j;
}

/* ---- questions ----------------------------------------------------------------------------------- */

static void remember(struct judge *j, size_t asker, const struct dns_question *q)
{
	struct judge_open *open =
	    arena_push(j->arena, &j->open, &j->open_count, &j->open_cap, sizeof(*open));

	*open = (struct judge_open){ .asker = asker, .id = q->id };
	if (!j->with_trace)
		return;
	struct judge_question *seen = arena_push(
	    j->arena, &j->questions, &j->question_count, &j->question_cap, sizeof(*seen));
	*seen = (struct judge_question){
		.asker = kinds[asker].name, .type = q->type, .name = arena_str(j->arena, q->name)
	};
}

bool judge_next_question(struct judge *j, struct dns_question *out)
{
	for (size_t i = 0; i < JUDGE_ASKERS && !j->is_done; i++) {
		if (!j->evaluators[i] || !kinds[i].next(j->evaluators[i], out))
			continue;
		remember(j, i, out);
		out->id = (uint32_t)(j->open_count - 1);
		return true;
	}
	return false;
}

static void print_record(const struct dns_record *r, enum dns_type type, struct buf *out)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		ip_print(&r->ip, out);
		break;
	case DNS_TXT:
		buf_addc(out, '"');
		buf_add(out, r->data);
		buf_addc(out, '"');
		break;
	case DNS_MX:
		buf_addf(out, "%u ", r->priority);
		buf_add(out, r->name);
		break;
	default:
		buf_add(out, r->name);
	}
}

static void trace(struct judge *j, struct judge_question *q, const struct dns_answer *answer)
{
	AUTO_BUF text = BUF_INIT(ANSWER_TEXT_MAX);

	for (size_t i = 0; i < answer->count; i++) {
		if (i)
			buf_addz(&text, ", ");
		print_record(&answer->records[i], q->type, &text);
	}
	if (answer->count == 0)
		buf_add(&text, answer->reason);
	q->is_answered = true;
	q->status = answer->status;
	q->answer = arena_str(j->arena, buf_str(&text));
}

void judge_answer(struct judge *j, uint32_t id, const struct dns_answer *answer)
{
	if (j->is_done || id >= j->open_count || j->open[id].is_answered)
		return;
	struct judge_open *open = &j->open[id];
	open->is_answered = true;
	if (j->with_trace)
		trace(j, &j->questions[id], answer);
	kinds[open->asker].take(j->evaluators[open->asker], open->id, answer);
	judge_advance(j);
}

/* Each round answers all that was asked; evaluators ask a bounded number of questions. */
void judge_expire(struct judge *j, const char *reason)
{
	struct dns_answer answer = { .status = DNS_TEMPORARY, .reason = str_c(reason) };
	struct dns_question q;

	if (j->is_done)
		return;
	j->result.judgement.is_late = true;
	for (size_t i = 0; !j->is_done; i++) {
		while (judge_next_question(j, &q)) {
		}
		if (i < j->open_count)
			judge_answer(j, (uint32_t)i, &answer);
	}
}

const struct judge_result *judge_result(const struct judge *j)
{
	return j->is_done ? &j->result : NULL;
}

/* ---- peers --------------------------------------------------------------------------------------- */

bool judge_is_private(const struct ip *ip)
{
	static const struct {
		struct ip network;
		unsigned bits;
	} networks[] = {
		{ { 4, { 0 } }, 8 },
		{ { 4, { 127 } }, 8 },
		{ { 4, { 10 } }, 8 },
		{ { 4, { 172, 16 } }, 12 },
		{ { 4, { 192, 168 } }, 16 },
		{ { 4, { 169, 254 } }, 16 },
		{ { 4, { 100, 64 } }, 10 },
		{ { 6, { [15] = 1 } }, 128 },
		{ { 6, { 0xfc } }, 7 },
		{ { 6, { 0xfe, 0x80 } }, 10 },
	};
	struct ip plain = ip_unmapped(ip);

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		if (ip_in_network(&plain, &networks[i].network, networks[i].bits))
			return true;
	}
	return false;
}
