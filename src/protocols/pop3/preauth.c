#include "protocols/pop3/preauth.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/secret.h"
#include "formats/base64.h"
#include "protocols/pop3/line.h"
#include "protocols/pop3/texts.h"

enum { OUTPUT_HIGH = 16 * 1024, OUTPUT_MAX = 128 * 1024, USER_MAX = 255, TEXT_MAX = 400 };

enum state {
	STATE_COMMAND,
	STATE_SASL_ASKED,    /* an event waits for sasl_answer */
	STATE_SASL_RESPONSE, /* the client's next line is a response */
	STATE_SASL_FINAL,    /* it is empty: the mechanism has sent its last message */
	STATE_SIGN_IN,       /* SIGN_IN waits for signed_in or refuse */
	STATE_TLS,           /* waits for tls_started */
	STATE_SIGNED_IN,
	STATE_CLOSED,
};

struct pop3_preauth {
	struct arena *arena; /* text of the options */
	struct pop3_preauth_options o;
	enum state state;
	enum pop3_language language;
	bool utf8, tls;
	bool has_user, has_event;
	uint32_t bad_commands, failed_sign_ins;
	struct pop3_line line;
	struct buf user;
	struct buf decoded; /* what the event's slices point into */
	struct buf mechanism;
	struct buf out;
	struct pop3_preauth_event event;
};

const struct pop3_preauth_limits pop3_preauth_limits_default = {
	.command_bytes = 255,
	.response_bytes = 12288,
	.bad_commands = 5,
	.failed_sign_ins = 5,
};

/* ---- replies and events ---- */

/* "+OK text", "-ERR [code] text" */
static void reply(struct pop3_preauth *p, bool ok, str code, str text)
{
	buf_add(&p->out, ok ? STR("+OK ") : STR("-ERR "));
	if (code.len) {
		buf_addc(&p->out, '[');
		buf_add(&p->out, code);
		buf_add(&p->out, STR("] "));
	}
	buf_add(&p->out, text);
	buf_add(&p->out, STR("\r\n"));
}

static str text_of(const struct pop3_preauth *p, enum pop3_text text)
{
	return pop3_text(text, p->language);
}

static void ok(struct pop3_preauth *p, enum pop3_text text)
{
	reply(p, true, STR(""), text_of(p, text));
}

static void set_event(struct pop3_preauth *p, enum pop3_preauth_event_kind kind)
{
	p->event = (struct pop3_preauth_event){ .kind = kind };
	p->has_event = true;
}

static void close_with(struct pop3_preauth *p)
{
	p->state = STATE_CLOSED;
	set_event(p, POP3_PREAUTH_CLOSE);
}

/* A command that is not one, or not now. The last one that is too many closes. */
static void bad(struct pop3_preauth *p, enum pop3_text text)
{
	if (++p->bad_commands < p->o.limits.bad_commands) {
		reply(p, false, STR(""), text_of(p, text));
		return;
	}
	reply(p, false, STR(""), text_of(p, POP3_TEXT_TOO_MANY_BAD));
	close_with(p);
}

static void failed(struct pop3_preauth *p)
{
	if (++p->failed_sign_ins < p->o.limits.failed_sign_ins) {
		reply(p, false, STR("AUTH"), text_of(p, POP3_TEXT_WRONG));
		return;
	}
	reply(p, false, STR("AUTH"), text_of(p, POP3_TEXT_TOO_MANY_TRIES));
	close_with(p);
}

static bool plain_is_allowed(const struct pop3_preauth *p)
{
	return p->tls || p->o.allow_plain;
}

static str mechanisms(const struct pop3_preauth *p)
{
	return p->tls ? p->o.mechanisms_tls : p->o.mechanisms_clear;
}

/* ---- commands ---- */

static void on_quit(struct pop3_preauth *p, str arg)
{
	(void)arg;
	ok(p, POP3_TEXT_BYE);
	close_with(p);
}

