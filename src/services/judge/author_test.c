/* From fields as people write and abuse them: whom DMARC judges, and what is refused to be judged. */
#include "check.h"

#include "services/judge/author.h"

static void test_fields(void **state)
{
	static const struct {
		const char *name, *header;
		enum author_kind kind;
		const char *domains;
	} cases[] = {
		{ "plain", "From: a@example.org\r\n", AUTHOR_CLEAR, "example.org " },
		{ "upper case", "FROM: A <a@EXAMPLE.Org>\r\n", AUTHOR_CLEAR, "example.org " },
		{ "folded", "From: A\r\n <a@example.org>\r\n", AUTHOR_CLEAR, "example.org " },
		{ "obsolete blank", "From : a@example.org\r\n", AUTHOR_CLEAR, "example.org " },
		{ "name that is an address", "From: \"ceo@bank.example\" <a@example.org>\r\n",
		    AUTHOR_CLEAR, "example.org " },
		{ "encoded name that is an address",
		    "From: =?utf-8?q?ceo=40bank.example?= <a@example.org>\r\n", AUTHOR_CLEAR,
		    "example.org " },
		{ "quoted local part", "From: \"a@bank.example\"@example.org\r\n", AUTHOR_CLEAR,
		    "example.org " },
		{ "comment", "From: a@example.org (b@bank.example)\r\n", AUTHOR_CLEAR,
		    "example.org " },
		{ "group", "From: us: a@example.org, b@example.net;\r\n", AUTHOR_CLEAR,
		    "example.org example.net " },
		{ "two of one domain", "From: a@example.org, b@Example.ORG\r\n", AUTHOR_CLEAR,
		    "example.org " },
		{ "IDN", "From: a@m\xc3\xbcnchen.example\r\n", AUTHOR_CLEAR,
		    "xn--mnchen-3ya.example " },
		{ "none", "To: a@example.org\r\n", AUTHOR_MISSING, "" },
		{ "empty header", "", AUTHOR_MISSING, "" },
		{ "two fields", "From: a@example.org\r\nFrom: a@example.org\r\n",
		    AUTHOR_SEVERAL_FIELDS, "" },
		{ "two fields apart",
		    "From: a@a.example\r\nTo: x@y.example\r\nfrom: b@b.example\r\n",
		    AUTHOR_SEVERAL_FIELDS, "" },
		{ "empty", "From: \r\n", AUTHOR_MALFORMED, "" },
		{ "name only", "From: Somebody\r\n", AUTHOR_MALFORMED, "" },
		{ "two addresses run together", "From: a@a.example b@b.example\r\n",
		    AUTHOR_MALFORMED, "" },
		{ "two in angle brackets", "From: <a@a.example><b@b.example>\r\n", AUTHOR_MALFORMED,
		    "" },
		{ "encoded address", "From: =?utf-8?q?a=40example.org?=\r\n", AUTHOR_MALFORMED,
		    "" },
		{ "undisclosed group", "From: undisclosed:;\r\n", AUTHOR_MALFORMED, "" },
		{ "address literal", "From: a@[192.0.2.1]\r\n", AUTHOR_MALFORMED, "" },
		{ "one label", "From: root@localhost\r\n", AUTHOR_MALFORMED, "" },
		{ "bad domain", "From: a@exa_mple..org\r\n", AUTHOR_MALFORMED, "" },
		{ "control character", "From: a\x01 <a@example.org>\r\n", AUTHOR_MALFORMED, "" },
		{ "four domains", "From: a@a.example, a@b.example, a@c.example, a@d.example\r\n",
		    AUTHOR_CLEAR, "a.example b.example c.example d.example " },
		{ "five domains",
		    "From: a@a.example, a@b.example, a@c.example, a@d.example, a@e.example\r\n",
		    AUTHOR_TOO_MANY, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF domains = BUF_INIT(1024);
		struct author author;
		author_read(str_c(cases[i].header), a, &author);
		for (size_t n = 0; n < author.count; n++)
			buf_addf(&domains, STR_FMT " ", STR_ARG(author.domains[n]));
		check_case(cases[i].name, author.kind == cases[i].kind);
		check_case(cases[i].name, str_eq(buf_str(&domains), str_c(cases[i].domains)));
	}
}

static void test_nul(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	struct author author;

	(void)state;
	author_read(STR("From: a@example.org\0 <b@bank.example>\r\n"), a, &author);
	check_int_eq(author.kind, AUTHOR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_fields),
		cmocka_unit_test(test_nul) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
