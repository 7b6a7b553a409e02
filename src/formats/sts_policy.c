#include "formats/sts_policy.h"

#include "base/num.h"

enum { FIELD_NAME_MAX = 32, DOMAIN_MAX = 253, LABEL_MAX = 63, AGE_DIGITS_MAX = 10 };

static const char *const modes[] = {
	[STS_NONE] = "none",
	[STS_TESTING] = "testing",
	[STS_ENFORCE] = "enforce",
};

const char *sts_mode_name(enum sts_mode mode)
{
	return modes[mode];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static str trim_blanks(str s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool is_field_name(str name)
{
	if (!name.len || name.len > FIELD_NAME_MAX || !ascii_is_alnum(name.ptr[0]))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (!ascii_is_alnum(c) && c != '_' && c != '-' && c != '.')
			return false;
	}
	return true;
}

/* ---- the record ---- */

static bool is_id(str id)
{
	for (size_t i = 0; i < id.len; i++) {
		if (!ascii_is_alnum(id.ptr[i]))
			return false;
	}
	return id.len > 0 && id.len <= STS_ID_MAX;
}

static bool is_record_value(str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == '=')
			return false;
	}
	return value.len > 0;
}

static int take_version(str *in)
{
	str rest = *in;

	if (take_lit(&rest, STR("v=STSv1")) < 0)
		return -1;
	while (rest.len && is_blank(rest.ptr[0]))
		rest = str_skip(rest, 1);
	if (take_char(&rest, ';') < 0)
		return -1;
	*in = rest;
	return 0;
}

bool sts_record_is(str text)
{
	return take_version(&text) == 0;
}

static int take_record_field(str field, str *id, struct err *err)
{
	str name, value = field;

	if (take_until(&value, '=', FIELD_NAME_MAX, &name) < 0 || !is_field_name(name))
		return err_set(err, ERR_INPUT, "'" STR_FMT "' is no field", STR_ARG(field));
	value = str_skip(value, 1);
	if (str_eq(name, STR("id"))) {
		if (!is_id(value))
			return err_set(
			    err, ERR_INPUT, "the id is not 1 to %d letters and digits", STS_ID_MAX);
		if (!id->len)
			*id = value;
		return 0;
	}
	return is_record_value(value)
	           ? 0
	           : err_set(
	                 err, ERR_INPUT, "the value of '" STR_FMT "' is malformed", STR_ARG(name));
}

int sts_record_parse(str text, str *out_id, struct err *err)
{
	str id = STR_NONE, field;

	if (take_version(&text) < 0)
		return err_set(err, ERR_INPUT, "the record does not begin with v=STSv1;");
	while (str_split(&text, ';', &field)) {
		field = trim_blanks(field);
		/* Nothing may follow the last semicolon. */
		if (!field.len && !trim_blanks(text).len)
			break;
		if (take_record_field(field, &id, err) < 0)
			return -1;
	}
	if (!id.len)
		return err_set(err, ERR_INPUT, "the record has no id");
	*out_id = id;
	return 0;
}

/* ---- the policy ---- */

/* Letters, digits, hyphens; underscores too, which names in the DNS may have. */
static bool is_label(str label)
{
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
			return false;
	}
	return label.len > 0 && label.len <= LABEL_MAX;
}

static str without_last_dot(str name)
{
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool is_pattern(str pattern)
{
	str label;

	(void)take_lit(&pattern, STR("*."));
	if (!pattern.len || pattern.len > DOMAIN_MAX || pattern.ptr[pattern.len - 1] == '.')
		return false;
	while (str_split(&pattern, '.', &label)) {
		if (!is_label(label))
			return false;
	}
	return true;
}

/* What has been read so far. */
struct reading {
	struct arena *arena;
	struct sts_policy policy;
	str mx[STS_MX_MAX];
	bool has_version, has_mode, has_age;
};

static int take_policy_version(struct reading *r, str value, struct err *err)
{
	if (r->has_version)
		return 0;
	r->has_version = true;
	return str_eq(value, STR("STSv1"))
	           ? 0
	           : err_set(err, ERR_INPUT, "the version of the policy is not STSv1");
}

static int take_mode(struct reading *r, str value, struct err *err)
{
	if (r->has_mode)
		return 0;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (str_eq(value, str_c(modes[i]))) {
			r->policy.mode = (enum sts_mode)i;
			r->has_mode = true;
			return 0;
		}
	}
	return err_set(err, ERR_INPUT, "the mode of the policy is not enforce, testing or none");
}

