#include "check.h"

#include "formats/auth_results.h"

/* One line: server[/version] and for each method " | method[/v]=result reason type.name=value". */
static void print(const struct auth_results *r, struct buf *out)
{
	buf_add(out, r->server);
	if (r->version)
		buf_addf(out, "/%u", r->version);
	for (size_t i = 0; i < r->method_count; i++) {
		const struct auth_method *m = &r->methods[i];
		buf_addf(out, " | " STR_FMT, STR_ARG(m->method));
		if (m->version)
			buf_addf(out, "/%u", m->version);
		buf_addf(out, "=" STR_FMT, STR_ARG(m->result));
		if (m->reason.len)
			buf_addf(out, " {" STR_FMT "}", STR_ARG(m->reason));
		for (size_t k = 0; k < m->property_count; k++)
			buf_addf(out, " " STR_FMT "." STR_FMT "=" STR_FMT,
			    STR_ARG(m->properties[k].type), STR_ARG(m->properties[k].name),
			    STR_ARG(m->properties[k].value));
	}
}

/* RFC 8601 appendix B, and what is in the wild. */
static void test_parse(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		/* clang-format off */
		{ " example.org 1; none", "example.org/1" },
		{ "example.com;\r\n\tspf=pass smtp.mailfrom=example.net", "example.com | spf=pass smtp.mailfrom=example.net" },
		{ "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net",
		  "example.com | auth=pass smtp.auth=sender@example.net | spf=pass smtp.mailfrom=example.net" },
		{ "example.com; iprev=pass\r\n policy.iprev=192.0.2.200", "example.com | iprev=pass policy.iprev=192.0.2.200" },
		{ "example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net;"
		  " dkim=fail reason=\"bad signature\" header.i=@newyork.example.com",
		  "example.com | dkim=pass {good signature} header.i=@mail-router.example.net"
		  " | dkim=fail {bad signature} header.i=@newyork.example.com" },
		{ "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
		  "  policy (A dot can go here) . (like that) expired\r\n  (this surprised me) = (as I wasn't expecting it) 1362471462",
		  "foo.example.net/1 | dkim/1=fail policy.expired=1362471462" },
		{ "\"exa mple\"; none", "exa mple" },
		{ "example.com", "example.com" },
		{ "example.com;", "example.com" },
		{ "example.com; DKIM=Pass header.b=AbC/+d=;", "example.com | dkim=pass header.b=AbC/+d=" },
		{ "example.com; iprev=pass policy.iprev=2001:db8::1", "example.com | iprev=pass policy.iprev=2001:db8::1" },
		{ "example.com; spf=pass smtp.mailfrom=\"a b\"@example.org", "example.com | spf=pass smtp.mailfrom=a b@example.org" },
		{ "example.com; spf=pass smtp.mailfrom=\"a\\\"b\"", "example.com | spf=pass smtp.mailfrom=a\"b" },
		{ "example.com; dmarc=pass (p=reject dis=none) header.from=example.org", "example.com | dmarc=pass header.from=example.org" },
		{ "", NULL },
		{ "; none", NULL },
		{ "(open; none", NULL },
		{ "example.com; spf", NULL },
		{ "example.com; spf=", NULL },
		{ "example.com; spf=pass smtp", NULL },
		{ "example.com; spf=pass smtp.mailfrom=", NULL },
		{ "example.com; spf=pass smtp.mailfrom=\"x", NULL },
		{ "example.com spf=pass", NULL },
		{ "example.com; spf=pass; none", NULL },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF got = BUF_INIT(4096);
		struct auth_results r;
		struct err err;
		int result = auth_results_parse(str_c(cases[i].value), a, &r, &err);
		check_case(cases[i].value, (result == 0) == !!cases[i].want);
		if (result < 0)
			continue;
		print(&r, &got);
		check_case_str(cases[i].value, buf_str(&got), str_c(cases[i].want));
	}
}

