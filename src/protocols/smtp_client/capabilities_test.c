#include "check.h"

#include "protocols/sasl/sasl.h"
#include "protocols/smtp_client/capabilities.h"

static struct smtp_capabilities parse(const char *text)
{
	struct smtp_capabilities c;
	str name;

	smtp_capabilities_parse(str_c(text), &c, &name);
	return c;
}

static void test_name(void **state)
{
	struct smtp_capabilities c;
	str name;

	(void)state;
	smtp_capabilities_parse(STR("mx.example at your service\nSIZE"), &c, &name);
	check_str_eq(name, STR("mx.example"));
	smtp_capabilities_parse(STR(""), &c, &name);
	check(name.len == 0 && c.flags == 0);
	/* The first line is no keyword. */
	check_int_eq(parse("PIPELINING").flags, 0);
}

static void test_flags(void **state)
{
	static const char *const names[] = { "PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME",
		"SMTPUTF8", "SIZE", "DSN", "STARTTLS", "REQUIRETLS", "AUTH", "LIMITS",
		"ENHANCEDSTATUSCODES", "FUTURERELEASE", "DELIVERBY", "MT-PRIORITY" };

	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++) {
		char text[100];
		snprintf(text, sizeof(text), "mx\n %s ", names[i]);
		check_case(names[i], parse(text).flags == 1u << i);
		check_case(names[i], strcmp(smtp_capability_name(1u << i), names[i]) == 0);
		snprintf(text, sizeof(text), "mx\nX%s\n%sX", names[i], names[i]);
		check_case(names[i], parse(text).flags == 0);
	}
	check(parse("mx\npipelining").flags == SMTP_CAN_PIPELINING);
}

static unsigned mechanism(const char *name)
{
	for (unsigned i = 0; sasl_mechanisms[i]; i++)
		if (str_eq(sasl_mechanisms[i]->name, str_c(name)))
			return 1u << i;
	return 0;
}

static void test_values(void **state)
{
	(void)state;
	check(parse("mx\nSIZE 1000").size == 1000);
	check(parse("mx\nSIZE 18446744073709551616").size == 0);
	check(parse("mx\nSIZE x").size == 0);
	check(parse("mx\nSIZE 5\nSIZE 7").size == 7);
	check(parse("mx\nLIMITS RCPTMAX=10 MAILMAX=20 RCPTDOMAINMAX=1").rcpt_max == 10);
	check(parse("mx\nLIMITS RCPTMAX=10 MAILMAX=20 RCPTDOMAINMAX=1").mail_max == 20);
	check(parse("mx\nLIMITS rcptmax=10  rcptdomainmax=3").domain_max == 3);
	check(parse("mx\nLIMITS RCPTMAX=1000000").rcpt_max == 0);
	check(parse("mx\nLIMITS RCPTMAX").rcpt_max == 0);
	check(parse("mx\nDELIVERBY 240").by_min_s == 240);
	check(parse("mx\nFUTURERELEASE 604800 2026-01-01T00:00:00Z").release_max_s == 604800);
	check(parse("mx\nAUTH PLAIN LOGIN CRAM-MD5").mechanisms ==
	      (mechanism("PLAIN") | mechanism("LOGIN")));
	check(
	    parse("mx\nAUTH=PLAIN LOGIN").mechanisms == (mechanism("PLAIN") | mechanism("LOGIN")));
	check(parse("mx\nAUTH scram-sha-256\nAUTH=LOGIN").mechanisms ==
	      (mechanism("SCRAM-SHA-256") | mechanism("LOGIN")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
