/* The order in which a bounce is looked for, and what is no bounce. */
#include "formats/bounce_internal.h"
#include "formats/charset.h"
#include "formats/header.h"
#include "formats/html_text.h"
#include "formats/mime.h"
#include "formats/part_text.h"
#include "formats/word.h"

enum { PARTS_LOOKED_AT = 64, ADDRESS_FIELDS_MAX = 100 };

static const char *const kind_names[BOUNCE_KINDS] = { "other", "report", "auto-reply", "feedback" };

const char *bounce_kind_name(enum bounce_kind kind)
{
	return kind_names[kind];
}

/* ---- what the readers share ---- */

struct bounce_recipient *bounce_add(struct bounce_reader *r)
{
	struct bounce *b = r->out;

	if (b->count == BOUNCE_RECIPIENTS_MAX)
		return NULL;
	struct bounce_recipient *to =
	    arena_push(r->a, (void *)&b->recipients, &b->count, &r->cap, sizeof(b->recipients[0]));
	*to = (struct bounce_recipient){ .action = DSN_FAILED };
	return to;
}

struct bounce_recipient *bounce_find(struct bounce_reader *r, str address)
{
	size_t first = r->out->count > 50 ? r->out->count - 50 : 0;

	for (size_t i = first; i < r->out->count; i++)
		if (str_ieq(r->out->recipients[i].address, address))
			return &r->out->recipients[i];
	return NULL;
}

str bounce_line(struct arena *a, str text, size_t max)
{
	AUTO_BUF clean = BUF_INIT(4 * BOUNCE_CONTEXT_MAX);
	bool space = false;

	text = str_sub(text, 0, 2 * max);
	for (size_t i = 0; i < text.len && clean.len < max; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c <= ' ' || c == 0x7f) {
			space = clean.len > 0;
			continue;
		}
		if (space)
			buf_addc(&clean, ' ');
		space = false;
		buf_addc(&clean, (char)c);
	}
	str line = str_sub(buf_str(&clean), 0, max);
	/* A character may be cut in two at the end. */
	for (size_t cut = 0; cut < 4 && cut <= line.len; cut++)
		if (str_is_utf8(str_sub(line, 0, line.len - cut)))
			return arena_str(a, str_sub(line, 0, line.len - cut));
	AUTO_BUF utf8 = BUF_INIT(4 * BOUNCE_CONTEXT_MAX);
	charset_guess_to_utf8(line, max, &utf8);
	return arena_str(a, buf_str(&utf8));
}

str bounce_address(str text)
{
	text = str_trim(text);
	size_t comment = str_find(text, STR(" ("));
	if (comment != STR_NPOS && comment)
		text = str_trim(str_sub(text, 0, comment));
	size_t open = str_rchr(text, '<');
	if (open != STR_NPOS && str_ends(text, STR(">")))
		text = str_sub(text, open + 1, text.len - open - 2);
	return str_trim(text);
}

bool bounce_is_address(str text)
{
	size_t at = str_rchr(text, '@');

	if (at == STR_NPOS || !at || at + 3 > text.len || text.len > BOUNCE_ADDRESS_MAX)
		return false;
	str domain = str_skip(text, at + 1);
	if (domain.ptr[0] == '.' || domain.ptr[0] == '-')
		return false;
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];
		if (!ascii_is_alnum(c) && c != '.' && c != '-' && c != '_' &&
		    (unsigned char)c < 0x80)
			return false;
	}
	for (size_t i = 0; i < at; i++)
		if (text.ptr[i] == '/' && i + 1 < at && text.ptr[i + 1] == '/')
			return false;
	return true;
}

bool bounce_next_line(str *rest, str *out, bool *out_quoted)
{
	str line;

	if (!rest->len)
		return false;
	(void)str_split(rest, '\n', &line);
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	*out_quoted = false;
	while (line.len && line.ptr[0] == '>' && !str_starts(line, STR(">>> "))) {
		*out_quoted = true;
		line = str_skip(line, 1);
		if (line.len && line.ptr[0] == ' ')
			line = str_skip(line, 1);
	}
	*out = line;
	return true;
}

/* ---- the header ---- */

