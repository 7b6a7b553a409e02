/* All pairs of states and events, and all pairs of events behind each state. The caller's record in the driver
 * checks what the engine promises; here it is checked that every way ends, that a closed connection is silent,
 * and that each state goes where the table below says. */
#include "check.h"

#include "protocols/smtp_client/internal.h"
#include "protocols/smtp_client/smtp_client_driver.h"

/* ---- ways to every state ---- */

#define OPEN "220 mx|250 mx"
#define PIPED "220 mx|250-mx\n250-PIPELINING\n250 CHUNKING"

static const struct way {
	const char *name;
	enum smtpc_state state;
	bool starts, chunks, lmtp, signs_in;
	const char *answers; /* '|' between them; each is fed when the output is sent */
} ways[] = {
	{ "banner", SMTPC_OPENING, true, false, false, false, "" },
	{ "EHLO", SMTPC_OPENING, true, false, false, false, "220 mx" },
	{ "HELO", SMTPC_OPENING, true, false, false, false, "220 mx|502 what" },
	{ "STARTTLS", SMTPC_OPENING, true, false, false, false, "220 mx|250-mx\n250 STARTTLS" },
	{ "handshake", SMTPC_HANDSHAKE, true, false, false, false,
	    "220 mx|250-mx\n250 STARTTLS|220 go" },
	{ "AUTH", SMTPC_OPENING, true, false, false, true, "220 mx|250-mx\n250 AUTH LOGIN" },
	{ "ready", SMTPC_READY, false, false, false, false, OPEN },
	{ "MAIL", SMTPC_ENVELOPE, true, false, false, false, OPEN },
	{ "RCPT", SMTPC_ENVELOPE, true, false, false, false, OPEN "|250 ok" },
	{ "second RCPT", SMTPC_ENVELOPE, true, false, false, false, OPEN "|250 ok|250 ok" },
	{ "group", SMTPC_ENVELOPE, true, false, false, false, PIPED },
	{ "group, MAIL refused", SMTPC_DRAIN, true, false, false, false, PIPED "|550 no" },
	{ "DATA", SMTPC_ENVELOPE, true, false, false, false, OPEN "|250 ok|250 ok|250 ok" },
	{ "final dot", SMTPC_FINAL, true, false, false, false,
	    OPEN "|250 ok|250 ok|250 ok|354 go" },
	{ "final dot of LMTP", SMTPC_FINAL, true, false, true, false,
	    OPEN "|250 ok|250 ok|250 ok|354 go" },
	{ "chunks", SMTPC_FINAL, true, true, false, false, PIPED "|250 ok|250 ok|250 ok" },
	{ "RSET", SMTPC_RESET, true, false, false, false, OPEN "|250 ok|550 no|550 no" },
	{ "QUIT", SMTPC_QUIT, true, false, false, false, "554 no" },
	{ "done", SMTPC_DONE, true, false, false, false, "421 no" },
};

/* ---- events ---- */

static void reply(struct caller *d, const char *text)
{
	buf_addz(&d->in, text);
	caller_run(d);
}

static void on_250(struct caller *d)
{
	reply(d, "250 ok\r\n");
}
static void on_250_lines(struct caller *d)
{
	reply(d, "250-mx\r\n250-PIPELINING\r\n250 SIZE 1\r\n");
}
static void on_354(struct caller *d)
{
	reply(d, "354 go\r\n");
}
static void on_334(struct caller *d)
{
	reply(d, "334 QUJD\r\n");
}
static void on_450(struct caller *d)
{
	reply(d, "450 later\r\n");
}
static void on_550(struct caller *d)
{
	reply(d, "550 no\r\n");
}
static void on_421(struct caller *d)
{
	reply(d, "421 bye\r\n");
}
static void on_twice(struct caller *d)
{
	reply(d, "250 ok\r\n250 ok\r\n");
}
static void on_junk(struct caller *d)
{
	reply(d, "hello\r\n");
}
static void on_part(struct caller *d)
{
	reply(d, "250-ok\r\n25");
}
static void on_flood(struct caller *d)
{
	for (int i = 0; i < 300; i++)
		reply(d, "250-more\r\n");
}
static void on_lost(struct caller *d)
{
	smtp_client_lost(d->c, STR("broken pipe"));
	caller_run(d);
}
static void on_timeout(struct caller *d)
{
	uint64_t at = smtp_client_deadline(d->c);

	d->now = at == UINT64_MAX ? d->now + 1 : at;
	smtp_client_tick(d->c, d->now);
	caller_run(d);
}
static void on_start(struct caller *d)
{
	(void)caller_start(d);
	caller_run(d);
}
static void on_quit(struct caller *d)
{
	smtp_client_quit(d->c);
	caller_run(d);
}
static void on_abort(struct caller *d)
{
	smtp_client_abort(d->c);
	caller_run(d);
}
static void on_tls(struct caller *d)
{
	caller_tls(d, "tls");
}
static void on_tls_failed(struct caller *d)
{
	caller_tls(d, "tls-failed");
}
static void on_body_failed(struct caller *d)
{
	smtp_client_body_failed(d->c);
	caller_run(d);
}
static void on_hold(struct caller *d)
{
	d->holds_output = !d->holds_output;
	caller_run(d);
}

