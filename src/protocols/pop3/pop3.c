#include "protocols/pop3/pop3.h"

#include <stdlib.h>

#include "base/num.h"
#include "protocols/pop3/line.h"
#include "protocols/pop3/texts.h"

enum {
	OUTPUT_MAX = 64 * 1024 * 1024, /* never near it: the caller sends above POP3_OUTPUT_HIGH */
	LISTING_STEP = 256,            /* lines between two looks at the output */
};

enum state {
	STATE_TRANSACTION,
	STATE_BODY,   /* an event waits for body_start and so on, or refuse */
	STATE_UPDATE, /* an event waits for updated */
	STATE_CLOSED,
};

struct pop3_session {
	struct pop3_options o;
	enum state state;
	enum pop3_language language;
	uint32_t bad_commands;
	struct pop3_line line;
	struct buf out;
	bool has_event;
	struct pop3_event event;
	unsigned char *deleted; /* a bit for each message; NULL while none is deleted */
	uint32_t deleted_count;
	bool wants_update; /* the caller has something to commit besides deletions */
	uint64_t deleted_bytes;
	uint32_t listing; /* the next number of LIST or UIDL at work; 0: none */
	bool is_uid_listing;
	bool at_line_start, ends_with_cr, ends_with_crlf; /* of the body */
};

/* ---- replies ---- */

static void add(struct pop3_session *s, str text)
{
	buf_add(&s->out, text);
}

static void add_text(struct pop3_session *s, enum pop3_text text)
{
	add(s, pop3_text(text, s->language));
	add(s, STR("\r\n"));
}

static void ok(struct pop3_session *s, enum pop3_text text)
{
	add(s, STR("+OK "));
	add_text(s, text);
}

static void no(struct pop3_session *s, str code, enum pop3_text text)
{
	add(s, STR("-ERR "));
	if (code.len) {
		buf_addc(&s->out, '[');
		add(s, code);
		add(s, STR("] "));
	}
	add_text(s, text);
}

static void set_event(struct pop3_session *s, enum pop3_event_kind kind, enum state state)
{
	s->event = (struct pop3_event){ .kind = kind };
	s->has_event = true;
	s->state = state;
}

static void bad(struct pop3_session *s, enum pop3_text text)
{
	if (++s->bad_commands < s->o.bad_commands) {
		no(s, STR(""), text);
		return;
	}
	no(s, STR(""), POP3_TEXT_TOO_MANY_BAD);
	set_event(s, POP3_EVENT_CLOSE, STATE_CLOSED);
}

/* ---- messages ---- */

bool pop3_session_is_deleted(const struct pop3_session *s, uint32_t number)
{
	return s->deleted && s->deleted[number / 8] & (1u << number % 8);
}

static void set_deleted(struct pop3_session *s, uint32_t number)
{
	if (!s->deleted)
		s->deleted = calloc(1, s->o.maildrop.count / 8 + 1);
	if (!s->deleted)
		abort();
	s->deleted[number / 8] |= (unsigned char)(1u << number % 8);
	s->deleted_count++;
	s->deleted_bytes += s->o.maildrop.entry(s->o.maildrop.arg, number).size;
}

/* A number of a message that is there. */
static int take_message(struct pop3_session *s, str text, uint32_t *out)
{
	uint32_t n;

	if (num_parse_u32(text, UINT32_MAX, &n) < 0) {
		bad(s, POP3_TEXT_BAD_NUMBER);
		return -1;
	}
	if (n == 0 || n > s->o.maildrop.count) {
		no(s, STR(""), POP3_TEXT_NO_MESSAGE);
		return -1;
	}
	if (pop3_session_is_deleted(s, n)) {
		no(s, STR(""), POP3_TEXT_IS_DELETED);
		return -1;
	}
	*out = n;
	return 0;
}

static void add_list_line(struct pop3_session *s, uint32_t number)
{
	buf_addu(&s->out, number);
	buf_addc(&s->out, ' ');
	buf_addu(&s->out, s->o.maildrop.entry(s->o.maildrop.arg, number).size);
	add(s, STR("\r\n"));
}

/* RFC 1939 §7: the same for ever, and for no other message: UIDVALIDITY and UID of IMAP are that. */
static void add_uid_line(struct pop3_session *s, uint32_t number)
{
	buf_addu(&s->out, number);
	buf_addc(&s->out, ' ');
	buf_addu(&s->out, s->o.maildrop.uidvalidity);
	buf_addc(&s->out, '.');
	buf_addu(&s->out, s->o.maildrop.entry(s->o.maildrop.arg, number).uid);
	add(s, STR("\r\n"));
}