struct look {
	struct bounce_reader *r;
	str message, header;
	struct mime_tree tree;
	struct bounce_signs signs;
	str subject; /* decoded, one line */
};

static str field(const struct look *l, str name)
{
	struct header_field f;

	return header_find(l->header, name, &f) ? str_trim(str_sub(f.value, 0, 4096)) : STR_NONE;
}

static bool has_any(str text, const str *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (str_ifind(text, words[i]) != STR_NPOS)
			return true;
	return false;
}

#define HAS_ANY(text, words) has_any((text), (words), sizeof(words) / sizeof((words)[0]))

static const str daemon_words[] = { STR_INIT("mailer-daemon"), STR_INIT("mailer_daemon"),
	STR_INIT("postmaster"), STR_INIT("mail delivery s"), STR_INIT("mdaemon"),
	STR_INIT("mail-daemon"), STR_INIT("microsoftexchange") };

static const str subject_words[] = { STR_INIT("undeliver"), STR_INIT("returned mail"),
	STR_INIT("failure notice"), STR_INIT("delivery status"), STR_INIT("delivery fail"),
	STR_INIT("mail delivery"), STR_INIT("delivery report"), STR_INIT("not be delivered"),
	STR_INIT("mail failed"), STR_INIT("delivery notification"), STR_INIT("returned to sender"),
	STR_INIT("returning message to sender"), STR_INIT("delayed mail"),
	STR_INIT("mail system error"), STR_INIT("errors from"), STR_INIT("message status"),
	STR_INIT("delivery failure"), STR_INIT("delivery delayed"), STR_INIT("warning: message"),
	STR_INIT("could not send message"), STR_INIT("no se pudo entregar"),
	STR_INIT("no entregado"), STR_INIT("devuelto al remitente"), STR_INIT("unzustellbar"),
	STR_INIT("non remis"), STR_INIT("mancato recapito"), STR_INIT("message non distribu") };

static void read_signs(struct look *l)
{
	AUTO_BUF subject = BUF_INIT(8192);
	str return_path = field(l, STR("Return-Path"));

	word_decode(field(l, STR("Subject")), &subject);
	l->subject = bounce_line(l->r->a, buf_str(&subject), 1024);
	l->signs.subject = HAS_ANY(l->subject, subject_words);
	l->signs.from_daemon =
	    HAS_ANY(field(l, STR("From")), daemon_words) || HAS_ANY(return_path, daemon_words);
	l->signs.self =
	    bounce_line(l->r->a, bounce_address(field(l, STR("To"))), BOUNCE_ADDRESS_MAX);
}

/* ---- what is no bounce ---- */

static const str away_words[] = { STR_INIT("automatic reply"), STR_INIT("auto reply"),
	STR_INIT("autoreply"), STR_INIT("auto-reply"), STR_INIT("autorespon"),
	STR_INIT("auto response"), STR_INIT("automated reply"), STR_INIT("out of office"),
	STR_INIT("out-of-office"), STR_INIT("away from"), STR_INIT("on vacation"),
	STR_INIT("respuesta autom"), STR_INIT("fuera de la oficina"), STR_INIT("abwesenheit"),
	STR_INIT("automatische antwort"), STR_INIT("réponse automatique"),
	STR_INIT("absence du bureau"), STR_INIT("risposta automatica"), STR_INIT("resposta autom"),
	STR_INIT("please confirm your message"), STR_INIT("confirm your email to") };

/* RFC 3834 §5 and the fields that were there before it. */
static bool is_auto_reply(const struct look *l)
{
	static const str names[] = { STR_INIT("X-Autoreply"), STR_INIT("X-Autorespond"),
		STR_INIT("X-Auto-Reply-From"), STR_INIT("X-Mail-Autoreply"),
		STR_INIT("X-Autogenerated-Reply") };
	str precedence = field(l, STR("Precedence"));

	if (str_istarts(field(l, STR("Auto-Submitted")), STR("auto-replied")) ||
	    str_ieq(precedence, STR("auto_reply")) || str_ieq(precedence, STR("auto-reply")) ||
	    str_ieq(field(l, STR("X-Apple-Action")), STR("VACATION")))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (field(l, names[i]).len)
			return true;
	return HAS_ANY(l->subject, away_words) && !l->signs.subject;
}

