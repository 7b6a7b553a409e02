#include "services/judge/judgement.h"

#include "formats/auth_results.h"
#include "services/story/story.h"

enum { IS_JUDGED = 1, IS_LATE = 2, IS_OVERRUN = 4, ALL_FLAGS = 7 };

/* Enums and texts, in the order of the record. */
#define STATUS(member, last) \
	{ \
		offsetof(struct judgement, member), last \
	}
static const struct {
	size_t at;
	uint8_t last; /* the greatest value */
} statuses[] = {
	STATUS(iprev, IPREV_PERMERROR),
	STATUS(helo, SPF_PERMERROR),
	STATUS(mail_from, SPF_PERMERROR),
	STATUS(author, AUTHOR_KINDS - 1),
	STATUS(dmarc, DMARC_PERMERROR),
	STATUS(policy, DMARC_POLICY_REJECT),
	STATUS(disposition, DMARC_POLICY_REJECT),
};
_Static_assert(sizeof(enum iprev_status) == sizeof(unsigned), "statuses are read as unsigned");

#define TEXT(member) offsetof(struct judgement, member)
static const size_t texts[] = { TEXT(iprev_name), TEXT(iprev_reason), TEXT(helo_domain),
	TEXT(helo_reason), TEXT(mail_from_domain), TEXT(mail_from_reason), TEXT(spf_explanation),
	TEXT(author_domain), TEXT(policy_domain), TEXT(dmarc_reason) };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void add_text(struct buf *out, str text)
{
	buf_add_counted(out, str_sub(text, 0, JUDGEMENT_TEXT_MAX));
}

static void add_lists(const struct judgement *j, struct buf *out)
{
	buf_add_u8(out, (uint8_t)j->signature_count);
	for (size_t i = 0; i < j->signature_count; i++) {
		buf_add_u8(out, (uint8_t)j->signatures[i].status);
		add_text(out, j->signatures[i].domain);
		add_text(out, j->signatures[i].selector);
		add_text(out, j->signatures[i].reason);
	}
	buf_add_u8(out, (uint8_t)j->cut_count);
	for (size_t i = 0; i < j->cut_count; i++) {
		buf_add_varint(out, j->cuts[i].at);
		buf_add_varint(out, j->cuts[i].bytes);
	}
}

void judgement_pack(const struct judgement *j, struct buf *out)
{
	buf_add_u8(out, (uint8_t)((j->is_judged ? IS_JUDGED : 0) | (j->is_late ? IS_LATE : 0) |
	                          (j->is_overrun ? IS_OVERRUN : 0)));
	for (size_t i = 0; i < COUNT(statuses); i++) {
		unsigned value;
		memcpy(&value, (const char *)j + statuses[i].at, sizeof(value));
		buf_add_u8(out, (uint8_t)value);
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		str text;
		memcpy(&text, (const char *)j + texts[i], sizeof(text));
		add_text(out, text);
	}
	add_lists(j, out);
	buf_add_counted(out, j->field);
}

static int take_signatures(str *in, struct arena *a, struct judgement *out)
{
	uint8_t count, status;

	if (take_u8(in, &count) < 0 || count > JUDGEMENT_SIGNATURES_MAX)
		return -1;
	out->signatures = arena_array(a, struct judged_signature, count + 1u);
	for (; out->signature_count < count; out->signature_count++) {
		struct judged_signature *s = &out->signatures[out->signature_count];
		if (take_u8(in, &status) < 0 || status > DKIM_PERMERROR ||
		    take_counted(in, JUDGEMENT_TEXT_MAX, &s->domain) < 0 ||
		    take_counted(in, JUDGEMENT_TEXT_MAX, &s->selector) < 0 ||
		    take_counted(in, JUDGEMENT_TEXT_MAX, &s->reason) < 0)
			return -1;
		s->status = (enum dkim_status)status;
	}
	return 0;
}

static int take_cuts(str *in, uint64_t header_bytes, struct arena *a, struct judgement *out)
{
	uint64_t end = 0;
	uint8_t count;

	if (take_u8(in, &count) < 0 || count > JUDGEMENT_CUTS_MAX)
		return -1;
	out->cuts = arena_array(a, struct index_range, count + 1u);
	for (; out->cut_count < count; out->cut_count++) {
		struct index_range *r = &out->cuts[out->cut_count];
		if (take_varint(in, &r->at) < 0 || take_varint(in, &r->bytes) < 0 || r->at < end ||
		    r->bytes == 0 || r->at > header_bytes || r->bytes > header_bytes - r->at)
			return -1;
		end = r->at + r->bytes;
	}
	return 0;
}

