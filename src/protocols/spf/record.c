/* Records: RFC 7208 §4.5, §4.6.1, §5, §6. */
#include "base/num.h"
#include "protocols/spf/internal.h"

enum argument { ARG_NONE, ARG_OPTIONAL, ARG_REQUIRED, ARG_NETWORK };

static const struct mechanism_rule {
	str name;
	enum spf_mechanism mechanism;
	enum argument argument;
	bool has_cidr; /* dual-cidr-length may follow */
} mechanisms[] = {
	/* clang-format off */
	{ STR_INIT("all"),     SPF_ALL,     ARG_NONE,     false },
	{ STR_INIT("include"), SPF_INCLUDE, ARG_REQUIRED, false },
	{ STR_INIT("a"),       SPF_A,       ARG_OPTIONAL, true },
	{ STR_INIT("mx"),      SPF_MX,      ARG_OPTIONAL, true },
	{ STR_INIT("ptr"),     SPF_PTR,     ARG_OPTIONAL, false },
	{ STR_INIT("ip4"),     SPF_IP4,     ARG_NETWORK,  false },
	{ STR_INIT("ip6"),     SPF_IP6,     ARG_NETWORK,  false },
	{ STR_INIT("exists"),  SPF_EXISTS,  ARG_REQUIRED, false },
	/* clang-format on */
};

bool spf_record_is(str text, str *out_terms)
{
	if (take_ilit(&text, STR("v=spf1")) < 0 || (text.len && text.ptr[0] != ' '))
		return false;
	*out_terms = text;
	return true;
}

static const struct mechanism_rule *find_rule(str name)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (str_ieq(mechanisms[i].name, name))
			return &mechanisms[i];
	}
	return NULL;
}

/* Cuts "/digits" (or "//digits" with two slashes) off the end. 0 when there is none, -1 when it is no
 * length: leading zeros and numbers above max. */
static int cut_length(str *text, size_t slashes, uint32_t max, unsigned *out)
{
	size_t digits = 0;
	uint32_t bits;

	while (digits < text->len && ascii_is_digit(text->ptr[text->len - 1 - digits]))
		digits++;
	if (digits == 0 || text->len < digits + slashes)
		return 0;
	str number = str_skip(*text, text->len - digits);
	str head = str_sub(*text, 0, text->len - digits);
	size_t found = 0;
	while (found < head.len && head.ptr[head.len - 1 - found] == '/')
		found++;
	if (found != slashes)
		return 0;
	if (num_parse_u32(number, max, &bits) < 0 || (digits > 1 && number.ptr[0] == '0'))
		return -1;
	*out = bits;
	*text = str_sub(head, 0, head.len - slashes);
	return 0;
}

static int parse_network(str argument, struct spf_term *t)
{
	bool is_v4 = t->mechanism == SPF_IP4;
	unsigned *bits = is_v4 ? &t->bits4 : &t->bits6;

	if (cut_length(&argument, 1, is_v4 ? 32 : 128, bits) < 0)
		return -1;
	if (ip_parse(argument, &t->network) < 0)
		return -1;
	return t->network.version == (is_v4 ? 4 : 6) ? 0 : -1;
}

/* rest: behind the mechanism's name. */
static int parse_argument(const struct mechanism_rule *rule, str rest, struct spf_term *t)
{
	if (rule->has_cidr &&
	    (cut_length(&rest, 2, 128, &t->bits6) < 0 || cut_length(&rest, 1, 32, &t->bits4) < 0))
		return -1;
	if (rest.len == 0)
		return rule->argument == ARG_NONE || rule->argument == ARG_OPTIONAL ? 0 : -1;
	if (rule->argument == ARG_NONE || take_char(&rest, ':') < 0)
		return -1;
	if (rule->argument == ARG_NETWORK)
		return parse_network(rest, t);
	t->domain = rest;
	return spf_domain_spec_check(rest, &t->uses);
}

static enum spf_status take_qualifier(str *in)
{
	static const enum spf_status statuses[] = { SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL };
	static const char qualifiers[] = "+-~?";
	const char *at = in->len && in->ptr[0] ? strchr(qualifiers, in->ptr[0]) : NULL;

	if (!at)
		return SPF_PASS;
	*in = str_skip(*in, 1);
	return statuses[at - qualifiers];
}

static int parse_directive(str text, struct spf_term *out)
{
	struct spf_term t = { .text = text, .bits4 = 32, .bits6 = 128 };
	size_t end = 0;

	t.match = take_qualifier(&text);
	while (end < text.len && text.ptr[end] != ':' && text.ptr[end] != '/')
		end++;
	const struct mechanism_rule *rule = find_rule(str_sub(text, 0, end));
	if (!rule)
		return -1;
	t.mechanism = rule->mechanism;
	if (parse_argument(rule, str_skip(text, end), &t) < 0)
		return -1;
	*out = t;
	return 0;
}

/* name "=": the length of the name, 0 when this is no modifier. */
static size_t modifier_name(str text)
{
	size_t i = 0;

	if (text.len == 0 || !ascii_is_alpha(text.ptr[0]))
		return 0;
	while (i < text.len &&
	       (ascii_is_alnum(text.ptr[i]) || (text.ptr[i] && strchr("-_.", text.ptr[i]))))
		i++;
	return i < text.len && text.ptr[i] == '=' ? i : 0;
}

static int parse_modifier(str name, str value, struct spf_record *r)
{
	struct spf_modifier *m = str_ieq(name, STR("redirect")) ? &r->redirect
	                         : str_ieq(name, STR("exp"))    ? &r->exp
	                                                        : NULL;
	unsigned uses;

	if (!m)
		return spf_macro_check(value, false, &uses);
	if (m->is_given || spf_domain_spec_check(value, &m->uses) < 0)
		return -1;
	m->is_given = true;
	m->domain = value;
	return 0;
}

static int parse_term(str text, struct spf_record *r, struct err *err)
{
	size_t name = modifier_name(text);

	if (name) {
		if (parse_modifier(str_sub(text, 0, name), str_skip(text, name + 1), r) == 0)
			return 0;
	} else {
		if (r->count == SPF_TERMS_MAX)
			return err_set(
			    err, ERR_LIMIT, "the record has more than %d terms", SPF_TERMS_MAX);
		if (parse_directive(text, &r->terms[r->count]) == 0) {
			r->has_all = r->has_all || r->terms[r->count].mechanism == SPF_ALL;
			r->count++;
			return 0;
		}
	}
	return err_set(err, ERR_INPUT, "the term \"" STR_FMT "\" is not correct",
	    STR_ARG(str_sub(text, 0, 80)));
}

static size_t count_terms(str text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == ' ';
	return count < SPF_TERMS_MAX ? count : SPF_TERMS_MAX;
}

int spf_record_parse(str text, struct arena *a, struct spf_record *out, struct err *err)
{
	struct spf_record r = { 0 };
	str term;

	if (text.len > SPF_RECORD_MAX)
		return err_set(
		    err, ERR_LIMIT, "the record is longer than %d bytes", SPF_RECORD_MAX);
	text = arena_str(a, text);
	r.terms = arena_array(a, struct spf_term, count_terms(text));
	while (str_split(&text, ' ', &term)) {
		if (term.len && parse_term(term, &r, err) < 0)
			return -1;
	}
	*out = r;
	return 0;
}
