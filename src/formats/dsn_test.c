#include "check.h"

#include "formats/dsn_check.h"
#include "formats/qp.h"

static const struct dsn_recipient nobody = {
	.address = STR_INIT("x@y.example"),
	.action = DSN_FAILED,
	.status = { 5, 1, 1 },
	.remote_mta = STR_INIT("mx.y.example"),
	.diagnostic = STR_INIT("550 5.1.1 no such user"),
	.last_attempt_at = 1800000000,
};

static struct dsn sample(const struct dsn_recipient *recipients, size_t count)
{
	return (struct dsn){ .host = STR("mx.example.org"),
		.to = STR("a@b.example"),
		.message_id = STR("1@mx.example.org"),
		.boundary = STR("frontier"),
		.now = 1800000000,
		.original = STR("From: a@b.example\r\nMessage-ID: <7@b.example>\r\nSubject: "
		                "hi\r\n\r\nbody\r\n"),
		.has_body = true,
		.recipients = recipients,
		.count = count };
}

static void write_checked(const struct dsn *d, struct buf *out, struct dsn_needs *needs)
{
	dsn_write(d, out, needs);
	check(buf_ok(out));
	dsn_check(d, buf_str(out), *needs);
}

static void test_whole(void **state)
{
	static const str want =
	    STR_INIT("From: Mail system <MAILER-DAEMON@mx.example.org>\r\n"
	             "To: <a@b.example>\r\n"
	             "Subject: Your message could not be delivered\r\n"
	             "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
	             "Message-ID: <1@mx.example.org>\r\n"
	             "In-Reply-To: <7@b.example>\r\n"
	             "References: <7@b.example>\r\n"
	             "Auto-Submitted: auto-replied\r\n"
	             "MIME-Version: 1.0\r\n"
	             "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	             " boundary=\"frontier\"\r\n"
	             "\r\n"
	             "\r\n--frontier\r\n"
	             "Content-Type: text/plain; charset=utf-8\r\n"
	             "Content-Language: en\r\n"
	             "Content-Transfer-Encoding: quoted-printable\r\n"
	             "\r\n"
	             "This is the mail system at mx.example.org.\r\n"
	             "\r\n"
	             "Your message could not be delivered to:\r\n"
	             "\r\n"
	             "  x@y.example\r\n"
	             "    There is no such mailbox. Please check the address for typing errors.\r\n"
	             "    The server said: 550 5.1.1 no such user\r\n"
	             "\r\n"
	             "What follows is for programs, and then your message or its header.\r\n"
	             "\r\n--frontier\r\n"
	             "Content-Type: message/delivery-status\r\n"
	             "Content-Transfer-Encoding: 7bit\r\n"
	             "\r\n"
	             "Original-Envelope-Id: QQ+1\r\n"
	             "Reporting-MTA: dns; mx.example.org\r\n"
	             "Arrival-Date: Fri, 15 Jan 2027 05:13:20 +0000\r\n"
	             "\r\n"
	             "Original-Recipient: rfc822; x+y@y.example\r\n"
	             "Final-Recipient: rfc822; x@y.example\r\n"
	             "Action: failed\r\n"
	             "Status: 5.1.1\r\n"
	             "Remote-MTA: dns; mx.y.example\r\n"
	             "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
	             "Last-Attempt-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
	             "\r\n--frontier\r\n"
	             "Content-Type: text/rfc822-headers\r\n"
	             "Content-Transfer-Encoding: 7bit\r\n"
	             "\r\n"
	             "From: a@b.example\r\n"
	             "Message-ID: <7@b.example>\r\n"
	             "Subject: hi\r\n"
	             "\r\n--frontier--\r\n");
	struct dsn_recipient r = nobody;
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct dsn_needs needs;

	(void)state;
	r.original = STR("rfc822;x+2By@y.example");
	struct dsn d = sample(&r, 1);
	d.envid = STR("QQ+2B1");
	d.arrived_at = 1799990000;
	write_checked(&d, &out, &needs);
	check_str_eq(buf_str(&out), want);
	check(!needs.utf8 && !needs.is_8bit);
}

