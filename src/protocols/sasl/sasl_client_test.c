/* The client side of SASL against RFC 7677's example and against our own server side. */
#include "check.h"

#include "protocols/sasl/sasl.h"
#include "protocols/sasl/sasl_client.h"

/* RFC 7677 §3 */
static const struct sasl_client_options rfc7677 = {
	.mechanism = STR_INIT("SCRAM-SHA-256"),
	.user = STR_INIT("user"),
	.password = STR_INIT("pencil"),
	.nonce = STR_INIT("rOprNGfwEbeRWgbNEkqO"),
};
#define SERVER_FIRST \
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static void test_scram_example(void **state)
{
	AUTO_BUF out = BUF_INIT(4096);
	struct sasl_client *c = sasl_client_new(&rfc7677);

	(void)state;
	check(sasl_client_has_initial(c));
	check(sasl_client_step(c, STR_NONE, &out, NULL) == SASL_CLIENT_SEND);
	check_str_eq(buf_str(&out), STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
	buf_reset(&out);
	check(sasl_client_step(c, STR(SERVER_FIRST), &out, NULL) == SASL_CLIENT_SEND);
	check_str_eq(
	    buf_str(&out), STR("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	                       "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
	check(!sasl_client_is_done(c));
	buf_reset(&out);
	check(sasl_client_step(c, STR("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), &out,
	          NULL) == SASL_CLIENT_SEND);
	check(out.len == 0 && sasl_client_is_done(c));
	sasl_client_free(c);
}

static void test_scram_refuses(void **state)
{
	static const struct {
		const char *name, *first, *final;
	} cases[] = {
		{ "nothing", "", NULL },
		{ "another nonce", "r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", NULL },
		{ "our nonce alone", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		    NULL },
		{ "too few rounds", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
		    NULL },
		{ "one below", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", NULL },
		{ "one above", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=600001",
		    NULL },
		{ "endless rounds",
		    "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295", NULL },
		{ "no salt", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", NULL },
		{ "salt not base64", "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096", NULL },
		{ "an extension that must be known", "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=QQ==,i=4096",
		    NULL },
		{ "wrong signature", SERVER_FIRST,
		    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=" },
		{ "short signature", SERVER_FIRST, "v=" },
		{ "an error", SERVER_FIRST, "e=invalid-proof" },
		{ "nothing at the end", SERVER_FIRST, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(4096);
		struct err err;
		struct sasl_client *c = sasl_client_new(&rfc7677);
		check(sasl_client_step(c, STR_NONE, &out, NULL) == SASL_CLIENT_SEND);
		enum sasl_client_result r = sasl_client_step(c, str_c(cases[i].first), &out, &err);
		check_case(cases[i].name, (r == SASL_CLIENT_SEND) == (cases[i].final != NULL));
		if (cases[i].final)
			check_case(cases[i].name, sasl_client_step(c, str_c(cases[i].final), &out,
			                              &err) == SASL_CLIENT_FAILED);
		check_case(cases[i].name, !sasl_client_is_done(c));
		check_case(cases[i].name, str_starts(str_c(err.text), STR("signing in failed: ")));
		sasl_client_free(c);
	}
}

/* The client against sasl_server_*, for the user "u,=é" with the password "pass word". */
static bool sign_in(str mechanism, str password, str client_exporter, str server_exporter)
{
	struct sasl_client *c =
	    sasl_client_new(&(struct sasl_client_options){ .mechanism = mechanism,
	        .user = STR("u,=\xc3\xa9"),
	        .password = password,
	        .nonce = STR("client"),
	        .exporter = client_exporter });
	struct sasl_server *s = sasl_server_new(&(struct sasl_options){
	    .mechanism = mechanism, .exporter = server_exporter, .nonce = STR("server") });
	struct scram_keys keys;
	AUTO_BUF out = BUF_INIT(4096);
	bool has_initial = sasl_client_has_initial(c), is_sending = true;

	check(scram_derive(STR("pass word"), STR("0123456789abcdef"), 4096, &keys, NULL) == 0);
	if (has_initial)
		check(sasl_client_step(c, STR_NONE, &out, NULL) == SASL_CLIENT_SEND);
	enum sasl_event e = sasl_server_start(s, has_initial, buf_str(&out));
	while (is_sending && e != SASL_EVENT_DONE && e != SASL_EVENT_FAILED &&
	       e != SASL_EVENT_MALFORMED) {
		buf_reset(&out);
		if (e == SASL_EVENT_KEYS) {
			check_str_eq(sasl_server_username(s), STR("u,=\xc3\xa9"));
			e = sasl_server_keys(s, &keys, true);
		} else if (e == SASL_EVENT_PASSWORD) {
			check_str_eq(sasl_server_username(s), STR("u,=\xc3\xa9"));
			e = sasl_server_checked(
			    s, str_eq(sasl_server_password(s), STR("pass word")));
		} else {
			is_sending = sasl_client_step(c, sasl_server_challenge(s), &out, NULL) ==
			             SASL_CLIENT_SEND;
			e = is_sending ? sasl_server_step(s, buf_str(&out)) : e;
		}
	}
	bool ok = e == SASL_EVENT_DONE && sasl_client_is_done(c);
	sasl_client_free(c);
	sasl_server_free(s);
	return ok;
}

static void test_with_our_server(void **state)
{
	static const char *const names[] = { "SCRAM-SHA-256", "PLAIN", "LOGIN" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		check_case(
		    names[i], sign_in(str_c(names[i]), STR("pass word"), STR_NONE, STR_NONE));
		check_case(
		    names[i], !sign_in(str_c(names[i]), STR("pass wors"), STR_NONE, STR_NONE));
	}
	check(sign_in(STR("SCRAM-SHA-256-PLUS"), STR("pass word"), STR("bind"), STR("bind")));
	check(!sign_in(STR("SCRAM-SHA-256-PLUS"), STR("pass word"), STR("bind"), STR("other")));
	/* The client could bind and was told that the server cannot, which is not true. */
	check(!sign_in(STR("SCRAM-SHA-256"), STR("pass word"), STR("bind"), STR("bind")));
	check(sign_in(STR("SCRAM-SHA-256"), STR("pass word"), STR("bind"), STR_NONE));
	/* RFC 8265 §4.2.2: another space is a space. */
	check(sign_in(STR("SCRAM-SHA-256"), STR("pass\xc2\xa0word"), STR_NONE, STR_NONE));
}

static void test_new(void **state)
{
	struct sasl_client_options o = rfc7677;

	(void)state;
	o.mechanism = STR("CRAM-MD5");
	check(sasl_client_new(&o) == NULL);
	o.mechanism = STR("SCRAM-SHA-256-PLUS");
	check(sasl_client_new(&o) == NULL);
	sasl_client_free(NULL);
}

static void test_too_much(void **state)
{
	static const char *const names[] = { "PLAIN", "LOGIN" };
	AUTO_BUF out = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct sasl_client_options o = rfc7677;
		o.mechanism = str_c(names[i]);
		struct sasl_client *c = sasl_client_new(&o);
		for (size_t k = 0; k < 2; k++)
			check(sasl_client_step(c, STR("x"), &out, NULL) == SASL_CLIENT_SEND);
		check(sasl_client_is_done(c));
		check(sasl_client_step(c, STR("x"), &out, NULL) == SASL_CLIENT_FAILED);
		sasl_client_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scram_example),
		cmocka_unit_test(test_scram_refuses),
		cmocka_unit_test(test_with_our_server),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
