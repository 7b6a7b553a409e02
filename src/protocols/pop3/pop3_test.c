#include "check.h"
#include "transcript.h"

#include "protocols/pop3/pop3.h"

/* A maildrop of three messages. O: utf8, spanish, empty, broken-update   options. */
static const struct {
	uint32_t uid;
	str text;
} messages[] = {
	{ 4, STR_INIT("Subject: one\r\n\r\nHello\r\n") },
	{ 7, STR_INIT("Subject: two\r\n\r\n.\r\n..two\r\nthree.\r\n") },
	{ 9, STR_INIT("Subject: three\n\nno end") },
};

struct fake {
	struct pop3_session *s;
	bool is_utf8, is_spanish, is_empty, is_update_broken;
};

static struct pop3_entry fake_entry(void *arg, uint32_t number)
{
	(void)arg;
	return (
	    struct pop3_entry){ messages[number - 1].uid, (uint32_t)messages[number - 1].text.len };
}

static void *fake_open(void *ctx)
{
	(void)ctx;
	return calloc(1, sizeof(struct fake));
}

static struct pop3_session *make(const struct fake *f)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < COUNT(messages); i++)
		bytes += messages[i].text.len;
	return pop3_session_new(&(struct pop3_options){
	    .maildrop = { .count = f->is_empty ? 0 : (uint32_t)COUNT(messages),
	        .uidvalidity = 77,
	        .bytes = f->is_empty ? 0 : bytes,
	        .entry = fake_entry },
	    .language = f->is_spanish ? STR("es") : STR("en"),
	    .mechanisms = STR("PLAIN"),
	    .utf8 = f->is_utf8,
	    .bad_commands = 5,
	});
}

static void send_body(struct pop3_session *s, uint32_t number, int64_t lines)
{
	str rest = pop3_top(messages[number - 1].text, lines);

	pop3_session_body_start(s, messages[number - 1].text.len);
	while (rest.len) {
		size_t run = pop3_session_body_run(s, rest);
		pop3_session_body_bytes(s, str_sub(rest, 0, run));
		rest = str_skip(rest, run);
	}
	pop3_session_body_end(s);
}

static void handle(struct fake *f, const struct pop3_event *e, struct buf *out)
{
	switch (e->kind) {
	case POP3_EVENT_BODY:
		send_body(f->s, e->number, e->lines);
		break;
	case POP3_EVENT_UPDATE:
		buf_add(out, STR("(remove"));
		for (uint32_t i = 1; i <= COUNT(messages); i++) {
			if (pop3_session_is_deleted(f->s, i))
				buf_addf(out, " %u", (unsigned)messages[i - 1].uid);
		}
		buf_add(out, STR(")\r\n"));
		pop3_session_updated(f->s, !f->is_update_broken);
		break;
	case POP3_EVENT_CLOSE:
		buf_add(out, STR("(closed)\r\n"));
		break;
	}
}

static void take_output(struct fake *f, struct buf *out)
{
	str said = pop3_session_output(f->s);

	buf_add(out, said);
	pop3_session_sent(f->s, said.len);
}

static void fake_feed(void *session, str bytes, struct buf *out)
{
	struct fake *f = session;
	struct pop3_event e;
	size_t used;

	if (!f->s)
		f->s = make(f);
	do {
		used = pop3_session_feed(f->s, bytes);
		bytes = str_skip(bytes, used);
		take_output(f, out);
		while (pop3_session_next(f->s, &e)) {
			handle(f, &e, out);
			take_output(f, out);
			used = 1;
		}
	} while (used);
}

static void fake_directive(void *session, char who, str text, struct buf *out)
{
	struct fake *f = session;
	str word;

	(void)out;
	if (who == 'Q') {
		pop3_session_stop(f->s);
		return;
	}
	check_int_eq(who, 'O');
	pop3_session_free(f->s);
	f->s = NULL;
	while (str_split(&text, ' ', &word)) {
		f->is_utf8 |= str_eq(word, STR("utf8"));
		f->is_spanish |= str_eq(word, STR("spanish"));
		f->is_empty |= str_eq(word, STR("empty"));
		f->is_update_broken |= str_eq(word, STR("broken-update"));
	}
}

static void fake_close(void *session)
{
	struct fake *f = session;

	pop3_session_free(f->s);
	free(f);
}

static const struct transcript_driver driver = { fake_open, fake_feed, fake_directive, fake_close };

static void test_transcripts(void **state)
{
	(void)state;
	transcript_check_folder("tests/transcripts/pop3", &driver, NULL);
}

