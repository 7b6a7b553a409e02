/* The fields of RFC 3464, in their part or wherever a broken report left them. */
#include "formats/bounce_internal.h"

enum { FIELD_LINES_MAX = 64 };

enum field { FINAL, ORIGINAL, ACTUAL, ACTION, STATUS, REMOTE, DIAGNOSTIC, REPORTING, FIELD_COUNT };

static const str names[FIELD_COUNT] = {
	[FINAL] = STR_INIT("Final-Recipient"),
	[ORIGINAL] = STR_INIT("Original-Recipient"),
	[ACTUAL] = STR_INIT("X-Actual-Recipient"),
	[ACTION] = STR_INIT("Action"),
	[STATUS] = STR_INIT("Status"),
	[REMOTE] = STR_INIT("Remote-MTA"),
	[DIAGNOSTIC] = STR_INIT("Diagnostic-Code"),
	[REPORTING] = STR_INIT("Reporting-MTA"),
};

/* RFC 3464 §2.3.3, and what others write. */
static const struct {
	str word;
	enum dsn_action action;
} actions[] = {
	{ STR_INIT("fail"), DSN_FAILED },
	{ STR_INIT("error"), DSN_FAILED },
	{ STR_INIT("delay"), DSN_DELAYED },
	{ STR_INIT("deliver"), DSN_DELIVERED },
	{ STR_INIT("relay"), DSN_RELAYED },
	{ STR_INIT("expand"), DSN_EXPANDED },
};

struct group {
	str value[FIELD_COUNT];
};

/* "dns; mx.example.org" without the type. */
static str without_type(str value)
{
	size_t semicolon = str_chr(value, ';');

	if (!value.ptr || semicolon == STR_NPOS || semicolon > 20)
		return str_trim(value);
	for (size_t i = 0; i < semicolon; i++) {
		char c = value.ptr[i];
		if (!ascii_is_alnum(c) && c != '-' && c != ' ')
			return str_trim(value);
	}
	return str_trim(str_skip(value, semicolon + 1));
}

static enum dsn_action read_action(str word, struct enhanced_status status)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (str_istarts(word, actions[i].word))
			return actions[i].action;
	return status.class == 2 ? DSN_DELIVERED : status.class == 4 ? DSN_DELAYED : DSN_FAILED;
}

/* x.0.0 says nothing that the class of a code does not say. */
static bool is_vague(struct enhanced_status s)
{
	return !s.class || (!s.subject && !s.detail);
}

static bool is_unix(str diagnostic)
{
	return str_istarts(str_trim(diagnostic), STR("x-unix"));
}

/* Amazon SES put sentences of its own before the answer: "5.1.0 - Unknown address error 550-'5.2.2 ...'". */
static str without_preface(str diagnostic)
{
	size_t quote = str_find(diagnostic, STR("-'"));

	if (quote == STR_NPOS || quote < 4)
		return diagnostic;
	for (size_t i = quote - 3; i < quote; i++)
		if (!ascii_is_digit(diagnostic.ptr[i]))
			return diagnostic;
	return str_skip(diagnostic, quote - 3);
}

/* What a report without diagnostic says behind the status: "4.0.0 (host name lookup failure)". */
static str status_comment(str status)
{
	size_t open = str_chr(status, '('), close = str_rchr(status, ')');

	return open == STR_NPOS || close == STR_NPOS || close < open
	           ? STR_NONE
	           : str_sub(status, open + 1, close - open - 1);
}

