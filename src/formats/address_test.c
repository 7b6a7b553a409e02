/* Tests of address lists. A list is written as one line for comparison: name<route|local@domain>,
 * "!" in front of what is broken, "{name" and "}" around groups. */
#include "check.h"

#include "formats/address.h"

static void describe(const struct address_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct address *item = &list->items[i];
		if (i > 0)
			buf_addc(out, ' ');
		if (item->broken)
			buf_addc(out, '!');
		if (item->kind == ADDRESS_GROUP)
			buf_addc(out, '{');
		if (item->kind == ADDRESS_GROUP_END)
			buf_addc(out, '}');
		buf_add(out, item->name);
		if (item->kind != ADDRESS_MAILBOX)
			continue;
		buf_addc(out, '<');
		buf_add(out, item->route);
		if (item->route.len > 0)
			buf_addc(out, '|');
		buf_add(out, item->local);
		buf_addc(out, '@');
		buf_add(out, item->domain);
		buf_addc(out, '>');
	}
}

struct list_case {
	const char *name;
	str in, want;
};

/* clang-format off */
static const struct list_case cases[] = {
	{ "empty", STR_INIT(""), STR_INIT("") },
	{ "blank", STR_INIT(" \r\n "), STR_INIT("") },
	{ "bare", STR_INIT("a@b.c"), STR_INIT("<a@b.c>") },
	{ "angle", STR_INIT("<a@b.c>"), STR_INIT("<a@b.c>") },
	{ "name", STR_INIT("John Doe <a@b.c>"), STR_INIT("John Doe<a@b.c>") },
	{ "quoted name", STR_INIT("\"Doe, \\\"J\\\"\" <a@b.c>"), STR_INIT("Doe, \"J\"<a@b.c>") },
	{ "two", STR_INIT("a@b, c@d"), STR_INIT("<a@b> <c@d>") },
	{ "empty elements, RFC 5322 section 4.4", STR_INIT(",a@b,,  , c@d,"), STR_INIT("<a@b> <c@d>") },
	{ "folded", STR_INIT("A\r\n B <a@b>,\r\n\tc@d"), STR_INIT("A B<a@b> <c@d>") },
	/* RFC 5322 appendix A.1.2 */
	{ "A.1.2 from", STR_INIT("\"Joe Q. Public\" <john.q.public@example.com>"),
	  STR_INIT("Joe Q. Public<john.q.public@example.com>") },
	{ "A.1.2 to", STR_INIT("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
	  STR_INIT("Mary Smith<mary@x.test> <jdoe@example.org> Who?<one@y.test>") },
	{ "A.1.2 cc", STR_INIT("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
	  STR_INIT("<boss@nil.test> Giant; \"Big\" Box<sysservices@example.net>") },
	/* RFC 5322 appendix A.1.3 */
	{ "A.1.3 group", STR_INIT("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
	  STR_INIT("{A Group Ed Jones<c@a.test> <joe@where.test> John<jdoe@one.test> }") },
	{ "A.1.3 empty group", STR_INIT("Undisclosed recipients:;"), STR_INIT("{Undisclosed recipients }") },
	/* RFC 5322 appendix A.5 */
	{ "A.5 from", STR_INIT("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"),
	  STR_INIT("Pete<pete@silly.test>") },
	{ "A.5 to", STR_INIT("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
	  "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)"),
	  STR_INIT("{A Group Chris Jones<c@public.example> <joe@example.org> John<jdoe@one.test> }") },
	{ "A.5 cc", STR_INIT("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"),
	  STR_INIT("{Hidden recipients }") },
	/* RFC 5322 appendix A.6.1 */
	{ "A.6.1 from", STR_INIT("Joe Q. Public <john.q.public@example.com>"),
	  STR_INIT("Joe Q. Public<john.q.public@example.com>") },
	{ "A.6.1 to", STR_INIT("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"),
	  STR_INIT("Mary Smith<@node.test|mary@example.net> <jdoe@test.example>") },
	{ "route of two", STR_INIT("<@a,@b:c@d>"), STR_INIT("<@a,@b|c@d>") },
	{ "comment as name", STR_INIT("a@b.c (John (J) Doe)"), STR_INIT("John (J) Doe<a@b.c>") },
	{ "dots with blanks", STR_INIT("john . doe @ b . c"), STR_INIT("<john.doe@b.c>") },
	{ "quoted local part", STR_INIT("\"john doe\"@b.c"), STR_INIT("<john doe@b.c>") },
	{ "quoted local part with an at", STR_INIT("<\"a@b\"@c.d>"), STR_INIT("<a@b@c.d>") },
	{ "domain literal", STR_INIT("a@[192.0.2.1]"), STR_INIT("<a@[192.0.2.1]>") },
	{ "RFC 2047 words stay", STR_INIT("=?utf-8?q?J=C3=B6rg?= <a@b>"), STR_INIT("=?utf-8?q?J=C3=B6rg?=<a@b>") },
	{ "RFC 6532", STR_INIT("J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc.de>"), STR_INIT("J\xc3\xb6rg<j\xc3\xb6rg@b\xc3\xbc.de>") },
	/* broken */
	{ "no at", STR_INIT("root"), STR_INIT("!<root@>") },
	{ "only a name", STR_INIT("John Doe"), STR_INIT("!John Doe<@>") },
	{ "empty angle", STR_INIT("John <>"), STR_INIT("!John<@>") },
	{ "no end bracket", STR_INIT("John <a@b, c@d"), STR_INIT("!John<a@b> <c@d>") },
	{ "two brackets", STR_INIT("<<a@b>>, c@d"), STR_INIT("!<a@b> <c@d>") },
	{ "unquoted comma", STR_INIT("Doe, John <a@b>"), STR_INIT("!<Doe@> John<a@b>") },
	{ "two ats", STR_INIT("a@b@c"), STR_INIT("!<a@b@c>") },
	{ "words before an address", STR_INIT("John Doe a@b"), STR_INIT("!John Doe<a@b>") },
	{ "no comma", STR_INIT("<a@b> <c@d>"), STR_INIT("<a@b> !<c@d>") },
	{ "no comma between bare ones", STR_INIT("a@b c@d"), STR_INIT("<a@b> !<c@d>") },
	{ "no domain", STR_INIT("<a@>"), STR_INIT("!<a@>") },
	{ "no local part", STR_INIT("<@b>"), STR_INIT("!<@b|@>") },
	{ "open quote", STR_INIT("\"John <a@b>"), STR_INIT("!<John <a@b>@>") },
	{ "open comment", STR_INIT("a@b (John"), STR_INIT("John<a@b>") },
	{ "open group", STR_INIT("G: a@b"), STR_INIT("{G <a@b> }") },
	{ "group in group", STR_INIT("G: H: a@b;"), STR_INIT("{G !<H@> <a@b> }") },
	{ "blank in local part", STR_INIT("<john doe@b>"), STR_INIT("!<john doe@b>") },
	{ "NUL", STR_INIT("Jo\0hn <a@b>"), STR_INIT("Jo hn<a@b>") },
	{ "junk", STR_INIT(")@>;:<"), STR_INIT("!<)@> !<@>") },
};
/* clang-format on */

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF text = BUF_INIT(4096);
		struct address_list list;
		address_list_parse(cases[i].in, a, &list);
		describe(&list, &text);
		check_case_str(cases[i].name, buf_str(&text), cases[i].want);
	}
}

static void test_broken_marks(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct address_list list;

	(void)state;
	address_list_parse(STR("a@b, c@d"), a, &list);
	check(!list.broken);
	address_list_parse(STR("a@b, c"), a, &list);
	check(list.broken);
	address_list_parse(STR("G: a@b"), a, &list);
	check(list.broken);
}

static void test_limit(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	AUTO_BUF text = BUF_INIT(1 << 20);
	struct address_list list;

	(void)state;
	for (int i = 0; i < ADDRESS_LIST_MAX - 1; i++)
		buf_add(&text, STR("a@b,"));
	address_list_parse(buf_str(&text), a, &list);
	check_int_eq(list.count, ADDRESS_LIST_MAX - 1);
	buf_add(&text, STR("c@d, e@f, g@h"));
	address_list_parse(buf_str(&text), a, &list);
	check(list.count <= ADDRESS_LIST_MAX && list.broken);
}

static void test_print(void **state)
{
	static const struct {
		struct address in;
		str want;
	} prints[] = {
		{ { .local = STR_INIT("a.b"), .domain = STR_INIT("EX.org") },
		    STR_INIT("a.b@ex.org") },
		{ { .local = STR_INIT("a b"), .domain = STR_INIT("x") }, STR_INIT("\"a b\"@x") },
		{ { .local = STR_INIT("a\"\\"), .domain = STR_INIT("x") },
		    STR_INIT("\"a\\\"\\\\\"@x") },
		{ { .local = STR_INIT("a..b"), .domain = STR_INIT("x") }, STR_INIT("\"a..b\"@x") },
		{ { .local = STR_INIT(""), .domain = STR_INIT("x") }, STR_INIT("\"\"@x") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(prints); i++) {
		AUTO_BUF text = BUF_INIT(100);
		address_print(&prints[i].in, &text);
		check_str_eq(buf_str(&text), prints[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_broken_marks),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