/* It will stand in front of the message: one field, whose lines are all its own. */
static bool is_one_field(str field)
{
	if (!str_starts(field, STR("Authentication-Results: ")) || !str_ends(field, STR("\r\n")) ||
	    str_chr(field, '\0') != STR_NPOS)
		return false;
	for (size_t i = 0; i + 2 < field.len; i++) {
		bool is_line_end = field.ptr[i] == '\r' && field.ptr[i + 1] == '\n';
		if (is_line_end && field.ptr[i + 2] != '\t' && field.ptr[i + 2] != ' ')
			return false;
		if ((field.ptr[i] == '\n' && (i == 0 || field.ptr[i - 1] != '\r')) ||
		    (field.ptr[i] == '\r' && !is_line_end))
			return false;
	}
	return true;
}

static int take_facts(str *in, struct judgement *out)
{
	uint8_t flags, status;

	if (take_u8(in, &flags) < 0 || flags > ALL_FLAGS)
		return -1;
	out->is_judged = flags & IS_JUDGED;
	out->is_late = flags & IS_LATE;
	out->is_overrun = flags & IS_OVERRUN;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (take_u8(in, &status) < 0 || status > statuses[i].last)
			return -1;
		unsigned value = status;
		memcpy((char *)out + statuses[i].at, &value, sizeof(value));
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		str text;
		if (take_counted(in, JUDGEMENT_TEXT_MAX, &text) < 0)
			return -1;
		memcpy((char *)out + texts[i], &text, sizeof(text));
	}
	return 0;
}

int judgement_unpack(
    str in, uint64_t header_bytes, struct arena *a, struct judgement *out, struct err *err)
{
	struct judgement j = { 0 };

	if (take_facts(&in, &j) < 0 || take_signatures(&in, a, &j) < 0 ||
	    take_cuts(&in, header_bytes, a, &j) < 0 ||
	    take_counted(&in, JUDGEMENT_FIELD_MAX, &j.field) < 0 || in.len)
		return err_set(err, ERR_INPUT, "the judgement is damaged");
	if (j.field.len ? !is_one_field(j.field) : j.is_judged)
		return err_set(err, ERR_INPUT, "the field of the judgement is none");
	*out = j;
	return 0;
}

void judgement_unavailable(str server, str why, struct arena *a, struct judgement *out)
{
	static const char *const methods[] = { "iprev", "spf", "dkim", "dmarc" };
	AUTO_BUF field = BUF_INIT(JUDGEMENT_FIELD_MAX);
	struct auth_results results = { .server = server };

	for (size_t i = 0; i < COUNT(methods); i++) {
		struct auth_method *m =
		    auth_results_add(&results, a, str_c(methods[i]), STR("temperror"));
		m->reason = why;
	}
	auth_results_write(&results, &field);
	*out = (struct judgement){
		.is_judged = true,
		.is_late = true,
		.iprev = IPREV_TEMPERROR,
		.helo = SPF_TEMPERROR,
		.mail_from = SPF_TEMPERROR,
		.dmarc = DMARC_TEMPERROR,
		.policy = DMARC_POLICY_NONE,
		.disposition = DMARC_POLICY_NONE,
		.iprev_reason = why,
		.helo_reason = why,
		.mail_from_reason = why,
		.dmarc_reason = why,
		.field = arena_str(a, buf_str(&field)),
	};
}

/* "fail example.org: the record does not allow the host" */
static void add_fact(
    struct buf *detail, const char *name, const char *status, str domain, str reason)
{
	AUTO_BUF text = BUF_INIT(1024);

	buf_addz(&text, status);
	if (domain.len)
		buf_addf(&text, " " STR_FMT, STR_ARG(domain));
	if (reason.len)
		buf_addf(&text, ": " STR_FMT, STR_ARG(reason));
	story_field(detail, name, buf_str(&text));
}

void judgement_describe(const struct judgement *j, struct buf *detail)
{
	if (j->is_judged) {
		add_fact(
		    detail, "iprev", iprev_status_name(j->iprev), j->iprev_name, j->iprev_reason);
		add_fact(detail, "helo", spf_status_name(j->helo), j->helo_domain, j->helo_reason);
		if (j->mail_from_domain.len || j->mail_from_reason.len)
			add_fact(detail, "spf", spf_status_name(j->mail_from), j->mail_from_domain,
			    j->mail_from_reason);
		if (j->signature_count == 0)
			story_field(detail, "dkim", STR("none"));
		for (size_t i = 0; i < j->signature_count; i++)
			add_fact(detail, "dkim", dkim_status_name(j->signatures[i].status),
			    j->signatures[i].domain, j->signatures[i].reason);
		add_fact(detail, "dmarc", dmarc_status_name(j->dmarc), j->author_domain,
		    j->dmarc_reason);
		story_field(detail, "policy", str_c(dmarc_policy_name(j->policy)));
	}
	if (j->author != AUTHOR_CLEAR)
		story_field(detail, "from", str_c(author_kind_text(j->author)));
	if (j->cut_count)
		story_field_u(detail, "forged", j->cut_count);
	if (j->is_late)
		story_field(detail, "late", STR("yes"));
}
