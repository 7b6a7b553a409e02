/* The client engine against our own server engine, in memory: what was given comes out, for every way of sending. */
#include "check.h"

#include "protocols/smtp/smtp_driver.h"
#include "protocols/smtp_client/smtp_client_driver.h"

struct pair {
	struct driver server;
	struct caller client;
	size_t step; /* how the bytes between them are cut */
};

static struct pair *pair_new(void)
{
	struct pair *p = calloc(1, sizeof(*p));

	driver_init(&p->server);
	caller_init(&p->client);
	for (size_t i = 0; i < 3; i++)
		p->client.recipients[i].address = STR("x@y.example");
	p->client.tx.count = 1;
	p->step = 1000;
	return p;
}

static void pair_free(struct pair *p)
{
	driver_fini(&p->server);
	caller_fini(&p->client);
	free(p);
}

static bool to_server(struct pair *p, struct buf *out)
{
	str all = str_skip(buf_str(&p->client.wire), p->client.wire_at);
	str piece = str_sub(all, 0, p->step);

	p->client.wire_at += piece.len;
	driver_feed(&p->server, piece, out);
	return piece.len > 0;
}

static bool to_client(struct pair *p, struct buf *out)
{
	bool has = out->len > 0;

	for (str rest = buf_str(out); rest.len; rest = str_skip(rest, p->step)) {
		buf_add(&p->client.in, str_sub(rest, 0, p->step));
		caller_run(&p->client);
	}
	buf_reset(out);
	return has;
}

/* Until neither has anything to say. */
static void talk(struct pair *p, struct buf *out)
{
	bool did = true;

	while (did) {
		did = to_server(p, out);
		did |= to_client(p, out);
		if (p->server.waiting_tls && p->client.waiting_tls) {
			driver_start_tls(&p->server, out);
			caller_tls(&p->client, "tls");
			did = true;
		}
	}
}

static void deliver(struct pair *p, unsigned transactions)
{
	AUTO_BUF out = BUF_INIT(DRIVER_MAX);

	driver_open(&p->server, &out);
	caller_open(&p->client);
	for (unsigned i = 0; i < transactions; i++) {
		check(caller_start(&p->client));
		caller_run(&p->client);
		talk(p, &out);
		check_int_eq(p->client.finished, i + 1);
	}
	smtp_client_quit(p->client.c);
	caller_run(&p->client);
	talk(p, &out);
	check(p->client.is_closed && smtp_session_is_done(p->server.s));
	check(p->client.failure.outcome == SMTP_CLIENT_ACCEPTED);
}

static void check_message(struct pair *p, str message)
{
	AUTO_BUF want = BUF_INIT(DRIVER_MAX);

	buf_addz(&want, "MESSAGE ");
	driver_escape(&want, message);
	buf_addc(&want, '\n');
	check(str_find(buf_str(&p->server.log), buf_str(&want)) != STR_NPOS);
}

static void test_every_way(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 64; way++) {
		struct pair *p = pair_new();
		p->server.options.role = way & 1 ? SMTP_ROLE_LMTP : SMTP_ROLE_MX;
		p->client.options.lmtp = way & 1;
		p->server.options.tls_offered = way & 2;
		if (way & 4)
			p->client.options.chunking = SMTP_CLIENT_CHUNKING_PREFERRED;
		p->client.options.chunk_bytes = way & 8 ? 5 : 0;
		p->client.tx.count = way & 16 ? 3 : 1;
		p->client.tx.body = way & 32 ? SMTP_BODY_8BIT : SMTP_BODY_7BIT;
		p->step = 1 + way % 7;
		p->client.message = STR("Subject: x\r\n\r\n.\r\n..\r\nhi\r\n.end\r\n");
		deliver(p, 3);
		check_int_eq(p->server.messages, 3);
		check_int_eq(p->client.finished, 3);
		check_message(p, p->client.message);
		for (size_t i = 0; i < p->client.tx.count; i++)
			check(p->client.last[i].outcome == SMTP_CLIENT_ACCEPTED);
		check(smtp_client_facts(p->client.c)->is_tls == (bool)(way & 2));
		pair_free(p);
	}
}

