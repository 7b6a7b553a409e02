/* What exactly goes over the wire. Each case is a message or a peer, and all that the client says, "\n" for CRLF;
 * behind QUIT nothing. */
#include "check.h"

#include "protocols/smtp_client/smtp_client_driver.h"

#define EHLO(words) "220 mx|250-mx\n" words
#define KEPT "|250 ok|250 ok|354 go|250 kept"

struct wire_case {
	const char *name, *script, *want;
	struct smtp_client_options options;
	struct smtp_client_transaction tx;
	struct smtp_client_recipient recipient;
	const char *message;
};

#define BODY "Subject: x\n\nhi\n"

static const struct wire_case cases[] = {
	{ "plain", "220 mx|250 mx" KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n" },
	{ "HELO", "220 mx|500 what|250 mx" KEPT,
	    "EHLO c.example\nHELO c.example\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n" BODY ".\nQUIT\n" },
	{ "STARTTLS", EHLO("250 STARTTLS") "|220 go|!tls|250 mx" KEPT,
	    "EHLO c.example\nSTARTTLS\nEHLO c.example\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n" BODY ".\nQUIT\n" },
	{ "all of DSN", EHLO("250-DSN\n250 SIZE") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example> SIZE=18 RET=HDRS ENVID=QQ+2B1\n"
	    "RCPT TO:<x@y.example> NOTIFY=SUCCESS,FAILURE,DELAY "
	    "ORCPT=rfc822;q@y.example\nDATA\n" BODY ".\nQUIT\n",
	    .tx = { .ret = SMTP_RET_HDRS, .envid = STR_INIT("QQ+2B1") },
	    .recipient = { .notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
	        .orcpt = STR_INIT("rfc822;q@y.example") } },
	{ "NOTIFY=NEVER", EHLO("250 DSN") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example> RET=FULL\nRCPT TO:<x@y.example> NOTIFY=NEVER\n"
	    "DATA\n" BODY ".\nQUIT\n",
	    .tx = { .ret = SMTP_RET_FULL },
	    .recipient = { .notify = SMTP_NOTIFY_NEVER | SMTP_NOTIFY_DELAY } },
	{ "DSN not offered", EHLO("250 SIZE 0") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example> SIZE=18\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n",
	    .tx = { .ret = SMTP_RET_FULL, .envid = STR_INIT("Q") },
	    .recipient = { .notify = SMTP_NOTIFY_NEVER, .orcpt = STR_INIT("rfc822;q@y.example") } },
	{ "values that cannot be said", EHLO("250 DSN") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n",
	    .tx = { .envid = STR_INIT("Q SIZE=1") },
	    .recipient = { .orcpt = STR_INIT("rfc822;q@y.example\r\nDATA") } },
	{ "ORCPT beyond ASCII, peer cannot", EHLO("250 DSN") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example> "
	    "ORCPT=utf-8;\\x{E9}@y.example\nDATA\n" BODY ".\nQUIT\n",
	    .recipient = { .orcpt = STR_INIT("utf-8;\xc3\xa9@y.example") } },
	{ "ORCPT beyond ASCII, peer can", EHLO("250-SMTPUTF8\n250-8BITMIME\n250 DSN") KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example> SMTPUTF8 BODY=8BITMIME\nRCPT "
	    "TO:<\xc3\xa9@y.example> ORCPT=utf-8;\xc3\xa9@y.example\nDATA\n" BODY ".\nQUIT\n",
	    .tx = { .utf8_header = true, .body = SMTP_BODY_8BIT },
	    .recipient = { .address = STR_INIT("\xc3\xa9@y.example"),
	        .orcpt = STR_INIT("utf-8;\xc3\xa9@y.example") } },
	{ "REQUIRETLS, AUTH, BY, MT-PRIORITY",
	    EHLO("250 STARTTLS") "|220 go|!tls|250-mx\n250-REQUIRETLS\n250-AUTH "
	                         "PLAIN\n250-DELIVERBY\n250 "
	                         "MT-PRIORITY" KEPT,
	    "EHLO c.example\nSTARTTLS\nEHLO c.example\nMAIL FROM:<a@b.example> REQUIRETLS AUTH=<> "
	    "BY=120;R MT-PRIORITY=-4\nRCPT TO:<x@y.example>\nDATA\n" BODY ".\nQUIT\n",
	    .tx = { .requiretls = true,
	        .auth = STR_INIT("<>"),
	        .by = STR_INIT("120;R"),
	        .has_priority = true,
	        .priority = -4 } },
	{ "the same, peer knows none", "220 mx|250 mx" KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n",
	    .tx = { .auth = STR_INIT("<>"), .by = STR_INIT("120;R"), .has_priority = true } },
	{ "AUTH PLAIN", EHLO("250 AUTH PLAIN") "|235 in" KEPT,
	    "EHLO c.example\nAUTH PLAIN AHVzZXIAcGVuY2ls\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n" BODY ".\nQUIT\n",
	    .options = { .user = STR_INIT("user"),
	        .password = STR_INIT("pencil"),
	        .tls_active = true } },
	{ "AUTH LOGIN", EHLO("250 AUTH LOGIN") "|334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|235 in" KEPT,
	    "EHLO c.example\nAUTH LOGIN\ndXNlcg==\ncGVuY2ls\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n" BODY ".\nQUIT\n",
	    .options = { .user = STR_INIT("user"),
	        .password = STR_INIT("pencil"),
	        .tls_active = true } },
	{ "AUTH cancelled", EHLO("250 AUTH SCRAM-SHA-256") "|334 ?|501 ok",
	    "EHLO c.example\nAUTH SCRAM-SHA-256 "
	    "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\n*\nQUIT\n",
	    .options = { .user = STR_INIT("user"),
	        .password = STR_INIT("pencil"),
	        .tls_active = true } },
	{ "LMTP", "220 mx|250-mx\n250 PIPELINING|250 ok|250 ok|354 go|250 kept",
	    "LHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n",
	    .options = { .lmtp = true } },
	{ "one chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|250 kept",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nBDAT 18 LAST\n" BODY
	    "QUIT\n",
	    .options = { .chunking = SMTP_CLIENT_CHUNKING_PREFERRED } },
	{ "two chunks", EHLO("250 CHUNKING") "|250 ok|250 ok|250 ok|250 kept",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nBDAT 12\nSubject: x\n"
	    "BDAT 6 LAST\n\nhi\nQUIT\n",
	    .options = { .chunking = SMTP_CLIENT_CHUNKING_PREFERRED, .chunk_bytes = 12 } },
	{ "binary", EHLO("250-CHUNKING\n250 BINARYMIME") "|250 ok|250 ok|250 kept",
	    "EHLO c.example\nMAIL FROM:<a@b.example> BODY=BINARYMIME\nRCPT TO:<x@y.example>\n"
	    "BDAT 18 LAST\n" BODY "QUIT\n",
	    .tx = { .body = SMTP_BODY_BINARY } },
	{ "empty message", "220 mx|250 mx" KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n.\nQUIT\n",
	    .message = "" },
	{ "empty message in a chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|250 kept",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nBDAT 0 LAST\nQUIT\n",
	    .options = { .chunking = SMTP_CLIENT_CHUNKING_PREFERRED }, .message = "" },
	{ "dots", "220 mx|250 mx" KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n..\n...a\nb.\n.\nQUIT\n",
	    .message = ".\r\n..a\r\nb." },
	{ "probe", "220 mx|250-mx\n250-SIZE\n250 DSN|250 ok|250 ok",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nRSET\nQUIT\n",
	    .tx = { .is_probe = true, .ret = SMTP_RET_FULL },
	    .recipient = { .notify = SMTP_NOTIFY_NEVER } },
	{ "a quoted address", "220 mx|250 mx" KEPT,
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<\"a >\\\"b\"@y.example>\nDATA\n" BODY
	    ".\nQUIT\n",
	    .recipient = { .address = STR_INIT("\"a >\\\"b\"@y.example") } },
	{ "354 for nobody", EHLO("250 PIPELINING") "|250 ok|550 who|354 go|554 nobody",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT "
	    "TO:<x@y.example>\nDATA\n.\nRSET\nQUIT\n" },
	{ "RSET after a refused last chunk", EHLO("250 CHUNKING") "|250 ok|250 ok|554 no",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nBDAT 18 LAST\n" BODY
	    "RSET\nQUIT\n",
	    .options = { .chunking = SMTP_CLIENT_CHUNKING_PREFERRED } },
	{ "no RSET after a refused message", "220 mx|250 mx|250 ok|250 ok|354 go|554 no",
	    "EHLO c.example\nMAIL FROM:<a@b.example>\nRCPT TO:<x@y.example>\nDATA\n" BODY
	    ".\nQUIT\n" },
	{ "554 banner", "554 no", "QUIT\n" },
	{ "421 banner", "421 no", "" },
	{ "larger than SIZE", EHLO("250 SIZE 17"), "EHLO c.example\nQUIT\n" },
	{ "needs 7 bit", "220 mx|250 mx", "EHLO c.example\nQUIT\n",
	    .tx = { .body = SMTP_BODY_8BIT } },
};

static void prepare(struct caller *d, const struct wire_case *w)
{
	caller_init(d);
	str hello = d->options.hello_name, nonce = d->options.auth_nonce;
	d->options = w->options;
	d->options.hello_name = hello;
	d->options.auth_nonce = nonce;
	d->tx = w->tx;
	d->tx.sender = STR("a@b.example");
	d->tx.recipients = d->recipients;
	d->tx.count = 1;
	d->recipients[0] = w->recipient;
	if (!w->recipient.address.len)
		d->recipients[0].address = STR("x@y.example");
	if (w->message)
		d->message = str_c(w->message);
}

static void test_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step < 30; step++) {
			struct caller *d = calloc(1, sizeof(*d));
			struct scripted p = { .d = d,
				.script = str_c(cases[i].script),
				.step = step < 29 ? step : SIZE_MAX };
			AUTO_BUF got = BUF_INIT(CALLER_MAX);
			prepare(d, &cases[i]);
			buf_init(&p.body, CALLER_MAX);
			caller_open(d);
			check(caller_start(d));
			scripted_run(&p, 0);
			for (size_t k = 0; k < d->wire.len; k++)
				if (d->wire.ptr[k] != '\r')
					buf_addc(&got, d->wire.ptr[k]);
			check_case_str(cases[i].name, buf_str(&got), str_c(cases[i].want));
			buf_fini(&p.body);
			caller_fini(d);
			free(d);
		}
}

