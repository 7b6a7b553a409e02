/* Replies as they are met in the field, whole and cut everywhere. */
#include "check.h"

#include <stdio.h>

#include "protocols/smtp_client/peer_reply.h"

/* clang-format off */
static const struct {
	const char *name, *in, *want; /* want: "CODE ENHANCED FLAGS text;" for each, then ! or ~ */
} cases[] = {
	{ "one line", "250 ok\r\n", "250 - 0 ok;" },
	{ "no text", "250\r\n", "250 - 0 ;" },
	{ "a space and no text", "250 \r\n", "250 - 0 ;" },
	{ "enhanced", "550 5.1.1 who\r\n", "550 5.1.1 0 who;" },
	{ "enhanced alone", "250 2.0.0\r\n", "250 2.0.0 0 ;" },
	{ "enhanced of another class", "550 4.7.1 later\r\n", "550 5.7.1 128 later;" },
	{ "no enhanced in 354", "354 2.0.0 go\r\n", "354 - 0 2.0.0 go;" },
	{ "many lines", "250-a\r\n250-b\r\n250 c\r\n", "250 - 0 a/b/c;" },
	{ "enhanced on each line", "550-5.7.1 a\r\n550 5.7.1 b\r\n", "550 5.7.1 0 a/b;" },
	{ "enhanced on the last", "550-a\r\n550 5.7.1 b\r\n", "550 5.7.1 0 a/b;" },
	{ "empty lines inside", "250-\r\n250-\r\n250 x\r\n", "250 - 0 //x;" },
	{ "two replies", "250 a\r\n550 b\r\n", "250 - 0 a;550 - 0 b;" },
	{ "bare LF", "250 a\n250 b\r\n", "250 - 1 a;250 - 0 b;" },
	{ "CR CR LF", "250 a\r\r\n", "250 - 0 a;" },
	{ "a CR inside", "250 a\rb\r\n", "250 - 8 a?b;" },
	{ "no space", "250ok\r\n", "250 - 32 ok;" },
	{ "a tab", "250\tok\r\n", "250 - 0 ok;" },
	{ "many spaces", "250   ok  \r\n", "250 - 0 ok;" },
	{ "code changes to no", "250-a\r\n550 b\r\n", "550 - 2 a/b;" },
	{ "code changes to yes", "550-a\r\n250 b\r\n", "550 - 2 a/b;" },
	{ "code changes to later", "550-a\r\n451 b\r\n250 c\r\n", "451 - 2 a/b;250 - 0 c;" },
	{ "421 wins", "421-a\r\n550 b\r\n", "421 - 2 a/b;" },
	{ "enhanced of the code that won", "550-5.1.1 a\r\n451 4.3.0 b\r\n", "451 4.3.0 2 a/b;" },
	{ "enhanced of the code that lost", "550 5.1.1 a\r\n", "550 5.1.1 0 a;" },
	{ "a line without a code inside", "250-a\r\nfoo\r\n250 b\r\n", "250 - 16 a/foo/b;" },
	{ "an empty line before", "\r\n250 a\r\n", "250 - 16 a;" },
	{ "8 bit", "550 \xe9t\xe9\r\n", "550 - 8 ?t?;" },
	{ "UTF-8", "550 \xc3\xa9t\xc3\xa9\r\n", "550 - 0 \xc3\xa9t\xc3\xa9;" },
	{ "UTF-8 cut", "550 a\xc3\r\n", "550 - 8 a?;" },
	{ "C1 controls", "550 a\xc2\x9b" "31m\r\n", "550 - 8 a?31m;" },
	{ "escape", "550 a\x1b[31m\r\n", "550 - 8 a?[31m;" },
	{ "lowest code", "200 a\r\n", "200 - 0 a;" },
	{ "highest code", "599 a\r\n", "599 - 0 a;" },
	{ "below", "199 a\r\n", "!" },
	{ "above", "600 a\r\n", "!" },
	{ "four digits", "2500 a\r\n", "!" },
	{ "two digits", "25 a\r\n", "!" },
	{ "letters", "hello\r\n250 a\r\n", "!250 - 0 a;" },
	{ "a sign", "+250 a\r\n", "!" },
	{ "space first", " 250 a\r\n", "!" },
	{ "not all there", "250-a\r\n250", "" },
};
/* clang-format on */

static void add_reply(struct buf *out, const struct peer_reply *r)
{
	buf_addf(out, "%u ", r->code);
	enhanced_status_print(r->enhanced, out);
	buf_addf(out, "%s %u ", r->enhanced.class ? "" : "-", r->flags);
	for (size_t i = 0; i < r->text.len; i++)
		buf_addc(out, r->text.ptr[i] == '\n' ? '/' : r->text.ptr[i]);
	buf_addc(out, ';');
}

static void read_all(struct peer_reply_reader *r, str bytes, struct buf *out)
{
	struct peer_reply reply;

	while (bytes.len) {
		enum peer_reply_result result = peer_reply_next(r, &bytes, &reply);
		if (result == PEER_REPLY_READY)
			add_reply(out, &reply);
		else if (result != PEER_REPLY_MORE)
			buf_addc(out, result == PEER_REPLY_FLOOD ? '~' : '!');
		else
			check(bytes.len == 0);
	}
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step <= strlen(cases[i].in); step++) {
			struct peer_reply_reader r;
			AUTO_BUF got = BUF_INIT(65536);
			peer_reply_init(&r);
			for (str rest = str_c(cases[i].in); rest.len; rest = str_skip(rest, step))
				read_all(&r, str_sub(rest, 0, step), &got);
			check_case_str(cases[i].name, buf_str(&got), str_c(cases[i].want));
			peer_reply_fini(&r);
		}
}

