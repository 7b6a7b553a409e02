#include "protocols/imap/list_match.h"

static bool is_wild(char c)
{
	return c == '*' || c == '%';
}

/* RFC 9051 §5.1: INBOX in any case is the one mailbox of that name. */
static size_t folded_bytes(str name)
{
	static const str inbox = STR_INIT("INBOX");

	if (!str_istarts(name, inbox) || (name.len > inbox.len && name.ptr[inbox.len] != '/'))
		return 0;
	return inbox.len;
}

/* Wildcards match nothing as well: from a state in front of one the state behind it is reached. */
static void pass_wildcards(str pattern, bool *at)
{
	for (size_t j = 0; j < pattern.len; j++)
		if (at[j] && is_wild(pattern.ptr[j]))
			at[j + 1] = true;
}

/* at[j]: the first j bytes of the pattern match what was read of the name. One byte more: */
static bool step(str pattern, bool *at, char c, bool fold)
{
	bool diagonal = false, any = false;

	for (size_t j = 0; j <= pattern.len; j++) {
		bool was = at[j], stays = false;
		if (j < pattern.len && is_wild(pattern.ptr[j]))
			stays = was && (pattern.ptr[j] == '*' || c != '/');
		at[j] = stays || diagonal;
		any |= at[j];
		diagonal = false;
		if (j < pattern.len && was && !is_wild(pattern.ptr[j])) {
			char p = pattern.ptr[j];
			diagonal = fold ? ascii_upper(p) == ascii_upper(c) : p == c;
		}
	}
	return any;
}

bool imap_list_match(str pattern, str name)
{
	bool at[IMAP_PATTERN_MAX + 1] = { true };
	size_t folded = folded_bytes(name);

	if (pattern.len > IMAP_PATTERN_MAX)
		return false;
	if (str_eq(pattern, STR("*")))
		return true;
	pass_wildcards(pattern, at);
	for (size_t i = 0; i < name.len; i++) {
		if (!step(pattern, at, name.ptr[i], i < folded))
			return false;
		pass_wildcards(pattern, at);
	}
	return at[pattern.len];
}
