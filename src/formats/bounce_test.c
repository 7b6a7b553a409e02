#include "check.h"

#include "formats/bounce.h"

static void parse_text(const char *text, struct arena *a, struct bounce *out)
{
	bounce_parse(str_c(text), a, out);
}

/* ---- codes in answers ---- */

static const struct {
	const char *text;
	uint16_t code;
	struct enhanced_status status;
} replies[] = {
	{ "550 5.1.1 no such user", 550, { 5, 1, 1 } },
	{ "550-5.7.26 first\n550 5.7.26 second", 550, { 5, 7, 26 } },
	{ "550 #5.1.0 Address rejected", 550, { 5, 1, 0 } },
	{ "host mx.example said: 452 4.2.2 full (in reply to RCPT TO)", 452, { 4, 2, 2 } },
	{ "550: user unknown", 550, { 0, 0, 0 } },
	{ "Sorry, no mailbox here. (#5.1.1)", 0, { 5, 1, 1 } },
	{ "554 4.4.7 expired after 840 minutes <421 4.4.2 timed out>", 421, { 4, 4, 2 } },
	{ "501 refused: 5.7.1 we do not relay", 501, { 5, 7, 1 } },
	{ "host 192.0.2.225 did not answer within 300 s", 0, { 0, 0, 0 } },
	{ "version 4.16.55.1", 0, { 0, 0, 0 } },
	{ "room 4211 is full", 0, { 0, 0, 0 } },
	{ "", 0, { 0, 0, 0 } },
};

static void test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct enhanced_status status;
		uint16_t code;
		bounce_find_reply(str_c(replies[i].text), &code, &status);
		check_case(replies[i].text, code == replies[i].code);
		check_case(replies[i].text, enhanced_status_eq(status, replies[i].status));
	}
}

/* ---- forms ---- */

#define DSN_HEAD \
	"From: MAILER-DAEMON@mx.sender.example\nTo: a@sender.example\nSubject: returned\n" \
	"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" \
	"--b\nContent-Type: text/plain\n\nYour message could not be delivered.\n" \
	"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.sender.example\n\n"
#define DSN_TAIL \
	"--b\nContent-Type: message/rfc822\n\nFrom: a@sender.example\nTo: x@y.example\nSubject: " \
	"hello\n" \
	"Message-ID: <7@sender.example>\n\nFinal-Recipient: rfc822; no@inside.example\nStatus: " \
	"5.1.1\n--b--\n"

static void test_standard(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	struct bounce b;
	parse_text(DSN_HEAD
	    "Final-Recipient: rfc822; <x@y.example>\nOriginal-Recipient: rfc822; alias@y.example\n"
	    "Action: failed\nStatus: 5.0.0 (permanent)\nRemote-MTA: dns; mx.y.example\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 there is\n  no such user\n\n"
	    "Final-Recipient: rfc822; z@y.example\nAction: delayed\nStatus: 4.4.1\n\n" DSN_TAIL,
	    a, &b);
	check_int_eq(b.kind, BOUNCE_REPORT);
	check_int_eq(b.count, 2);
	check_str_eq(b.recipients[0].address, STR("x@y.example"));
	check_str_eq(b.recipients[0].original, STR("alias@y.example"));
	check_str_eq(b.recipients[0].diagnostic, STR("550 5.1.1 there is no such user"));
	check_str_eq(b.recipients[0].remote_mta, STR("mx.y.example"));
	check_int_eq(b.recipients[0].code, 550);
	check(enhanced_status_eq(b.recipients[0].status, (struct enhanced_status){ 5, 1, 1 }));
	check_int_eq(b.recipients[0].action, DSN_FAILED);
	check_int_eq(b.recipients[1].action, DSN_DELAYED);
	check(enhanced_status_eq(b.recipients[1].status, (struct enhanced_status){ 4, 4, 1 }));
	check_str_eq(b.original_message_id, STR("<7@sender.example>"));
	check_str_eq(b.original_subject, STR("hello"));
	check_str_eq(b.reporting_mta, STR("mx.sender.example"));
}

#define FROM_DAEMON "From: Mail <MAILER-DAEMON@mx.sender.example>\nTo: a@sender.example\n"

