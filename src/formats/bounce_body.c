/* What the text for people says, for the bounces that have nothing else: recipients stand at the beginnings of lines,
 * what happened to them behind or below. */
#include "formats/bounce_internal.h"

enum { LINES_MAX = 4000, TAIL_WORDS = 12 };

/* ---- where the returned message begins ---- */

static const str end_marks[] = {
	STR_INIT("--- Below this line is"),
	STR_INIT("--- Enclosed is a copy"),
	STR_INIT("--- Undelivered message follows"),
	STR_INIT("------ This is a copy of"),
	STR_INIT("--- The header of the original"),
	STR_INIT("----- Original message"),
	STR_INIT("-----Original Message"),
	STR_INIT("----- Message header follows"),
	STR_INIT("----- Unsent message follows"),
	STR_INIT("----- Transcript of session ends"),
	STR_INIT("Original message headers:"),
	STR_INIT("Message headers follow"),
	STR_INIT("|------------------------- Message text follows"),
	STR_INIT("Return-Path:"),
	STR_INIT("Received: "),
	STR_INIT("DKIM-Signature:"),
	STR_INIT("Content-Type: message/rfc822"),
	STR_INIT("Content-Type: text/rfc822-headers"),
};

static bool is_end_mark(str line)
{
	for (size_t i = 0; i < sizeof(end_marks) / sizeof(end_marks[0]); i++)
		if (str_istarts(line, end_marks[i]))
			return true;
	return false;
}

size_t bounce_original_at(str text)
{
	str rest = text, line;
	bool quoted;

	for (;;) {
		size_t at = text.len - rest.len;
		if (!bounce_next_line(&rest, &line, &quoted))
			return text.len;
		if (at && is_end_mark(line))
			return at;
	}
}

/* ---- one line ---- */

/* An address at the front of a line and what follows it; "<" and ">" are taken along. */
static bool take_address(str *line, str *out, bool *out_brackets)
{
	str at = str_trim(*line);
	size_t len = 0;

	while (at.len && strchr("*-\"'", at.ptr[0]))
		at = str_trim(str_skip(at, 1));
	*out_brackets = at.len && at.ptr[0] == '<';
	if (*out_brackets) {
		len = str_chr(str_sub(at, 0, BOUNCE_ADDRESS_MAX), '>');
		if (len == STR_NPOS)
			return false;
		*out = str_sub(at, 1, len - 1);
		len++;
	} else {
		while (len < at.len && !strchr(" \t<>(),;:\"'[]", at.ptr[len]))
			len++;
		*out = str_sub(at, 0, len);
		while (out->len && out->ptr[out->len - 1] == '.')
			out->len--;
		len = out->len;
	}
	*line = str_skip(at, len);
	return bounce_is_address(*out);
}

/* What may follow an address that stands for a recipient. */
static bool is_recipient_tail(str tail, bool brackets)
{
	static const str starts[] = { STR_INIT(":"), STR_INIT("("), STR_INIT("<mailto:"),
		STR_INIT("..."), STR_INIT("on "), STR_INIT(";"), STR_INIT("\"") };

	tail = str_trim(tail);
	if (!tail.len)
		return true;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (str_istarts(tail, starts[i]) &&
		    (brackets || tail.ptr[0] != ':' || tail.len == 1 || i == 0))
			return true;
	return false;
}

/* ---- blocks ---- */

struct blocks {
	struct bounce_reader *r;
	const struct bounce_signs *signs;
	struct bounce_recipient *now;
	bool brackets, ends_at_blank;
	struct buf text;
};

static void find_remote(struct bounce_recipient *to, str text, struct arena *a)
{
	static const str before[] = { STR_INIT("host "), STR_INIT("while talking to "),
		STR_INIT("connect to "), STR_INIT("connection with "), STR_INIT("by "),
		STR_INIT("Remote Server at "), STR_INIT("server at ") };

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]) && !to->remote_mta.len; i++) {
		size_t at = str_ifind(text, before[i]), len = 0, dots = 0;
		if (at == STR_NPOS)
			continue;
		str name = str_skip(text, at + before[i].len);
		for (; len < name.len && len < 255; len++) {
			char c = name.ptr[len];
			if (!ascii_is_alnum(c) && c != '.' && c != '-')
				break;
			dots += c == '.';
		}
		while (len && name.ptr[len - 1] == '.')
			len--;
		if (dots && len > 3)
			to->remote_mta = bounce_line(a, str_sub(name, 0, len), BOUNCE_ADDRESS_MAX);
	}
}