/* RFC 2449 §5 and §6. What may differ after STLS is only what depends on TLS. */
static void on_capa(struct pop3_preauth *p, str arg)
{
	(void)arg;
	ok(p, POP3_TEXT_CAPABILITIES);
	buf_add(&p->out, STR("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
	                     "EXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n"));
	if (plain_is_allowed(p))
		buf_add(&p->out, STR("USER\r\n"));
	if (mechanisms(p).len) {
		buf_add(&p->out, STR("SASL "));
		buf_add(&p->out, mechanisms(p));
		buf_add(&p->out, STR("\r\n"));
	}
	if (p->o.tls_available && !p->tls)
		buf_add(&p->out, STR("STLS\r\n"));
	buf_add(&p->out, STR("IMPLEMENTATION buzon\r\n.\r\n"));
}

static void on_stls(struct pop3_preauth *p, str arg)
{
	(void)arg;
	if (p->tls) {
		bad(p, POP3_TEXT_TLS_ACTIVE);
	} else if (!p->o.tls_available) {
		bad(p, POP3_TEXT_TLS_NONE);
	} else {
		ok(p, POP3_TEXT_BEGIN_TLS);
		p->state = STATE_TLS;
		set_event(p, POP3_PREAUTH_STARTTLS);
	}
}

static void on_utf8(struct pop3_preauth *p, str arg)
{
	(void)arg;
	p->utf8 = true;
	ok(p, POP3_TEXT_UTF8_ON);
}

static void on_lang(struct pop3_preauth *p, str arg)
{
	if (arg.len == 0) {
		pop3_language_list(&p->out, p->language);
	} else if (!pop3_language_find(arg, &p->language)) {
		reply(p, false, STR(""), text_of(p, POP3_TEXT_LANGUAGE_NONE));
	} else {
		buf_add(&p->out, STR("+OK "));
		buf_add(&p->out, pop3_language_tag(p->language));
		buf_addc(&p->out, ' ');
		buf_add(&p->out, text_of(p, POP3_TEXT_LANGUAGE_SET));
		buf_add(&p->out, STR("\r\n"));
	}
}

static void on_user(struct pop3_preauth *p, str arg)
{
	p->has_user = false;
	if (!plain_is_allowed(p)) {
		bad(p, POP3_TEXT_NEED_TLS);
		return;
	}
	if (!str_is_utf8(arg)) {
		bad(p, POP3_TEXT_NOT_UTF8); /* RFC 6856 §2.2 */
		return;
	}
	buf_reset(&p->user);
	buf_add(&p->user, arg);
	p->has_user = true;
	/* RFC 1939 §7 lets us say whether the name exists; that is for nobody to know. */
	ok(p, POP3_TEXT_SEND_PASS);
}

/* Asks for the check; the event's slices are in decoded. */
static void ask(struct pop3_preauth *p, enum pop3_preauth_event_kind kind)
{
	set_event(p, kind);
	p->state = STATE_SASL_ASKED;
}

/* RFC 1939 §7: everything behind one space is the password, spaces as well. As PLAIN (RFC 4616), so
 * that there is one way to check a password. */
static void on_pass(struct pop3_preauth *p, str arg)
{
	bool has_user = p->has_user;

	p->has_user = false;
	if (!plain_is_allowed(p)) {
		bad(p, POP3_TEXT_NEED_TLS);
		return;
	}
	if (!has_user || !str_is_utf8(arg)) {
		bad(p, has_user ? POP3_TEXT_NOT_UTF8 : POP3_TEXT_NEED_USER);
		return;
	}
	buf_reset(&p->decoded);
	buf_addc(&p->decoded, '\0');
	buf_add(&p->decoded, buf_str(&p->user));
	buf_addc(&p->decoded, '\0');
	buf_add(&p->decoded, arg);
	ask(p, POP3_PREAUTH_SASL_START);
	p->event.mechanism = STR("PLAIN");
	p->event.has_initial = true;
	p->event.initial = buf_str(&p->decoded);
}

/* Not in RFC 5034, but asked by clients from before CAPA. */
static void list_mechanisms(struct pop3_preauth *p)
{
	str rest = mechanisms(p), name;

	ok(p, POP3_TEXT_MECHANISMS);
	while (str_split(&rest, ' ', &name)) {
		if (name.len == 0)
			continue;
		buf_add(&p->out, name);
		buf_add(&p->out, STR("\r\n"));
	}
	buf_add(&p->out, STR(".\r\n"));
}

static bool has_word(str words, str word)
{
	str name;

	while (str_split(&words, ' ', &name)) {
		if (name.len && str_ieq(name, word))
			return true;
	}
	return false;
}

