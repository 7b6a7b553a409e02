#include "check.h"

#include "formats/base64.h"
#include "formats/header.h"
#include "protocols/dkim/dkim_fake.h"
#include "protocols/dkim/key.h"
#include "protocols/dkim/sign.h"
#include "protocols/dkim/verify.h"
#include "protocols/dns/dns_zone.h"

#define HEADER \
	"From: Joe <joe@example.org>\r\nTo: suzie@example.net\r\nSubject: dinner\r\n" \
	"Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n\r\n"
#define BODY "Hi.\r\n\r\nJoe. \r\n"

enum { NOW = 1700000000 };

/* Signed with the fake key under selector "s" (RSA) and "e" (Ed25519). */
static str sign(struct arena *a, const char *header, const char *body, int64_t lifetime_s)
{
	struct dkim_sign_key keys[] = { { DKIM_RSA_SHA256, STR("s") },
		{ DKIM_ED25519_SHA256, STR("e") } };
	struct dkim_sign_options o = { .domain = STR("example.org"),
		.now_s = NOW,
		.lifetime_s = lifetime_s,
		.keys = keys,
		.key_count = 2 };
	struct dkim_sign_question q;
	struct err err;
	struct dkim_sign *s = dkim_sign_start(a, str_c(header), &o, &err);

	assert_non_null(s);
	dkim_sign_body(s, str_c(body));
	dkim_sign_body_end(s);
	while (dkim_sign_next_question(s, &q))
		dkim_sign_answer(s, q.id, q.digest);
	return *dkim_sign_result(s);
}

static const char zone[] = "s._domainkey.example.org TXT v=DKIM1; p=Z29vZA==\n"
                           "e._domainkey.example.org TXT v=DKIM1; k=ed25519; p=Z29vZA==\n";

static const struct dkim_results *verify_at(
    struct arena *a, str message, size_t cut, const char *records, int64_t now_s)
{
	str header = header_block(message), body = str_skip(message, header.len);
	struct dkim_verify_options o = { .now_s = now_s, .crypto = &dkim_fake };
	struct dkim_verify *v = dkim_verify_start(a, header, &o);
	struct dns_question q;

	check(!dkim_verify_result(v));
	dkim_verify_body(v, str_sub(body, 0, cut));
	while (dkim_verify_next_question(v, &q)) {
		struct dns_answer answer = dns_zone_answer(a, str_c(records), &q);
		dkim_verify_answer(v, q.id, &answer);
		dkim_verify_answer(v, q.id, &answer); /* the second is passed over */
	}
	dkim_verify_body(v, str_skip(body, cut));
	dkim_verify_body_end(v);
	return dkim_verify_result(v);
}

static const struct dkim_results *verify(
    struct arena *a, str message, size_t cut, const char *records)
{
	return verify_at(a, message, cut, records, NOW);
}

static str join(struct arena *a, str first, const char *second, const char *third)
{
	return arena_strf(a, STR_FMT "%s%s", STR_ARG(first), second, third);
}

static void test_every_split(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str message = join(a, sign(a, HEADER, BODY, 0), HEADER, BODY);

	(void)state;
	for (size_t cut = 0; cut <= strlen(BODY); cut++) {
		const struct dkim_results *r = verify(a, message, cut, zone);
		check_int_eq(r->count, 2);
		check(r->items[0].status == DKIM_PASS && r->items[1].status == DKIM_PASS);
		check(r->items[0].is_oversigned && r->items[0].key_bits == 2048);
		check_str_eq(r->items[0].domain, STR("example.org"));
		check_str_eq(r->items[1].selector, STR("e"));
	}
}