static const struct {
	const char *name, *message;
	enum bounce_kind kind;
	const char *address;
	uint16_t code;
	const char *form;
} forms[] = {
	{ "qmail",
	    FROM_DAEMON
	    "Subject: failure notice\n\nHi. This is the qmail-send program at mx.sender.example.\n"
	    "I'm afraid I wasn't able to deliver your message.\n\n<x@y.example>:\n192.0.2.7 does "
	    "not "
	    "like recipient.\nRemote host said: 550 5.1.1 nobody of that name\n\n--- Below this "
	    "line is a "
	    "copy of the message.\n\nReturn-Path: <a@sender.example>\n<other@y.example>: no\n",
	    BOUNCE_REPORT, "x@y.example", 550, "qmail" },
	{ "Exim",
	    FROM_DAEMON
	    "X-Failed-Recipients: x@y.example\nSubject: Mail delivery failed: returning message to "
	    "sender\n\nThis message was created automatically by mail delivery software.\n\nA "
	    "message "
	    "that you sent could not be delivered:\n\n  x@y.example\n    host mx.y.example "
	    "[192.0.2.7]\n    SMTP error from remote mail server after RCPT TO:<x@y.example>:\n    "
	    "552 "
	    "5.2.2 mailbox is full\n\n------ This is a copy of the message ------\n",
	    BOUNCE_REPORT, "x@y.example", 552, "Exim" },
	{ "Postfix, old",
	    FROM_DAEMON
	    "Subject: Undelivered Mail Returned to Sender\n\nThis is the Postfix program at host "
	    "mx.sender.example.\n\n<x@y.example>: host mx.y.example[192.0.2.7] said: 554 5.7.1\n   "
	    " "
	    "refused (in reply to RCPT TO command)\n",
	    BOUNCE_REPORT, "x@y.example", 554, "Postfix" },
	{ "Gmail, old",
	    FROM_DAEMON
	    "Subject: Delivery Status Notification (Failure)\n\nDelivery to the following "
	    "recipient failed "
	    "permanently:\n\n     x@y.example\n\nTechnical details of permanent failure: \nGoogle "
	    "tried to deliver your message, but it was rejected by mx.y.example.\n\nThe error that "
	    "the "
	    "other server returned was:\n550 5.1.1 unknown\n\n----- Original message -----\n",
	    BOUNCE_REPORT, "x@y.example", 550, "Gmail" },
	{ "Notes",
	    "From: postmaster@y.example\nTo: a@sender.example\nSubject: DELIVERY FAILURE: User x "
	    "not listed in "
	    "Domino Directory\n\nYour message\n\n  Subject: hello\n\nwas not delivered to:\n\n  "
	    "x@y.example\n\n"
	    "because:\n\n  User x (x@y.example) not listed in Domino Directory\n",
	    BOUNCE_REPORT, "x@y.example", 0, "Notes" },
	{ "Exchange, old",
	    "From: System Administrator <postmaster@y.example>\nTo: a@sender.example\nSubject: "
	    "Undeliverable: hello\n\n"
	    "Your message did not reach some or all of the intended recipients.\n\nThe following "
	    "recipient(s) could "
	    "not be reached:\n\n      x@y.example on 1/2/2020 3:04\n            The e-mail account "
	    "does not exist\n "
	    "           <mx.y.example #5.1.1>\n",
	    BOUNCE_REPORT, "x@y.example", 0, "text" },
	{ "Yahoo",
	    FROM_DAEMON
	    "Subject: Failure Notice\n\nSorry, we were unable to deliver your message to the "
	    "following "
	    "address.\n\n<x@y.example>:\n554: 5.7.9 not taken\n\n--- Below this line is a copy\n",
	    BOUNCE_REPORT, "x@y.example", 554, "Yahoo" },
	{ "Sendmail without fields",
	    FROM_DAEMON
	    "Subject: Returned mail\n\n   ----- The following addresses had permanent fatal errors "
	    "-----\n"
	    "<x@y.example>\n    (reason: 550 5.1.1 who?)\n\n   ----- Transcript of session follows "
	    "-----\n>>> RCPT To:<x@y.example>\n<<< 550 5.1.1 who?\n",
	    BOUNCE_REPORT, "x@y.example", 550, "Sendmail" },
	{ "a person forwards one",
	    "From: b@sender.example\nTo: help@sender.example\nSubject: Fwd: what is this?\n\n> "
	    "Final-Recipient: "
	    "rfc822; x@y.example\n> Action: failed\n> Status: 5.1.1\n> Diagnostic-Code: smtp; 550 "
	    "5.1.1 no\n",
	    BOUNCE_REPORT, "x@y.example", 550, "RFC 3464, damaged" },
	{ "Amazon SES",
	    "From: no-reply@sns.example\nSubject: AWS Notification "
	    "Message\n\n{\"Message\":\"{\\\"notificationType\\\":"
	    "\\\"Bounce\\\",\\\"bounce\\\":{\\\"bouncedRecipients\\\":[{\\\"emailAddress\\\":\\\"x@"
	    "y.example\\\","
	    "\\\"status\\\":\\\"5.1.1\\\",\\\"diagnosticCode\\\":\\\"smtp; 550 5.1.1 "
	    "no\\\"}]}}\"}\n",
	    BOUNCE_REPORT, "x@y.example", 550, "Amazon SES" },
	{ "out of office",
	    "Return-Path: <>\nFrom: b@y.example\nSubject: Automatic reply: hello\nAuto-Submitted: "
	    "auto-replied\n\n"
	    "I am away. In urgent cases: <c@y.example>: 550 Main Street\n",
	    BOUNCE_AUTO_REPLY, NULL, 0, NULL },
	{ "a receipt",
	    "From: b@y.example\nSubject: Read: hello\nContent-Type: multipart/report; boundary=b; "
	    "report-type=disposition-notification\n\n--b\nContent-Type: "
	    "message/disposition-notification\n\n"
	    "Final-Recipient: rfc822; b@y.example\nDisposition: manual-action; displayed\n--b--\n",
	    BOUNCE_AUTO_REPLY, NULL, 0, NULL },
	{ "a complaint",
	    "From: fbl@y.example\nSubject: complaint\nContent-Type: multipart/report; boundary=b; "
	    "report-type=feedback-report\n\n--b\nContent-Type: "
	    "message/feedback-report\n\nFeedback-Type: abuse\n\n--b\n"
	    "Content-Type: message/rfc822\n\nSubject: news\n\nhello\n--b--\n",
	    BOUNCE_FEEDBACK, NULL, 0, NULL },
	{ "people talk about failures",
	    "From: b@y.example\nTo: a@sender.example\nSubject: your letter\n\nMy letter could not "
	    "be delivered.\n"
	    "c@y.example\nPlease call.\n",
	    BOUNCE_NONE, NULL, 0, NULL },
	{ "nothing", "", BOUNCE_NONE, NULL, 0, NULL },
};

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
		struct bounce b;
		parse_text(forms[i].message, a, &b);
		check_case(forms[i].name, b.kind == forms[i].kind);
		check_case(forms[i].name, b.count == (forms[i].address ? 1 : 0));
		if (!forms[i].address)
			continue;
		check_case_str(forms[i].name, b.recipients[0].address, str_c(forms[i].address));
		check_case(forms[i].name, b.recipients[0].code == forms[i].code);
		check_case_str(forms[i].name, str_c(b.form), str_c(forms[i].form));
	}
}

