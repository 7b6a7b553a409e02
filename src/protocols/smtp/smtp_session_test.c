/* The SMTP server engine against golden transcripts, whole and cut at every step. */
#include "check.h"
#include "transcript.h"

#include "protocols/smtp/internal.h"
#include "protocols/smtp/smtp_driver.h"

/* Directives of SMTP transcripts:
 *   O: mx|submission|lmtp, tls, offer-tls, plain, hold, no-auth, NAME=NUMBER (a limit); opens the session
 *   A: mail|rcpt|data|message CODE ENHANCED TEXT, or auth OUTCOME DATA: answers the next such event
 *   E: the next event of this name is exactly this
 *   T: milliseconds pass                R: COUNT TEXT is fed that often
 *   L: the TLS handshake is done        G: the greeting may be sent
 *   Z: the server is stopping           X: closed | open | quiet (no further event of the name given) */
struct play {
	struct driver d;
	size_t log_at;
};

static void *play_open(void *ctx)
{
	struct play *p = calloc(1, sizeof(*p));

	(void)ctx;
	driver_init(&p->d);
	return p;
}

static void play_close(void *session)
{
	struct play *p = session;

	driver_fini(&p->d);
	free(p);
}

static void play_feed(void *session, str bytes, struct buf *out)
{
	struct play *p = session;

	driver_feed(&p->d, bytes, out);
}

static void set_limit(struct smtp_limits *l, str name, uint64_t n)
{
	const struct {
		const char *name;
		uint32_t *at;
	} limits[] = {
		{ "command", &l->command_bytes },
		{ "auth", &l->auth_bytes },
		{ "recipients", &l->recipients },
		{ "messages", &l->messages },
		{ "bad", &l->bad_commands },
		{ "bad-signed-in", &l->bad_commands_signed_in },
		{ "idle-commands", &l->idle_commands },
		{ "refused", &l->refused_recipients },
		{ "idle", &l->idle_ms },
		{ "sign-in", &l->sign_in_ms },
		{ "session", &l->session_ms },
	};

	if (str_eq(name, STR("size")))
		l->message_bytes = n;
	else if (str_eq(name, STR("swallow")))
		l->swallow_bytes = n;
	else
		for (size_t i = 0; i < COUNT(limits); i++)
			if (str_eq(name, str_c(limits[i].name))) {
				*limits[i].at = (uint32_t)n;
				return;
			}
}

static void set_option(struct smtp_options *o, str word)
{
	str name;
	uint64_t n;

	o->role = str_eq(word, STR("submission")) ? SMTP_ROLE_SUBMISSION
	          : str_eq(word, STR("lmtp"))     ? SMTP_ROLE_LMTP
	                                          : o->role;
	o->tls_active |= str_eq(word, STR("tls"));
	o->tls_offered |= str_eq(word, STR("offer-tls"));
	o->allow_plain |= str_eq(word, STR("plain"));
	o->hold_greeting |= str_eq(word, STR("hold"));
	if (str_eq(word, STR("no-auth")))
		o->mechanisms = o->mechanisms_tls = STR_NONE;
	if (str_split(&word, '=', &name) && num_parse_u64(word, UINT64_MAX, &n) == 0)
		set_limit(&o->limits, name, n);
}

static void play_options(struct play *p, str text, struct buf *out)
{
	str word;

	while (str_split(&text, ' ', &word))
		set_option(&p->d.options, word);
	driver_open(&p->d, out);
}

/* The next logged event whose first word is that of want. */
static bool next_event(struct play *p, str want, str *out)
{
	str rest = str_skip(buf_str(&p->d.log), p->log_at), line, name = want;

	name.len = str_chr(want, ' ') == STR_NPOS ? want.len : str_chr(want, ' ');
	while (str_split(&rest, '\n', &line)) {
		p->log_at += line.len + 1;
		if (str_starts(line, name) && (line.len == name.len || line.ptr[name.len] == ' ')) {
			*out = line;
			return true;
		}
	}
	p->log_at = p->d.log.len;
	return false;
}

