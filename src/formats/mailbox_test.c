#include "check.h"
#include "files.h"

#include "formats/mailbox.h"

enum { SENDER = MAILBOX_EMPTY, UTF8 = MAILBOX_UTF8, POST = MAILBOX_POSTMASTER };

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10
#define D63 L60 "aaa"

static void test_paths(void **state)
{
	static const struct {
		const char *name;
		str in;
		unsigned flags;
		const char *printed; /* NULL: refused */
		str rest;
	} cases[] = {
		{ "plain", STR_INIT("<a@b.example> SIZE=1"), 0, "a@b.example",
		    STR_INIT(" SIZE=1") },
		{ "domain in capitals", STR_INIT("<Ann@EXAMPLE.Org>"), 0, "Ann@example.org" },
		{ "trailing dot", STR_INIT("<a@example.org.>"), 0, "a@example.org" },
		{ "single label", STR_INIT("<root@localhost>"), 0, "root@localhost" },
		{ "underscore", STR_INIT("<a@my_host.example>"), 0, "a@my_host.example" },
		{ "all atext", STR_INIT("<!#$%&'*+-/=?^_`{|}~@x.y>"), 0,
		    "!#$%&'*+-/=?^_`{|}~@x.y" },
		{ "dots inside", STR_INIT("<a.b.c@x.y>"), 0, "a.b.c@x.y" },
		{ "null", STR_INIT("<>"), SENDER, "" },
		{ "null not allowed", STR_INIT("<>"), 0, NULL },
		{ "postmaster", STR_INIT("<postMASTER>"), POST, "postMASTER" },
		{ "postmaster not allowed", STR_INIT("<postmaster>"), 0, NULL },
		{ "somebody else alone", STR_INIT("<ann>"), POST, NULL },
		{ "route", STR_INIT("<@a.example,@b.example:c@d.example>"), 0, "c@d.example" },
		{ "route without colon", STR_INIT("<@a.example c@d.example>"), 0, NULL },
		{ "route without comma", STR_INIT("<@a.example@b.example:c@d.example>"), 0, NULL },
		{ "route, trailing comma", STR_INIT("<@a.example,:c@d.example>"), 0, NULL },
		{ "route with literal", STR_INIT("<@[192.0.2.1]:c@d.example>"), 0, "c@d.example" },
		{ "quoted", STR_INIT("<\"a b\"@x.y>"), 0, "\"a b\"@x.y" },
		{ "quoted for nothing", STR_INIT("<\"ab\"@x.y>"), 0, "ab@x.y" },
		{ "quoted pair", STR_INIT("<\"a\\\"b\\\\c\"@x.y>"), 0, "\"a\\\"b\\\\c\"@x.y" },
		{ "quoted bracket", STR_INIT("<\"a>b\"@x.y>"), 0, "\"a>b\"@x.y" },
		{ "quoted empty", STR_INIT("<\"\"@x.y>"), 0, "\"\"@x.y" },
		{ "quoted, no end", STR_INIT("<\"a@x.y>"), 0, NULL },
		{ "quoted line break", STR_INIT("<\"a\r\n\"@x.y>"), 0, NULL },
		{ "quoted NUL", STR_INIT("<\"\\\0\"@x.y>"), 0, NULL },
		{ "IPv4", STR_INIT("<a@[192.0.2.1]>"), 0, "a@[192.0.2.1]" },
		{ "IPv4 out of range", STR_INIT("<a@[192.0.2.256]>"), 0, NULL },
		{ "IPv6", STR_INIT("<a@[ipv6:2001:DB8:0::1]>"), 0, "a@[IPv6:2001:db8::1]" },
		{ "IPv6 without tag", STR_INIT("<a@[2001:db8::1]>"), 0, NULL },
		{ "unknown tag", STR_INIT("<a@[x400:c=de]>"), 0, NULL },
		{ "literal without end", STR_INIT("<a@[192.0.2.1>"), 0, NULL },
		{ "behind the literal", STR_INIT("<a@[192.0.2.1].x>"), 0, NULL },
		{ "leading dot", STR_INIT("<.a@x.y>"), 0, NULL },
		{ "trailing dot in local", STR_INIT("<a.@x.y>"), 0, NULL },
		{ "two dots", STR_INIT("<a..b@x.y>"), 0, NULL },
		{ "no local part", STR_INIT("<@x.y>"), 0, NULL },
		{ "no domain", STR_INIT("<a@>"), 0, NULL },
		{ "no @", STR_INIT("<a>"), 0, NULL },
		{ "two @", STR_INIT("<a@b@c>"), 0, NULL },
		{ "empty label", STR_INIT("<a@b..c>"), 0, NULL },
		{ "leading hyphen", STR_INIT("<a@-b.c>"), 0, NULL },
		{ "trailing hyphen", STR_INIT("<a@b-.c>"), 0, NULL },
		{ "space", STR_INIT("<a b@x.y>"), 0, NULL },
		{ "space at the end", STR_INIT("<a@x.y >"), 0, NULL },
		{ "no brackets", STR_INIT("a@x.y"), 0, NULL },
		{ "no closing bracket", STR_INIT("<a@x.y"), 0, NULL },
		{ "nothing", STR_INIT(""), SENDER | POST, NULL },
		{ "NUL in domain", STR_INIT("<a@x\0y>"), 0, NULL },
		{ "CR LF in local", STR_INIT("<a\r\nRCPT@x.y>"), 0, NULL },
		{ "local of 64", STR_INIT("<" L60 "aaaa@x.y>"), 0, L60 "aaaa@x.y" },
		{ "local of 65", STR_INIT("<" L60 "aaaaa@x.y>"), 0, NULL },
		{ "long local", STR_INIT("<" L60 L60 "@x.y>"), MAILBOX_LONG_LOCAL, L60 L60 "@x.y" },
		{ "label of 63", STR_INIT("<a@" D63 ".y>"), 0, "a@" D63 ".y" },
		{ "label of 64", STR_INIT("<a@a" D63 ".y>"), 0, NULL },
		{ "address of 254", STR_INIT("<a@" D63 "." D63 "." D63 "." L60 ">"), 0,
		    "a@" D63 "." D63 "." D63 "." L60 },
		{ "address of 255", STR_INIT("<a@" D63 "." D63 "." D63 "." L60 "a>"), 0, NULL },
		{ "UTF-8 local", STR_INIT("<jos\xc3\xa9@x.y>"), UTF8, "jos\xc3\xa9@x.y" },
		{ "UTF-8 not asked for", STR_INIT("<jos\xc3\xa9@x.y>"), 0, NULL },
		{ "broken UTF-8", STR_INIT("<jos\xc3@x.y>"), UTF8, NULL },
		{ "U-label",
		    STR_INIT("<a@B\xc3\xbc"
		             "cher.example>"),
		    UTF8, "a@xn--bcher-kva.example" },
		{ "U-label not asked for",
		    STR_INIT("<a@b\xc3\xbc"
		             "cher.example>"),
		    0, NULL },
		{ "sharp s", STR_INIT("<a@fa\xc3\x9f.de>"), UTF8, "a@xn--fa-hia.de" },
		{ "ideographic dot", STR_INIT("<a@x\xe3\x80\x82y>"), UTF8, "a@x.y" },
		{ "U-label with space", STR_INIT("<a@b\xc3\xbc\xc2\xa0x.y>"), UTF8, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 16);
		AUTO_BUF printed = BUF_INIT(1000);
		struct mailbox m = { STR("kept"), STR("kept") };
		struct err err = { 0 };
		str in = cases[i].in;
		int result = mailbox_parse_path(&in, cases[i].flags, a, &m, &err);
		check_case(cases[i].name, result == (cases[i].printed ? 0 : -1));
		if (result < 0) {
			check_case_str(cases[i].name, in, cases[i].in);
			check_case_str(cases[i].name, m.domain, STR("kept"));
			check_case(cases[i].name, err.text[0]);
			continue;
		}
		mailbox_print(&printed, &m);
		check_case_str(cases[i].name, buf_str(&printed), str_c(cases[i].printed));
		check_case_str(cases[i].name, in, cases[i].rest);
	}
}

