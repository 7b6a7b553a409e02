/* Tests of what happens to mail that a signed-in user hands in, and of the trace field. */
#include "check.h"

#include "formats/header.h"
#include "services/content/submission.h"
#include "services/frames/frames.h"

/* "me@x.org" and "alias@x.org" are the account's. */
static bool own(void *arg, str address)
{
	(void)arg;
	return str_ieq(address, STR("me@x.org")) || str_ieq(address, STR("alias@x.org"));
}

static const struct submission_facts facts = { .hostname = STR_INIT("mx.x.org"),
	.id = STR_INIT("7f3a"),
	.now = 1795424400,
	.may_send_as = own };

static int check_mail(const char *text, struct arena *a, struct submission_changes *out,
    struct message_index *index, struct err *err)
{
	message_index_build(str_c(text), a, index);
	return submission_check(index, &facts, a, out, err);
}

/* clang-format off */
static const struct {
	const char *name, *message, *why; /* the beginning of the sentence; NULL: accepted */
} senders[] = {
	{ "own", "From: Me <me@x.org>\r\n\r\n", NULL },
	{ "own in capitals", "From: ME@X.ORG\r\n\r\n", NULL },
	{ "alias", "From: alias@x.org\r\n\r\n", NULL },
	{ "foreign", "From: you@x.org\r\n\r\n", "the From address 'you@x.org' is not one of yours" },
	{ "foreign with a name like ours", "From: \"me@x.org\" <you@x.org>\r\n\r\n", "the From address 'you@x.org'" },
	{ "no From", "To: me@x.org\r\n\r\n", "the message has no From field" },
	{ "empty From", "From: \r\n\r\n", "the message has no From field" },
	{ "empty group", "From: nobody:;\r\n\r\n", "the message has no From field" },
	{ "two From fields", "From: me@x.org\r\nFrom: me@x.org\r\n\r\n", "the message has more than one From field" },
	{ "two authors", "From: me@x.org, alias@x.org\r\n\r\n", NULL },
	{ "two authors, one foreign", "From: me@x.org, you@x.org\r\n\r\n", "the From address 'you@x.org'" },
	{ "two authors, one foreign, own Sender", "From: me@x.org, you@x.org\r\nSender: me@x.org\r\n\r\n", NULL },
	{ "foreign From, own Sender", "From: you@x.org\r\nSender: me@x.org\r\n\r\n", "the From address 'you@x.org'" },
	{ "own From, foreign Sender", "From: me@x.org\r\nSender: you@x.org\r\n\r\n", "the Sender address 'you@x.org'" },
	{ "broken From", "From: me@x.org <you@x.org>\r\n\r\n", "the From or Sender field is not a correct list" },
	{ "From that two readers see differently", "From: me@x.org@y.org\r\n\r\n", "the From or Sender field is not" },
	{ "own address in a comment", "From: you@x.org (me@x.org)\r\n\r\n", "the From address 'you@x.org'" },
	{ "too many Bcc", "From: me@x.org\r\nBcc: a\r\nX: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\n"
	  "X: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\nX: y\r\nBcc: a\r\n\r\n", "the message has Bcc fields" },
};
/* clang-format on */

static void test_senders(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(senders); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct submission_changes changes;
		struct message_index index;
		struct err err = { .text = "" };
		int result = check_mail(senders[i].message, a, &changes, &index, &err);
		check_case(senders[i].name, (result == 0) == !senders[i].why);
		if (senders[i].why)
			check_case(
			    senders[i].name, str_starts(str_c(err.text), str_c(senders[i].why)));
	}
}