static const struct event {
	const char *name;
	void (*run)(struct caller *d);
} events[] = {
	{ "250", on_250 },
	{ "250 of three lines", on_250_lines },
	{ "354", on_354 },
	{ "334", on_334 },
	{ "450", on_450 },
	{ "550", on_550 },
	{ "421", on_421 },
	{ "250 twice", on_twice },
	{ "junk", on_junk },
	{ "half a reply", on_part },
	{ "flood", on_flood },
	{ "lost", on_lost },
	{ "time-out", on_timeout },
	{ "start", on_start },
	{ "quit", on_quit },
	{ "abort", on_abort },
	{ "TLS", on_tls },
	{ "TLS failed", on_tls_failed },
	{ "source failed", on_body_failed },
	{ "output held", on_hold },
};

/* ---- playing ---- */

static struct caller *go(const struct way *w)
{
	struct caller *d = calloc(1, sizeof(*d));
	str answers = str_c(w->answers), answer;

	caller_init(d);
	d->options.lmtp = w->lmtp;
	d->options.allow_clear = true;
	if (w->signs_in)
		d->options.user = STR("user"), d->options.password = STR("pencil");
	if (w->chunks)
		d->options.chunking = SMTP_CLIENT_CHUNKING_PREFERRED;
	d->recipients[0].address = d->recipients[1].address = STR("x@y.example");
	d->tx.count = 2;
	caller_open(d);
	if (w->starts)
		check(caller_start(d));
	while (answers.len && str_split(&answers, '|', &answer)) {
		for (size_t i = 0; i < answer.len; i++) {
			if (answer.ptr[i] == '\n')
				buf_addc(&d->in, '\r');
			buf_addc(&d->in, answer.ptr[i]);
		}
		buf_addz(&d->in, "\r\n");
		caller_run(d);
	}
	check_case(w->name, d->c->state == w->state);
	return d;
}

/* From anywhere, an ended connection ends it all, and then nothing more is said. */
static void end(struct caller *d, const char *name)
{
	d->holds_output = false;
	smtp_client_lost(d->c, STR_NONE);
	caller_run(d);
	check_case(name, smtp_client_is_done(d->c) && d->is_closed);
	check_case(name, d->finished == d->starts);
	check_case(name, smtp_client_deadline(d->c) == UINT64_MAX);
	size_t said = d->wire.len;
	for (size_t i = 0; i < COUNT(events); i++)
		events[i].run(d);
	check_case(name, d->wire.len == said);
	caller_fini(d);
	free(d);
}

static void test_pairs(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++)
		for (size_t e = 0; e < COUNT(events); e++) {
			struct caller *d = go(&ways[w]);
			events[e].run(d);
			end(d, ways[w].name);
		}
}

static void test_triples(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++)
		for (size_t a = 0; a < COUNT(events); a++)
			for (size_t b = 0; b < COUNT(events); b++) {
				struct caller *d = go(&ways[w]);
				events[a].run(d);
				events[b].run(d);
				end(d, ways[w].name);
			}
}

static void test_walks(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct caller *d = go(&ways[(unsigned)round % COUNT(ways)]);
		for (int i = 0; i < 60; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			/* Ends come late, or no walk gets far. */
			size_t e = seed % 5 ? seed / 5 % 6 : seed / 5 % COUNT(events);
			events[e].run(d);
		}
		end(d, "walk");
	}
}

/* Every stage that waits for an answer has its time, and no answer ends it. */
static void test_deadlines(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++) {
		struct caller *d = go(&ways[w]);
		enum smtp_client_stage stage = smtp_client_stage(d->c);
		uint64_t at = smtp_client_deadline(d->c);
		if (stage == SMTP_CLIENT_CLOSED) {
			end(d, ways[w].name);
			continue;
		}
		check_case(ways[w].name, at == d->now + smtpc_stages[stage].timeout_ms);
		smtp_client_tick(d->c, at - 1);
		check_case(ways[w].name, smtp_client_stage(d->c) == stage);
		buf_addz(&d->in, "250-drip\r\n");
		caller_run(d);
		check_case(ways[w].name, d->is_closed || stage == SMTP_CLIENT_HANDSHAKE ||
		                             smtp_client_deadline(d->c) == at);
		smtp_client_tick(d->c, at);
		caller_run(d);
		check_case(
		    ways[w].name, d->is_closed || smtp_client_stage(d->c) == SMTP_CLIENT_QUIT);
		end(d, ways[w].name);
	}
}

/* Each stage's handlers are what the names say; those that wait for no reply have none. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < SMTP_CLIENT_STAGES; i++) {
		check(smtpc_stages[i].name != NULL);
		check(smtpc_stages[i].timeout_ms > 0 || i == SMTP_CLIENT_CLOSED);
	}
	/* Only DATA and AUTH know 3xx, and DATA knows no 2xx. RFC 5321 §4.2.1 */
	for (size_t i = 0; i < SMTP_CLIENT_STAGES; i++)
		check((smtpc_stages[i].on_more != NULL) ==
		      (i == SMTP_CLIENT_DATA || i == SMTP_CLIENT_AUTH));
	check(smtpc_stages[SMTP_CLIENT_DATA].on_done == NULL);
}