/* RFC 2920 §3.1: MAIL, RCPT and DATA in one go, RSET and QUIT when their time comes. */
static void test_groups(void **state)
{
	struct caller *d = calloc(1, sizeof(*d));

	(void)state;
	prepare(d, &cases[0]);
	d->tx.count = 2;
	d->recipients[1] = d->recipients[0];
	caller_open(d);
	check(caller_start(d));
	buf_addz(&d->in, "220 mx\r\n250-mx\r\n");
	caller_run(d);
	size_t before = d->wire.len;
	buf_addz(&d->in, "250 PIPELINING\r\n");
	caller_run(d);
	check_str_eq(str_skip(buf_str(&d->wire), before),
	    STR("MAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nRCPT "
	        "TO:<x@y.example>\r\nDATA\r\n"));
	smtp_client_lost(d->c, STR_NONE);
	caller_run(d);
	caller_fini(d);
	free(d);
}

/* A thousand recipients: no more commands in flight than the window, each answered, none said twice. */
static void test_many_recipients(void **state)
{
	struct caller *d = calloc(1, sizeof(*d));
	AUTO_BUF script = BUF_INIT(1 << 20);
	struct scripted p = { .d = d, .step = 1000 };

	(void)state;
	prepare(d, &cases[0]);
	buf_init(&p.body, CALLER_MAX);
	d->tx.count = SMTP_CLIENT_RECIPIENTS + 1;
	for (size_t i = 0; i < d->tx.count; i++)
		d->recipients[i] = d->recipients[0];
	buf_addz(&script, "220 mx|250-mx\n250 PIPELINING|250 ok|");
	for (size_t i = 0; i < SMTP_CLIENT_RECIPIENTS; i++)
		buf_addz(&script, i % 3 ? "250 ok|" : "550 5.1.1 no|");
	buf_addz(&script, "354 go|250 kept");
	p.script = buf_str(&script);
	caller_open(d);
	check(caller_start(d));
	scripted_run(&p, 0);
	for (size_t i = 0; i < d->tx.count; i++) {
		enum smtp_client_outcome want = i == SMTP_CLIENT_RECIPIENTS ? SMTP_CLIENT_NOT_TRIED
		                                : i % 3                     ? SMTP_CLIENT_ACCEPTED
		                                                            : SMTP_CLIENT_PERMANENT;
		check_int_eq(d->last[i].outcome, want);
	}
	buf_fini(&p.body);
	caller_fini(d);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_many_recipients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
