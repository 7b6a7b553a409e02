#include "services/judge/author.h"

#include "formats/address.h"
#include "formats/header.h"
#include "formats/mailbox.h"

static const struct {
	const char *name, *text;
} kinds[AUTHOR_KINDS] = {
	[AUTHOR_CLEAR] = { "clear", "From names its author" },
	[AUTHOR_MISSING] = { "missing", "there is no From field" },
	[AUTHOR_SEVERAL_FIELDS] = { "several-fields", "there are several From fields" },
	[AUTHOR_MALFORMED] = { "malformed", "From holds no clean address" },
	[AUTHOR_TOO_MANY] = { "too-many", "From names authors of too many domains" },
};

const char *author_kind_name(enum author_kind kind)
{
	return kinds[kind < AUTHOR_KINDS ? kind : AUTHOR_MALFORMED].name;
}

const char *author_kind_text(enum author_kind kind)
{
	return kinds[kind < AUTHOR_KINDS ? kind : AUTHOR_MALFORMED].text;
}

/* Control characters make programs show something else than was judged. */
static bool has_control(str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		bool is_fold = c == '\t' || c == '\n' || c == '\r';
		if ((c < 0x20 && !is_fold) || c == 0x7f)
			return true;
	}
	return false;
}

static enum author_kind add_domain(str domain, struct arena *a, struct author *out)
{
	AUTO_BUF normal = BUF_INIT(DOMAIN_MAX);

	/* An address literal has no owner who could publish anything, nor has a name of one label. */
	if (domain_normalise(domain, true, &normal, NULL) < 0 ||
	    str_chr(buf_str(&normal), '.') == STR_NPOS)
		return AUTHOR_MALFORMED;
	for (size_t i = 0; i < out->count; i++) {
		if (str_eq(out->domains[i], buf_str(&normal)))
			return AUTHOR_CLEAR;
	}
	if (out->count == AUTHOR_DOMAINS_MAX)
		return AUTHOR_TOO_MANY;
	out->domains[out->count++] = arena_str(a, buf_str(&normal));
	return AUTHOR_CLEAR;
}

static enum author_kind read_value(str value, struct arena *a, struct author *out)
{
	struct address_list list;
	enum author_kind kind = AUTHOR_CLEAR;

	address_list_parse(value, a, &list);
	if (list.broken || has_control(value))
		return AUTHOR_MALFORMED;
	for (size_t i = 0; i < list.count && kind == AUTHOR_CLEAR; i++) {
		const struct address *item = &list.items[i];
		if (item->kind == ADDRESS_MAILBOX)
			kind = item->broken ? AUTHOR_MALFORMED : add_domain(item->domain, a, out);
	}
	/* A group without members (RFC 6854) names nobody. */
	return kind == AUTHOR_CLEAR && out->count == 0 ? AUTHOR_MALFORMED : kind;
}

void author_read(str header, struct arena *a, struct author *out)
{
	struct header_field field;
	str rest = header, value = STR_NONE;
	size_t fields = 0;

	*out = (struct author){ .kind = AUTHOR_MISSING };
	while (header_next(&rest, &field)) {
		if (!str_ieq(field.name, STR("From")))
			continue;
		value = field.value;
		fields++;
	}
	if (fields == 1)
		out->kind = read_value(value, a, out);
	else if (fields > 1)
		out->kind = AUTHOR_SEVERAL_FIELDS;
	if (out->kind != AUTHOR_CLEAR)
		out->count = 0;
}
