#include "check.h"

#include "formats/auth_results.h"
#include "protocols/authres/authres.h"

static const struct spf_result spf = { .status = SPF_FAIL,
	.domain = STR_INIT("example.org"),
	.term = STR_INIT("-all"),
	.reason = STR_INIT("the domain does not allow it") };
static const struct spf_result helo = {
	.status = SPF_NONE, .is_helo = true, .reason = STR_INIT("no record")
};
static const struct dkim_result signatures[] = {
	{ .status = DKIM_PASS,
	    .algorithm = DKIM_RSA_SHA256,
	    .key_bits = 2048,
	    .domain = STR_INIT("example.org"),
	    .selector = STR_INIT("s"),
	    .identity = STR_INIT("@example.org"),
	    .signature = STR_INIT("abcdefgh/ij=") },
	{ .status = DKIM_POLICY,
	    .reason = DKIM_KEY_SHORT,
	    .algorithm = DKIM_RSA_SHA256,
	    .key_bits = 512,
	    .is_testing = true,
	    .domain = STR_INIT("example.net"),
	    .signature = STR_INIT("abcdefgh/ik=") },
	{ .status = DKIM_NEUTRAL, .reason = DKIM_BAD_SYNTAX },
};
static const struct dkim_results dkim = { .items = signatures, .count = 3 };
static const struct dkim_results no_dkim = { 0 };
static const struct dmarc_record record = { .p = DMARC_POLICY_REJECT };
static const struct dmarc_result dmarc = { .status = DMARC_FAIL,
	.policy = DMARC_POLICY_REJECT,
	.disposition = DMARC_POLICY_QUARANTINE,
	.policy_tag = STR_INIT("p"),
	.author_domain = STR_INIT("example.com"),
	.record = &record,
	.reason = STR_INIT("nothing shows it") };

static void test_field(void **state)
{
	AUTO_BUF out = BUF_INIT(8192);
	struct authres r = { .server = STR("mx.example.net"),
		.helo = STR("mail.example.org"),
		.mail_from = STR("joe@example.org"),
		.spf_helo = &helo,
		.spf_mail_from = &spf,
		.dkim = &dkim,
		.dmarc = &dmarc };

	(void)state;
	authres_write(&r, &out);
	check_str_eq(buf_str(&out),
	    STR("Authentication-Results: mx.example.net;\r\n"
	        "\tspf=none\r\n\t reason=\"no record\"\r\n\t smtp.helo=mail.example.org;\r\n"
	        "\tspf=fail\r\n\t reason=\"the domain does not allow it\"\r\n\t "
	        "smtp.mailfrom=joe@example.org;\r\n"
	        "\tdkim=pass (2048-bit key)\r\n\t header.d=example.org\r\n\t "
	        "header.i=@example.org\r\n\t header.s=s\r\n"
	        "\t header.a=rsa-sha256\r\n\t header.b=\"abcdefgh/ij\";\r\n"
	        "\tdkim=policy (512-bit key, the domain only tests)\r\n\t reason=\"the key is "
	        "shorter than 1024 bits\"\r\n"
	        "\t header.d=example.net\r\n\t header.a=rsa-sha256\r\n\t "
	        "header.b=\"abcdefgh/ik\";\r\n"
	        "\tdkim=neutral\r\n\t reason=\"the signature field is not correct\";\r\n"
	        "\tdmarc=fail (p=reject, disposition quarantine)\r\n\t reason=\"nothing shows "
	        "it\"\r\n"
	        "\t header.from=example.com\r\n\t policy.dmarc=reject\r\n"));
}

static void test_nothing(void **state)
{
	AUTO_BUF out = BUF_INIT(8192);
	AUTO_BUF unsigned_mail = BUF_INIT(8192);
	struct authres r = { .server = STR("mx.example.net") };

	(void)state;
	authres_write(&r, &out);
	check_str_eq(buf_str(&out), STR("Authentication-Results: mx.example.net; none\r\n"));
	r.dkim = &no_dkim;
	authres_write(&r, &unsigned_mail);
	check_str_eq(buf_str(&unsigned_mail),
	    STR("Authentication-Results: mx.example.net;\r\n\tdkim=none\r\n"));
}

static void test_iprev(void **state)
{
	AUTO_BUF out = BUF_INIT(8192);
	AUTO_BUF failed = BUF_INIT(8192);
	struct iprev_result iprev = { IPREV_PASS, STR("mail.example.org"), STR("fine") };
	struct authres r = { .server = STR("mx.example.net"), .iprev = &iprev };

	(void)state;
	ip_parse(STR("192.0.2.1"), &r.ip);
	authres_write(&r, &out);
	check_str_eq(
	    buf_str(&out), STR("Authentication-Results: mx.example.net;\r\n"
	                       "\tiprev=pass (mail.example.org)\r\n\t policy.iprev=192.0.2.1\r\n"));
	iprev = (struct iprev_result){ IPREV_PERMERROR, STR_NONE, STR("no name") };
	authres_write(&r, &failed);
	check_str_eq(buf_str(&failed),
	    STR("Authentication-Results: mx.example.net;\r\n"
	        "\tiprev=permerror\r\n\t reason=\"no name\"\r\n\t policy.iprev=192.0.2.1\r\n"));
}

static void test_received_spf(void **state)
{
	AUTO_BUF out = BUF_INIT(8192);
	struct authres r = { .server = STR("mx.example.net"),
		.helo = STR("a\r\nb"),
		.mail_from = STR("joe@example.org") };

	(void)state;
	ip_parse(STR("2001:db8::1"), &r.ip);
	authres_write_received_spf(&r, &spf, &out);
	check_str_eq(buf_str(&out),
	    STR("Received-SPF: "
	        "fail\r\n\treceiver=mx.example.net;\r\n\tclient-ip=\"2001:db8::1\";\r\n"
	        "\tenvelope-from=\"joe@example.org\";\r\n\thelo=\"a??b\";\r\n\tidentity=mailfrom;"
	        "\r\n\tmechanism=-all;\r\n"));
}

/* Every word that a result can have is one that readers take. */
static void test_round_trip(void **state)
{
	(void)state;
	for (enum dkim_reason reason = DKIM_OK; reason < DKIM_REASONS; reason++) {
		AUTO_ARENA a = arena_new(NULL, "test", 1 << 20);
		AUTO_BUF out = BUF_INIT(8192);
		struct dkim_result one = { .status = dkim_reason_status(reason), .reason = reason };
		struct dkim_results all = { .items = &one, .count = 1 };
		struct authres r = { .server = STR("mx.example.net"), .dkim = &all };
		struct auth_results back;
		authres_write(&r, &out);
		str value = str_skip(buf_str(&out), strlen("Authentication-Results:"));
		check(auth_results_parse(value, a, &back, NULL) == 0 && back.method_count == 1);
		check_str_eq(back.methods[0].result, str_c(dkim_status_name(one.status)));
		check(dkim_reason_text(reason)[0] != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_iprev),
		cmocka_unit_test(test_received_spf),
		cmocka_unit_test(test_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