/* Each record for the RSA key alone. */
static void test_keys(void **state)
{
	static const struct {
		const char *records;
		enum dkim_reason reason;
	} cases[] = {
		/* clang-format off */
		{ "s._domainkey.example.org TXT v=DKIM1; p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org CNAME s.other.example\ns.other.example TXT p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org TXT v=spf1 -all\ns._domainkey.example.org TXT p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org TXT p=\ns._domainkey.example.org TXT p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org TXT v=DKIM1; t=y; p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org TXT v=DKIM1; t=s; p=Z29vZA==\n", DKIM_OK },
		{ "s._domainkey.example.org TXT v=DKIM1; p=ZWRnZQ==\n", DKIM_OK }, /* "edge" */
		{ "s._domainkey.example.org TXT v=DKIM1; p=d2Vhaw==\n", DKIM_KEY_SHORT }, /* "weak" */
		{ "s._domainkey.example.org TXT v=DKIM1; p=anVuaw==\n", DKIM_KEY_UNUSABLE }, /* "junk" */
		{ "s._domainkey.example.org TXT v=DKIM1; k=ed25519; p=Z29vZA==\n", DKIM_KEY_TYPE },
		{ "s._domainkey.example.org TXT v=DKIM1; h=sha1; p=Z29vZA==\n", DKIM_KEY_HASH },
		{ "s._domainkey.example.org TXT v=DKIM1; s=tlsrpt; p=Z29vZA==\n", DKIM_KEY_SERVICE },
		{ "s._domainkey.example.org TXT v=DKIM1; p=\n", DKIM_KEY_REVOKED },
		{ "s._domainkey.example.org TXT v=DKIM1; p=%\n", DKIM_KEY_SYNTAX },
		{ "s._domainkey.example.org TXT v=spf1 -all\n", DKIM_KEY_MISSING },
		{ "s._domainkey.example.org NAME -\n", DKIM_KEY_MISSING },
		{ "", DKIM_KEY_MISSING },
		{ "s._domainkey.example.org TEMPORARY\n", DKIM_KEY_UNAVAILABLE },
		{ "s._domainkey.example.org BOGUS\n", DKIM_KEY_UNAVAILABLE },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		str message = join(a, sign(a, HEADER, BODY, 0), HEADER, BODY);
		const struct dkim_result *r = verify(a, message, 3, cases[i].records)->items;
		check_case(cases[i].records, r->reason == cases[i].reason);
		check_case(cases[i].records, r->status == dkim_reason_status(r->reason));
		check_case(cases[i].records, r->is_testing == !!strstr(cases[i].records, "t=y"));
	}
}

static void test_changes(void **state)
{
	static const struct {
		const char *name, *header, *body;
		enum dkim_reason reason;
	} cases[] = {
		/* clang-format off */
		{ "nothing", HEADER, BODY, DKIM_OK },
		{ "received on top", "Received: x\r\n" HEADER, BODY, DKIM_OK },
		{ "blanks", HEADER, "Hi. \r\n\r\nJoe.\t\r\n\r\n", DKIM_OK },
		{ "body", HEADER, "Hi.\r\n", DKIM_BODY_CHANGED },
		{ "no body", HEADER, "", DKIM_BODY_CHANGED },
		{ "from on top", "From: x@example.net\r\n" HEADER, BODY, DKIM_HEADER_CHANGED },
		{ "subject on top", "Subject: x\r\n" HEADER, BODY, DKIM_HEADER_CHANGED },
		{ "reply-to on top", "Reply-To: x@example.net\r\n" HEADER, BODY, DKIM_HEADER_CHANGED },
		{ "content type on top", "Content-Type: text/html\r\n" HEADER, BODY, DKIM_HEADER_CHANGED },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		str message = join(a, sign(a, HEADER, BODY, 0), cases[i].header, cases[i].body);
		check_case(
		    cases[i].name, verify(a, message, 1, zone)->items[0].reason == cases[i].reason);
	}
}

static void test_expiry(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str message = join(a, sign(a, HEADER, BODY, 100), HEADER, BODY);

	(void)state;
	check_int_eq(verify_at(a, message, 0, zone, NOW + 99)->items[0].reason, DKIM_OK);
	check_int_eq(verify_at(a, message, 0, zone, NOW + 100)->items[0].reason, DKIM_OK);
	check_int_eq(verify_at(a, message, 0, zone, NOW + 101)->items[0].reason, DKIM_EXPIRED);
}

/* Every signature is good: for fields written by hand. */
static enum dkim_check trusting_verify(
    enum dkim_algorithm algorithm, str key, str digest, str signature, unsigned *out_bits)
{
	(void)algorithm, (void)key, (void)signature, (void)digest;
	*out_bits = 2048;
	return DKIM_CHECK_GOOD;
}

