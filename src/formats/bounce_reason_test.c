#include "check.h"

#include "formats/bounce_rules.h"

static struct bounce_verdict judge(const struct bounce_classifier *c, uint16_t code,
    const char *status, const char *text, const char *host)
{
	struct bounce_answer answer = { .code = code, .text = str_c(text), .host = str_c(host) };
	str s = str_c(status);

	(void)take_enhanced_status(&s, &answer.status);
	return bounce_classify(c, &answer);
}

static const struct {
	const char *text;
	uint16_t code;
	const char *status, *host;
	enum bounce_reason reason;
	enum bounce_todo todo;
} cases[] = {
	{ "nobody is called User Unknown; see help", 550, "5.1.1", "", BOUNCE_USER_UNKNOWN,
	    TODO_SUPPRESS },
	{ "recipient address rejected: user unknown", 450, "4.1.1", "", BOUNCE_USER_UNKNOWN,
	    TODO_RETRY },
	{ "what?", 550, "5.1.1", "", BOUNCE_USER_UNKNOWN, TODO_SUPPRESS },
	{ "the mañana box", 552, "", "", BOUNCE_MAILBOX_FULL, TODO_RETRY },
	{ "550-5.7.26 does not pass\n550-5.7.26 DMARC, sorry", 550, "5.7.26", "mx.google.com",
	    BOUNCE_AUTH_DMARC, TODO_REPAIR },
	/* the same number, other operators */
	{ "no", 550, "5.7.27", "aspmx.l.google.com", BOUNCE_AUTH_SPF, TODO_REPAIR },
	{ "no", 550, "5.7.27", "mx.example", BOUNCE_SENDER_REFUSED, TODO_REPAIR },
	{ "no", 550, "5.7.30", "aspmx.l.google.com.", BOUNCE_AUTH_DKIM, TODO_REPAIR },
	{ "no", 550, "5.7.30", "x.mail.protection.outlook.com", BOUNCE_AUTH_REQUIRED, TODO_REPAIR },
	{ "no", 550, "5.7.30", "mx.example", BOUNCE_TLS_REQUIRED, TODO_REPAIR },
	{ "Access denied", 550, "5.4.1", "x.mail.protection.outlook.com", BOUNCE_USER_UNKNOWN,
	    TODO_SUPPRESS },
	{ "no", 550, "5.7.605", "x.mail.protection.outlook.com", BOUNCE_POLICY_LOCAL, TODO_ASK },
	{ "no", 550, "5.7.606", "x.mail.protection.outlook.com", BOUNCE_IP_REPUTATION,
	    TODO_REPAIR },
	{ "no", 550, "5.7.649", "x.mail.protection.outlook.com", BOUNCE_IP_REPUTATION,
	    TODO_REPAIR },
	{ "no", 550, "5.7.650", "x.mail.protection.outlook.com", BOUNCE_POLICY_LOCAL, TODO_ASK },
	/* the operator's name stands in the answer */
	{ "later [TSS04], see https://postmaster.yahooinc.com/", 421, "4.7.0", "",
	    BOUNCE_RATE_LIMITED, TODO_SLOW_DOWN },
	{ "Client [192.0.2.7] blocked using zen.example", 554, "5.7.1", "", BOUNCE_DNSBL,
	    TODO_REPAIR },
	{ "domain of sender address a@b.example does not exist", 553, "5.1.8", "",
	    BOUNCE_SENDER_REFUSED, TODO_REPAIR },
	{ "You are greylisted, come back", 450, "4.7.1", "", BOUNCE_GREYLISTED, TODO_RETRY },
	{ "Virus detected; content rejected", 550, "", "", BOUNCE_VIRUS, TODO_REPAIR },
	{ "message expired, the last time: connection refused", 0, "5.4.7", "",
	    BOUNCE_HOST_UNREACHABLE, TODO_RETRY },
	{ "too many hops", 554, "5.4.6", "", BOUNCE_LOOP, TODO_ASK },
	{ "2.0.0 ok", 250, "2.0.0", "", BOUNCE_DELIVERED, TODO_NOTHING },
	{ "no", 550, "", "", BOUNCE_UNKNOWN, TODO_ASK },
	{ "", 0, "", "", BOUNCE_UNKNOWN, TODO_ASK },
	/* parts of words and addresses are no words */
	{ "scrblx@rbl.example spamming-is-not-said", 550, "", "", BOUNCE_UNKNOWN, TODO_ASK },
	{ "<virus@y.example>: user unknown", 550, "", "", BOUNCE_USER_UNKNOWN, TODO_SUPPRESS },
};