static void add_line(struct pop3_session *s, uint32_t number)
{
	if (s->is_uid_listing)
		add_uid_line(s, number);
	else
		add_list_line(s, number);
}

/* A long listing goes out in pieces: 100,000 messages are some megabytes. */
static void go_on_listing(struct pop3_session *s)
{
	while (s->listing && s->out.len < POP3_OUTPUT_HIGH) {
		for (int i = 0; i < LISTING_STEP && s->listing <= s->o.maildrop.count; i++) {
			if (!pop3_session_is_deleted(s, s->listing))
				add_line(s, s->listing);
			s->listing++;
		}
		if (s->listing > s->o.maildrop.count) {
			s->listing = 0;
			add(s, STR(".\r\n"));
		}
	}
}

/* ---- commands ---- */

static void on_stat(struct pop3_session *s, str arg)
{
	(void)arg;
	add(s, STR("+OK "));
	buf_addu(&s->out, s->o.maildrop.count - s->deleted_count);
	buf_addc(&s->out, ' ');
	buf_addu(&s->out, s->o.maildrop.bytes - s->deleted_bytes);
	add(s, STR("\r\n"));
}

static void list(struct pop3_session *s, str arg, bool uids)
{
	uint32_t number;

	s->is_uid_listing = uids;
	if (arg.len == 0) {
		add(s, STR("+OK "));
		buf_addu(&s->out, s->o.maildrop.count - s->deleted_count);
		buf_addc(&s->out, ' ');
		add_text(s, POP3_TEXT_MESSAGES);
		s->listing = 1;
		go_on_listing(s);
	} else if (take_message(s, arg, &number) == 0) {
		add(s, STR("+OK "));
		add_line(s, number);
	}
}

static void on_list(struct pop3_session *s, str arg)
{
	list(s, arg, false);
}

static void on_uidl(struct pop3_session *s, str arg)
{
	list(s, arg, true);
}

static void ask_body(struct pop3_session *s, uint32_t number, int64_t lines)
{
	set_event(s, POP3_EVENT_BODY, STATE_BODY);
	s->event.number = number;
	s->event.lines = lines;
}

static void on_retr(struct pop3_session *s, str arg)
{
	uint32_t number;

	if (take_message(s, arg, &number) == 0)
		ask_body(s, number, POP3_ALL_LINES);
}

static void on_top(struct pop3_session *s, str arg)
{
	str first = str_sub(arg, 0, str_chr(arg, ' ')), rest = str_trim(str_skip(arg, first.len));
	uint32_t number, lines;

	if (num_parse_u32(rest, UINT32_MAX, &lines) < 0)
		bad(s, POP3_TEXT_BAD_NUMBER);
	else if (take_message(s, first, &number) == 0)
		ask_body(s, number, lines);
}

static void on_dele(struct pop3_session *s, str arg)
{
	uint32_t number;

	if (take_message(s, arg, &number) < 0)
		return;
	set_deleted(s, number);
	ok(s, POP3_TEXT_DELETED);
}

static void on_noop(struct pop3_session *s, str arg)
{
	(void)arg;
	ok(s, POP3_TEXT_OK);
}

static void on_rset(struct pop3_session *s, str arg)
{
	(void)arg;
	free(s->deleted);
	s->deleted = NULL;
	s->deleted_count = 0;
	s->deleted_bytes = 0;
	ok(s, POP3_TEXT_RESET);
}

/* RFC 2449 §5. SASL and USER stay announced (RFC 5034 §3, RFC 2449 §6.2). */
static void on_capa(struct pop3_session *s, str arg)
{
	(void)arg;
	ok(s, POP3_TEXT_CAPABILITIES);
	add(s, STR("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
	           "UTF8 USER\r\nLANG\r\nUSER\r\n"));
	if (s->o.mechanisms.len) {
		add(s, STR("SASL "));
		add(s, s->o.mechanisms);
		add(s, STR("\r\n"));
	}
	add(s, STR("IMPLEMENTATION buzon\r\n.\r\n"));
}

static void on_lang(struct pop3_session *s, str arg)
{
	if (arg.len == 0) {
		pop3_language_list(&s->out, s->language);
	} else if (!pop3_language_find(arg, &s->language)) {
		no(s, STR(""), POP3_TEXT_LANGUAGE_NONE);
	} else {
		add(s, STR("+OK "));
		add(s, pop3_language_tag(s->language));
		buf_addc(&s->out, ' ');
		add_text(s, POP3_TEXT_LANGUAGE_SET);
	}
}