static void play_repeat(struct play *p, str text, struct buf *out)
{
	uint32_t count;
	AUTO_BUF all = BUF_INIT(DRIVER_MAX);

	check(num_take_u32(&text, 1 << 20, &count) == 0 && take_space(&text) == 0);
	AUTO_BUF one = BUF_INIT(4096);
	transcript_unescape_(text, &one);
	for (uint32_t i = 0; i < count; i++)
		buf_add(&all, buf_str(&one));
	for (str rest = buf_str(&all); rest.len; rest = str_skip(rest, 997))
		driver_feed(&p->d, str_sub(rest, 0, 997), out);
}

static void play_expect(struct play *p, char who, str text)
{
	str got = STR("(no such event)");

	if (who == 'E') {
		(void)next_event(p, text, &got);
		check_str_eq(got, text);
	} else if (str_eq(text, STR("closed")) || str_eq(text, STR("open"))) {
		check(smtp_session_is_done(p->d.s) == str_eq(text, STR("closed")));
	} else {
		check(str_starts(text, STR("quiet ")));
		if (next_event(p, str_skip(text, 6), &got))
			check_str_eq(got, STR(""));
	}
}

static void play_directive(void *session, char who, str text, struct buf *out)
{
	struct play *p = session;
	uint64_t ms;

	switch (who) {
	case 'O':
		play_options(p, text, out);
		break;
	case 'A':
		driver_queue(&p->d, text);
		break;
	case 'T':
		check(num_parse_u64(text, UINT32_MAX, &ms) == 0);
		driver_tick(&p->d, ms, out);
		break;
	case 'R':
		play_repeat(p, text, out);
		break;
	case 'L':
		check(p->d.waiting_tls);
		driver_start_tls(&p->d, out);
		break;
	case 'G':
		smtp_session_greet(p->d.s);
		driver_run(&p->d, out);
		break;
	case 'Z':
		smtp_session_stop(p->d.s);
		driver_events(&p->d);
		driver_run(&p->d, out);
		break;
	default:
		play_expect(p, who, text);
	}
}

static const struct transcript_driver driver = { play_open, play_feed, play_directive, play_close };

static void test_transcripts(void **state)
{
	(void)state;
	transcript_check_folder("tests/transcripts/smtp", &driver, NULL);
}

/* Every step size up to the whole length, and every cut into two, of one long conversation. */
static void test_every_split(void **state)
{
	static const str script = STR_INIT(
	    "EHLO c.example\r\nMAIL FROM:<a@b.example> SIZE=30\r\nRCPT TO:<x@y.example> "
	    "NOTIFY=NEVER\r\n"
	    "RCPT TO:<z@y.example>\r\nDATA\r\n..\r\n.a\r\nline\r\n\r\n..b\r\n.\r\nMAIL FROM:<>\r\n"
	    "RCPT TO:<p@y.example>\r\nBDAT 5\r\na\r\n.\rBDAT 4 LAST\r\n\nxyzNOOP\r\nBDAT "
	    "3\r\nabcHELP\r\n"
	    "MAIL FROM:<q@b.example>\r\nRCPT TO:<p@y.example>\r\nDATA\r\nx\ny\r\n.\r\nNOOP\r\n");
	AUTO_BUF whole = BUF_INIT(65536);
	AUTO_BUF whole_log = BUF_INIT(65536);

	(void)state;
	for (size_t round = 0; round <= 2 * script.len; round++) {
		struct driver d;
		AUTO_BUF got = BUF_INIT(65536);
		bool in_two = round > script.len;
		size_t step = round == 0 ? script.len : in_two ? round - script.len : round;
		driver_init(&d);
		driver_open(&d, &got);
		for (str rest = script; rest.len;) {
			size_t take = in_two && rest.len < script.len ? rest.len : step;
			driver_feed(&d, str_sub(rest, 0, take), &got);
			rest = str_skip(rest, take);
		}
		if (round == 0) {
			buf_add(&whole, buf_str(&got));
			buf_add(&whole_log, buf_str(&d.log));
		}
		check_str_eq(buf_str(&got), buf_str(&whole));
		/* Bodies may come in other pieces. */
		if (round == 0)
			check(str_find(buf_str(&d.log),
			          STR("MESSAGE .\\r\\na\\r\\nline\\r\\n\\r\\n.b\\r\\n\n")) !=
			      STR_NPOS);
		check_int_eq(d.messages, 2);
		driver_fini(&d);
	}
	check(whole_log.len > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_every_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