static void set_mechanism(struct pop3_preauth *p, str name)
{
	buf_reset(&p->mechanism);
	for (size_t i = 0; i < name.len; i++)
		buf_addc(&p->mechanism, ascii_upper(name.ptr[i]));
}

/* "AUTH mechanism [initial-response]", RFC 5034 §4 */
static void on_auth(struct pop3_preauth *p, str arg)
{
	str name = STR(""), initial = arg;
	bool has_initial;

	if (arg.len == 0) {
		list_mechanisms(p);
		return;
	}
	if (take_word(&initial, 32, &name) < 0 || !has_word(mechanisms(p), name)) {
		bool needs_tls = !p->tls && has_word(p->o.mechanisms_tls, name);
		bad(p, needs_tls ? POP3_TEXT_NEED_TLS : POP3_TEXT_NO_MECHANISM);
		return;
	}
	has_initial = take_char(&initial, ' ') == 0;
	buf_reset(&p->decoded);
	/* "=" is an initial response of no bytes. */
	if (has_initial && !str_eq(initial, STR("=")) &&
	    (initial.len == 0 || base64_decode(initial, &p->decoded, NULL) < 0)) {
		bad(p, POP3_TEXT_NOT_BASE64);
		return;
	}
	set_mechanism(p, name);
	ask(p, POP3_PREAUTH_SASL_START);
	p->event.mechanism = buf_str(&p->mechanism);
	p->event.has_initial = has_initial;
	p->event.initial = buf_str(&p->decoded);
}

enum argument { ARG_NONE, ARG_MAYBE, ARG_MUST };