static int take_age(struct reading *r, str value, struct err *err)
{
	uint64_t age;

	if (r->has_age)
		return 0;
	if (value.len > AGE_DIGITS_MAX || num_parse_u64(value, UINT64_MAX, &age) < 0)
		return err_set(err, ERR_INPUT, "max_age of the policy is not a number of seconds");
	r->policy.max_age_s = age > STS_AGE_MAX_S ? STS_AGE_MAX_S : (uint32_t)age;
	r->has_age = true;
	return 0;
}

static int take_mx(struct reading *r, str value, struct err *err)
{
	value = without_last_dot(value);
	if (!is_pattern(value))
		return err_set(err, ERR_INPUT, "the policy has an mx that is not a name");
	if (r->policy.mx_count == STS_MX_MAX)
		return err_set(
		    err, ERR_LIMIT, "the policy names more than %d mail servers", STS_MX_MAX);
	r->mx[r->policy.mx_count++] = value;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct reading *r, str value, struct err *err);
} fields[] = {
	{ "version", take_policy_version },
	{ "mode", take_mode },
	{ "max_age", take_age },
	{ "mx", take_mx },
};

static bool has_controls(str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

static int take_line(struct reading *r, str line, struct err *err)
{
	str name, value = line;

	if (has_controls(line) || !str_is_utf8(line) ||
	    take_until(&value, ':', FIELD_NAME_MAX, &name) < 0 || !is_field_name(name))
		return err_set(err, ERR_INPUT, "the policy has a line that is not 'name: value'");
	value = trim_blanks(str_skip(value, 1));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (str_eq(name, str_c(fields[i].name)))
			return fields[i].take(r, value, err);
	}
	return 0;
}

static int check_all_there(const struct reading *r, struct err *err)
{
	const char *missing = !r->has_version                                     ? "version"
	                      : !r->has_mode                                      ? "mode"
	                      : !r->has_age                                       ? "max_age"
	                      : r->policy.mode != STS_NONE && !r->policy.mx_count ? "mx"
	                                                                          : NULL;

	return missing ? err_set(err, ERR_INPUT, "the policy has no %s", missing) : 0;
}

static void keep_patterns(struct reading *r)
{
	str *mx = arena_array(r->arena, str, r->policy.mx_count);

	for (size_t i = 0; i < r->policy.mx_count; i++)
		mx[i] = arena_str(r->arena, r->mx[i]);
	r->policy.mx = mx;
}

/* Blank lines are taken as well: files end with them. */
int sts_policy_parse(str text, struct arena *a, struct sts_policy *out, struct err *err)
{
	struct reading r = { .arena = a };
	str line;

	if (text.len > STS_POLICY_BYTES_MAX)
		return err_set(
		    err, ERR_LIMIT, "the policy is longer than %d octets", STS_POLICY_BYTES_MAX);
	while (str_split(&text, '\n', &line)) {
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		while (line.len && is_blank(line.ptr[line.len - 1]))
			line.len--;
		if (line.len && take_line(&r, line, err) < 0)
			return -1;
	}
	if (check_all_there(&r, err) < 0)
		return -1;
	keep_patterns(&r);
	*out = r.policy;
	return 0;
}

static bool matches(str pattern, str host)
{
	if (take_lit(&pattern, STR("*.")) == 0) {
		size_t dot = str_chr(host, '.');
		if (dot == STR_NPOS || dot == 0)
			return false;
		host = str_skip(host, dot + 1);
	}
	return str_ieq(pattern, host);
}

bool sts_policy_matches(const struct sts_policy *p, str host)
{
	host = without_last_dot(host);
	for (size_t i = 0; i < p->mx_count; i++) {
		if (matches(p->mx[i], host))
			return true;
	}
	return false;
}