static void test_write(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF out = BUF_INIT(4096);
	AUTO_BUF none = BUF_INIT(4096);
	struct auth_results r = { .server = STR("mx.example.org") };

	(void)state;
	auth_results_write(&r, &none);
	check_str_eq(buf_str(&none), STR("Authentication-Results: mx.example.org; none\r\n"));
	struct auth_method *m = auth_results_add(&r, a, STR("spf"), STR("pass"));
	m->comment = STR("the host (a) is allowed");
	auth_method_add(m, "smtp", "mailfrom", STR("joe@example.org"));
	auth_method_add(m, "smtp", "helo", STR(""));
	m = auth_results_add(&r, a, STR("dkim"), STR("fail"));
	m->reason = STR("a \"b\"\r\n c");
	auth_method_add(m, "header", "b", STR("a/b="));
	auth_method_add(m, "header", "i", STR("@example.org"));
	auth_method_add(m, "policy", "ip", STR("2001:db8::1"));
	auth_method_add(m, "x", "y", STR("\xff"));
	auth_method_add(m, "x", "z", STR("\xc3\xa9"));
	auth_method_add(m, "smtp", "mailfrom", STR("a b@example.org"));
	auth_method_add(m, "smtp", "mailfrom", STR("\xc3\xa9@example.org"));
	auth_results_write(&r, &out);
	check_str_eq(buf_str(&out),
	    STR("Authentication-Results: mx.example.org;\r\n"
	        "\tspf=pass (the host \\(a\\) is allowed)\r\n\t smtp.mailfrom=joe@example.org;\r\n"
	        "\tdkim=fail\r\n\t reason=\"a \\\"b\\\"?? c\"\r\n\t header.b=\"a/b=\"\r\n\t "
	        "header.i=@example.org\r\n"
	        "\t policy.ip=\"2001:db8::1\"\r\n\t x.y=\"?\"\r\n"
	        "\t x.z=\"\xc3\xa9\"\r\n\t smtp.mailfrom=\"a b\"@example.org\r\n"
	        "\t smtp.mailfrom=\xc3\xa9@example.org\r\n"));
}

static void test_claims(void **state)
{
	static const struct {
		const char *value;
		bool is_ours;
	} cases[] = {
		{ "mx.example.org; spf=pass", true },
		{ " MX.Example.ORG 1; none", true },
		{ "(hello) mx.example.org; none", true },
		{ "\r\n\tmx.example.org(x); none", true },
		{ "\"mx.example.org\"; none", true },
		{ "mx.example.org.; none", true },
		{ "mx.example.org", true },
		{ "mx.example.org; broken=", true },
		{ "", true },
		{ "(never ends", true },
		{ "mx.example.com; spf=pass", false },
		{ "amx.example.org; spf=pass", false },
		{ "example.org; spf=pass", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].value, auth_results_claims(str_c(cases[i].value),
		                               STR("mx.example.org")) == cases[i].is_ours);
	check(auth_results_claims(STR("b\xc3\xbc"
	                              "cher.example; none"),
	    STR("xn--bcher-kva.example")));
}

static void test_limits(void **state)
{
	(void)state;
	for (int count = AUTH_METHODS_MAX - 1; count <= AUTH_METHODS_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF text = BUF_INIT(4096);
		struct auth_results r;
		buf_addz(&text, "x");
		for (int i = 0; i < count; i++)
			buf_addz(&text, "; a=b");
		check_int_eq(auth_results_parse(buf_str(&text), a, &r, NULL),
		    count <= AUTH_METHODS_MAX ? 0 : -1);
	}
	for (int count = AUTH_PROPERTIES_MAX - 1; count <= AUTH_PROPERTIES_MAX + 1; count++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF text = BUF_INIT(4096);
		struct auth_results r;
		buf_addz(&text, "x; a=b");
		for (int i = 0; i < count; i++)
			buf_addz(&text, " c.d=e");
		check_int_eq(auth_results_parse(buf_str(&text), a, &r, NULL),
		    count <= AUTH_PROPERTIES_MAX ? 0 : -1);
	}
	AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
	AUTO_BUF value = BUF_INIT(AUTH_FIELD_MAX + 1);
	AUTO_BUF out = BUF_INIT(4096);
	struct auth_results r;
	while (value.len < AUTH_FIELD_MAX + 1)
		buf_addc(&value, 'a');
	check_int_eq(auth_results_parse(buf_str(&value), a, &r, NULL), -1);
	check_int_eq(auth_results_parse(str_skip(buf_str(&value), 1), a, &r, NULL), 0);
	auth_results_write(&r, &out);
	check_int_eq(out.len, strlen("Authentication-Results: ; none\r\n") + AUTH_VALUE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