static void test_original_behind_a_mark(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	struct bounce b;
	parse_text(FROM_DAEMON
	    "Subject: failure notice\n\nI wasn't able to deliver it.\n\n<x@y.example>:\nno\n\n--- "
	    "Below "
	    "this line is a copy of the message.\n\nReturn-Path: <a@sender.example>\nMessage-ID: "
	    "<9@sender.example>\nSubject: =?utf-8?q?ma=C3=B1ana?=\n\nhello\n",
	    a, &b);
	check_str_eq(b.original_message_id, STR("<9@sender.example>"));
	check_str_eq(b.original_subject, STR("mañana"));
}

static void test_forwarded_is_marked(void **state)
{
	(void)state;
	AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
	struct bounce b;
	for (size_t i = 0; i < COUNT(forms); i++) {
		parse_text(forms[i].message, a, &b);
		check_case(forms[i].name,
		    b.quoted == (strcmp(forms[i].name, "a person forwards one") == 0));
	}
}

/* Every beginning of a bounce is read without harm. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		str whole = str_c(forms[i].message);
		for (size_t n = 0; n < whole.len; n++) {
			AUTO_ARENA a = arena_new(NULL, "test", 16 << 20);
			struct bounce b;
			bounce_parse(str_sub(whole, 0, n), a, &b);
			check_case(forms[i].name, b.count <= 2); /* one of them cut */
		}
	}
}

static void test_limits(void **state)
{
	(void)state;
	AUTO_BUF many = BUF_INIT(4 << 20);
	buf_addz(&many, DSN_HEAD);
	for (unsigned i = 0; i < BOUNCE_RECIPIENTS_MAX + 1; i++)
		buf_addf(&many,
		    "Final-Recipient: rfc822; u%u@y.example\nAction: failed\nStatus: 5.1.1\n\n", i);
	AUTO_ARENA a = arena_new(NULL, "test", 64 << 20);
	struct bounce b;
	bounce_parse(buf_str(&many), a, &b);
	check_int_eq(b.count, BOUNCE_RECIPIENTS_MAX);

	buf_reset(&many);
	buf_addz(&many, DSN_HEAD
	    "Final-Recipient: rfc822; x@y.example\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 ");
	for (int i = 0; i < BOUNCE_DIAGNOSTIC_MAX; i++)
		buf_addz(&many, "ñ");
	bounce_parse(buf_str(&many), a, &b);
	check_int_eq(b.count, 1);
	check_int_eq(b.recipients[0].diagnostic.len, BOUNCE_DIAGNOSTIC_MAX);
	check(str_is_utf8(b.recipients[0].diagnostic));

	/* A word that ends at the limit, with a space before it; a character across the limit. */
	buf_reset(&many);
	buf_addz(&many,
	    DSN_HEAD "Final-Recipient: rfc822; x@y.example\nStatus: 5.1.1\nRemote-MTA: dns; ");
	for (int i = 0; i < BOUNCE_ADDRESS_MAX - 1; i++)
		buf_addc(&many, 'a');
	buf_addz(&many, " ñ\n");
	bounce_parse(buf_str(&many), a, &b);
	check_int_eq(b.recipients[0].remote_mta.len, BOUNCE_ADDRESS_MAX);
	check(str_is_utf8(b.recipients[0].remote_mta));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_original_behind_a_mark),
		cmocka_unit_test(test_forwarded_is_marked),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
