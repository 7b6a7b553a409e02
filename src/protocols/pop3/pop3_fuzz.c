/* Any commands, cut anywhere: the same replies and the same events. A body made of the input comes back
 * when the stuffing is undone, and its end is found where it is and nowhere before. */
#include <assert.h>

#include "protocols/pop3/pop3.h"

enum { FUZZ_MAX = 1 << 22, MESSAGES = 5 };

static struct pop3_entry entry(void *arg, uint32_t number)
{
	(void)arg;
	return (struct pop3_entry){ number * 3, number * 100 };
}

static struct pop3_session *make(bool utf8)
{
	return pop3_session_new(&(struct pop3_options){
	    .maildrop = { .count = MESSAGES, .uidvalidity = 1, .bytes = 1500, .entry = entry },
	    .utf8 = utf8,
	    .bad_commands = 50,
	});
}

static void send_body(struct pop3_session *s, str rest, size_t step)
{
	pop3_session_body_start(s, rest.len);
	while (rest.len) {
		size_t run = pop3_session_body_run(s, str_sub(rest, 0, step));
		assert(run > 0);
		pop3_session_body_bytes(s, str_sub(rest, 0, run));
		rest = str_skip(rest, run);
	}
	pop3_session_body_end(s);
}

static void answer(struct pop3_session *s, const struct pop3_event *e, struct buf *log)
{
	buf_addf(log, "<%d %u>", (int)e->kind, (unsigned)e->number);
	if (e->kind == POP3_EVENT_BODY && e->number == 1)
		pop3_session_refuse(s, STR("SYS/TEMP"));
	else if (e->kind == POP3_EVENT_BODY)
		send_body(s, pop3_top(STR("A: b\r\n\r\n.x\r\ny"), e->lines), 3);
	else if (e->kind == POP3_EVENT_UPDATE)
		pop3_session_updated(s, pop3_session_deleted_count(s) != 2);
}

static void run(str in, size_t step, struct buf *log)
{
	struct pop3_session *s = make(false);
	struct pop3_event e;

	while (in.len) {
		str piece = str_sub(in, 0, step);
		in = str_skip(in, piece.len);
		for (;;) {
			size_t used = pop3_session_feed(s, piece);
			piece = str_skip(piece, used);
			bool had_event = pop3_session_next(s, &e);
			str out = pop3_session_output(s);
			buf_add(log, out);
			pop3_session_sent(s, out.len);
			if (had_event)
				answer(s, &e, log);
			if (!used && !had_event && !out.len)
				break;
		}
	}
	pop3_session_free(s);
}

/* What a client that takes LF for a line end reads: the end comes last. */
static void check_body(str body, size_t step)
{
	struct pop3_session *s = make(false);
	AUTO_BUF got = BUF_INIT(FUZZ_MAX);
	struct pop3_event e;
	str line;

	pop3_session_feed(s, STR("RETR 2\r\n"));
	assert(pop3_session_next(s, &e));
	send_body(s, body, step);
	str out = pop3_session_output(s);
	out = str_skip(out, str_chr(out, '\n') + 1);
	for (;;) {
		size_t lf = str_chr(out, '\n');
		assert(lf != STR_NPOS);
		line = str_sub(out, 0, lf + 1);
		out = str_skip(out, lf + 1);
		if (str_eq(line, STR(".\r\n")))
			break;
		buf_add(&got, str_skip(line, line.ptr[0] == '.'));
	}
	assert(out.len == 0);
	assert(str_starts(buf_str(&got), body));
	str added = str_skip(buf_str(&got), body.len);
	assert(added.len == 0 || str_eq(added, STR("\r\n")));
	pop3_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF whole = BUF_INIT(FUZZ_MAX);
	AUTO_BUF cut = BUF_INIT(FUZZ_MAX);

	if (size < 1 || size > 4096)
		return 0;
	str in = str_new(data + 1, size - 1);
	size_t step = 1 + data[0] % 32;
	run(in, size, &whole);
	run(in, step, &cut);
	assert(buf_ok(&whole) && str_eq(buf_str(&whole), buf_str(&cut)));
	check_body(in, step);
	return 0;
}