static const struct dkim_crypto trusting = { trusting_verify };

static struct dkim_result by_hand(
    struct arena *a, const char *tags, const char *header, const char *body, bool partial)
{
	str h = arena_strf(a,
	    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s; %s; "
	    "b=AAAA\r\n%s",
	    tags, header);
	struct dkim_verify_options o = {
		.now_s = NOW, .crypto = &trusting, .accept_partial_body = partial
	};
	struct dkim_verify *v = dkim_verify_start(a, h, &o);
	struct dns_question q;

	dkim_verify_body(v, str_c(body));
	dkim_verify_body_end(v);
	while (dkim_verify_next_question(v, &q)) {
		struct dns_answer answer = dns_zone_answer(a, str_c(zone), &q);
		dkim_verify_answer(v, q.id, &answer);
	}
	return dkim_verify_result(v)->items[0];
}

/* bh= as the signer writes it. */
static str body_hash_of(struct arena *a, const char *text)
{
	struct dkim_sign_key key = { DKIM_RSA_SHA256, STR("s") };
	struct dkim_sign_options o = { .domain = STR("example.org"), .keys = &key, .key_count = 1 };
	struct dkim_sign *s = dkim_sign_start(a, STR("From: a@b\r\n\r\n"), &o, NULL);
	struct dkim_sign_question q;

	dkim_sign_body(s, str_c(text));
	dkim_sign_body_end(s);
	while (dkim_sign_next_question(s, &q))
		dkim_sign_answer(s, q.id, STR("x"));
	str field = *dkim_sign_result(s);
	size_t at = str_find(field, STR("bh="));
	return str_sub(field, at, strlen("bh=") + 44);
}

static void test_body_limit(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str bh = body_hash_of(a, "abc\r\n");
	str tags = arena_strf(a, "h=From; l=5; " STR_FMT, STR_ARG(bh));
	struct dkim_result r = by_hand(a, tags.ptr, HEADER, "abc\r\n", false);

	(void)state;
	check(
	    r.reason == DKIM_OK && r.has_body_limit && r.uncovered_bytes == 0 && !r.is_oversigned);
	r = by_hand(a, tags.ptr, HEADER, "abc\r\nx\r\n", false);
	check(
	    r.reason == DKIM_BODY_NOT_COVERED && r.status == DKIM_POLICY && r.uncovered_bytes == 3);
	r = by_hand(a, tags.ptr, HEADER, "abc\r\nx\r\n", true);
	check(r.reason == DKIM_OK && r.uncovered_bytes == 3);
	r = by_hand(a, tags.ptr, HEADER, "ab", false);
	check(r.reason == DKIM_BODY_SHORT && r.status == DKIM_FAIL);
	r = by_hand(a, tags.ptr, HEADER, "abd\r\n", false);
	check(r.reason == DKIM_BODY_CHANGED);
}

static void test_from_added(void **state)
{
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str bh = body_hash_of(a, "abc\r\n");
	str once = arena_strf(a, "h=From; " STR_FMT, STR_ARG(bh));
	str twice = arena_strf(a, "h=From:From; " STR_FMT, STR_ARG(bh));

	(void)state;
	check_int_eq(by_hand(a, once.ptr, HEADER, "abc\r\n", false).reason, DKIM_OK);
	check_int_eq(
	    by_hand(a, once.ptr, "From: x@y\r\n" HEADER, "abc\r\n", false).reason, DKIM_FROM_ADDED);
	check_int_eq(
	    by_hand(a, twice.ptr, "From: x@y\r\n" HEADER, "abc\r\n", false).reason, DKIM_OK);
	check(by_hand(a, twice.ptr, HEADER, "abc\r\n", false).is_oversigned);
}

