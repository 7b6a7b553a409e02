/* Tests of the framer: every case whole, and cut at every byte. */
#include "check.h"

#include "protocols/imap/framer.h"

static const struct imap_limits small = { .line_bytes = 64,
	.command_bytes = 160,
	.inline_bytes = 20,
	.append_bytes = 60,
	.append_count = 2,
	.append_total = 100,
	.swallow_bytes = 100 };

/* Events as lines of text: what two runs are compared by. */
static void note(
    struct buf *log, struct imap_framer *f, enum imap_frame event, const struct imap_frame_event *e)
{
	switch (event) {
	case IMAP_FRAME_NONE:
		break;
	case IMAP_FRAME_CONTINUE:
		buf_addz(log, "+;");
		break;
	case IMAP_FRAME_COMMAND:
		buf_addf(log, "<" STR_FMT ">", STR_ARG(e->text));
		for (size_t i = 0; i < e->streamed_count; i++)
			buf_addf(log, "%s%d%s@%zu^%d", e->streamed[i].binary ? "~" : "",
			    (int)e->streamed[i].length, e->streamed[i].has_nul ? "!" : "",
			    e->streamed[i].at, (int)e->streamed[i].offset);
		buf_addz(log, ";");
		break;
	case IMAP_FRAME_STREAM:
		if (e->first)
			buf_addf(log, "[%zu:", e->index);
		buf_add(log, e->data);
		if (e->last)
			buf_addz(log, "];");
		imap_framer_set_fd(f, e->index, 7);
		break;
	case IMAP_FRAME_REFUSED:
		buf_addf(log, "NO " STR_FMT ";", STR_ARG(e->text));
		break;
	case IMAP_FRAME_BAD:
		buf_addf(log, "BAD " STR_FMT ";", STR_ARG(e->text));
		break;
	case IMAP_FRAME_FATAL:
		buf_addz(log, "FATAL;");
		break;
	}
}

static void run(struct buf *log, str script, size_t step)
{
	struct imap_framer *f = imap_framer_new(&small);

	for (size_t at = 0; at < script.len; at += step) {
		str part = str_sub(script, at, step);
		while (part.len > 0) {
			struct imap_frame_event e;
			enum imap_frame event = imap_framer_feed(f, &part, &e);
			note(log, f, event, &e);
			if (event == IMAP_FRAME_COMMAND)
				imap_framer_release(f);
			if (event == IMAP_FRAME_NONE)
				break; /* over: nothing is taken any more */
		}
	}
	imap_framer_free(f);
}

#define TEN "0123456789"
#define THIRTY TEN TEN TEN
#define SIXTY THIRTY THIRTY

