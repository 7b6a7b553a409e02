/* Tests of the rules: one below, at and one above each limit. */
#include "check.h"

#include "services/policy/policy.h"

static void test_hops(void **state)
{
	struct config config = { .limits = { .hops = 50 } };
	AUTO_ARENA a = arena_new(NULL, "test", 4096);

	(void)state;
	for (uint32_t received = 49; received <= 51; received++) {
		struct message_index index = { .received_count = received };
		struct policy_verdict v;
		policy_decide(&(struct policy_facts){ .config = &config, .index = &index }, a, &v);
		check_int_eq(v.action, received <= 50 ? POLICY_ACCEPT : POLICY_REJECT);
		if (received > 50)
			check_int_eq(v.code, 554);
	}
}

/* As the table of settings has it. */
static struct config usual(void)
{
	return (struct config){ .limits = { .hops = 50 },
		.authentication = { .check = true,
		    .language = STR("en"),
		    .from_several = ACTION_REJECT,
		    .from_missing = ACTION_REJECT,
		    .from_malformed = ACTION_REJECT,
		    .dmarc_reject = ACTION_REJECT,
		    .dmarc_quarantine = ACTION_JUNK,
		    .dmarc_undecided = ACTION_DEFER } };
}

static struct policy_verdict judge(
    const struct config *config, const struct judgement *j, struct arena *a)
{
	struct message_index index = { 0 };
	struct policy_verdict v;

	policy_decide(
	    &(struct policy_facts){ .config = config, .index = &index, .judgement = j }, a, &v);
	return v;
}

#define FAILED(wish) .dmarc = DMARC_FAIL, .policy = wish, .disposition = wish

static void test_origin(void **state)
{
	static const struct {
		const char *name;
		struct judgement judgement;
		enum policy_action action;
		unsigned code;
		const char *enhanced;
	} cases[] = {
		{ "fine", { .dmarc = DMARC_PASS }, POLICY_ACCEPT, 0, NULL },
		{ "no policy", { .dmarc = DMARC_NONE }, POLICY_ACCEPT, 0, NULL },
		{ "p=none", { FAILED(DMARC_POLICY_NONE) }, POLICY_ACCEPT, 0, NULL },
		{ "p=quarantine", { FAILED(DMARC_POLICY_QUARANTINE) }, POLICY_JUNK, 0, NULL },
		{ "p=reject", { FAILED(DMARC_POLICY_REJECT) }, POLICY_REJECT, 550, "5.7.26" },
		{ "p=reject, but it only tests",
		    { .dmarc = DMARC_FAIL,
		        .policy = DMARC_POLICY_REJECT,
		        .disposition = DMARC_POLICY_QUARANTINE },
		    POLICY_JUNK, 0, NULL },
		{ "undecided", { .dmarc = DMARC_TEMPERROR, .policy = DMARC_POLICY_REJECT },
		    POLICY_DEFER, 451, "4.7.26" },
		{ "nothing is known", { .dmarc = DMARC_TEMPERROR }, POLICY_ACCEPT, 0, NULL },
		{ "broken SPF alone", { .mail_from = SPF_FAIL, .dmarc = DMARC_NONE }, POLICY_ACCEPT,
		    0, NULL },
		{ "no From", { .author = AUTHOR_MISSING, .dmarc = DMARC_PERMERROR }, POLICY_REJECT,
		    550, "5.7.1" },
		{ "two From", { .author = AUTHOR_SEVERAL_FIELDS, .dmarc = DMARC_PERMERROR },
		    POLICY_REJECT, 550, "5.7.1" },
		{ "bad From", { .author = AUTHOR_MALFORMED, .dmarc = DMARC_PERMERROR },
		    POLICY_REJECT, 550, "5.7.1" },
	};
	struct config config = usual();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 65536);
		struct judgement j = cases[i].judgement;
		j.is_judged = true;
		struct policy_verdict v = judge(&config, &j, a);
		check_case(cases[i].name, v.action == cases[i].action);
		check_case(cases[i].name, v.code == cases[i].code);
		if (cases[i].enhanced)
			check_case(cases[i].name, strcmp(v.enhanced, cases[i].enhanced) == 0);
		j.is_judged = false;
		check_case(cases[i].name, judge(&config, &j, a).action == POLICY_ACCEPT);
	}
}

static void test_settings(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 65536);
	struct config config = usual();
	struct judgement j = { .is_judged = true, FAILED(DMARC_POLICY_REJECT) };

	(void)state;
	config.authentication.dmarc_reject = ACTION_JUNK;
	check_int_eq(judge(&config, &j, a).action, POLICY_JUNK);
	config.authentication.dmarc_reject = ACTION_DEFER;
	check_int_eq(judge(&config, &j, a).code, 451);
	/* Accepted by one rule, a message still meets the next. */
	config.authentication.dmarc_reject = ACTION_ACCEPT;
	check_int_eq(judge(&config, &j, a).action, POLICY_ACCEPT);
	config.authentication.spf_fail = ACTION_JUNK;
	j.mail_from = SPF_FAIL;
	check_int_eq(judge(&config, &j, a).action, POLICY_JUNK);
	config.authentication.dns_failure = ACTION_DEFER;
	j = (struct judgement){ .is_judged = true, .dmarc = DMARC_TEMPERROR };
	check_int_eq(judge(&config, &j, a).code, 451);
}

static void test_words(void **state)
{
	static const char *const parts[][4] = {
		{ "asks that mail be refused", "SPF: softfail, DKIM: fail", "d=bank.example",
		    "; see https://example.org/why" },
		{ "pide rechazar", "SPF: softfail, DKIM: fail", "d=bank.example",
		    "; vea https://example.org/why" },
	};
	static struct judged_signature signature = { .status = DKIM_FAIL };
	AUTO_ARENA a = arena_new(NULL, "test", 65536);
	struct config config = usual();
	struct judgement j = { .is_judged = true,
		.mail_from = SPF_SOFTFAIL,
		.mail_from_domain = STR("other.example"),
		.author_domain = STR("bank.example"),
		.signatures = &signature,
		.signature_count = 1,
		FAILED(DMARC_POLICY_REJECT) };

	(void)state;
	config.authentication.help = STR("https://example.org/why");
	for (size_t language = 0; language < 2; language++) {
		config.authentication.language = language ? STR("es") : STR("en");
		struct policy_verdict v = judge(&config, &j, a);
		check(str_is_ascii(v.text));
		for (size_t i = 0; i < 4; i++)
			check_case(parts[language][i],
			    str_find(v.text, str_c(parts[language][i])) != STR_NPOS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hops),
		cmocka_unit_test(test_origin), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_words) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