/* What comes from people's programs, not from a mail system that tells of a failure. */
static bool is_from_system(const struct look *l)
{
	return l->signs.from_daemon || l->signs.subject;
}

/* Hotmail's complaints have no fields (RFC 5965 would want them): a whole message, and these two. */
static bool is_hotmail_complaint(const struct look *l)
{
	return str_istarts(l->subject, STR("complaint about message from")) && l->tree.count > 1;
}

/* The button "unsubscribe" of mail programs writes a mail of one word. */
static bool is_unsubscribe(const struct look *l)
{
	return str_ieq(l->subject, STR("unsubscribe")) && is_auto_reply(l);
}

/* ---- the parts ---- */

static bool is_inside_message(const struct mime_tree *tree, uint32_t i)
{
	for (uint32_t up = tree->parts[i].at.parent; up != UINT32_MAX;
	     up = tree->parts[up].at.parent)
		if (tree->parts[up].at.kind == PART_MESSAGE)
			return true;
	return false;
}

/* The first part of a type that is not in a returned message; UINT32_MAX when there is none. */
static uint32_t find_part(const struct look *l, str type)
{
	for (uint32_t i = 0; i < l->tree.count && i < PARTS_LOOKED_AT; i++)
		if (str_istarts(l->tree.parts[i].at.type, type) && !is_inside_message(&l->tree, i))
			return i;
	return UINT32_MAX;
}

static str decoded(const struct look *l, uint32_t i, size_t max)
{
	AUTO_BUF b = BUF_INIT(BOUNCE_SCAN_MAX);
	struct err err;
	const struct index_part *part = &l->tree.parts[i].at;

	if (part->encoding != ENCODING_BASE64 && part->encoding != ENCODING_QP)
		return str_sub(part_body(part, l->message), 0, max);
	if (part_decode(part, l->message, &b, &err) < 0)
		return STR_NONE;
	return arena_str(l->r->a, str_sub(buf_str(&b), 0, max));
}

/* All that is for people, plain text before HTML; without structure the body as it is. */
static str notification_text(const struct look *l)
{
	AUTO_BUF plain = BUF_INIT(4 * BOUNCE_TEXT_MAX);
	AUTO_BUF html = BUF_INIT(4 * BOUNCE_TEXT_MAX);

	for (uint32_t i = 0;
	     i < l->tree.count && i < PARTS_LOOKED_AT && plain.len < BOUNCE_TEXT_MAX; i++) {
		const struct index_part *part = &l->tree.parts[i].at;
		if (part->kind != PART_LEAF || !part_is_text(part) ||
		    is_inside_message(&l->tree, i) ||
		    str_eq(part->type, STR("text/rfc822-headers")))
			continue;
		part_text(part, l->message, BOUNCE_TEXT_MAX,
		    str_eq(part->type, STR("text/html")) ? &html : &plain);
		buf_addc(&plain, '\n');
	}
	return arena_str(l->r->a, str_trim(buf_str(&plain)).len ? buf_str(&plain) : buf_str(&html));
}

/* A copy behind a mark: "--- Below this line is a copy of the message." and an empty line. */
static str copied_header(str copy)
{
	str line;
	bool quoted;

	for (str rest = copy; bounce_next_line(&rest, &line, &quoted); copy = rest) {
		size_t colon = str_chr(line, ':');
		if (colon != STR_NPOS && colon && str_chr(str_sub(line, 0, colon), ' ') == STR_NPOS)
			break;
	}
	return copy;
}

