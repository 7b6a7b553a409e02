#include "check.h"
#include "transcript.h"

#include "protocols/pop3/preauth.h"

/* The client's side of a fake world: ann's password is "secret"; SCRAM-SHA-256 is played with fixed
 * messages; bob's maildrop is in use, carl's cannot be opened.
 * O: tls-available, tls-active, plain   options; STLS is followed by "T:", the handshake. */
struct fake {
	struct pop3_preauth_options o;
	struct pop3_preauth *p;
	bool is_bob, is_carl, was_aborted;
};

static void *fake_open(void *ctx)
{
	struct fake *f = calloc(1, sizeof(*f));

	(void)ctx;
	f->o = (struct pop3_preauth_options){
		.hostname = STR("mx.example.org"),
		.mechanisms_tls = STR("SCRAM-SHA-256 PLAIN"),
		.mechanisms_clear = STR("SCRAM-SHA-256"),
	};
	return f;
}

static void check_plain(struct fake *f, str message)
{
	str rest = str_skip(message, 1), user, password;

	check(str_split(&rest, '\0', &user) && str_split(&rest, '\0', &password));
	f->is_bob = str_eq(user, STR("bob"));
	f->is_carl = str_eq(user, STR("carl"));
	if (str_eq(user, STR("busy")))
		pop3_preauth_sasl_answer(f->p, POP3_SASL_UNAVAILABLE, STR(""));
	else
		pop3_preauth_sasl_answer(f->p,
		    str_eq(password, STR(" secret ")) || str_eq(password, STR("secret"))
		        ? POP3_SASL_OK
		        : POP3_SASL_FAILED,
		    STR(""));
}

static void answer_start(struct fake *f, const struct pop3_preauth_event *e)
{
	if (str_eq(e->mechanism, STR("PLAIN")) && e->has_initial && e->initial.len)
		check_plain(f, e->initial);
	else if (str_eq(e->mechanism, STR("PLAIN")) && e->has_initial)
		pop3_preauth_sasl_answer(f->p, POP3_SASL_MALFORMED, STR(""));
	else if (e->has_initial)
		pop3_preauth_sasl_answer(f->p, POP3_SASL_CHALLENGE, STR("server-first"));
	else
		pop3_preauth_sasl_answer(f->p, POP3_SASL_CHALLENGE, STR(""));
}

static void answer_step(struct fake *f, str response)
{
	if (response.len && response.ptr[0] == '\0')
		check_plain(f, response);
	else if (str_eq(response, STR("client-first")))
		pop3_preauth_sasl_answer(f->p, POP3_SASL_CHALLENGE, STR("server-first"));
	else if (str_eq(response, STR("client-final")))
		pop3_preauth_sasl_answer(f->p, POP3_SASL_OK, STR("server-final"));
	else
		pop3_preauth_sasl_answer(f->p, POP3_SASL_MALFORMED, STR(""));
}

static void handle(struct fake *f, const struct pop3_preauth_event *e, struct buf *out)
{
	switch (e->kind) {
	case POP3_PREAUTH_SASL_START:
		answer_start(f, e);
		break;
	case POP3_PREAUTH_SASL_STEP:
		answer_step(f, e->response);
		break;
	case POP3_PREAUTH_SASL_ABORT:
		buf_add(out, STR("(aborted)\r\n"));
		break;
	case POP3_PREAUTH_SIGN_IN:
		if (f->is_bob)
			pop3_preauth_refuse(f->p, STR("IN-USE"), STR("english text"));
		else if (f->is_carl)
			pop3_preauth_refuse(f->p, STR("SYS/TEMP"), STR("no maildrop today"));
		else
			pop3_preauth_signed_in(f->p);
		break;
	case POP3_PREAUTH_STARTTLS:
		break;
	case POP3_PREAUTH_CLOSE:
		buf_add(out, pop3_preauth_output(f->p));
		pop3_preauth_sent(f->p, pop3_preauth_output(f->p).len);
		buf_add(out, STR("(closed)\r\n"));
		break;
	}
}

static void take_output(struct fake *f, struct buf *out)
{
	str said = pop3_preauth_output(f->p);

	buf_add(out, said);
	pop3_preauth_sent(f->p, said.len);
}

static void fake_feed(void *session, str bytes, struct buf *out)
{
	struct fake *f = session;
	struct pop3_preauth_event e;
	size_t used;

	if (!f->p)
		f->p = pop3_preauth_new(&f->o);
	do {
		used = pop3_preauth_feed(f->p, bytes);
		bytes = str_skip(bytes, used);
		take_output(f, out);
		while (pop3_preauth_next(f->p, &e)) {
			handle(f, &e, out);
			take_output(f, out);
			used = 1;
		}
	} while (used);
	/* What the engine does not take goes to the next session, or nowhere. */
}