static void test_bare(void **state)
{
	static const struct {
		const char *name;
		str in;
		bool ok;
	} cases[] = {
		{ "plain", STR_INIT("user@example.org"), true },
		{ "brackets", STR_INIT("<user@example.org>"), false },
		{ "behind", STR_INIT("user@example.org "), false },
		{ "two", STR_INIT("a@b,c@d"), false },
		{ "empty", STR_INIT(""), false },
		{ "quoted", STR_INIT("\"a@b\"@c"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 16);
		struct mailbox m;
		check_case(cases[i].name,
		    mailbox_parse(cases[i].in, 0, a, &m, NULL) == (cases[i].ok ? 0 : -1));
	}
}

static void test_compare(void **state)
{
	struct mailbox a = { STR("Ann"), STR("x.y") }, b = { STR("ann"), STR("x.y") };

	(void)state;
	check(!mailbox_eq(&a, &b));
	check(mailbox_ieq(&a, &b));
	check(mailbox_eq(&a, &a));
	b.domain = STR("[192.0.2.1]");
	check(!mailbox_ieq(&a, &b) && mailbox_is_literal(&b) && !mailbox_is_literal(&a));
	b.local = STR("jos\xc3\xa9");
	check(mailbox_needs_utf8(&b) && !mailbox_needs_utf8(&a));
}

static void test_display(void **state)
{
	AUTO_BUF out = BUF_INIT(1000);

	(void)state;
	domain_display(STR("xn--bcher-kva.example"), &out);
	check_str_eq(buf_str(&out), STR("b\xc3\xbc"
	                                "cher.example"));
	buf_reset(&out);
	domain_display(STR("xn--zzzzzzzz99.example"), &out);
	check_str_eq(buf_str(&out), STR("xn--zzzzzzzz99.example"));
}

/* Entities of the corpus file: &lt; &gt; &amp; &quot; and &#xHHHH;, where U+2400 + n means byte n. */
static void add_text(str in, struct buf *out)
{
	static const struct {
		str entity;
		char c;
	} named[] = {
		{ STR_INIT("&lt;"), '<' },
		{ STR_INIT("&gt;"), '>' },
		{ STR_INIT("&amp;"), '&' },
		{ STR_INIT("&quot;"), '"' },
		{ STR_INIT("&apos;"), '\'' },
	};

	while (in.len) {
		size_t i = 0;
		while (i < COUNT(named) && take_lit(&in, named[i].entity) < 0)
			i++;
		if (i < COUNT(named)) {
			buf_addc(out, named[i].c);
		} else if (take_lit(&in, STR("&#x24")) == 0) {
			buf_addc(out,
			    (char)(ascii_hex_value(in.ptr[0]) * 16 + ascii_hex_value(in.ptr[1])));
			in = str_skip(in, 3);
		} else {
			buf_addc(out, in.ptr[0]);
			in = str_skip(in, 1);
		}
	}
}

static bool take_element(str *in, str open, str close, str *out)
{
	size_t from = str_find(*in, open);

	if (from == STR_NPOS)
		return false;
	*in = str_skip(*in, from + open.len);
	size_t to = str_find(*in, close);
	*out = str_sub(*in, 0, to);
	*in = str_skip(*in, to == STR_NPOS ? in->len : to);
	return true;
}

/* Where we decide otherwise than the corpus, by address, and why. */
static bool is_known_difference(str address, str category)
{
	static const char *const known[] = {
		/* General-address-literals with tags that nobody registered lead nowhere. */
		"test@[RFC-5322-domain-literal]",
	};

	for (size_t i = 0; i < COUNT(known); i++) {
		if (str_eq(address, str_c(known[i])))
			return true;
	}
	return str_eq(category, STR("ISEMAIL_DEPREC")) || str_eq(category, STR("ISEMAIL_ERR"));
}

/* "Valid for SMTP" are the categories VALID, DNSWARN and RFC5321. */
static void test_corpus(void **state)
{
	AUTO_BUF xml = BUF_INIT(1 << 20);
	size_t seen = 0, wrong = 0;
	str in, address, category, diagnosis;

	(void)state;
	if (!test_read("../shared/corpus/addresses/tests.xml", &xml))
		skip();
	in = buf_str(&xml);
	while (take_element(&in, STR("<test "), STR(">"), &address) &&
	       take_element(&in, STR("<address>"), STR("</address>"), &address) &&
	       take_element(&in, STR("<category>"), STR("</category>"), &category) &&
	       take_element(&in, STR("<diagnosis>"), STR("</diagnosis>"), &diagnosis)) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 16);
		AUTO_BUF text = BUF_INIT(4096);
		struct mailbox m;
		struct err err = { 0 };
		bool want = str_eq(category, STR("ISEMAIL_VALID_CATEGORY")) ||
		            str_eq(category, STR("ISEMAIL_DNSWARN")) ||
		            str_eq(category, STR("ISEMAIL_RFC5321"));
		seen++;
		add_text(address, &text);
		bool got = mailbox_parse(buf_str(&text), 0, a, &m, &err) == 0;
		if (got == want || is_known_difference(buf_str(&text), category))
			continue;
		wrong++;
		print_error("%s: \"" STR_FMT "\" (" STR_FMT ", " STR_FMT ") %s\n",
		    want ? "should be valid" : "should be refused", STR_ARG(buf_str(&text)),
		    STR_ARG(category), STR_ARG(diagnosis), err.text);
	}
	check(seen > 100);
	check_int_eq(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_display),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