static void close_group(struct bounce_reader *r, struct group *g, bool strict)
{
	struct enhanced_status said = { 0 }, field = { 0 };
	str address = bounce_address(without_type(g->value[FINAL]));
	str original = bounce_address(without_type(g->value[ORIGINAL]));
	uint16_t code = 0, ignored = 0;

	if (!address.len)
		address = original.len ? original : bounce_address(without_type(g->value[ACTUAL]));
	bool real = address.len && (strict || g->value[STATUS].len || g->value[ACTION].len);
	struct bounce_recipient *to = real ? bounce_add(r) : NULL;
	if (to) {
		to->address = bounce_line(r->a, address, BOUNCE_ADDRESS_MAX);
		if (!str_ieq(original, address))
			to->original = bounce_line(r->a, original, BOUNCE_ADDRESS_MAX);
		str diagnostic = without_type(g->value[DIAGNOSTIC]),
		    answer = without_preface(diagnostic);
		if (!answer.len)
			answer = status_comment(g->value[STATUS]);
		to->diagnostic = bounce_line(r->a, answer, BOUNCE_DIAGNOSTIC_MAX);
		to->remote_mta =
		    bounce_line(r->a, without_type(g->value[REMOTE]), BOUNCE_ADDRESS_MAX);
		if (!is_unix(g->value[DIAGNOSTIC]))
			bounce_find_reply(
			    bounce_line(r->a, diagnostic, BOUNCE_DIAGNOSTIC_MAX), &code, &said);
		bounce_find_reply(str_trim(g->value[STATUS]), &ignored, &field);
		to->code = code;
		to->status = is_vague(said) && field.class && !(is_vague(field) && said.class)
		                 ? field
		                 : said;
		to->action = read_action(str_trim(g->value[ACTION]), to->status);
	}
	if (g->value[REPORTING].len && !r->out->reporting_mta.len)
		r->out->reporting_mta =
		    bounce_line(r->a, without_type(g->value[REPORTING]), BOUNCE_ADDRESS_MAX);
	*g = (struct group){ 0 };
}

static int field_of(str line, str *out_value)
{
	size_t colon = str_chr(str_sub(line, 0, 40), ':');

	if (colon == STR_NPOS)
		return -1;
	str name = str_trim(str_sub(line, 0, colon));
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (str_ieq(name, names[i])) {
			*out_value = str_skip(line, colon + 1);
			return i;
		}
	}
	return -1;
}

/* All of a folded value, over the lines that follow: they begin with white space. */
static str take_folded(struct arena *a, str value, str *rest)
{
	AUTO_BUF b = BUF_INIT(2 * BOUNCE_DIAGNOSTIC_MAX);
	str at = *rest, line;
	bool quoted = false;

	buf_add(&b, str_sub(value, 0, BOUNCE_DIAGNOSTIC_MAX + 64)); /* with the type */
	for (int i = 0; i < FIELD_LINES_MAX && bounce_next_line(&at, &line, &quoted); i++) {
		if (!line.len || (line.ptr[0] != ' ' && line.ptr[0] != '\t') || !str_trim(line).len)
			break;
		buf_addc(&b, ' ');
		buf_add(&b, str_trim(line));
		*rest = at;
	}
	return arena_str(a, buf_str(&b));
}

static bool is_returned_message(str line)
{
	return str_istarts(line, STR("Content-Type: message/rfc822")) ||
	       str_istarts(line, STR("Content-Type: text/rfc822-headers"));
}

size_t bounce_read_fields(struct bounce_reader *r, str text, bool strict)
{
	struct group g = { 0 };
	size_t before = r->out->count;
	str line, value;
	bool quoted = false, any_quoted = false;

	while (bounce_next_line(&text, &line, &quoted)) {
		int field = field_of(line, &value);
		if (!strict && is_returned_message(line) &&
		    (r->out->count > before || g.value[FINAL].len))
			break;
		if (!str_trim(line).len || (field == FINAL && g.value[FINAL].len))
			close_group(r, &g, strict);
		any_quoted = any_quoted || (field == FINAL && quoted);
		if (field >= 0 && !g.value[field].len)
			g.value[field] = take_folded(r->a, value, &text);
	}
	close_group(r, &g, strict);
	if (!strict && r->out->count > before && any_quoted)
		r->out->quoted = true;
	return r->out->count - before;
}