static const struct {
	const char *name;
	str in;
	str want;
} cases[] = {
	{ "line", STR_INIT("a NOOP\r\n"), STR_INIT("<a NOOP>;") },
	{ "pipelined", STR_INIT("a NOOP\r\nb NOOP\r\n"), STR_INIT("<a NOOP>;<b NOOP>;") },
	{ "unfinished", STR_INIT("a NOOP\r"), STR_INIT("") },
	{ "empty line", STR_INIT("\r\n"), STR_INIT("<>;") },
	{ "literal", STR_INIT("a LOGIN {3}\r\nbob {2}\r\npw\r\n"),
	    STR_INIT("+;+;<a LOGIN {3}\r\nbob {2}\r\npw>;") },
	{ "literal plus", STR_INIT("a LOGIN {3+}\r\nbob {2+}\r\npw\r\nb X\r\n"),
	    STR_INIT("<a LOGIN {3+}\r\nbob {2+}\r\npw>;<b X>;") },
	{ "empty literal", STR_INIT("a X {0}\r\n\r\n"), STR_INIT("+;<a X {0}\r\n>;") },
	{ "literal holds CRLF", STR_INIT("a X {4+}\r\n\r\n\r\n\r\n"),
	    STR_INIT("<a X {4+}\r\n\r\n\r\n>;") },
	{ "literal8", STR_INIT("a X ~{3+}\r\n\x01\x02\x03\r\n"),
	    STR_INIT("<a X ~{3+}\r\n\x01\x02\x03>;") },
	{ "no announcement", STR_INIT("a X \"{3}\"\r\n"), STR_INIT("<a X \"{3}\">;") },
	{ "not a number", STR_INIT("a X {x}\r\n"), STR_INIT("<a X {x}>;") },
	{ "empty braces", STR_INIT("a X {}\r\nb X {+}\r\n"), STR_INIT("<a X {}>;<b X {+}>;") },
	{ "bare LF", STR_INIT("a NOOP\nb NOOP\r\n"), STR_INIT("BAD a;<b NOOP>;") },
	{ "NUL", STR_INIT("a NO\0OP\r\nb NOOP\r\n"), STR_INIT("BAD a;<b NOOP>;") },
	{ "NUL before a literal that comes", STR_INIT("a \0 {7+}\r\nx NOOP\n\r\nb NOOP\r\n"),
	    STR_INIT("BAD a;<b NOOP>;") },
	{ "line at the limit", STR_INIT("a " SIXTY "\r\nb NOOP\r\n"),
	    STR_INIT("<a " SIXTY ">;<b NOOP>;") },
	{ "line over the limit", STR_INIT("a X" SIXTY "\r\nb NOOP\r\n"),
	    STR_INIT("BAD a;<b NOOP>;") },
	{ "long line without a tag", STR_INIT(SIXTY SIXTY "\r\nb NOOP\r\n"),
	    STR_INIT("BAD " SIXTY "0123;<b NOOP>;") },
	{ "long line with a literal that comes",
	    STR_INIT("a X" SIXTY " {6+}\r\nx DIE\n\r\nb NOOP\r\n"), STR_INIT("BAD a;<b NOOP>;") },
	{ "literal too large", STR_INIT("a X {200}\r\nb NOOP\r\n"), STR_INIT("NO a;<b NOOP>;") },
	{ "literal plus too large is swallowed",
	    STR_INIT("a XXXXXXX " SIXTY "\r\nb " TEN " {60+}\r\n" SIXTY THIRTY " {95+}\r\n" THIRTY
	             "\r\nx NOOP\r\n" TEN TEN TEN TEN TEN "12345\r\nc NOOP\r\n"),
	    STR_INIT("BAD a;NO b;<c NOOP>;") },
	{ "literal plus too large for what is left",
	    STR_INIT("b {60+}\r\n" SIXTY " {95+}\r\n" THIRTY "\r\nx NOOP\r\n" TEN TEN TEN TEN TEN
	             "12345\r\nc NOOP\r\n"),
	    STR_INIT("NO b;<c NOOP>;") },
	{ "literal plus far too large", STR_INIT("a X {101}\r\nb X {1000+}\r\nb NOOP\r\n"),
	    STR_INIT("+;") },
	{ "fatal", STR_INIT("b X {1000+}\r\nb NOOP\r\n"), STR_INIT("FATAL;") },
	{ "number too large", STR_INIT("b X {99999999999999999999}\r\nb NOOP\r\n"),
	    STR_INIT("NO b;<b NOOP>;") },
	{ "number too large and it comes", STR_INIT("b X {99999999999999999999+}\r\nb NOOP\r\n"),
	    STR_INIT("FATAL;") },
	{ "append inline", STR_INIT("a append x {20}\r\n" TEN TEN "\r\n"),
	    STR_INIT("+;<a append x {20}\r\n" TEN TEN ">;") },
	{ "append aside", STR_INIT("a append x {21}\r\n" TEN TEN "Z\r\nb NOOP\r\n"),
	    STR_INIT("+;[0:" TEN TEN "Z];<a append x {21}\r\n>21@17^0;<b NOOP>;") },
	{ "append aside, two",
	    STR_INIT("a APPEND x {30+}\r\n" THIRTY " ~{30+}\r\n" TEN TEN "\0"
	             "123456789)\r\n"),
	    STR_INIT("[0:" THIRTY "];[1:" TEN TEN "\0"
	             "123456789];<a APPEND x {30+}\r\n ~{30+}\r\n)>30@18^0~30!@27^30;") },
	{ "append too large", STR_INIT("a APPEND x {61}\r\nb NOOP\r\n"),
	    STR_INIT("NO a;<b NOOP>;") },
	{ "append plus too large, with another behind it",
	    STR_INIT("a APPEND x {61+}\r\n" SIXTY "1 {3+}\r\nx\r\n\r\nb NOOP\r\n"),
	    STR_INIT("NO a;<b NOOP>;") },
	{ "append of too many",
	    STR_INIT("a APPEND x {21+}\r\n" TEN TEN "1 {21+}\r\n" TEN TEN "1 {21}\r\nb NOOP\r\n"),
	    STR_INIT("[0:" TEN TEN "1];[1:" TEN TEN "1];NO a;<b NOOP>;") },
	{ "append of too much together",
	    STR_INIT("a APPEND x {60+}\r\n" SIXTY " {41}\r\nb NOOP\r\n"),
	    STR_INIT("[0:" SIXTY "];NO a;<b NOOP>;") },
	{ "small messages go aside when half of the command is full",
	    STR_INIT(
	        "a APPEND x {20+}\r\n" TEN TEN " {20+}\r\n" TEN TEN " {20+}\r\n" TEN TEN "\r\n"),
	    STR_INIT("[0:" TEN TEN "];<a APPEND x {20+}\r\n" TEN TEN " {20+}\r\n" TEN TEN
	             " {20+}\r\n>20@74^0;") },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF log = BUF_INIT(65536);
		run(&log, cases[i].in, cases[i].in.len);
		/* Two cases only show where they stop. */
		check_case_str(
		    cases[i].name, str_sub(buf_str(&log), 0, cases[i].want.len), cases[i].want);
	}
}

static void test_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF whole = BUF_INIT(65536);
		run(&whole, cases[i].in, cases[i].in.len);
		for (size_t step = 1; step < cases[i].in.len; step++) {
			AUTO_BUF part = BUF_INIT(65536);
			run(&part, cases[i].in, step);
			check_case_str(cases[i].name, buf_str(&part), buf_str(&whole));
		}
	}
}

static void test_inside(void **state)
{
	struct imap_framer *f = imap_framer_new(&small);
	struct imap_frame_event e;
	str in = STR("a X {3}\r\n");

	(void)state;
	check(!imap_framer_is_inside(f));
	check_int_eq(imap_framer_feed(f, &in, &e), IMAP_FRAME_CONTINUE);
	check(imap_framer_is_inside(f));
	in = STR("abc\r\n");
	check_int_eq(imap_framer_feed(f, &in, &e), IMAP_FRAME_COMMAND);
	check(!imap_framer_is_inside(f));
	imap_framer_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