static const struct verb {
	str name;
	enum argument argument;
	void (*run)(struct pop3_preauth *p, str arg);
} verbs[] = {
	/* clang-format off */
	{ STR_INIT("CAPA"), ARG_NONE,  on_capa },   /* RFC 2449 §5 */
	{ STR_INIT("STLS"), ARG_NONE,  on_stls },   /* RFC 2595 §4 */
	{ STR_INIT("USER"), ARG_MUST,  on_user },   /* RFC 1939 §7 */
	{ STR_INIT("PASS"), ARG_MUST,  on_pass },   /* RFC 1939 §7 */
	{ STR_INIT("AUTH"), ARG_MAYBE, on_auth },   /* RFC 5034 §4 */
	{ STR_INIT("QUIT"), ARG_NONE,  on_quit },   /* RFC 1939 §4 */
	{ STR_INIT("LANG"), ARG_MAYBE, on_lang },   /* RFC 6856 §3 */
	{ STR_INIT("UTF8"), ARG_NONE,  on_utf8 },   /* RFC 6856 §2.1 */
	/* Commands of the TRANSACTION state, and APOP, which would need passwords in clear on disk. */
	{ STR_INIT("STAT"), ARG_MAYBE, NULL },
	{ STR_INIT("LIST"), ARG_MAYBE, NULL },
	{ STR_INIT("RETR"), ARG_MAYBE, NULL },
	{ STR_INIT("DELE"), ARG_MAYBE, NULL },
	{ STR_INIT("NOOP"), ARG_MAYBE, NULL },
	{ STR_INIT("RSET"), ARG_MAYBE, NULL },
	{ STR_INIT("TOP"),  ARG_MAYBE, NULL },
	{ STR_INIT("UIDL"), ARG_MAYBE, NULL },
	{ STR_INIT("APOP"), ARG_MAYBE, NULL },
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

static void on_command(struct pop3_preauth *p, str line)
{
	str name = str_sub(line, 0, str_chr(line, ' ')), arg = str_skip(line, name.len + 1);
	const struct verb *v = find_verb(name);

	/* A password may end in spaces; nothing else may mean them. */
	if (v && v->run != on_pass)
		arg = str_trim(arg);
	if (!v || str_chr(line, '\0') != STR_NPOS)
		bad(p, POP3_TEXT_UNKNOWN);
	else if (!v->run)
		bad(p, POP3_TEXT_NOT_NOW);
	else if (v->argument == ARG_NONE && arg.len)
		bad(p, POP3_TEXT_NO_ARGUMENT);
	else if (v->argument == ARG_MUST && arg.len == 0)
		bad(p, POP3_TEXT_NEED_ARGUMENT);
	else
		v->run(p, arg);
}

/* ---- inside an AUTH exchange ---- */

static void abort_exchange(struct pop3_preauth *p, enum pop3_text text)
{
	p->state = STATE_COMMAND;
	bad(p, text);
	if (p->state == STATE_COMMAND)
		set_event(p, POP3_PREAUTH_SASL_ABORT);
}

static void on_response(struct pop3_preauth *p, str line)
{
	buf_reset(&p->decoded);
	if (str_eq(line, STR("*"))) {
		abort_exchange(p, POP3_TEXT_ABORTED);
	} else if (base64_decode(line, &p->decoded, NULL) < 0) {
		abort_exchange(p, POP3_TEXT_NOT_BASE64);
	} else if (p->state == STATE_SASL_RESPONSE) {
		ask(p, POP3_PREAUTH_SASL_STEP);
		p->event.response = buf_str(&p->decoded);
	} else if (p->decoded.len) {
		abort_exchange(p, POP3_TEXT_MALFORMED);
	} else {
		p->state = STATE_SIGN_IN;
		set_event(p, POP3_PREAUTH_SIGN_IN);
	}
}

static void on_line(struct pop3_preauth *p, enum pop3_line_result result, str line)
{
	bool is_command = p->state == STATE_COMMAND;

	if (result == POP3_LINE_TOO_LONG && is_command)
		bad(p, POP3_TEXT_LINE_TOO_LONG);
	else if (result == POP3_LINE_TOO_LONG)
		abort_exchange(p, POP3_TEXT_LINE_TOO_LONG);
	else if (is_command)
		on_command(p, line);
	else
		on_response(p, line);
}

static bool takes_lines(const struct pop3_preauth *p)
{
	bool is_listening = p->state == STATE_COMMAND || p->state == STATE_SASL_RESPONSE ||
	                    p->state == STATE_SASL_FINAL;

	return is_listening && !p->has_event && p->out.len < OUTPUT_HIGH;
}

/* ---- public ---- */

struct pop3_preauth *pop3_preauth_new(const struct pop3_preauth_options *o)
{
	static const struct pop3_preauth_limits none;
	struct pop3_preauth *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->arena = arena_new(NULL, "pop3 preauth", 16384);
	p->o = *o;
	p->o.hostname = arena_str(p->arena, str_sub(o->hostname, 0, TEXT_MAX));
	p->o.mechanisms_tls = arena_str(p->arena, str_sub(o->mechanisms_tls, 0, TEXT_MAX));
	p->o.mechanisms_clear = arena_str(p->arena, str_sub(o->mechanisms_clear, 0, TEXT_MAX));
	if (memcmp(&o->limits, &none, sizeof(none)) == 0)
		p->o.limits = pop3_preauth_limits_default;
	p->tls = o->tls_active;
	buf_init(&p->user, USER_MAX);
	buf_init(&p->decoded, p->o.limits.response_bytes + 2 * USER_MAX);
	buf_init(&p->mechanism, USER_MAX);
	buf_init(&p->out, OUTPUT_MAX);
	/* No time stamp in it: APOP is not offered. RFC 1939 §7. */
	buf_add(&p->out, STR("+OK "));
	buf_add(&p->out, p->o.hostname);
	buf_addc(&p->out, ' ');
	buf_add(&p->out, text_of(p, POP3_TEXT_READY));
	buf_add(&p->out, STR("\r\n"));
	return p;
}

static void wipe(struct buf *b)
{
	if (b->cap)
		secret_wipe(b->ptr, b->cap);
	buf_reset(b);
}

void pop3_preauth_free(struct pop3_preauth *p)
{
	if (!p)
		return;
	wipe(&p->decoded);
	buf_fini(&p->decoded);
	buf_fini(&p->user);
	buf_fini(&p->mechanism);
	buf_fini(&p->out);
	pop3_line_fini(&p->line);
	arena_free(p->arena);
	free(p);
}

size_t pop3_preauth_feed(struct pop3_preauth *p, str bytes)
{
	str in = bytes, line;

	while (in.len && takes_lines(p)) {
		size_t max = p->state == STATE_COMMAND ? p->o.limits.command_bytes
		                                       : p->o.limits.response_bytes;
		enum pop3_line_result result = pop3_line_take(&p->line, &in, max, &line);
		if (result != POP3_LINE_MORE)
			on_line(p, result, line);
	}
	/* What is left of a password in the line buffer has done its work. */
	if (p->line.is_given)
		pop3_line_wipe(&p->line);
	return bytes.len - in.len;
}

bool pop3_preauth_next(struct pop3_preauth *p, struct pop3_preauth_event *out)
{
	if (!p->has_event)
		return false;
	p->has_event = false;
	*out = p->event;
	return true;
}

static void add_challenge(struct pop3_preauth *p, str data)
{
	buf_add(&p->out, STR("+ "));
	base64_encode(data, &p->out);
	buf_add(&p->out, STR("\r\n"));
}

void pop3_preauth_sasl_answer(struct pop3_preauth *p, enum pop3_sasl_outcome outcome, str data)
{
	if (p->state != STATE_SASL_ASKED)
		return; /* closed meanwhile */
	wipe(&p->decoded);
	p->state = STATE_COMMAND;
	switch (outcome) {
	case POP3_SASL_CHALLENGE:
		add_challenge(p, data);
		p->state = STATE_SASL_RESPONSE;
		return;
	case POP3_SASL_OK:
		if (data.len) {
			/* RFC 5034 §4: no room beside success, so it goes in front of it. */
			add_challenge(p, data);
			p->state = STATE_SASL_FINAL;
		} else {
			p->state = STATE_SIGN_IN;
			set_event(p, POP3_PREAUTH_SIGN_IN);
		}
		return;
	case POP3_SASL_FAILED:
		failed(p);
		return;
	case POP3_SASL_MALFORMED:
		bad(p, POP3_TEXT_MALFORMED);
		return;
	case POP3_SASL_UNKNOWN:
		bad(p, POP3_TEXT_NO_MECHANISM);
		return;
	case POP3_SASL_NEEDS_TLS:
		bad(p, POP3_TEXT_NEED_TLS);
		return;
	case POP3_SASL_UNAVAILABLE:
		reply(p, false, STR("SYS/TEMP"), text_of(p, POP3_TEXT_UNAVAILABLE));
		return;
	}
}

void pop3_preauth_signed_in(struct pop3_preauth *p)
{
	if (p->state != STATE_SIGN_IN)
		return;
	ok(p, POP3_TEXT_SIGNED_IN);
	p->state = STATE_SIGNED_IN;
}

void pop3_preauth_refuse(struct pop3_preauth *p, str code, str text)
{
	if (p->state != STATE_SIGN_IN)
		return;
	p->state = STATE_COMMAND;
	if (str_eq(code, STR("IN-USE")))
		text = text_of(p, POP3_TEXT_IN_USE);
	reply(p, false, code, str_sub(text, 0, TEXT_MAX));
}

void pop3_preauth_tls_started(struct pop3_preauth *p)
{
	if (p->state != STATE_TLS)
		return;
	/* RFC 2595 §4: what was said in clear is forgotten. */
	pop3_line_wipe(&p->line);
	buf_reset(&p->user);
	p->has_user = false;
	p->utf8 = false;
	p->tls = true;
	p->state = STATE_COMMAND;
}

void pop3_preauth_stop(struct pop3_preauth *p)
{
	if (p->state == STATE_CLOSED || p->state == STATE_SIGNED_IN)
		return;
	/* Between STLS and its handshake nothing can be said. */
	if (p->state != STATE_TLS)
		reply(p, false, STR("SYS/TEMP"), text_of(p, POP3_TEXT_STOPPING));
	close_with(p);
}

str pop3_preauth_output(const struct pop3_preauth *p)
{
	return buf_str(&p->out);
}

void pop3_preauth_sent(struct pop3_preauth *p, size_t count)
{
	buf_consume(&p->out, count);
}

bool pop3_preauth_is_done(const struct pop3_preauth *p)
{
	bool is_over = p->state == STATE_CLOSED || p->state == STATE_SIGNED_IN;

	return is_over && !p->has_event && p->out.len == 0;
}

bool pop3_preauth_is_utf8(const struct pop3_preauth *p)
{
	return p->utf8;
}

str pop3_preauth_language(const struct pop3_preauth *p)
{
	return pop3_language_tag(p->language);
}