static void test_top(void **state)
{
	static const struct {
		const char *name;
		str in;
		int64_t lines;
		str out;
	} cases[] = {
		{ "none", STR_INIT("A: b\r\n\r\n1\r\n2\r\n"), 0, STR_INIT("A: b\r\n\r\n") },
		{ "one", STR_INIT("A: b\r\n\r\n1\r\n2\r\n"), 1, STR_INIT("A: b\r\n\r\n1\r\n") },
		{ "more than there are", STR_INIT("A: b\r\n\r\n1\r\n"), 9,
		    STR_INIT("A: b\r\n\r\n1\r\n") },
		{ "all", STR_INIT("A: b\r\n\r\n1\r\n"), POP3_ALL_LINES,
		    STR_INIT("A: b\r\n\r\n1\r\n") },
		{ "no body", STR_INIT("A: b\r\n"), 3, STR_INIT("A: b\r\n") },
		{ "no header", STR_INIT("\r\n1\r\n2\r\n"), 1, STR_INIT("\r\n1\r\n") },
		{ "bare LF", STR_INIT("A: b\n\n1\n2\n"), 1, STR_INIT("A: b\n\n1\n") },
		{ "empty line in body", STR_INIT("A: b\r\n\r\n\r\n2\r\n"), 1,
		    STR_INIT("A: b\r\n\r\n\r\n") },
		{ "no end", STR_INIT("A: b\r\n\r\nx"), 1, STR_INIT("A: b\r\n\r\nx") },
		{ "empty", STR_INIT(""), 1, STR_INIT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_case_str(cases[i].name, pop3_top(cases[i].in, cases[i].lines), cases[i].out);
}

static void test_stuffing(void **state)
{
	static const struct {
		const char *name;
		str in, out;
	} cases[] = {
		{ "plain", STR_INIT("a\r\nb\r\n"), STR_INIT("a\r\nb\r\n.\r\n") },
		{ "dots", STR_INIT(".\r\n..\r\na.\r\n"), STR_INIT("..\r\n...\r\na.\r\n.\r\n") },
		{ "dot behind a bare LF", STR_INIT("a\n.\r\n"), STR_INIT("a\n..\r\n.\r\n") },
		{ "no end", STR_INIT("a"), STR_INIT("a\r\n.\r\n") },
		{ "ends in CR", STR_INIT("a\r"), STR_INIT("a\r\r\n.\r\n") },
		{ "ends in bare LF", STR_INIT("a\n"), STR_INIT("a\n\r\n.\r\n") },
		{ "only a dot", STR_INIT("."), STR_INIT("..\r\n.\r\n") },
		{ "empty", STR_INIT(""), STR_INIT(".\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.len + 1; step++) {
			struct pop3_session *s = make(&(struct fake){ 0 });
			struct pop3_event e;
			str in = cases[i].in;
			pop3_session_feed(s, STR("RETR 1\r\n"));
			check(pop3_session_next(s, &e));
			pop3_session_body_start(s, in.len);
			while (in.len) {
				size_t run = pop3_session_body_run(s, str_sub(in, 0, step));
				pop3_session_body_bytes(s, str_sub(in, 0, run));
				in = str_skip(in, run);
			}
			pop3_session_body_end(s);
			str out = pop3_session_output(s);
			check_case_str(
			    cases[i].name, str_skip(out, str_chr(out, '\n') + 1), cases[i].out);
			pop3_session_free(s);
		}
	}
}

static struct pop3_entry many_entry(void *arg, uint32_t number)
{
	(void)arg;
	return (struct pop3_entry){ number * 2, number };
}

/* A listing of 100,000 messages never holds more than a step above the high-water mark. */
static void test_long_listing(void **state)
{
	struct pop3_session *s = pop3_session_new(&(struct pop3_options){
	    .maildrop = { .count = 100000, .uidvalidity = 1, .bytes = 5, .entry = many_entry },
	    .bad_commands = 5,
	});
	struct pop3_event e;
	size_t lines = 0, sends = 0;
	str in = STR("UIDL\r\nNOOP\r\n");

	(void)state;
	do {
		in = str_skip(in, pop3_session_feed(s, in));
		check(!pop3_session_next(s, &e));
		str out = pop3_session_output(s);
		check(out.len < POP3_OUTPUT_HIGH + 256 * 40);
		for (size_t i = 0; i < out.len; i++)
			lines += out.ptr[i] == '\n';
		pop3_session_sent(s, out.len);
		sends++;
	} while (lines < 100003 && sends < 1000);
	check_int_eq(lines, 100003);
	check(sends > 10);
	pop3_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_stuffing),
		cmocka_unit_test(test_long_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