static void test_sign_in(void **state)
{
	static const char *const lists[] = { "PLAIN", "LOGIN", "PLAIN LOGIN" };

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct pair *p = pair_new();
		p->server.options.role = SMTP_ROLE_SUBMISSION;
		p->server.options.tls_offered = true;
		p->server.options.mechanisms = STR("PLAIN");
		p->server.options.mechanisms_tls = str_c(lists[i]);
		p->client.options.tls = SMTP_CLIENT_TLS_REQUIRED;
		p->client.options.user = STR("user");
		p->client.options.password = STR("pencil");
		if (i == 1) {
			driver_queue(&p->server, STR("auth challenge Username:"));
			driver_queue(&p->server, STR("auth challenge Password:"));
		}
		deliver(p, 1);
		check(smtp_client_facts(p->client.c)->is_signed_in);
		check(p->client.last[0].outcome == SMTP_CLIENT_ACCEPTED);
		check(str_find(buf_str(&p->server.log),
		          i == 1 ? STR("AUTH_STEP pencil") : STR("\\0user\\0pencil")) != STR_NPOS);
		pair_free(p);
	}
}

/* What the server's answers become. */
static void test_answers(void **state)
{
	static const struct {
		const char *answer, *want;
		bool is_lmtp;
	} cases[] = {
		{ "mail 451 4.7.1 later", "T MAIL 451 4.7.1, T MAIL 451 4.7.1 / ", false },
		{ "mail 550 5.7.1 no", "P MAIL 550 5.7.1, P MAIL 550 5.7.1 / ", false },
		{ "rcpt 550 5.1.1 who", "P RCPT 550 5.1.1, A the final dot 250 2.0.0 / ", false },
		{ "rcpt 452 4.2.2 full", "T RCPT 452 4.2.2, A the final dot 250 2.0.0 / ", false },
		{ "data 451 4.3.0 later", "T DATA 451 4.3.0, T DATA 451 4.3.0 / ", false },
		{ "message 554 5.7.1 spam",
		    "P the final dot 554 5.7.1, P the final dot 554 5.7.1 / ", false },
		{ "message 452 4.2.2 full",
		    "T the final dot 452 4.2.2, A the final dot 250 2.0.0 / ", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pair *p = pair_new();
		p->client.tx.count = 2;
		p->client.options.lmtp = cases[i].is_lmtp;
		p->server.options.role = cases[i].is_lmtp ? SMTP_ROLE_LMTP : SMTP_ROLE_MX;
		driver_queue(&p->server, str_c(cases[i].answer));
		deliver(p, 1);
		check_case_str(cases[i].answer, buf_str(&p->client.results), str_c(cases[i].want));
		pair_free(p);
	}
}

/* The server's own limits, as it announces them, are obeyed without a refusal. */
static void test_limits(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->server.options.limits.recipients = 2;
	p->client.tx.count = 3;
	deliver(p, 1);
	check_str_eq(buf_str(&p->client.results),
	    STR("A the final dot 250 2.0.0, A the final dot 250 2.0.0, N MAIL 452 4.5.3* / "));
	check(str_find(buf_str(&p->server.log), STR("REFUSED")) == STR_NPOS);
	pair_free(p);
	p = pair_new();
	p->server.options.limits.message_bytes = 17;
	deliver(p, 1);
	check_str_eq(buf_str(&p->client.results), STR("P MAIL 552 5.3.4* / "));
	pair_free(p);
}

static void test_parameters(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->client.tx.ret = SMTP_RET_HDRS;
	p->client.tx.envid = STR("Q+2B1");
	p->client.tx.utf8_header = true;
	p->client.tx.body = SMTP_BODY_8BIT;
	p->client.recipients[0].notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY;
	p->client.recipients[0].orcpt = STR("utf-8;\xc3\xa9@y.example");
	deliver(p, 1);
	str log = buf_str(&p->server.log);
	check(str_find(
	          log, STR("MAIL <a@b.example> size=18 body=8bit ret=hdrs envid=Q+2B1 utf8\n")) !=
	      STR_NPOS);
	check(str_find(log, STR("RCPT <x@y.example> notify=10 orcpt=utf-8;\xc3\xa9@y.example\n")) !=
	      STR_NPOS);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way),
		cmocka_unit_test(test_sign_in),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