static void on_quit(struct pop3_session *s, str arg)
{
	(void)arg;
	if (s->deleted_count || s->wants_update) {
		set_event(s, POP3_EVENT_UPDATE, STATE_UPDATE);
		return;
	}
	ok(s, POP3_TEXT_BYE);
	set_event(s, POP3_EVENT_CLOSE, STATE_CLOSED);
}

enum argument { ARG_NONE, ARG_MAYBE, ARG_MUST };

static const struct verb {
	str name;
	enum argument argument;
	void (*run)(struct pop3_session *s, str arg);
} verbs[] = {
	/* clang-format off */
	{ STR_INIT("RETR"), ARG_MUST,  on_retr }, /* RFC 1939 §5 */
	{ STR_INIT("DELE"), ARG_MUST,  on_dele }, /* RFC 1939 §5 */
	{ STR_INIT("LIST"), ARG_MAYBE, on_list }, /* RFC 1939 §5 */
	{ STR_INIT("UIDL"), ARG_MAYBE, on_uidl }, /* RFC 1939 §7 */
	{ STR_INIT("TOP"),  ARG_MUST,  on_top },  /* RFC 1939 §7 */
	{ STR_INIT("STAT"), ARG_NONE,  on_stat }, /* RFC 1939 §5 */
	{ STR_INIT("NOOP"), ARG_NONE,  on_noop }, /* RFC 1939 §5 */
	{ STR_INIT("RSET"), ARG_NONE,  on_rset }, /* RFC 1939 §5 */
	{ STR_INIT("QUIT"), ARG_NONE,  on_quit }, /* RFC 1939 §6 */
	{ STR_INIT("CAPA"), ARG_NONE,  on_capa }, /* RFC 2449 §5 */
	{ STR_INIT("LANG"), ARG_MAYBE, on_lang }, /* RFC 6856 §3 */
	/* Commands of the AUTHORIZATION state. */
	{ STR_INIT("USER"), ARG_MAYBE, NULL },
	{ STR_INIT("PASS"), ARG_MAYBE, NULL },
	{ STR_INIT("APOP"), ARG_MAYBE, NULL },
	{ STR_INIT("AUTH"), ARG_MAYBE, NULL },
	{ STR_INIT("STLS"), ARG_MAYBE, NULL },
	{ STR_INIT("UTF8"), ARG_MAYBE, NULL },
	/* clang-format on */
};