static void test_additions(void **state)
{
	static const struct {
		const char *message, *prefix;
	} cases[] = {
		{ "From: me@x.org\r\nDate: x\r\nMessage-ID: <a@b>\r\n\r\n", "" },
		{ "From: me@x.org\r\nMessage-ID: <a@b>\r\n\r\n",
		    "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n" },
		{ "From: me@x.org\r\nDate: x\r\n\r\n",
		    "Message-ID: <7f3a.1795424400@mx.x.org>\r\n" },
		{ "From: me@x.org\r\nMessage-ID:\r\n\r\n",
		    "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
		    "Message-ID: <7f3a.1795424400@mx.x.org>\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
		struct submission_changes changes;
		struct message_index index;
		struct err err;
		check_case(
		    cases[i].message, check_mail(cases[i].message, a, &changes, &index, &err) == 0);
		check_case_str(cases[i].message, changes.prefix, str_c(cases[i].prefix));
	}
}

static void test_cuts(void **state)
{
	static const char text[] =
	    "Bcc: a@b\r\nFrom: me@x.org\r\nbcc: c@d,\r\n e@f\r\nTo: g@h\r\n\r\n";
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct submission_changes changes;
	struct message_index index;
	struct err err;

	(void)state;
	check_int_eq(check_mail(text, a, &changes, &index, &err), 0);
	check_int_eq(changes.cut_count, 2);
	check_str_eq(
	    str_sub(str_c(text), changes.cuts[0].at, changes.cuts[0].bytes), STR("Bcc: a@b\r\n"));
	check_str_eq(str_sub(str_c(text), changes.cuts[1].at, changes.cuts[1].bytes),
	    STR("bcc: c@d,\r\n e@f\r\n"));
}

#define DATE "\tMon, 23 Nov 2026 09:00:00 +0000\r\n"

static void test_received(void **state)
{
	/* clang-format off */
	static const struct {
		struct received_facts facts;
		const char *want;
	} cases[] = {
		{ { .protocol = PROTOCOL_SMTP, .helo = STR_INIT("a.example"), .peer_address = STR_INIT("192.0.2.1") },
		  "Received: from a.example ([192.0.2.1])\r\n\tby mx.x.org with ESMTP id 7f3a;\r\n" DATE },
		{ { .protocol = PROTOCOL_SUBMISSION, .helo = STR_INIT("[192.0.2.1]"), .peer_address = STR_INIT("2001:db8::1"),
		    .tls_version = STR_INIT("TLSv1.3"), .tls_cipher = STR_INIT("TLS_AES_128_GCM_SHA256"), .signed_in = true,
		    .recipient = STR_INIT("you@x.org") },
		  "Received: from [192.0.2.1] ([IPv6:2001:db8::1])\r\n\tby mx.x.org with ESMTPSA id 7f3a\r\n"
		  "\t(TLSv1.3 TLS_AES_128_GCM_SHA256)\r\n\tfor <you@x.org>;\r\n" DATE },
		{ { .protocol = PROTOCOL_LMTP, .helo = STR_INIT("a"), .peer_address = STR_INIT("local"), .utf8 = true,
		    .recipient = STR_INIT("j\xc3\xb6rg@x.org") },
		  "Received: from a\r\n\tby mx.x.org with UTF8LMTP id 7f3a\r\n\tfor <j\xc3\xb6rg@x.org>;\r\n" DATE },
		{ { .protocol = PROTOCOL_SMTP, .signed_in = true, .utf8 = true },
		  "Received: from localhost\r\n\tby mx.x.org with UTF8SMTPA id 7f3a;\r\n" DATE },
		{ { .protocol = PROTOCOL_SMTP, .helo = STR_INIT("a.example"), .helo_only = true, .tls_version = STR_INIT("TLSv1.3") },
		  "Received: from a.example\r\n\tby mx.x.org with SMTP id 7f3a\r\n\t(TLSv1.3);\r\n" DATE },
		/* What a peer says cannot leave its place. */
		{ { .helo = STR_INIT("a b) by x"), .peer_address = STR_INIT("192.0.2.1"), .recipient = STR_INIT("a\r\nX: y@b") },
		  "Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby mx.x.org with ESMTP id 7f3a;\r\n" DATE },
		{ { .helo = STR_INIT("a\0b"), .peer_address = STR_INIT("192.0.2.1"), .recipient = STR_INIT("a>b@c") },
		  "Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby mx.x.org with ESMTP id 7f3a;\r\n" DATE },
		{ { .helo = STR_INIT("\xc3\xa4.example"), .peer_address = STR_INIT("192.0.2.1"), .recipient = STR_INIT("\xc3\xa4@c"),
		    .tls_version = STR_INIT("TLS)v1"), .tls_cipher = STR_INIT("(\r\n") },
		  "Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby mx.x.org with ESMTPS id 7f3a\r\n\t(TLS_v1 ___);\r\n" DATE },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(8192);
		struct received_facts f = cases[i].facts;
		struct header_field field;
		f.hostname = facts.hostname;
		f.id = facts.id;
		f.at = facts.now;
		received_field(&f, &out);
		check_str_eq(buf_str(&out), str_c(cases[i].want));
		str rest = buf_str(&out);
		check(header_next(&rest, &field) && rest.len == 0);
		check_str_eq(field.name, STR("Received"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_additions),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