static void test_nul(void **state)
{
	struct peer_reply_reader r;
	AUTO_BUF got = BUF_INIT(1000);

	(void)state;
	peer_reply_init(&r);
	read_all(&r, STR("250 a\0b\r\n"), &got);
	check_str_eq(buf_str(&got), STR("250 - 8 a?b;"));
	peer_reply_fini(&r);
}

static void test_junk_before_the_banner(void **state)
{
	struct peer_reply_reader r;
	AUTO_BUF got = BUF_INIT(65536);

	(void)state;
	for (int lines = PEER_REPLY_JUNK_LINES - 1; lines <= PEER_REPLY_JUNK_LINES + 1; lines++) {
		peer_reply_init(&r);
		buf_reset(&got);
		r.skip_junk = true;
		for (int i = 0; i < lines; i++)
			read_all(&r, STR("junk\r\n"), &got);
		read_all(&r, STR("220 hi\r\njunk\r\n"), &got);
		check_str_eq(buf_str(&got),
		    lines <= PEER_REPLY_JUNK_LINES ? STR("220 - 16 hi;!") : STR("!220 - 0 hi;!"));
		peer_reply_fini(&r);
	}
}

static void repeat(struct buf *out, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_addz(out, text);
}

/* One below, at and one above of each limit. */
static void test_long_lines(void **state)
{
	(void)state;
	for (size_t len = PEER_REPLY_LINE - 1; len <= PEER_REPLY_LINE + 1; len++) {
		struct peer_reply_reader r;
		struct peer_reply reply;
		AUTO_BUF in = BUF_INIT(100000);
		peer_reply_init(&r);
		buf_addz(&in, "250 ");
		repeat(&in, "x", len - 5);
		buf_addz(&in, "\r\n");
		str bytes = buf_str(&in);
		check(peer_reply_next(&r, &bytes, &reply) == PEER_REPLY_READY);
		check_int_eq(reply.flags, len > PEER_REPLY_LINE ? PEER_REPLY_CUT : 0);
		check(bytes.len == 0 && reply.code == 250);
		peer_reply_fini(&r);
	}
}

static void test_many_lines(void **state)
{
	(void)state;
	for (size_t lines = PEER_REPLY_LINES - 1; lines <= PEER_REPLY_LINES + 1; lines++) {
		struct peer_reply_reader r;
		AUTO_BUF in = BUF_INIT(100000);
		AUTO_BUF got = BUF_INIT(100000);
		peer_reply_init(&r);
		repeat(&in, "250-\r\n", lines - 1);
		buf_addz(&in, "250 end\r\n");
		read_all(&r, buf_str(&in), &got);
		check(str_starts(buf_str(&got), STR("~")) == (lines > PEER_REPLY_LINES));
		peer_reply_fini(&r);
	}
}

static void test_flood(void **state)
{
	static const char *const pieces[] = { "x", "250-x", "250-xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++)
		for (size_t step = 1; step < 5000; step += 1237) {
			struct peer_reply_reader r;
			AUTO_BUF in = BUF_INIT(1 << 20);
			AUTO_BUF got = BUF_INIT(1 << 20);
			peer_reply_init(&r);
			repeat(&in, pieces[i], 2 * PEER_REPLY_BYTES / strlen(pieces[i]));
			for (str rest = buf_str(&in); rest.len && got.len == 0;
			     rest = str_skip(rest, step))
				read_all(&r, str_sub(rest, 0, step), &got);
			check_case(pieces[i], str_starts(buf_str(&got), STR("~")));
			check(r.line.cap <= PEER_REPLY_LINE && r.text.cap <= PEER_REPLY_TEXT);
			peer_reply_fini(&r);
		}
}

static void test_text_limit(void **state)
{
	struct peer_reply_reader r;
	struct peer_reply reply;
	AUTO_BUF in = BUF_INIT(1 << 20);

	(void)state;
	peer_reply_init(&r);
	for (int i = 0; i < 30; i++) {
		buf_addz(&in, "250-");
		repeat(&in, "\xc3\xa9", 500);
		buf_addz(&in, "\r\n");
	}
	buf_addz(&in, "250 end\r\n");
	str bytes = buf_str(&in);
	check(peer_reply_next(&r, &bytes, &reply) == PEER_REPLY_READY);
	check(reply.flags == PEER_REPLY_CUT && reply.text.len <= PEER_REPLY_TEXT);
	check(str_is_utf8(reply.text));
	peer_reply_fini(&r);
}

static void test_end(void **state)
{
	static const struct {
		const char *in, *want;
	} ends[] = {
		{ "", "" },
		{ "55", "" },
		{ "550 go awa", "550 - 64 go awa;" },
		{ "550-a\r\n", "550 - 64 a;" },
		{ "550-a\r\n550-b", "550 - 64 a/b;" },
		{ "250 a\r\n", "250 - 0 a;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct peer_reply_reader r;
		struct peer_reply reply;
		AUTO_BUF got = BUF_INIT(1000);
		peer_reply_init(&r);
		read_all(&r, str_c(ends[i].in), &got);
		if (peer_reply_end(&r, &reply) == PEER_REPLY_READY)
			add_reply(&got, &reply);
		check_case_str(ends[i].in, buf_str(&got), str_c(ends[i].want));
		peer_reply_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_junk_before_the_banner),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_text_limit),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