static void settle(struct bounce_reader *r, struct bounce_recipient *to, str text)
{
	to->diagnostic = bounce_line(r->a, text, BOUNCE_DIAGNOSTIC_MAX);
	bounce_find_reply(to->diagnostic, &to->code, &to->status);
	find_remote(to, to->diagnostic, r->a);
	unsigned class = to->code ? to->code / 100u : to->status.class;
	to->action = class == 2 ? DSN_DELIVERED : DSN_FAILED;
}

static void close_block(struct blocks *b)
{
	if (b->now)
		settle(b->r, b->now, buf_str(&b->text));
	b->now = NULL;
	buf_reset(&b->text);
}

static bool open_block(struct blocks *b, str line)
{
	str address;
	bool brackets;

	if (!take_address(&line, &address, &brackets) || !is_recipient_tail(line, brackets))
		return false;
	struct bounce_recipient *known = bounce_find(b->r, address);
	if (!known && str_ieq(address, b->signs->self) && b->r->out->count)
		return false;
	if (known && known == b->now)
		return false; /* named again in its own text */
	close_block(b);
	b->now = known ? NULL : bounce_add(b->r);
	if (b->now)
		b->now->address = bounce_line(b->r->a, address, BOUNCE_ADDRESS_MAX);
	while (line.len && strchr(": \t", line.ptr[0]))
		line = str_skip(line, 1);
	b->brackets = brackets;
	b->ends_at_blank = brackets && line.len > 0;
	buf_add(&b->text, line);
	return true;
}

static void read_blocks(struct blocks *b, str text)
{
	str line;
	bool quoted;

	for (int i = 0; i < LINES_MAX && bounce_next_line(&text, &line, &quoted); i++) {
		if (is_end_mark(line))
			break;
		if (!str_trim(line).len) {
			if (b->ends_at_blank || (b->text.len && b->text.ptr[0] == '<'))
				close_block(b);
			continue;
		}
		if (open_block(b, line) || !b->now)
			continue;
		b->ends_at_blank = b->ends_at_blank || (b->brackets && line.ptr[0] != ' ');
		buf_addc(&b->text, ' ');
		buf_add(&b->text, str_trim(line));
	}
	close_block(b);
}

/* ---- texts without such lines: the first address in them that is nobody of the mail system ---- */

static bool is_system(str address, const struct bounce_signs *signs)
{
	static const str names[] = { STR_INIT("postmaster@"), STR_INIT("mailer-daemon@"),
		STR_INIT("abuse@"), STR_INIT("support@"), STR_INIT("helpdesk@"),
		STR_INIT("noreply@"), STR_INIT("no-reply@") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_istarts(address, names[i]))
			return true;
	return str_ieq(address, signs->self);
}

/* "RCPT TO:<a@b>" of Postfix's transcripts before anything else. */
static str named_address(str text, const struct bounce_signs *signs)
{
	size_t rcpt = str_ifind(text, STR("RCPT TO:<"));
	str rest = rcpt == STR_NPOS ? text : str_skip(text, rcpt + 9);

	while (rest.len) {
		size_t len = 0;
		while (rest.len && !ascii_is_alnum(rest.ptr[0]))
			rest = str_skip(rest, 1);
		while (len < rest.len && !strchr(" \t\r\n<>(),;:\"'[]", rest.ptr[len]))
			len++;
		str address = str_sub(rest, 0, len);
		rest = str_skip(rest, len);
		while (address.len && address.ptr[address.len - 1] == '.')
			address.len--;
		if (address.len <= BOUNCE_ADDRESS_MAX && bounce_is_address(address) &&
		    !is_system(address, signs))
			return address;
	}
	return STR_NONE;
}

