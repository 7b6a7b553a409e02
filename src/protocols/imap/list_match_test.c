/* Tests of LIST patterns, and a comparison with the obvious recursive definition. */
#include "check.h"

#include "base/time.h"
#include "protocols/imap/list_match.h"

static const struct {
	const char *name;
	str pattern, mailbox;
	bool match;
} cases[] = {
	{ "all", STR_INIT("*"), STR_INIT("a/b/c"), true },
	{ "top level", STR_INIT("%"), STR_INIT("a"), true },
	{ "top level only", STR_INIT("%"), STR_INIT("a/b"), false },
	{ "below", STR_INIT("a/%"), STR_INIT("a/b"), true },
	{ "below is not itself", STR_INIT("a/%"), STR_INIT("a"), false },
	{ "not two below", STR_INIT("a/%"), STR_INIT("a/b/c"), false },
	{ "two below", STR_INIT("a/%/%"), STR_INIT("a/b/c"), true },
	{ "star in the middle", STR_INIT("a*c"), STR_INIT("a/b/c"), true },
	{ "percent in the middle", STR_INIT("a%c"), STR_INIT("a/c"), false },
	{ "percent matches nothing", STR_INIT("a%c"), STR_INIT("ac"), true },
	{ "literal", STR_INIT("Drafts"), STR_INIT("Drafts"), true },
	{ "case counts", STR_INIT("drafts"), STR_INIT("Drafts"), false },
	{ "inbox in any case", STR_INIT("inBox"), STR_INIT("INBOX"), true },
	{ "inbox with wildcard", STR_INIT("in%"), STR_INIT("INBOX"), true },
	{ "below inbox", STR_INIT("inbox/*"), STR_INIT("INBOX/a"), true },
	{ "case counts below inbox", STR_INIT("inbox/A"), STR_INIT("INBOX/a"), false },
	{ "not the inbox", STR_INIT("inboxes"), STR_INIT("INBOXES"), false },
	{ "empty pattern", STR_INIT(""), STR_INIT("a"), false },
	{ "two stars", STR_INIT("**"), STR_INIT("a/b"), true },
	{ "percent then star", STR_INIT("%*"), STR_INIT("a/b"), true },
	{ "backtracking over two", STR_INIT("%a%/c"), STR_INIT("aXa/c"), true },
	{ "UTF-8", STR_INIT("Entw\xc3\xbcrfe%"), STR_INIT("Entw\xc3\xbcrfe 1"), true },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].name,
		    imap_list_match(cases[i].pattern, cases[i].mailbox) == cases[i].match);
}

static bool obvious(str pattern, str name)
{
	if (str_empty(pattern))
		return str_empty(name);
	char p = pattern.ptr[0];
	if (p != '*' && p != '%')
		return !str_empty(name) && name.ptr[0] == p &&
		       obvious(str_skip(pattern, 1), str_skip(name, 1));
	if (obvious(str_skip(pattern, 1), name))
		return true;
	return !str_empty(name) && (p == '*' || name.ptr[0] != '/') &&
	       obvious(pattern, str_skip(name, 1));
}

/* Every pattern of up to five and every name of up to six of a small alphabet. */
static void test_against_the_definition(void **state)
{
	static const char pattern_bytes[] = "a/*%", name_bytes[] = "a/b";

	(void)state;
	for (unsigned p = 0; p < 1024; p++) {
		for (unsigned n = 0; n < 729; n++) {
			char pattern[5], name[6];
			for (unsigned i = 0, x = p; i < 5; i++, x /= 4)
				pattern[i] = pattern_bytes[x % 4];
			for (unsigned i = 0, x = n; i < 6; i++, x /= 3)
				name[i] = name_bytes[x % 3];
			str ps = { pattern, 5 }, ns = { name, 6 };
			if (imap_list_match(ps, ns) != obvious(ps, ns))
				check_case_str("differs", ps, ns);
		}
	}
}

/* What takes others exponential time. */
static void test_hard_pattern(void **state)
{
	char pattern[IMAP_PATTERN_MAX + 1], name[1000];
	uint64_t start = time_mono_ms();

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	memset(name, 'a', sizeof(name));
	name[999] = 'b';
	check(!imap_list_match(str_new(pattern, IMAP_PATTERN_MAX), str_new(name, sizeof(name))));
	check(!imap_list_match(str_new(pattern, sizeof(pattern)), str_new(name, sizeof(name))));
	check(time_mono_ms() - start < 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_against_the_definition),
		cmocka_unit_test(test_hard_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