static void test_wanted(void **state)
{
	static const struct {
		const char *sender;
		unsigned notify;
		bool failed, delayed, delivered;
	} cases[] = {
		{ "a@b", DSN_NOTIFY_NONE, true, true, false },
		{ "", DSN_NOTIFY_NONE, false, false, false },
		{ "", DSN_NOTIFY_FAILURE | DSN_NOTIFY_SUCCESS, false, false, false },
		{ "a@b", DSN_NOTIFY_NEVER, false, false, false },
		{ "a@b", DSN_NOTIFY_NEVER | DSN_NOTIFY_FAILURE, false, false, false },
		{ "a@b", DSN_NOTIFY_FAILURE, true, false, false },
		{ "a@b", DSN_NOTIFY_DELAY, false, true, false },
		{ "a@b", DSN_NOTIFY_SUCCESS, false, false, true },
		{ "a@b", DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE, true, false, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		str sender = str_c(cases[i].sender);
		check(dsn_is_wanted(sender, cases[i].notify, DSN_FAILED) == cases[i].failed);
		check(dsn_is_wanted(sender, cases[i].notify, DSN_DELAYED) == cases[i].delayed);
		check(dsn_is_wanted(sender, cases[i].notify, DSN_DELIVERED) == cases[i].delivered);
		check(dsn_is_wanted(sender, cases[i].notify, DSN_RELAYED) == cases[i].delivered);
	}
}

static void decoded_text(const struct dsn *d, struct buf *out)
{
	AUTO_BUF all = BUF_INIT(1 << 20);
	AUTO_ARENA a = arena_new(NULL, "dsn test", 64 << 20);
	struct dsn_parts parts;
	struct dsn_needs needs;
	struct qp_stream qp = { 0 };

	write_checked(d, &all, &needs);
	dsn_take_apart(buf_str(&all), a, &parts);
	qp_stream_feed(&qp, parts.text, out);
	qp_stream_end(&qp, out);
	check(str_is_utf8(buf_str(out)));
}

static bool text_has(const struct dsn *d, const char *what)
{
	AUTO_BUF text = BUF_INIT(1 << 20);

	decoded_text(d, &text);
	return str_find(buf_str(&text), str_c(what)) != STR_NPOS;
}

static void test_languages(void **state)
{
	struct dsn_recipient two[2] = { nobody, nobody };
	struct dsn d = sample(two, 2);

	(void)state;
	check(dsn_language_find(STR("es-AR")) == DSN_SPANISH);
	check(dsn_language_find(STR("ES")) == DSN_SPANISH);
	check(dsn_language_find(STR("et")) == DSN_ENGLISH);
	check(dsn_language_find(STR("")) == DSN_ENGLISH);
	two[1].action = DSN_DELAYED;
	two[1].status = (struct enhanced_status){ 4, 4, 1 };
	two[1].retry_until = 1800086400;
	d.language = DSN_SPANISH;
	check(text_has(&d, "Ese buzón no existe."));
	check(text_has(&d, "El servidor dijo: 550 5.1.1 no such user"));
	check(text_has(
	    &d, "Se retrasa para:\r\n\r\n  x@y.example\r\n    El otro servidor no responde."));
	check(text_has(&d, "Se seguirá intentando hasta Sat, 16 Jan 2027 08:00:00 +0000."));
	two[0].action = DSN_DELIVERED;
	check(strcmp(dsn_subject(&d), "Su mensaje se retrasa") == 0);
}

/* Every status has a sentence in every language, and the best known ones their own. */
static void test_explanations(void **state)
{
	(void)state;
	for (uint8_t class = 2; class <= 5; class ++)
		for (uint16_t subject = 0; subject < 9; subject++)
			for (uint16_t detail = 0; detail < 40; detail++)
				for (int l = 0; l < DSN_LANGUAGES; l++) {
					const char *text = dsn_explain(
					    (struct enhanced_status){ class, subject, detail },
					    (enum dsn_language)l);
					check(text && strlen(text) > 10);
					check(str_is_utf8(str_c(text)));
				}
	check(dsn_explain((struct enhanced_status){ 5, 2, 2 }, DSN_ENGLISH) !=
	      dsn_explain((struct enhanced_status){ 5, 2, 0 }, DSN_ENGLISH));
}

/* What others wrote cannot add fields, parts or text of ours. */
static void test_injection(void **state)
{
	struct dsn_recipient r = nobody;
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct dsn_needs needs;
	struct dsn d = sample(&r, 1);

	(void)state;
	r.address = STR("x\r\nAction: delivered\r\n\r\n--frontier--\r\n@y");
	r.remote_mta = STR("mx\r\nStatus: 2.0.0");
	r.diagnostic = STR("550 a\nAction: delivered\n\nFinal-Recipient: rfc822; z\n--frontier\nb");
	r.original = STR("rfc822;a+0D+0AStatus:2.0.0");
	d.envid = STR("a+0D+0AX:y");
	write_checked(&d, &out, &needs);
	check(str_find(buf_str(&out), STR("\r\nAction: delivered")) == STR_NPOS);
}

static void test_utf8(void **state)
{
	struct dsn_recipient r = nobody;
	struct dsn_needs needs;
	struct dsn d = sample(&r, 1);

	(void)state;
	r.address = STR("\xc3\xa9@y.example");
	r.original = STR("utf-8;\\x{E9}@y.example");
	r.diagnostic = STR("550 5.1.1 d\xc3\xa9sol\xc3\xa9");
	d.original = STR("From: \xc3\xa9@b.example\r\nSubject: d\xc3\xa9j\xc3\xa0\r\n\r\nx\r\n");
	AUTO_BUF plain = BUF_INIT(1 << 20);
	write_checked(&d, &plain, &needs);
	check(!needs.utf8 && !needs.is_8bit);
	check(str_find(buf_str(&plain), STR("Final-Recipient: utf-8; \\x{E9}@y.example\r\n")) !=
	      STR_NPOS);
	check(str_find(buf_str(&plain), STR("Original-Recipient: utf-8; \\x{E9}@y.example\r\n")) !=
	      STR_NPOS);
	check(str_find(buf_str(&plain), STR("smtp; 550 5.1.1 d?sol?\r\n")) != STR_NPOS);
	check(str_find(buf_str(&plain), STR("text/rfc822-headers")) != STR_NPOS);
	AUTO_BUF global = BUF_INIT(1 << 20);
	d.utf8 = true;
	write_checked(&d, &global, &needs);
	check(needs.utf8 && needs.is_8bit);
	check(str_find(buf_str(&global), STR("message/global-delivery-status")) != STR_NPOS);
	check(str_find(buf_str(&global), STR("Final-Recipient: utf-8; \xc3\xa9@y.example\r\n")) !=
	      STR_NPOS);
	check(str_find(buf_str(&global), STR("message/global-headers")) != STR_NPOS);
	d.is_full_wanted = true;
	buf_reset(&global);
	write_checked(&d, &global, &needs);
	check(str_find(buf_str(&global), STR("Content-Type: message/global\r\n")) != STR_NPOS);
}

/* RET=FULL: failures only, and up to the limit. */
static void test_returned(void **state)
{
	struct dsn_recipient r = nobody;
	struct dsn d = sample(&r, 1);

	(void)state;
	d.is_full_wanted = true;
	for (size_t size = DSN_FULL_MAX - 1; size <= DSN_FULL_MAX + 1; size++) {
		AUTO_BUF original = BUF_INIT(1 << 20);
		AUTO_BUF out = BUF_INIT(1 << 20);
		struct dsn_needs needs;
		buf_addz(&original, "Subject: x\r\n\r\n");
		while (original.len < size)
			buf_addc(&original, original.len % 60 == 59 ? ' ' : 'y');
		d.original = buf_str(&original);
		write_checked(&d, &out, &needs);
		bool full = str_find(buf_str(&out), STR("message/rfc822\r\n")) != STR_NPOS;
		check(full == (size <= DSN_FULL_MAX));
	}
	d.original = STR("Subject: x\r\n\r\n\xe9\r\n");
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct dsn_needs needs;
	write_checked(&d, &out, &needs);
	check(needs.is_8bit && !needs.utf8);
	r.action = DSN_DELAYED;
	buf_reset(&out);
	write_checked(&d, &out, &needs);
	check(!needs.is_8bit);
	check(str_find(buf_str(&out), STR("text/rfc822-headers\r\n")) != STR_NPOS);
}

static void test_long_values(void **state)
{
	struct dsn_recipient r = nobody;
	AUTO_BUF out = BUF_INIT(1 << 20);
	AUTO_BUF diagnostic = BUF_INIT(1 << 20);
	struct dsn_needs needs;
	struct dsn d = sample(&r, 1);

	(void)state;
	for (int i = 0; i < 300; i++)
		buf_addz(&diagnostic, i % 10 ? "word " : "550-5.7.1\n");
	for (int i = 0; i < 2000; i++)
		buf_addc(&diagnostic, 'x');
	r.diagnostic = buf_str(&diagnostic);
	write_checked(&d, &out, &needs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_languages),
		cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