static const struct verb *find_verb(str name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (str_ieq(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static void on_command(struct pop3_session *s, str line)
{
	str name = str_sub(line, 0, str_chr(line, ' '));
	str arg = str_trim(str_skip(line, name.len));
	const struct verb *v = find_verb(name);

	if (!v)
		bad(s, POP3_TEXT_UNKNOWN);
	else if (!v->run)
		bad(s, POP3_TEXT_NOT_NOW);
	else if (v->argument == ARG_NONE && arg.len)
		bad(s, POP3_TEXT_NO_ARGUMENT);
	else if (v->argument == ARG_MUST && arg.len == 0)
		bad(s, POP3_TEXT_NEED_ARGUMENT);
	else
		v->run(s, arg);
}

/* ---- the conversation ---- */

struct pop3_session *pop3_session_new(const struct pop3_options *o)
{
	struct pop3_session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->o = *o;
	s->o.language = STR(""); /* not ours to keep */
	pop3_language_find(o->language, &s->language);
	buf_init(&s->out, OUTPUT_MAX);
	return s;
}

void pop3_session_free(struct pop3_session *s)
{
	if (!s)
		return;
	pop3_line_fini(&s->line);
	buf_fini(&s->out);
	free(s->deleted);
	free(s);
}

size_t pop3_session_feed(struct pop3_session *s, str bytes)
{
	str in = bytes, line;

	while (in.len && s->state == STATE_TRANSACTION && !s->has_event && !s->listing &&
	       !pop3_session_is_congested(s)) {
		switch (pop3_line_take(&s->line, &in, POP3_COMMAND_BYTES, &line)) {
		case POP3_LINE_WHOLE:
			on_command(s, line);
			break;
		case POP3_LINE_TOO_LONG:
			bad(s, POP3_TEXT_LINE_TOO_LONG);
			break;
		case POP3_LINE_MORE:
			break;
		}
	}
	return bytes.len - in.len;
}

bool pop3_session_next(struct pop3_session *s, struct pop3_event *out)
{
	go_on_listing(s);
	if (!s->has_event)
		return false;
	s->has_event = false;
	*out = s->event;
	return true;
}

str pop3_session_output(const struct pop3_session *s)
{
	return buf_str(&s->out);
}

void pop3_session_sent(struct pop3_session *s, size_t count)
{
	buf_consume(&s->out, count);
}

void pop3_session_trim(struct pop3_session *s)
{
	if (s->out.len == 0)
		buf_fini(&s->out);
	if (s->line.held.len == 0)
		buf_fini(&s->line.held);
}

bool pop3_session_is_congested(const struct pop3_session *s)
{
	return s->out.len >= POP3_OUTPUT_HIGH;
}

bool pop3_session_is_done(const struct pop3_session *s)
{
	return s->state == STATE_CLOSED && !s->has_event && s->out.len == 0;
}

bool pop3_session_is_utf8(const struct pop3_session *s)
{
	return s->o.utf8;
}

void pop3_session_want_update(struct pop3_session *s)
{
	s->wants_update = true;
}

uint32_t pop3_session_deleted_count(const struct pop3_session *s)
{
	return s->deleted_count;
}

/* ---- bodies ---- */

void pop3_session_body_start(struct pop3_session *s, uint64_t octets)
{
	add(s, STR("+OK "));
	if (s->event.lines == POP3_ALL_LINES) {
		buf_addu(&s->out, octets);
		buf_addc(&s->out, ' ');
		add_text(s, POP3_TEXT_OCTETS);
	} else {
		add_text(s, POP3_TEXT_TOP_FOLLOWS);
	}
	s->at_line_start = true;
	s->ends_with_cr = false;
	s->ends_with_crlf = true; /* nothing yet: the final dot can follow */
}

/* A line starts behind every LF, bare ones included: a client that takes "LF . CR LF" for the end
 * must not find one inside a message. */
size_t pop3_session_body_run(struct pop3_session *s, str rest)
{
	const char *p = rest.ptr, *end = rest.ptr + rest.len;

	if (rest.len == 0)
		return 0;
	if (s->at_line_start && p[0] == '.')
		buf_addc(&s->out, '.');
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (p == end || *p == '.')
			return (size_t)(p - rest.ptr);
	}
	return rest.len;
}

void pop3_session_body_skipped(struct pop3_session *s, str run)
{
	if (run.len == 0)
		return;
	char last = run.ptr[run.len - 1];
	bool after_cr = run.len > 1 ? run.ptr[run.len - 2] == '\r' : s->ends_with_cr;
	s->at_line_start = last == '\n';
	s->ends_with_cr = last == '\r';
	s->ends_with_crlf = last == '\n' && after_cr;
}

void pop3_session_body_bytes(struct pop3_session *s, str run)
{
	add(s, run);
	pop3_session_body_skipped(s, run);
}

void pop3_session_body_end(struct pop3_session *s)
{
	if (!s->ends_with_crlf)
		add(s, STR("\r\n"));
	add(s, STR(".\r\n"));
	if (s->state == STATE_BODY)
		s->state = STATE_TRANSACTION;
}

void pop3_session_refuse(struct pop3_session *s, str code)
{
	no(s, code, POP3_TEXT_MESSAGE_GONE);
	if (s->state == STATE_BODY)
		s->state = STATE_TRANSACTION;
}

void pop3_session_updated(struct pop3_session *s, bool is_ok)
{
	if (s->state != STATE_UPDATE)
		return;
	if (is_ok)
		ok(s, POP3_TEXT_BYE);
	else
		no(s, STR("SYS/TEMP"), POP3_TEXT_NOT_REMOVED);
	set_event(s, POP3_EVENT_CLOSE, STATE_CLOSED);
}

void pop3_session_stop(struct pop3_session *s)
{
	if (s->state == STATE_CLOSED)
		return;
	no(s, STR("SYS/TEMP"), POP3_TEXT_STOPPING);
	set_event(s, POP3_EVENT_CLOSE, STATE_CLOSED);
	s->listing = 0;
}

str pop3_top(str message, int64_t lines)
{
	str rest = message;
	bool in_header = true;

	if (lines == POP3_ALL_LINES)
		return message;
	while (rest.len && (in_header || lines > 0)) {
		size_t lf = str_chr(rest, '\n');
		size_t len = lf == STR_NPOS ? rest.len : lf + 1;
		if (!in_header)
			lines--;
		else if (lf == 0 || (lf == 1 && rest.ptr[0] == '\r'))
			in_header = false;
		rest = str_skip(rest, len);
	}
	return str_sub(message, 0, message.len - rest.len);
}
