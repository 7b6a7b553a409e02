#include "protocols/dmarc/record.h"

#include "base/num.h"
#include "formats/tag_list.h"

static enum dmarc_policy read_policy(str value)
{
	if (str_ieq(value, STR("none")))
		return DMARC_POLICY_NONE;
	if (str_ieq(value, STR("quarantine")))
		return DMARC_POLICY_QUARANTINE;
	return str_ieq(value, STR("reject")) ? DMARC_POLICY_REJECT : DMARC_POLICY_INVALID;
}

const char *dmarc_policy_name(enum dmarc_policy policy)
{
	return policy == DMARC_POLICY_REJECT       ? "reject"
	       : policy == DMARC_POLICY_QUARANTINE ? "quarantine"
	                                           : "none";
}

static unsigned read_failure_options(str value)
{
	unsigned options = 0;

	options |= tag_value_has(value, ':', STR("0")) ? DMARC_FO_ALL : 0;
	options |= tag_value_has(value, ':', STR("1")) ? DMARC_FO_ANY : 0;
	options |= tag_value_has(value, ':', STR("d")) ? DMARC_FO_DKIM : 0;
	options |= tag_value_has(value, ':', STR("s")) ? DMARC_FO_SPF : 0;
	return options ? options : DMARC_FO_ALL;
}

/* RFC 9989 §4.8: "!" and a size is obsolete syntax that is to be ignored. */
static str without_size(str uri)
{
	size_t at = str_rchr(uri, '!');

	return at == STR_NPOS ? uri : str_sub(uri, 0, at);
}

/* scheme ":" and something without blanks; an address for mailto. */
static bool is_uri(str uri)
{
	size_t colon = str_chr(uri, ':');

	if (colon == STR_NPOS || colon == 0 || colon + 1 == uri.len || !ascii_is_alpha(uri.ptr[0]))
		return false;
	for (size_t i = 0; i < uri.len; i++) {
		if (uri.ptr[i] <= 0x20 || uri.ptr[i] >= 0x7f)
			return false;
	}
	str address = str_skip(uri, colon + 1);
	size_t at = str_rchr(address, '@');
	return !str_istarts(uri, STR("mailto:")) ||
	       (at != STR_NPOS && at > 0 && at + 1 < address.len);
}

static void read_uris(str value, struct arena *a, struct dmarc_uris *out)
{
	str uri;

	while (tag_value_next(&value, ',', &uri)) {
		uri = without_size(uri);
		if (is_uri(uri) && out->count < DMARC_URIS_MAX)
			out->items[out->count++] = arena_str(a, uri);
	}
}

/* The first tag of a name counts; what cannot be read is passed over. */
static str find_tag(str text, str name)
{
	str part, key;

	while (str_split(&text, ';', &part)) {
		if (str_split(&part, '=', &key) && part.ptr && str_ieq(str_trim(key), name))
			return str_trim(part);
	}
	return STR_NONE;
}

/* RFC 9989 §4.7: v= comes first, its value case-sensitive. */
static bool is_record(str text)
{
	str first, name;

	return text.len <= DMARC_RECORD_MAX && str_split(&text, ';', &first) &&
	       str_split(&first, '=', &name) && first.ptr && str_ieq(str_trim(name), STR("v")) &&
	       str_eq(str_trim(first), STR("DMARC1"));
}

static enum dmarc_policy find_policy(str text, str name)
{
	str value = find_tag(text, name);

	return value.ptr ? read_policy(value) : DMARC_POLICY_UNSET;
}

bool dmarc_record_parse(str text, struct arena *a, struct dmarc_record *out)
{
	uint32_t pct = 100;

	if (!is_record(text))
		return false;
	*out = (struct dmarc_record){ .text = arena_str(a, text) };
	out->p = find_policy(text, STR("p"));
	out->sp = find_policy(text, STR("sp"));
	out->np = find_policy(text, STR("np"));
	out->is_dkim_strict = str_ieq(find_tag(text, STR("adkim")), STR("s"));
	out->is_spf_strict = str_ieq(find_tag(text, STR("aspf")), STR("s"));
	str psd = find_tag(text, STR("psd")), test = find_tag(text, STR("t"));
	out->psd = str_ieq(psd, STR("y")) ? 'y' : str_ieq(psd, STR("n")) ? 'n' : 'u';
	num_parse_u32(find_tag(text, STR("pct")), 100, &pct);
	out->is_test = test.ptr ? str_ieq(test, STR("y")) : pct == 0;
	out->failure_options = read_failure_options(find_tag(text, STR("fo")));
	read_uris(find_tag(text, STR("rua")), a, &out->rua);
	read_uris(find_tag(text, STR("ruf")), a, &out->ruf);
	return true;
}
