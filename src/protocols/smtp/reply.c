/* reply.c: lines to the peer, events to the caller. */
#include "protocols/smtp/internal.h"

enum { REPLY_LINE_MAX = 400 }; /* RFC 5321 §4.5.3.1.5: 512 with code and CRLF */

/* RFC 5321 §4.2: text is printable ASCII; RFC 6531 §3.7.4.1: UTF-8 only inside a transaction that
 * asked for it. */
static void add_text(struct smtp_session *s, str text)
{
	bool utf8 = s->tx.utf8 && str_is_utf8(text);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		buf_addc(&s->out, c < 0x20 || c == 0x7f || (c > 0x7f && !utf8) ? '?' : (char)c);
	}
}

static void add_code(struct smtp_session *s, unsigned code, bool more)
{
	buf_addu(&s->out, code);
	buf_addc(&s->out, more ? '-' : ' ');
}

void smtp_say_line(struct smtp_session *s, unsigned code, bool more, str text)
{
	add_code(s, code, more);
	add_text(s, text);
	buf_add(&s->out, STR("\r\n"));
}

/* The next line of a reply: up to a line feed, or cut where it gets too long. */
static str next_line(str *text)
{
	str line = str_sub(*text, 0, REPLY_LINE_MAX);
	size_t lf = str_chr(line, '\n');

	if (lf != STR_NPOS)
		line.len = lf;
	/* Not through a UTF-8 sequence. */
	while (lf == STR_NPOS && line.len < text->len && line.len > 1 &&
	       ((unsigned char)text->ptr[line.len] & 0xc0) == 0x80)
		line.len--;
	*text = str_skip(*text, line.len + (lf != STR_NPOS));
	return line;
}

static str class_code(unsigned code)
{
	return code >= 500 ? STR("5.0.0") : code >= 400 ? STR("4.0.0") : STR("2.0.0");
}

/* RFC 2034 §4: every reply of class 2, 4 and 5 carries a code, on each of its lines. */
void smtp_say(struct smtp_session *s, unsigned code, str enhanced, str text)
{
	if (enhanced.len == 0)
		enhanced = class_code(code);
	do {
		str line = next_line(&text);
		add_code(s, code, text.len > 0);
		if (code / 100 != 3) {
			add_text(s, enhanced);
			buf_addc(&s->out, ' ');
		}
		add_text(s, line);
		buf_add(&s->out, STR("\r\n"));
	} while (text.len);
	if (!buf_ok(&s->out))
		s->mode = SMTP_MODE_DONE;
}

void smtp_push(struct smtp_session *s, enum smtp_event_type type)
{
	if (s->event_count == SMTP_EVENTS)
		return;
	s->queue[(s->event_at + s->event_count++) % SMTP_EVENTS] = type;
}

struct arena *smtp_scratch(struct smtp_session *s)
{
	if (!s->scratch)
		s->scratch = arena_new(NULL, "smtp-step", SMTP_STEP_ARENA);
	return s->scratch;
}

void smtp_note(struct smtp_session *s, unsigned code, str text)
{
	s->refused = (struct smtp_refused){ code, arena_str(smtp_scratch(s), text) };
	smtp_push(s, SMTP_EVENT_REFUSED);
}

void smtp_decline(struct smtp_session *s, unsigned code, str enhanced, str text)
{
	smtp_say(s, code, enhanced, text);
	smtp_note(s, code, text);
}

void smtp_refuse(struct smtp_session *s, unsigned code, str enhanced, str text)
{
	const struct smtp_limits *l = &s->o.limits;

	if (++s->bad >= (s->signed_in ? l->bad_commands_signed_in : l->bad_commands)) {
		/* The answer to this very command: the client hears why, and that it is over. */
		SMTP_DECLINE(s, 421, "4.7.0", "too many bad commands, closing");
		smtp_finish(s);
		return;
	}
	smtp_decline(s, code, enhanced, text);
}

bool smtp_session_next(struct smtp_session *s, struct smtp_event *out)
{
	if (s->event_count == 0)
		return false;
	enum smtp_event_type type = s->queue[s->event_at];
	s->event_at = (uint8_t)((s->event_at + 1) % SMTP_EVENTS);
	s->event_count--;
	*out = s->event;
	out->type = type;
	out->wants_answer = false;
	if (type == SMTP_EVENT_REFUSED)
		out->refused = s->refused;
	else if (s->mode == SMTP_MODE_WAIT && s->event_count == 0)
		out->wants_answer = true;
	return true;
}

const char *smtp_event_name(enum smtp_event_type type)
{
	static const char *const names[] = {
		[SMTP_EVENT_HELLO] = "HELLO",
		[SMTP_EVENT_STARTTLS] = "STARTTLS",
		[SMTP_EVENT_AUTH_START] = "AUTH_START",
		[SMTP_EVENT_AUTH_STEP] = "AUTH_STEP",
		[SMTP_EVENT_AUTH_ABORT] = "AUTH_ABORT",
		[SMTP_EVENT_MAIL] = "MAIL",
		[SMTP_EVENT_RCPT] = "RCPT",
		[SMTP_EVENT_DATA_BEGIN] = "DATA_BEGIN",
		[SMTP_EVENT_BODY] = "BODY",
		[SMTP_EVENT_MESSAGE] = "MESSAGE",
		[SMTP_EVENT_RESET] = "RESET",
		[SMTP_EVENT_QUIT] = "QUIT",
		[SMTP_EVENT_REFUSED] = "REFUSED",
	};

	return names[type];
}