/* The last refusal in "Out: 451 4.3.0 ..." lines of Postfix; else all of the text. */
static str session_refusal(str text)
{
	str found = text, line;
	bool quoted;

	if (str_find(text, STR(" Out: ")) == STR_NPOS)
		return text;
	while (bounce_next_line(&text, &line, &quoted)) {
		line = str_trim(line);
		if (str_starts(line, STR("Out: ")) && line.len > 9 &&
		    (line.ptr[5] == '4' || line.ptr[5] == '5'))
			found = str_skip(line, 5);
	}
	return found;
}

/* ---- is it a bounce at all ---- */

static const str failure_words[] = {
	STR_INIT("could not be delivered"),
	STR_INIT("couldn't be delivered"),
	STR_INIT("unable to deliver"),
	STR_INIT("wasn't able to deliver"),
	STR_INIT("was not delivered"),
	STR_INIT("wasn't delivered"),
	STR_INIT("not been delivered"),
	STR_INIT("cannot be delivered"),
	STR_INIT("delivery to the following recipient"),
	STR_INIT("permanent fatal errors"),
	STR_INIT("did not reach the following"),
	STR_INIT("delivery has failed"),
	STR_INIT("delivery failed"),
	STR_INIT("failed to deliver"),
	STR_INIT("mailbox is full"),
	STR_INIT("no valid recipients"),
	STR_INIT("errors from"),
	STR_INIT("undeliverable"),
	STR_INIT("returned to sender"),
	STR_INIT("permanent error"),
	STR_INIT("transcript of session"),
	STR_INIT("no se pudo entregar"),
	STR_INIT("no se ha podido entregar"),
	STR_INIT("konnte nicht zugestellt werden"),
	STR_INIT("pas pu être"),
	STR_INIT("non è stato possibile"),
};

static bool says_failure(str text)
{
	text = str_sub(text, 0, 16 * 1024);
	for (size_t i = 0; i < sizeof(failure_words) / sizeof(failure_words[0]); i++)
		if (str_ifind(text, failure_words[i]) != STR_NPOS)
			return true;
	return false;
}

static const char *form_of(str text)
{
	static const struct {
		str words;
		const char *form;
	} forms[] = {
		{ STR_INIT("qmail-send program"), "qmail" },
		{ STR_INIT("Postfix"), "Postfix" },
		{ STR_INIT("the mail system at host"), "Postfix" },
		{ STR_INIT("mail delivery software"), "Exim" },
		{ STR_INIT("were unable to deliver your message"), "Yahoo" },
		{ STR_INIT("Google tried to deliver"), "Gmail" },
		{ STR_INIT("Technical details of permanent failure"), "Gmail" },
		{ STR_INIT("Transcript of session"), "Sendmail" },
		{ STR_INIT("Domino Directory"), "Notes" },
		{ STR_INIT("did not reach the following recipient"), "Exchange" },
		{ STR_INIT("Generating server"), "Exchange" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (str_ifind(text, forms[i].words) != STR_NPOS)
			return forms[i].form;
	return "text";
}

bool bounce_read_body(struct bounce_reader *r, str text, const struct bounce_signs *signs)
{
	struct blocks b = { .r = r, .signs = signs, .text = BUF_INIT(2 * BOUNCE_DIAGNOSTIC_MAX) };
	bool failure = says_failure(text);
	int evidence = 2 * signs->from_daemon + signs->subject + failure;

	text = str_sub(text, 0, bounce_original_at(text));
	if (evidence < 2)
		return false;
	r->out->form = form_of(text);
	read_blocks(&b, text);
	buf_fini(&b.text);
	if (!r->out->count) {
		str address = named_address(text, signs);
		struct bounce_recipient *to = address.len ? bounce_add(r) : NULL;
		if (to) {
			to->address = bounce_line(r->a, address, BOUNCE_ADDRESS_MAX);
			settle(r, to, session_refusal(text));
		}
	}
	if (r->out->count && (failure || signs->subject || r->out->recipients[0].code))
		return true;
	r->out->count = 0;
	return false;
}