static void fake_directive(void *session, char who, str text, struct buf *out)
{
	struct fake *f = session;
	str word;

	(void)out;
	if (who == 'T') {
		pop3_preauth_tls_started(f->p);
		return;
	}
	if (who == 'Q') {
		pop3_preauth_stop(f->p);
		return;
	}
	check_int_eq(who, 'O');
	/* Options come before the engine is made; the runner has made it to look for a greeting. */
	pop3_preauth_free(f->p);
	f->p = NULL;
	buf_reset(out);
	while (str_split(&text, ' ', &word)) {
		f->o.tls_available |= str_eq(word, STR("tls-available"));
		f->o.tls_active |= str_eq(word, STR("tls-active"));
		f->o.allow_plain |= str_eq(word, STR("plain"));
	}
}

static void fake_close(void *session)
{
	struct fake *f = session;

	pop3_preauth_free(f->p);
	free(f);
}

static const struct transcript_driver driver = { fake_open, fake_feed, fake_directive, fake_close };

static void test_transcripts(void **state)
{
	(void)state;
	transcript_check_folder("tests/transcripts/pop3-preauth", &driver, NULL);
}

static void test_command_length(void **state)
{
	(void)state;
	for (size_t len = 254; len <= 256; len++) {
		AUTO_BUF in = BUF_INIT(1000);
		AUTO_BUF out = BUF_INIT(10000);
		struct fake *f = fake_open(NULL);
		f->o.allow_plain = true;
		buf_add(&in, STR("USER "));
		while (in.len < len - 2)
			buf_addc(&in, 'x');
		buf_add(&in, STR("\r\n"));
		fake_feed(f, buf_str(&in), &out);
		bool is_refused = str_find(buf_str(&out), STR("line too long")) != STR_NPOS;
		check(is_refused == (len > 255));
		fake_close(f);
	}
}

static void test_response_length(void **state)
{
	(void)state;
	for (size_t len = 12287; len <= 12289; len++) {
		AUTO_BUF in = BUF_INIT(20000);
		AUTO_BUF out = BUF_INIT(20000);
		struct fake *f = fake_open(NULL);
		f->o.tls_active = true;
		fake_feed(f, STR("AUTH PLAIN\r\n"), &out);
		while (in.len < len - 2)
			buf_addc(&in, 'A');
		buf_add(&in, STR("\r\n"));
		fake_feed(f, buf_str(&in), &out);
		bool is_refused = str_find(buf_str(&out), STR("line too long")) != STR_NPOS;
		check(is_refused == (len > 12288));
		fake_close(f);
	}
}

static void test_bytes_after_sign_in_stay(void **state)
{
	AUTO_BUF out = BUF_INIT(10000);
	struct pop3_preauth_event e;
	struct pop3_preauth *p = pop3_preauth_new(&(struct pop3_preauth_options){
	    .hostname = STR("h"), .tls_active = true, .mechanisms_tls = STR("PLAIN") });
	str in = STR("USER ann\r\nPASS secret\r\nSTAT\r\n");

	(void)state;
	in = str_skip(in, pop3_preauth_feed(p, in));
	check_str_eq(in, STR("STAT\r\n"));
	check(pop3_preauth_next(p, &e) && e.kind == POP3_PREAUTH_SASL_START);
	check_str_eq(e.initial, STR("\0ann\0secret"));
	check_int_eq(pop3_preauth_feed(p, in), 0);
	pop3_preauth_sasl_answer(p, POP3_SASL_OK, STR(""));
	check(pop3_preauth_next(p, &e) && e.kind == POP3_PREAUTH_SIGN_IN);
	check_int_eq(pop3_preauth_feed(p, in), 0);
	pop3_preauth_signed_in(p);
	check_int_eq(pop3_preauth_feed(p, in), 0);
	check(!pop3_preauth_is_done(p));
	pop3_preauth_sent(p, pop3_preauth_output(p).len);
	check(pop3_preauth_is_done(p));
	pop3_preauth_free(p);
}

static void test_bytes_after_stls_stay(void **state)
{
	struct pop3_preauth_event e;
	struct pop3_preauth *p = pop3_preauth_new(
	    &(struct pop3_preauth_options){ .hostname = STR("h"), .tls_available = true });
	str in = STR("STLS\r\nUSER injected\r\n");

	(void)state;
	in = str_skip(in, pop3_preauth_feed(p, in));
	check_str_eq(in, STR("USER injected\r\n"));
	check(pop3_preauth_next(p, &e) && e.kind == POP3_PREAUTH_STARTTLS);
	check_int_eq(pop3_preauth_feed(p, in), 0);
	pop3_preauth_tls_started(p);
	check_int_eq(pop3_preauth_feed(p, STR("CAPA\r\n")), 6);
	pop3_preauth_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_command_length),
		cmocka_unit_test(test_response_length),
		cmocka_unit_test(test_bytes_after_sign_in_stay),
		cmocka_unit_test(test_bytes_after_stls_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