static void test_strict_identity(void **state)
{
	static const char strict[] = "s._domainkey.example.org TXT t=s; p=Z29vZA==\n";
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct dkim_verify_options o = { .now_s = NOW, .crypto = &trusting };
	str h = STR("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; i=@sub.example.org; "
	            "h=From; bh=AAAA; b=AAAA\r\n" HEADER);
	struct dkim_verify *v = dkim_verify_start(a, h, &o);
	struct dns_question q;

	(void)state;
	check(dkim_verify_next_question(v, &q));
	struct dns_answer answer = dns_zone_answer(a, str_c(strict), &q);
	dkim_verify_answer(v, q.id, &answer);
	check_int_eq(dkim_verify_open(v), 0);
	dkim_verify_body_end(v);
	check_int_eq(dkim_verify_result(v)->items[0].reason, DKIM_KEY_STRICT);
}

static void test_counts(void **state)
{
	(void)state;
	for (size_t count = DKIM_SIGNATURES_MAX - 2; count <= DKIM_SIGNATURES_MAX + 2; count += 2) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		AUTO_BUF message = BUF_INIT(1 << 20);
		for (size_t i = 0; i < count / 2; i++)
			buf_add(&message, sign(a, HEADER, BODY, 0));
		buf_addz(&message, HEADER BODY);
		const struct dkim_results *r = verify(a, buf_str(&message), 0, zone);
		check_int_eq(r->count, count < DKIM_SIGNATURES_MAX ? count : DKIM_SIGNATURES_MAX);
		check(r->is_cut == (count > DKIM_SIGNATURES_MAX));
		for (size_t i = 0; i < r->count; i++)
			check_int_eq(r->items[i].reason, DKIM_OK);
	}
	/* The signatures, four fields of HEADER, the others. */
	for (int extra = 1999 - 6; extra <= 2001 - 6; extra++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		AUTO_BUF message = BUF_INIT(1 << 20);
		buf_add(&message, sign(a, HEADER, BODY, 0));
		for (int i = 0; i < extra; i++)
			buf_addz(&message, "X-Trace: y\r\n");
		buf_addz(&message, HEADER BODY);
		check_int_eq(verify(a, buf_str(&message), 0, zone)->items[0].reason,
		    extra + 6 <= 2000 ? DKIM_OK : DKIM_TOO_MANY_FIELDS);
	}
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	check_int_eq(verify(a, STR(HEADER BODY), 0, zone)->count, 0);
	check_int_eq(verify(a, STR(""), 0, zone)->count, 0);
}

/* RFC 8463 appendix A with OpenSSL: one Ed25519, one RSA-1024 signature. */
static void test_rfc8463(void **state)
{
	static const char message[] =
	    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
	    " d=football.example.com; i=@football.example.com;\r\n"
	    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
	    " subject : date : message-id : from : subject : date;\r\n"
	    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
	    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
	    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
	    " d=football.example.com; i=@football.example.com;\r\n"
	    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
	    " date : message-id : from : subject : date;\r\n"
	    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
	    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
	    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
	    "From: Joe SixPack <joe@football.example.com>\r\n"
	    "To: Suzie Q <suzie@shopping.example.net>\r\n"
	    "Subject: Is dinner ready?\r\n"
	    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
	    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
	    "\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
	static const char keys[] =
	    "brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; "
	    "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
	    "test._domainkey.football.example.com TXT v=DKIM1; k=rsa; "
	    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDk"
	    "HlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/"
	    "BC/e/8uBsCR+yz1"
	    "Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n";
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	str header = header_block(str_c(message)), body = str_skip(str_c(message), header.len);
	struct dkim_verify *v =
	    dkim_verify_start(a, header, &(struct dkim_verify_options){ .now_s = NOW });
	struct dns_question q;

	(void)state;
	while (dkim_verify_next_question(v, &q)) {
		struct dns_answer answer = dns_zone_answer(a, str_c(keys), &q);
		dkim_verify_answer(v, q.id, &answer);
	}
	dkim_verify_body(v, body);
	dkim_verify_body_end(v);
	const struct dkim_results *r = dkim_verify_result(v);
	check(r->items[0].status == DKIM_PASS && r->items[0].key_bits == 256);
	check(r->items[1].status == DKIM_PASS && r->items[1].key_bits == 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_from_added),
		cmocka_unit_test(test_strict_identity),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_rfc8463),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
