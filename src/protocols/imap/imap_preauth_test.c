/* Tests of IMAP before sign-in: tests/transcripts/imap-preauth, each at every split.
 *
 * Directives: "O: starttls|tls|clear|bare" options, before anything else. "E: ..." the next event:
 * "start MECHANISM =INITIAL", "step =RESPONSE" (NUL shown as '|'), "abort", "starttls", "signin TAG",
 * "close". "A: ..." the answer: "challenge DATA", "ok", "failed", ...; "signed-in CAPABILITY",
 * "refuse CODE TEXT"; "tls" when the handshake is done; "stop". "P: ..." a line left for the session.
 */
#include "transcript.h"

#include "protocols/imap/preauth.h"

enum { EVENTS_MAX = 16 };

struct script {
	struct imap_preauth *preauth;
	struct imap_preauth_options options;
	struct buf pending; /* what the engine does not take yet */
	char events[EVENTS_MAX][512];
	size_t event_count;
	bool in_handshake, is_over;
};

static void *script_open(void *ctx)
{
	struct script *s = calloc(1, sizeof(*s));

	(void)ctx;
	s->options = (struct imap_preauth_options){ .hostname = STR("mx.example.org"),
		.tls_available = true };
	buf_init(&s->pending, 1 << 20);
	return s;
}

static void add_bytes(struct buf *b, str bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		buf_addc(b, bytes.ptr[i] ? bytes.ptr[i] : '|');
}

static void describe(struct script *s, const struct imap_preauth_event *e)
{
	AUTO_BUF b = BUF_INIT(512);

	switch (e->kind) {
	case IMAP_PREAUTH_STARTTLS:
		buf_addz(&b, "starttls");
		break;
	case IMAP_PREAUTH_SASL_START:
		buf_addf(&b, "start " STR_FMT, STR_ARG(e->mechanism));
		if (e->has_initial)
			buf_addz(&b, " =");
		add_bytes(&b, e->initial);
		break;
	case IMAP_PREAUTH_SASL_STEP:
		buf_addz(&b, "step =");
		add_bytes(&b, e->response);
		break;
	case IMAP_PREAUTH_SASL_ABORT:
		buf_addz(&b, "abort");
		break;
	case IMAP_PREAUTH_SIGN_IN:
		buf_addf(&b, "signin " STR_FMT, STR_ARG(imap_preauth_tag(s->preauth)));
		break;
	case IMAP_PREAUTH_CLOSE:
		buf_addz(&b, "close");
		break;
	}
	check(s->event_count < EVENTS_MAX);
	snprintf(s->events[s->event_count++], sizeof(s->events[0]), STR_FMT, STR_ARG(buf_str(&b)));
}

static void turn(struct script *s, struct buf *out)
{
	struct imap_preauth_event e;
	size_t used, said;

	do {
		used = imap_preauth_feed(s->preauth, buf_str(&s->pending));
		buf_consume(&s->pending, used);
		str text = imap_preauth_output(s->preauth);
		said = text.len;
		buf_add(out, text);
		imap_preauth_sent(s->preauth, text.len);
		while (imap_preauth_next(s->preauth, &e)) {
			describe(s, &e);
			used++;
			s->in_handshake |= e.kind == IMAP_PREAUTH_STARTTLS;
			s->is_over |= e.kind == IMAP_PREAUTH_CLOSE;
		}
	} while (used || said);
	if (s->in_handshake || s->is_over)
		buf_reset(&s->pending);
}

static void script_feed(void *session, str bytes, struct buf *out)
{
	struct script *s = session;

	if (!s->preauth)
		s->preauth = imap_preauth_new(&s->options);
	buf_add(&s->pending, bytes);
	turn(s, out);
}

static void set_option(struct script *s, str text)
{
	s->options.tls_active = str_eq(text, STR("tls"));
	s->options.has_binding = s->options.tls_active;
	s->options.tls_available = !str_eq(text, STR("bare"));
	s->options.allow_clear = str_eq(text, STR("clear"));
}

static void expect_event(struct script *s, str text)
{
	check(s->event_count > 0);
	check_str_eq(str_c(s->events[0]), text);
	memmove(s->events, s->events + 1, --s->event_count * sizeof(s->events[0]));
}