static void test_cases(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 4 << 20);
	const struct bounce_classifier *c = bounce_classifier_new(a, OPERATOR_NONE);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bounce_verdict v =
		    judge(c, cases[i].code, cases[i].status, cases[i].text, cases[i].host);
		check_case_str(cases[i].text, str_c(bounce_reason_name(v.reason)),
		    str_c(bounce_reason_name(cases[i].reason)));
		check_case_str(cases[i].text, str_c(bounce_todo_name(v.todo)),
		    str_c(bounce_todo_name(cases[i].todo)));
	}
}

static void check_rule(const struct bounce_rule *r)
{
	check_case(r->words ? r->words : "rule", r->words || r->status);
	for (const char *p = r->words; p && *p; p++) {
		bool space = *p == ' ' && p != r->words && p[1] && p[1] != ' ';
		bool star = *p == '*' && p != r->words && p[-1] == ' ' && p[1] == ' ';
		bool letter = (*p >= 'a' && *p <= 'z') || ascii_is_digit(*p) || *p == '\'' ||
		              *p == '_' || (unsigned char)*p >= 0x80;
		check_case(r->words, space || star || letter);
	}
	check_case(r->words ? r->words : r->status,
	    r->reason > BOUNCE_UNKNOWN && r->reason < BOUNCE_REASONS);
}

/* The tables are written by hand: every rule can match, and finds its own words. */
static void test_tables(void **state)
{
	(void)state;
	const struct bounce_rule *tables[] = { bounce_operator_rules, bounce_word_rules,
		bounce_hint_rules, bounce_status_rules };
	size_t counts[] = { bounce_operator_rule_count, bounce_word_rule_count,
		bounce_hint_rule_count, bounce_status_rule_count };
	AUTO_ARENA a = arena_new(NULL, "test", 4 << 20);
	const struct bounce_classifier *c = bounce_classifier_new(a, OPERATOR_NONE);
	for (size_t t = 0; t < 4; t++) {
		for (size_t i = 0; i < counts[t]; i++) {
			const struct bounce_rule *r = &tables[t][i];
			check_rule(r);
			for (size_t j = 0; r->words && !r->status && j < i; j++)
				check_case(
				    r->words, !tables[t][j].words || tables[t][j].status ||
				                  tables[t][j].operator!= r->operator||
				                      strcmp(tables[t][j].words, r->words) != 0);
			if (t == 1)
				check_case(r->words,
				    judge(c, 550, "", r->words, "").certainty >= CERTAIN_WORDS);
		}
	}
	for (int i = 0; i < BOUNCE_REASONS; i++)
		check(bounce_reason_name((enum bounce_reason)i) != NULL);
	for (int i = 0; i < OPERATOR_COUNT; i++)
		check(bounce_operator_name((enum bounce_operator)i) != NULL);
}

static void test_gap(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 4 << 20);
	const struct bounce_classifier *c = bounce_classifier_new(a, OPERATOR_NONE);
	AUTO_BUF text = BUF_INIT(4096);
	for (int gap = 0; gap < 40; gap++) {
		buf_reset(&text);
		buf_addz(&text, "try again in");
		for (int i = 0; i < gap; i++)
			buf_addz(&text, " x");
		buf_addz(&text, " seconds");
		buf_addc(&text, '\0');
		enum bounce_reason reason = judge(c, 400, "", text.ptr, "").reason;
		if (gap <= BOUNCE_GAP_MAX)
			check_int_eq(reason, BOUNCE_GREYLISTED);
		if (gap >= 2 * BOUNCE_GAP_MAX)
			check_int_eq(reason, BOUNCE_UNKNOWN);
	}
}

static void test_without_operator(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 4 << 20);
	const struct bounce_classifier *c = bounce_classifier_new(a, OPERATOR_GMAIL);
	check_int_eq(
	    judge(c, 550, "5.7.27", "no", "aspmx.l.google.com").reason, BOUNCE_SENDER_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_without_operator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