static void read_original(struct look *l, str text)
{
	uint32_t i = find_part(l, STR("message/rfc822"));
	struct bounce *b = l->r->out;
	struct header_field f;
	str header;

	if (i == UINT32_MAX)
		i = find_part(l, STR("text/rfc822-headers"));
	if (i == UINT32_MAX)
		i = find_part(l, STR("message/global"));
	if (i != UINT32_MAX)
		header = header_block(decoded(l, i, BOUNCE_TEXT_MAX));
	else
		header = copied_header(str_skip(text, bounce_original_at(text)));
	if (header_find(header, STR("Message-ID"), &f))
		b->original_message_id = bounce_line(l->r->a, f.value, BOUNCE_ADDRESS_MAX);
	if (header_find(header, STR("From"), &f))
		b->original_sender =
		    bounce_line(l->r->a, bounce_address(f.value), BOUNCE_ADDRESS_MAX);
	if (header_find(header, STR("Subject"), &f)) {
		AUTO_BUF subject = BUF_INIT(8192);
		word_decode(str_sub(f.value, 0, 2048), &subject);
		b->original_subject = bounce_line(l->r->a, buf_str(&subject), 1024);
	}
	if (b->kind != BOUNCE_REPORT || b->count || !header_find(header, STR("To"), &f))
		return;
	/* A report that names nobody: the one the message was for. */
	str to = bounce_address(f.value);
	if (bounce_is_address(to))
		bounce_add(l->r)->address = bounce_line(l->r->a, to, BOUNCE_ADDRESS_MAX);
}

/* ---- Exim and Gmail name the recipients in the header ---- */

static void read_failed_recipients(struct look *l)
{
	str list = field(l, STR("X-Failed-Recipients")), one;

	for (int i = 0; i < ADDRESS_FIELDS_MAX && list.len; i++) {
		(void)str_split(&list, ',', &one);
		one = bounce_address(one);
		struct bounce_recipient *to = NULL;
		if (bounce_is_address(one) && !bounce_find(l->r, one))
			to = bounce_add(l->r);
		if (to)
			to->address = bounce_line(l->r->a, one, BOUNCE_ADDRESS_MAX);
	}
}

static bool read_report(struct look *l)
{
	uint32_t i = find_part(l, STR("message/delivery-status"));

	if (i == UINT32_MAX)
		i = find_part(l, STR("message/global-delivery-status"));
	if (i == UINT32_MAX)
		return false;
	bounce_read_fields(l->r, decoded(l, i, BOUNCE_SCAN_MAX), true);
	l->r->out->form = "RFC 3464";
	return true;
}

/* Fields that stand where they should not: broken structure, a forwarded or quoted report. */
static bool read_stray_fields(struct look *l, str text)
{
	if (!bounce_read_fields(l->r, text, false) &&
	    !bounce_read_fields(l->r, str_skip(l->message, l->header.len), false))
		return false;
	l->r->out->form = "RFC 3464, damaged";
	return true;
}

static enum bounce_kind decide(struct look *l, str text)
{
	if (find_part(l, STR("message/feedback-report")) != UINT32_MAX || is_hotmail_complaint(l) ||
	    is_unsubscribe(l) ||
	    str_ifind(field(l, STR("Content-Type")), STR("feedback-report")) != STR_NPOS)
		return BOUNCE_FEEDBACK;
	if (read_report(l))
		return BOUNCE_REPORT;
	if (find_part(l, STR("message/disposition-notification")) != UINT32_MAX)
		return BOUNCE_AUTO_REPLY;
	if (bounce_read_ses(l->r, text))
		return l->r->out->kind;
	if (is_auto_reply(l) && !is_from_system(l))
		return BOUNCE_AUTO_REPLY;
	if (read_stray_fields(l, text))
		return BOUNCE_REPORT;
	if (bounce_read_body(l->r, text, &l->signs)) {
		read_failed_recipients(l);
		return BOUNCE_REPORT;
	}
	return is_auto_reply(l) ? BOUNCE_AUTO_REPLY : BOUNCE_NONE;
}

void bounce_parse(str message, struct arena *a, struct bounce *out)
{
	struct bounce_reader r = { .a = a, .out = out };
	struct look l = { .r = &r, .message = str_sub(message, 0, BOUNCE_SCAN_MAX) };

	*out = (struct bounce){ .form = "" };
	l.header = header_block(l.message);
	mime_parse(l.message, a, &l.tree);
	read_signs(&l);
	str text = notification_text(&l);
	out->kind = decide(&l, text);
	if (out->kind != BOUNCE_REPORT) {
		out->count = 0;
		return;
	}
	read_original(&l, text);
	bounce_read_transcript(&r, text);
}