static void give_answer(struct script *s, str rest)
{
	static const char *const outcomes[] = { "challenge", "ok", "failed", "malformed", "unknown",
		"needs-tls", "unavailable" };
	str word;

	str_split(&rest, ' ', &word);
	if (str_eq(word, STR("signed-in"))) {
		imap_preauth_signed_in(s->preauth, rest);
	} else if (str_eq(word, STR("refuse"))) {
		str code;
		str_split(&rest, ' ', &code);
		imap_preauth_refuse(s->preauth, code, rest);
	} else if (str_eq(word, STR("tls"))) {
		s->in_handshake = false;
		imap_preauth_tls_started(s->preauth, true);
	} else if (str_eq(word, STR("stop"))) {
		imap_preauth_stop(s->preauth);
	} else {
		for (size_t i = 0; i < COUNT(outcomes); i++)
			if (str_eq(word, str_c(outcomes[i])))
				imap_preauth_sasl_answer(s->preauth, (enum imap_sasl_outcome)i,
				    i == IMAP_SASL_CHALLENGE ? rest : STR_NONE,
				    i == IMAP_SASL_CHALLENGE ? STR_NONE : rest);
	}
}

static void script_directive(void *session, char who, str text, struct buf *out)
{
	struct script *s = session;

	if (who == 'O') {
		/* The greeting without it was only a rehearsal. */
		imap_preauth_free(s->preauth);
		s->preauth = NULL;
		buf_reset(out);
		set_option(s, text);
	} else if (who == 'E') {
		expect_event(s, text);
	} else if (who == 'P') {
		check(str_ends(buf_str(&s->pending), STR("\r\n")));
		check_str_eq(str_sub(buf_str(&s->pending), 0, s->pending.len - 2), text);
		buf_reset(&s->pending);
	} else {
		give_answer(s, text);
		turn(s, out);
	}
}

static void script_close(void *session)
{
	struct script *s = session;

	if (s->event_count)
		print_error("event that nobody expected: %s\n", s->events[0]);
	check_int_eq(s->event_count, 0);
	check_int_eq(s->pending.len, 0);
	imap_preauth_free(s->preauth);
	buf_fini(&s->pending);
	free(s);
}

static const struct transcript_driver driver = {
	.open = script_open,
	.feed = script_feed,
	.directive = script_directive,
	.close = script_close,
};

static void test_transcripts(void **state)
{
	(void)state;
	transcript_check_folder("tests/transcripts/imap-preauth", &driver, NULL);
}

/* A line one below, at and above the limit; CRLF counts. */
static void test_line_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over <= 2; over++) {
		AUTO_BUF line = BUF_INIT(16384);
		AUTO_BUF out = BUF_INIT(65536);
		struct script *s = script_open(NULL);
		size_t want = imap_preauth_limits_default.line_bytes - 1 + over;

		buf_addz(&line, "a ID (\"name\" \"");
		while (line.len < want - 4)
			buf_addc(&line, 'x');
		buf_addz(&line, "\")\r\n");
		script_feed(s, STR(""), &out);
		buf_reset(&out);
		script_feed(s, buf_str(&line), &out);
		check(str_find(buf_str(&out), STR("a BAD the line is too long")) ==
		      (over > 1 ? 0 : STR_NPOS));
		s->event_count = 0;
		script_close(s);
	}
}

/* A response inside AUTHENTICATE, likewise; over it the connection ends. */
static void test_response_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over <= 4; over += 4) {
		AUTO_BUF line = BUF_INIT(16384);
		AUTO_BUF out = BUF_INIT(65536);
		struct script *s = script_open(NULL);

		s->options.tls_active = true;
		script_feed(s, STR("a AUTHENTICATE PLAIN\r\n"), &out);
		give_answer(s, STR("challenge "));
		turn(s, &out);
		buf_reset(&out);
		while (line.len < imap_preauth_limits_default.response_bytes + over)
			buf_addz(&line, "AAAA");
		buf_addz(&line, "\r\n");
		script_feed(s, buf_str(&line), &out);
		check(s->is_over == (over > 0));
		s->event_count = 0;
		script_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_response_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
