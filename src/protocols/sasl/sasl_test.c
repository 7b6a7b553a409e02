/* Tests of the SASL engine: the RFC's exchange, good and bad messages, channel binding. */
#include "check.h"

#include "formats/base64.h"
#include "protocols/sasl/sasl_internal.h"

#define NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define FULL_NONCE CLIENT_NONCE NONCE
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="

static struct sasl_server *server(const char *mechanism, const char *exporter, const char *point)
{
	return sasl_server_new(&(struct sasl_options){ .mechanism = str_c(mechanism),
	    .exporter = str_c(exporter),
	    .end_point = str_c(point),
	    .nonce = STR(NONCE) });
}

static void rfc_keys(const char *password, struct scram_keys *out)
{
	AUTO_BUF salt = BUF_INIT(64);

	check_int_eq(base64_decode(STR(SALT), &salt, NULL), 0);
	check_int_eq(scram_derive(str_c(password), buf_str(&salt), 4096, out, NULL), 0);
}

/* What a client that knows the password sends last. c: the decoded value of "c=". */
static void client_final(const char *password, str bare, str server_first, str c, struct buf *out)
{
	unsigned char proof[SCRAM_KEY_BYTES], signature[SCRAM_KEY_BYTES], salted_keys[32];
	AUTO_BUF auth = BUF_INIT(4096);
	AUTO_BUF salt = BUF_INIT(64);
	struct scram_keys keys;
	str rest = server_first, nonce, salt_text;

	check_int_eq(take_lit(&rest, STR("r=")), 0);
	check_int_eq(take_until(&rest, ',', 512, &nonce), 0);
	check_int_eq(take_lit(&rest, STR(",s=")), 0);
	check_int_eq(take_until(&rest, ',', 128, &salt_text), 0);
	check_int_eq(base64_decode(salt_text, &salt, NULL), 0);
	check_int_eq(scram_derive(str_c(password), buf_str(&salt), 4096, &keys, NULL), 0);
	buf_add(out, STR("c="));
	base64_encode(c, out);
	buf_add(out, STR(",r="));
	buf_add(out, nonce);
	buf_add(&auth, bare);
	buf_addc(&auth, ',');
	buf_add(&auth, server_first);
	buf_addc(&auth, ',');
	buf_add(&auth, buf_str(out));
	/* The client key is not among the stored ones: made from the password again. */
	check_int_eq(scram_client_key(str_c(password), buf_str(&salt), 4096, salted_keys), 0);
	scram_hmac(str_new(keys.stored_key, 32), buf_str(&auth), signature);
	for (size_t i = 0; i < sizeof(proof); i++)
		proof[i] = (unsigned char)(salted_keys[i] ^ signature[i]);
	buf_add(out, STR(",p="));
	base64_encode(str_new(proof, sizeof(proof)), out);
}