/* A message that goes too slowly is given up although every write succeeds. */
static void test_slow_reader(void **state)
{
	struct caller *d = go(&ways[12]);

	(void)state;
	d->holds_output = true;
	reply(d, "354 go\r\n");
	uint64_t end_at = d->now + SMTPC_BODY_GRACE_MS;
	for (int i = 0; i < 10000 && !d->is_closed; i++) {
		d->now += 60 * 1000;
		smtp_client_tick(d->c, d->now);
		if (smtp_client_output(d->c).len > 1)
			smtp_client_sent(d->c, 1);
		caller_run(d);
	}
	check(d->is_closed && d->now >= end_at && d->now < end_at + 120 * 1000);
	check_str_eq(
	    buf_str(&d->results), STR("T the final dot 451 4.4.2*, T the final dot 451 4.4.2* . "));
	end(d, "slow");
}

static void test_print(void **state)
{
	struct smtp_client_result r = { .outcome = SMTP_CLIENT_PERMANENT,
		.stage = SMTP_CLIENT_RCPT,
		.code = 550,
		.enhanced = { 5, 1, 1 },
		.text = STR("no such user") };
	AUTO_BUF out = BUF_INIT(100);

	(void)state;
	smtp_client_result_print(&r, &out);
	check_str_eq(buf_str(&out), STR("550 5.1.1 no such user"));
	check(!smtp_client_result_is_of_host(&r));
	r = (struct smtp_client_result){ .stage = SMTP_CLIENT_BANNER, .code = 354 };
	buf_reset(&out);
	smtp_client_result_print(&r, &out);
	check_str_eq(buf_str(&out), STR("354"));
	check(smtp_client_result_is_of_host(&r));
	check(strcmp(smtp_client_outcome_name(SMTP_CLIENT_NEEDS_7BIT), "needs 7bit") == 0);
}

/* The password does not stay in the output once it is sent. */
static void test_password_is_wiped(void **state)
{
	struct caller *d = go(&ways[5]);

	(void)state;
	reply(d, "334 VXNlcm5hbWU6\r\n");
	d->holds_output = true;
	reply(d, "334 UGFzc3dvcmQ6\r\n");
	str out = smtp_client_output(d->c);
	check_str_eq(out, STR("cGVuY2ls\r\n"));
	const char *at = out.ptr;
	smtp_client_sent(d->c, out.len);
	check(memcmp(at, "\0\0\0\0\0\0\0\0", 8) == 0);
	end(d, "wipe");
}

/* What was not sent when the conversation broke is never sent: half a message would be taken for a whole one. */
static void test_nothing_is_left_behind(void **state)
{
	struct caller *d = go(&ways[12]);

	(void)state;
	d->holds_output = true;
	reply(d, "354 go\r\n");
	check(smtp_client_output(d->c).len > 0);
	reply(d, "hello\r\n");
	check(d->is_closed && smtp_client_output(d->c).len == 0);
	end(d, "left behind");
}

/* An answer to what is still in the output. */
static void test_answer_before_the_question_is_sent(void **state)
{
	struct caller *d = go(&ways[0]);

	(void)state;
	d->holds_output = true;
	reply(d, "220 mx\r\n");
	reply(d, "250 mx\r\n");
	check(d->is_closed);
	check_str_eq(buf_str(&d->results), STR("T EHLO 451 4.5.0*, T EHLO 451 4.5.0* . "));
	end(d, "unsent");
}

static void test_paths(void **state)
{
	static const struct {
		const char *address;
		bool ok;
	} cases[] = {
		{ "a@b", true },
		{ "Postmaster", true },
		{ "\"a b\"@c", true },
		{ "\"a>b\"@c", true },
		{ "\"a\\\"b\"@c", true },
		{ "\xc3\xa9@c", true },
		{ "", false },
		{ "a b@c", false },
		{ "a>@c", false },
		{ "a<@c", false },
		{ "a\r@c", false },
		{ "a\n@c", false },
		{ "a\t@c", false },
		{ "a\x7f@c", false },
		{ "\"a\r\nb\"@c", false },
		{ "\"a\\\r\"@c", false },
		{ "\"a@c", false },
		{ "\xe9@c", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case(cases[i].address, smtpc_is_path(str_c(cases[i].address)) == cases[i].ok);
	check(!smtpc_is_path(STR("a\0b@c")));
	AUTO_BUF text = BUF_INIT(2000);
	for (int i = 0; i < 1024; i++)
		buf_addc(&text, 'x');
	check(smtpc_is_path(buf_str(&text)));
	buf_addc(&text, 'x');
	check(!smtpc_is_path(buf_str(&text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_triples),
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_nothing_is_left_behind),
		cmocka_unit_test(test_answer_before_the_question_is_sent),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_password_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
