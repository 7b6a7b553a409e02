/* auth.c: the exchange of AUTH. RFC 4954 §4. */
#include "formats/base64.h"
#include "protocols/smtp/internal.h"

enum { MECHANISM_MAX = 20 }; /* RFC 4422 §3.1 */

static bool decode(struct smtp_session *s, str text, str *out)
{
	AUTO_BUF plain = BUF_INIT(16384);

	(void)buf_space(&plain, text.len); /* so that it does not move and leave copies */
	if (base64_decode(text, &plain, NULL) < 0)
		return false;
	*out = arena_str(smtp_scratch(s), buf_str(&plain));
	if (plain.len)
		explicit_bzero(plain.ptr, plain.len);
	return true;
}

static bool is_offered(const struct smtp_session *s, str mechanism)
{
	str list = smtp_mechanisms(s), one;

	while (str_split(&list, ' ', &one))
		if (str_ieq(one, mechanism))
			return true;
	return false;
}

static bool may_start(struct smtp_session *s)
{
	if (s->signed_in)
		SMTP_REFUSE(s, 503, "5.5.1", "you are signed in already");
	else if (!s->extended)
		SMTP_REFUSE(s, 503, "5.5.1", "AUTH needs EHLO");
	else if (!s->tls && !s->o.allow_plain)
		SMTP_REFUSE(s, 538, "5.7.11", "sign-in needs TLS, say STARTTLS first");
	else if (smtp_mechanisms(s).len == 0)
		SMTP_REFUSE(s, 502, "5.5.1", "AUTH is not offered on this port");
	else
		return true;
	return false;
}

void smtp_on_auth(struct smtp_session *s, str args)
{
	size_t space = str_chr(args, ' ');
	str name = str_sub(args, 0, space);
	str initial = space == STR_NPOS ? STR_NONE : str_skip(args, space + 1);
	struct smtp_auth auth = { .has_initial = initial.len > 0 };

	if (!may_start(s))
		return;
	if (name.len == 0 || name.len > MECHANISM_MAX) {
		SMTP_REFUSE(s, 501, "5.5.4", "a mechanism must follow");
		return;
	}
	if (!is_offered(s, name)) {
		SMTP_REFUSE(s, 504, "5.5.4", "this mechanism is not offered");
		return;
	}
	/* "=" is the empty initial response. */
	if (str_eq(initial, STR("=")))
		initial = STR("");
	if (!decode(s, initial, &auth.data)) {
		SMTP_REFUSE(s, 501, "5.5.2", "the initial response is not base64");
		return;
	}
	char *upper = arena_cstr(smtp_scratch(s), name);
	for (size_t i = 0; i < name.len; i++)
		upper[i] = ascii_upper(upper[i]);
	auth.mechanism = str_new(upper, name.len);
	s->event.auth = auth;
	smtp_ask(s, SMTP_EVENT_AUTH_START, SMTP_WAIT_AUTH);
}

/* The client's proof does not stay in memory until the next command. */
static void wipe_response(struct smtp_session *s)
{
	union {
		const char *in;
		char *out;
	} data = { s->event.auth.data.ptr };

	if (s->event.auth.data.len)
		explicit_bzero(data.out, s->event.auth.data.len);
}

static void signed_in(struct smtp_session *s)
{
	s->signed_in = true;
	s->bad = 0;
	SMTP_SAY(s, 235, "2.7.0", "signed in");
	smtp_resume(s);
}

void smtp_auth_abort(struct smtp_session *s)
{
	bool is_asked = s->mode == SMTP_MODE_WAIT && s->waiting == SMTP_WAIT_AUTH;

	if (is_asked)
		wipe_response(s);
	if (s->mode == SMTP_MODE_AUTH || s->mode == SMTP_MODE_AUTH_LAST || is_asked)
		smtp_push(s, SMTP_EVENT_AUTH_ABORT);
}

void smtp_auth_line(struct smtp_session *s, str line)
{
	struct smtp_auth auth = { 0 };

	if (s->mode == SMTP_MODE_AUTH_LAST && line.len == 0) {
		signed_in(s);
	} else if (str_eq(line, STR("*")) || s->mode == SMTP_MODE_AUTH_LAST) {
		smtp_auth_abort(s);
		smtp_resume(s);
		SMTP_REFUSE(s, 501, "5.7.0", "sign-in given up");
	} else if (!decode(s, line, &auth.data)) {
		smtp_auth_abort(s);
		smtp_resume(s);
		SMTP_REFUSE(s, 501, "5.5.2", "the response is not base64");
	} else {
		s->event.auth = auth;
		smtp_ask(s, SMTP_EVENT_AUTH_STEP, SMTP_WAIT_AUTH);
	}
}

static void say_challenge(struct smtp_session *s, str data)
{
	AUTO_BUF text = BUF_INIT(20000);

	base64_encode(data, &text);
	/* Longer than a reply may be; RFC 4954 §4 asks for that. */
	buf_add(&s->out, STR("334 "));
	buf_add(&s->out, buf_str(&text));
	buf_add(&s->out, STR("\r\n"));
	s->waiting = SMTP_WAIT_NONE;
	s->mode = SMTP_MODE_AUTH;
	s->activity_at = s->now;
}

void smtp_session_auth(struct smtp_session *s, enum smtp_auth_result result, str data)
{
	/* clang-format off */
	static const struct smtp_reply replies[] = { /* RFC 4954 §6 */
		[SMTP_AUTH_FAILED]            = { 535, STR_INIT("5.7.8"),  STR_INIT("user name or password is wrong") },
		[SMTP_AUTH_MALFORMED]         = { 501, STR_INIT("5.5.2"),  STR_INIT("the response does not fit the mechanism") },
		[SMTP_AUTH_UNKNOWN_MECHANISM] = { 504, STR_INIT("5.5.4"),  STR_INIT("this mechanism is not offered") },
		[SMTP_AUTH_NEEDS_TLS]         = { 538, STR_INIT("5.7.11"), STR_INIT("sign-in needs TLS") },
		[SMTP_AUTH_UNAVAILABLE]       = { 454, STR_INIT("4.7.0"),  STR_INIT("sign-in is not possible just now, try again later") },
	};
	/* clang-format on */

	if (s->mode != SMTP_MODE_WAIT || s->waiting != SMTP_WAIT_AUTH)
		return;
	wipe_response(s);
	if (result == SMTP_AUTH_CHALLENGE || (result == SMTP_AUTH_OK && data.len)) {
		say_challenge(s, data);
		/* RFC 4954 §4: SMTP has no place for data beside success, so it is a challenge that wants
		 * an empty response. */
		if (result == SMTP_AUTH_OK)
			s->mode = SMTP_MODE_AUTH_LAST;
	} else if (result == SMTP_AUTH_OK) {
		signed_in(s);
	} else {
		smtp_resume(s);
		smtp_refuse(
		    s, replies[result].code, replies[result].enhanced, replies[result].text);
	}
}