/* RFC 7677 §3 */
static void test_rfc_7677(void **state)
{
	struct sasl_server *s = server("scram-sha-256", "", "");
	struct scram_keys keys;

	(void)state;
	rfc_keys("pencil", &keys);
	check_int_eq(sasl_server_start(s, true, STR("n,,n=user,r=" CLIENT_NONCE)), SASL_EVENT_KEYS);
	check_str_eq(sasl_server_username(s), STR("user"));
	check_int_eq(sasl_server_keys(s, &keys, true), SASL_EVENT_CHALLENGE);
	check_str_eq(sasl_server_challenge(s), STR("r=" FULL_NONCE ",s=" SALT ",i=4096"));
	check_int_eq(sasl_server_step(s, STR("c=biws,r=" FULL_NONCE
	                                     ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")),
	    SASL_EVENT_CHALLENGE);
	check_str_eq(
	    sasl_server_challenge(s), STR("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
	check_int_eq(sasl_server_step(s, STR("")), SASL_EVENT_DONE);
	check_int_eq(sasl_server_step(s, STR("")), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
}

/* Same flow and same length of everything for a name that is not there. */
static void test_unknown_user(void **state)
{
	struct sasl_server *s = server("SCRAM-SHA-256", "", "");
	struct scram_keys fake, again, other;

	(void)state;
	scram_fake(STR("secret"), STR("nobody"), &fake);
	scram_fake(STR("secret"), STR("nobody"), &again);
	scram_fake(STR("secret"), STR("somebody"), &other);
	check(memcmp(&fake, &again, sizeof(fake)) == 0);
	check(memcmp(fake.salt, other.salt, SCRAM_SALT_BYTES) != 0);
	check_int_eq(fake.iterations, SCRAM_ITERATIONS);
	check_int_eq(sasl_server_start(s, true, STR("n,,n=nobody,r=abc")), SASL_EVENT_KEYS);
	check_int_eq(sasl_server_keys(s, &fake, false), SASL_EVENT_CHALLENGE);
	check_int_eq(sasl_server_step(s, STR("c=biws,r=abc" NONCE
	                                     ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")),
	    SASL_EVENT_FAILED);
	sasl_server_free(s);
}

/* Even the right proof does not help when the caller said that there is no such user. */
static void test_not_real(void **state)
{
	struct sasl_server *s = server("SCRAM-SHA-256", "", "");
	struct scram_keys keys;

	(void)state;
	rfc_keys("pencil", &keys);
	check_int_eq(sasl_server_start(s, true, STR("n,,n=user,r=" CLIENT_NONCE)), SASL_EVENT_KEYS);
	check_int_eq(sasl_server_keys(s, &keys, false), SASL_EVENT_CHALLENGE);
	check_int_eq(sasl_server_step(s, STR("c=biws,r=" FULL_NONCE
	                                     ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")),
	    SASL_EVENT_FAILED);
	sasl_server_free(s);
}

static void test_binding(void **state)
{
	static const struct {
		const char *name, *mechanism, *exporter, *point, *gs2, *data, *password;
		enum sasl_event first, last;
	} cases[] = {
		{ "exporter", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "p=tls-exporter,,", "EEEE",
		    "pencil", SASL_EVENT_KEYS, SASL_EVENT_CHALLENGE },
		{ "end point", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "p=tls-server-end-point,,",
		    "PPPP", "pencil", SASL_EVENT_KEYS, SASL_EVENT_CHALLENGE },
		{ "end point, TLS 1.2", "SCRAM-SHA-256-PLUS", "", "PPPP",
		    "p=tls-server-end-point,,", "PPPP", "pencil", SASL_EVENT_KEYS,
		    SASL_EVENT_CHALLENGE },
		{ "another connection", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "p=tls-exporter,,",
		    "EEEF", "pencil", SASL_EVENT_KEYS, SASL_EVENT_FAILED },
		{ "data of the other type", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP",
		    "p=tls-exporter,,", "PPPP", "pencil", SASL_EVENT_KEYS, SASL_EVENT_FAILED },
		{ "data left out", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "p=tls-exporter,,", "",
		    "pencil", SASL_EVENT_KEYS, SASL_EVENT_FAILED },
		{ "exporter without TLS 1.3", "SCRAM-SHA-256-PLUS", "", "PPPP", "p=tls-exporter,,",
		    "", "pencil", SASL_EVENT_MALFORMED, 0 },
		{ "tls-unique", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "p=tls-unique,,", "",
		    "pencil", SASL_EVENT_MALFORMED, 0 },
		{ "PLUS without binding", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "n,,", "", "pencil",
		    SASL_EVENT_MALFORMED, 0 },
		{ "PLUS with y", "SCRAM-SHA-256-PLUS", "EEEE", "PPPP", "y,,", "", "pencil",
		    SASL_EVENT_MALFORMED, 0 },
		{ "binding without PLUS", "SCRAM-SHA-256", "EEEE", "PPPP", "p=tls-exporter,,",
		    "EEEE", "pencil", SASL_EVENT_MALFORMED, 0 },
		{ "downgrade", "SCRAM-SHA-256", "EEEE", "PPPP", "y,,", "", "pencil",
		    SASL_EVENT_FAILED, 0 },
		{ "no PLUS here", "SCRAM-SHA-256", "", "", "y,,", "", "pencil", SASL_EVENT_KEYS,
		    SASL_EVENT_CHALLENGE },
		{ "client cannot bind", "SCRAM-SHA-256", "EEEE", "PPPP", "n,,", "", "pencil",
		    SASL_EVENT_KEYS, SASL_EVENT_CHALLENGE },
		{ "wrong password", "SCRAM-SHA-256", "EEEE", "PPPP", "n,,", "", "pencils",
		    SASL_EVENT_KEYS, SASL_EVENT_FAILED },
		{ "authzid kept in the header", "SCRAM-SHA-256", "", "", "n,a=user,", "", "pencil",
		    SASL_EVENT_KEYS, SASL_EVENT_CHALLENGE },
	};
	struct scram_keys keys;

	(void)state;
	rfc_keys("pencil", &keys);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sasl_server *s =
		    server(cases[i].mechanism, cases[i].exporter, cases[i].point);
		AUTO_BUF first = BUF_INIT(512);
		AUTO_BUF bound = BUF_INIT(512);
		AUTO_BUF challenge = BUF_INIT(512);
		AUTO_BUF last = BUF_INIT(1024);
		str bare = STR("n=user,r=" CLIENT_NONCE);

		buf_addz(&first, cases[i].gs2);
		buf_add(&first, bare);
		check_case(
		    cases[i].name, sasl_server_start(s, true, buf_str(&first)) == cases[i].first);
		if (cases[i].first == SASL_EVENT_KEYS) {
			check_case(cases[i].name,
			    sasl_server_keys(s, &keys, true) == SASL_EVENT_CHALLENGE);
			buf_add(&challenge, sasl_server_challenge(s));
			buf_addz(&bound, cases[i].gs2);
			buf_addz(&bound, cases[i].data);
			client_final(
			    cases[i].password, bare, buf_str(&challenge), buf_str(&bound), &last);
			check_case(
			    cases[i].name, sasl_server_step(s, buf_str(&last)) == cases[i].last);
		}
		sasl_server_free(s);
	}
}

static void test_scram_malformed_first(void **state)
{
	static const struct {
		const char *name;
		str message;
	} cases[] = {
		{ "empty", STR_INIT("") },
		{ "no header", STR_INIT("n=user,r=abc") },
		{ "unknown flag", STR_INIT("x,,n=user,r=abc") },
		{ "header cut", STR_INIT("n,") },
		{ "empty authzid", STR_INIT("n,a=,n=user,r=abc") },
		{ "no name", STR_INIT("n,,r=abc") },
		{ "empty name", STR_INIT("n,,n=,r=abc") },
		{ "bare equals in name", STR_INIT("n,,n=us=er,r=abc") },
		{ "lower-case escape", STR_INIT("n,,n=us=2cer,r=abc") },
		{ "NUL in name", STR_INIT("n,,n=us\0er,r=abc") },
		{ "name not utf-8", STR_INIT("n,,n=us\xff,r=abc") },
		{ "no nonce", STR_INIT("n,,n=user") },
		{ "empty nonce", STR_INIT("n,,n=user,r=") },
		{ "space in nonce", STR_INIT("n,,n=user,r=a b") },
		{ "8-bit nonce", STR_INIT("n,,n=user,r=a\xc3\xb1") },
		{ "mandatory extension", STR_INIT("n,,m=x,n=user,r=abc") },
		{ "nonce before name", STR_INIT("n,,r=abc,n=user") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sasl_server *s = server("SCRAM-SHA-256", "", "");
		check_case(cases[i].name,
		    sasl_server_start(s, true, cases[i].message) == SASL_EVENT_MALFORMED);
		sasl_server_free(s);
	}
}

static void test_scram_malformed_final(void **state)
{
	static const char good[] = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const struct {
		const char *name, *message;
		bool with_proof;
		enum sasl_event want;
	} cases[] = {
		{ "empty", "", false, SASL_EVENT_MALFORMED },
		{ "no proof", "c=biws,r=" FULL_NONCE, false, SASL_EVENT_MALFORMED },
		{ "no binding", "r=" FULL_NONCE, true, SASL_EVENT_MALFORMED },
		{ "binding not base64", "c=bi!s,r=" FULL_NONCE, true, SASL_EVENT_MALFORMED },
		{ "another flag", "c=eSws,r=" FULL_NONCE, true, SASL_EVENT_FAILED },
		{ "client's nonce only", "c=biws,r=" CLIENT_NONCE, true, SASL_EVENT_FAILED },
		{ "nonce longer", "c=biws,r=" FULL_NONCE "x", true, SASL_EVENT_FAILED },
		{ "proof too short", "c=biws,r=" FULL_NONCE ",p=AAAA", false, SASL_EVENT_FAILED },
		{ "proof too long",
		    "c=biws,r=" FULL_NONCE ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		    false, SASL_EVENT_FAILED },
		{ "proof not last", "c=biws,r=" FULL_NONCE ",p=AAAA,x=y", false,
		    SASL_EVENT_MALFORMED },
		{ "extension changes the message", "c=biws,r=" FULL_NONCE ",x=y", true,
		    SASL_EVENT_FAILED },
		{ "right", "c=biws,r=" FULL_NONCE, true, SASL_EVENT_CHALLENGE },
	};
	struct scram_keys keys;

	(void)state;
	rfc_keys("pencil", &keys);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sasl_server *s = server("SCRAM-SHA-256", "", "");
		AUTO_BUF message = BUF_INIT(1024);
		sasl_server_start(s, true, STR("n,,n=user,r=" CLIENT_NONCE));
		sasl_server_keys(s, &keys, true);
		buf_addz(&message, cases[i].message);
		if (cases[i].with_proof)
			buf_addz(&message, good);
		check_case(cases[i].name, sasl_server_step(s, buf_str(&message)) == cases[i].want);
		sasl_server_free(s);
	}
}

static void test_escaped_name(void **state)
{
	struct sasl_server *s = server("SCRAM-SHA-256", "", "");

	(void)state;
	check_int_eq(
	    sasl_server_start(s, true, STR("n,a=x=2Cy,n=a=2Cb=3Dc,r=abc,ext=1")), SASL_EVENT_KEYS);
	check_str_eq(sasl_server_username(s), STR("a,b=c"));
	check_str_eq(sasl_server_authzid(s), STR("x,y"));
	sasl_server_free(s);
}

static void test_plain(void **state)
{
	static const struct {
		const char *name;
		str message;
		enum sasl_event want;
		str authzid, user, password;
	} cases[] = {
		{ "simple", STR_INIT("\0tim\0tanstaaftanstaaf"), SASL_EVENT_PASSWORD, STR_INIT(""),
		    STR_INIT("tim"), STR_INIT("tanstaaftanstaaf") },
		{ "with authzid", STR_INIT("Ursel\0Kurt\0xipj3plmq"), SASL_EVENT_PASSWORD,
		    STR_INIT("Ursel"), STR_INIT("Kurt"), STR_INIT("xipj3plmq") },
		{ "utf-8", STR_INIT("\0jos\xc3\xa9\0\xc3\xb1"), SASL_EVENT_PASSWORD, STR_INIT(""),
		    STR_INIT("jos\xc3\xa9"), STR_INIT("\xc3\xb1") },
		{ .name = "empty", .message = STR_INIT(""), .want = SASL_EVENT_MALFORMED },
		{ .name = "one NUL", .message = STR_INIT("\0tim"), .want = SASL_EVENT_MALFORMED },
		{ .name = "three NULs",
		    .message = STR_INIT("\0tim\0a\0b"),
		    .want = SASL_EVENT_MALFORMED },
		{ .name = "no name", .message = STR_INIT("\0\0pw"), .want = SASL_EVENT_MALFORMED },
		{ .name = "no password",
		    .message = STR_INIT("\0tim\0"),
		    .want = SASL_EVENT_MALFORMED },
		{ .name = "not utf-8",
		    .message = STR_INIT("\0tim\0\xff"),
		    .want = SASL_EVENT_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sasl_server *s = server("PLAIN", "", "");
		check_case(
		    cases[i].name, sasl_server_start(s, false, STR_NONE) == SASL_EVENT_CHALLENGE);
		check_case(cases[i].name, sasl_server_challenge(s).len == 0);
		check_case(cases[i].name, sasl_server_step(s, cases[i].message) == cases[i].want);
		if (cases[i].want == SASL_EVENT_PASSWORD) {
			check_case_str(cases[i].name, sasl_server_authzid(s), cases[i].authzid);
			check_case_str(cases[i].name, sasl_server_username(s), cases[i].user);
			check_case_str(cases[i].name, sasl_server_password(s), cases[i].password);
			check_case(cases[i].name, sasl_server_checked(s, true) == SASL_EVENT_DONE);
		}
		sasl_server_free(s);
	}
}

static void test_plain_limits(void **state)
{
	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		char text[2 * SASL_PASSWORD_MAX];
		AUTO_BUF message = BUF_INIT(SASL_MESSAGE_MAX);
		struct sasl_server *s = server("PLAIN", "", "");

		memset(text, 'x', sizeof(text));
		buf_addc(&message, '\0');
		buf_add(&message, str_new(text, SASL_USERNAME_MAX + extra));
		buf_addc(&message, '\0');
		buf_add(&message, STR("pw"));
		check_int_eq(sasl_server_start(s, true, buf_str(&message)),
		    extra ? SASL_EVENT_MALFORMED : SASL_EVENT_PASSWORD);
		sasl_server_free(s);

		s = server("PLAIN", "", "");
		buf_reset(&message);
		buf_add(&message, STR("\0u\0"));
		buf_add(&message, str_new(text, SASL_PASSWORD_MAX + extra));
		check_int_eq(sasl_server_start(s, true, buf_str(&message)),
		    extra ? SASL_EVENT_MALFORMED : SASL_EVENT_PASSWORD);
		sasl_server_free(s);
	}
}

static void test_login(void **state)
{
	struct sasl_server *s = server("login", "", "");

	(void)state;
	check_int_eq(sasl_server_start(s, false, STR_NONE), SASL_EVENT_CHALLENGE);
	check_str_eq(sasl_server_challenge(s), STR("Username:"));
	check_int_eq(sasl_server_step(s, STR("tim")), SASL_EVENT_CHALLENGE);
	check_str_eq(sasl_server_challenge(s), STR("Password:"));
	check_int_eq(sasl_server_step(s, STR("secret")), SASL_EVENT_PASSWORD);
	check_str_eq(sasl_server_username(s), STR("tim"));
	check_str_eq(sasl_server_password(s), STR("secret"));
	check_int_eq(sasl_server_checked(s, false), SASL_EVENT_FAILED);
	sasl_server_free(s);

	s = server("LOGIN", "", "");
	check_int_eq(sasl_server_start(s, true, STR("tim")), SASL_EVENT_CHALLENGE);
	check_str_eq(sasl_server_challenge(s), STR("Password:"));
	check_int_eq(sasl_server_step(s, STR("")), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
}

/* An answer to a question that was not asked signs nobody in. */
static void test_wrong_order(void **state)
{
	struct scram_keys keys = { .iterations = 1, .salt_bytes = 1 };
	struct sasl_server *s = server("PLAIN", "", "");

	(void)state;
	check_int_eq(sasl_server_checked(s, true), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
	s = server("PLAIN", "", "");
	check_int_eq(sasl_server_start(s, true, STR("\0u\0p")), SASL_EVENT_PASSWORD);
	check_int_eq(sasl_server_step(s, STR("x")), SASL_EVENT_MALFORMED);
	check_int_eq(sasl_server_checked(s, true), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
	s = server("PLAIN", "", "");
	check_int_eq(sasl_server_start(s, true, STR("\0u\0p")), SASL_EVENT_PASSWORD);
	check_int_eq(sasl_server_keys(s, &keys, true), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
	s = server("SCRAM-SHA-256", "", "");
	check_int_eq(sasl_server_start(s, true, STR("n,,n=u,r=abc")), SASL_EVENT_KEYS);
	check_int_eq(sasl_server_checked(s, true), SASL_EVENT_MALFORMED);
	sasl_server_free(s);
	check(server("CRAM-MD5", "", "") == NULL);
}

static void test_list(void **state)
{
	AUTO_BUF b = BUF_INIT(256);

	(void)state;
	sasl_list(&b, &(struct sasl_offer){ .passwords = true, .binding = true }, STR(" AUTH="));
	check_str_eq(buf_str(&b), STR(" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN"));
	buf_reset(&b);
	sasl_list(&b, &(struct sasl_offer){ .passwords = true, .legacy = true }, STR(" "));
	check_str_eq(buf_str(&b), STR(" SCRAM-SHA-256 PLAIN LOGIN"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_7677),
		cmocka_unit_test(test_unknown_user),
		cmocka_unit_test(test_not_real),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_scram_malformed_first),
		cmocka_unit_test(test_scram_malformed_final),
		cmocka_unit_test(test_escaped_name),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_limits),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_wrong_order),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
