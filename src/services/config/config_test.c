/* Tests of the configuration reader: what is right is read, what is wrong is named with its line. */
#include "check.h"

#include "services/config/config.h"
#include "services/config/settings.h"

#define BASE "hostname = \"mx.example.org\"\ndata = \"/var/lib/buzon\"\n"

static void test_full(void **state)
{
	struct config *c = NULL;
	struct err err = { 0 };
	str text =
	    STR(BASE "listen \"smtp\" { address = \"*:25\" }\n"
	             "listen \"imap\" { address = { \"127.0.0.1:143\", \"[::1]:143\" } }\n"
	             "listen \"lmtp\" { address = \"unix:/run/buzon/lmtp\" }\n"
	             "tls { certificate = \"/a\"  key = \"/b\"\n"
	             "  server \"mail.example.org\" { certificate = \"/c\" key = \"/d\" } }\n"
	             "relay { port = 2525 }\n"
	             "limits { message-size = 10M smtp-idle = 10m }\n"
	             "queue { life = 3d }\nlog = warn # a comment\n");

	(void)state;
	if (config_parse("t.conf", text, &c, &err) < 0)
		fail_msg("%s", err.text);
	check_str_eq(c->hostname, STR("mx.example.org"));
	check_int_eq(c->listen_count, 3);
	check_int_eq(c->listens[1].address_count, 2);
	check_str_eq(c->listens[1].addresses[1].host, STR("::1"));
	check(c->listens[2].addresses[0].is_unix);
	check_int_eq(c->tls_count, 2);
	check_str_eq(c->tls[1].server_name, STR("mail.example.org"));
	check_int_eq(c->relay_port, 2525);
	check_int_eq(c->limits.message_bytes, 10 << 20);
	check_int_eq(c->limits.smtp_idle_s, 600);
	check_int_eq(c->limits.recipients, 1000);
	check_int_eq(c->queue_life_s, 3 * 86400);
	check_int_eq(c->log_level, LOG_LEVEL_WARN);
	check_str_eq(c->subaddress_separator, STR("+"));
	config_free(c);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *name;
		str text;
		const char *want; /* somewhere in the sentence */
	} cases[] = {
		{ "unknown", STR_INIT(BASE "hostnam = \"x\"\n"),
		    "t.conf:3: there is no setting 'hostnam'; write 'hostname'" },
		{ "unknown in section", STR_INIT(BASE "limits {\n recipents = 100\n}\n"),
		    "t.conf:4: there is no setting 'recipents' in section 'limits'; write "
		    "'recipients'" },
		{ "kind", STR_INIT(BASE "limits { message-size = lots }\n"),
		    "t.conf:3: 'message-size = lots' does not fit; write a size such as 50M" },
		{ "range", STR_INIT(BASE "limits { recipients = 5 }\n"),
		    "out of range; write a value from 100 to 100000" },
		{ "missing", STR_INIT("data = \"/x\"\n"), "t.conf: 'hostname' is missing" },
		{ "twice", STR_INIT(BASE "relay { port = 1 }\nrelay { port = 2 }\n"),
		    "t.conf:4: section 'relay' stands here a second time" },
		{ "listen twice",
		    STR_INIT(BASE "listen \"smtp\" { address = \"*:1\" }\nlisten \"smtp\" { "
		                  "address = \"*:2\" }\n"),
		    "t.conf:4: " },
		{ "service", STR_INIT(BASE "listen \"smpt\" { address = \"*:25\" }\n"),
		    "there is no service 'smpt'" },
		{ "address", STR_INIT(BASE "listen \"smtp\" { address = \"25\" }\n"),
		    "'25' is no address" },
		{ "no address", STR_INIT(BASE "listen \"smtp\" { }\n"), "has no address" },
		{ "tls needed", STR_INIT(BASE "listen \"imaps\" { address = \"*:993\" }\n"),
		    "needs a certificate" },
		{ "half tls", STR_INIT(BASE "tls { key = \"/a\" }\n"),
		    "only one of certificate and key" },
		{ "store", STR_INIT(BASE "store = \"mysql\"\n"), "store \"mysql\" is not known" },
		{ "bool", STR_INIT(BASE "sign-in { plain-without-tls = perhaps }\n"),
		    "write true or false" },
		{ "not text", STR_INIT(BASE "hostname = \"a\0b\"\n"), "not a text file" },
		{ "open brace", STR_INIT(BASE "limits { recipients = 100\n"),
		    "t.conf:3: the '{' here is never closed" },
		{ "brace in text", STR_INIT(BASE "store = \"{\" # {\n"),
		    "store \"{\" is not known" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *c = NULL;
		struct err err = { 0 };
		check_case(cases[i].name, config_parse("t.conf", cases[i].text, &c, &err) < 0);
		if (str_find(str_c(err.text), str_c(cases[i].want)) == STR_NPOS)
			fail_msg("case %s: \"%s\"", cases[i].name, err.text);
	}
}

/* One below, at and one above each limit of each number in the table. */
static void test_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];
		if (s->kind != SETTING_U32 && s->kind != SETTING_U16)
			continue;
		const uint64_t tries[] = { s->min - 1, s->min, s->max, s->max + 1 };
		for (size_t j = s->min == 0; j < COUNT(tries); j++) {
			AUTO_BUF text = BUF_INIT(4096);
			struct config *c = NULL;
			struct err err = { 0 };
			buf_addf(&text, BASE "%s { %s = %llu }\n", s->section, s->name,
			    (unsigned long long)tries[j]);
			int got = config_parse("t.conf", buf_str(&text), &c, &err);
			check_case(s->name, (got == 0) == (j == 1 || j == 2));
			config_free(c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
