/* buzon doctor: why mail fails, in plain words. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/bounce_text.h"
#include "formats/charset.h"

#define BOUNCE_USAGE "doctor bounce [--for admin|marketer|user] FILE|-"

enum { FILE_MAX_MIB = 64, MESSAGES_MAX = 100000 };

/* ---- reading: one message, or a mailbox of them ---- */

static int read_all(const char *path, struct buf *out)
{
	AUTO_FD opened =
	    strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (opened >= 0) {
		char *room = buf_space(out, 64 * 1024);
		if (!room)
			return cli_fail(-1, _("'%s' is larger than %d MiB; give the bounce alone"),
			    path, FILE_MAX_MIB);
		n = read(opened, room, 64 * 1024);
		if (n <= 0)
			break;
		buf_grow(out, (size_t)n);
	}
	if (n < 0)
		return cli_fail(-1, _("cannot read '%s': %m"), path);
	if (!out->len)
		return cli_fail(-1, _("'%s' is empty"), path);
	return 0;
}

/* A file that begins with "From " is a mailbox: the next message begins behind an empty line and "From ". */
static str next_message(str *rest)
{
	str message = *rest;

	if (!str_starts(message, STR("From "))) {
		*rest = STR_NONE;
		return message;
	}
	size_t lf = str_find(message, STR("\n\nFrom ")),
	       crlf = str_find(message, STR("\n\r\nFrom "));
	size_t end = lf < crlf ? lf + 2 : crlf == STR_NPOS ? message.len : crlf + 3;
	*rest = str_skip(message, end);
	message = str_sub(message, 0, end);
	size_t line = str_chr(message, '\n');
	return line == STR_NPOS ? STR_NONE : str_skip(message, line + 1);
}

/* ---- showing ---- */

static const char *action_text(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return _("not delivered");
	case DSN_DELAYED:
		return _("delayed");
	case DSN_DELIVERED:
		return _("delivered");
	case DSN_RELAYED:
		return _("passed on");
	case DSN_EXPANDED:
		return _("passed on to several");
	}
	return "";
}

static void status_text(struct enhanced_status status, char out[ENHANCED_STATUS_TEXT])
{
	AUTO_BUF b = BUF_INIT(ENHANCED_STATUS_TEXT);

	enhanced_status_print(status, &b);
	snprintf(out, ENHANCED_STATUS_TEXT, STR_FMT, STR_ARG(buf_str(&b)));
}

/* Labels are words of any language: padded by characters, not by bytes. */
static void print_labelled(const char *label, const char *text)
{
	size_t width = 0;

	for (const char *p = label; *p; p++)
		width += ((unsigned char)*p & 0xc0) != 0x80;
	printf("  %s%*s %s\n", label, width < 18 ? (int)(18 - width) : 1, "", text);
}

static void print_answer(const struct bounce_recipient *to)
{
	AUTO_BUF line = BUF_INIT(2 * BOUNCE_DIAGNOSTIC_MAX);
	char host[BOUNCE_ADDRESS_MAX + 1];

	snprintf(host, sizeof(host), STR_FMT, STR_ARG(to->remote_mta));
	const char *answer = to->diagnostic.ptr; /* NUL behind it: from an arena */
	if (!to->diagnostic.len)
		buf_addz(&line, _("the report gives no answer of a server"));
	else if (*host)
		buf_addf(&line, _("%s answered: %s"), host, answer);
	else
		buf_addf(&line, _("the other server answered: %s"), answer);
	buf_addc(&line, '\0');
	print_labelled(_("Why"), buf_ok(&line) ? line.ptr : answer);
}

static void print_recipient(
    const struct bounce_recipient *to, const struct bounce_verdict *v, enum reader reader)
{
	char status[ENHANCED_STATUS_TEXT];

	status_text(to->status, status);
	printf(STR_FMT ": %s (%s%s%s", STR_ARG(to->address), action_text(to->action),
	    bounce_reason_name(v->reason), *status ? ", " : "", status);
	printf(to->code ? ", %u)\n" : ")\n", to->code);
	print_labelled(_("What happened"), bounce_text_what(v->reason));
	if (v->reason == BOUNCE_DELIVERED)
		return;
	print_answer(to);
	print_labelled(_("Who must act"), bounce_text_who(v->blame, reader));
	print_labelled(_("What to do"), bounce_text_advice(v->reason, reader));
}

static json_t *text_json(str s)
{
	return s.len ? json_stringn(s.ptr, s.len) : json_null();
}

static void print_fact(json_t *fact)
{
	char *line = json_dumps(fact, JSON_COMPACT);

	if (line)
		puts(line);
	free(line);
	json_decref(fact);
}

static json_t *bounce_json(size_t number, const struct bounce *b)
{
	return json_pack("{sI ss ss sb so so so so}", "message", (json_int_t)number, "kind",
	    bounce_kind_name(b->kind), "form", b->form, "quoted", b->quoted, "reporting_mta",
	    text_json(b->reporting_mta), "original_message_id", text_json(b->original_message_id),
	    "original_sender", text_json(b->original_sender), "original_subject",
	    text_json(b->original_subject));
}

static void print_recipient_json(size_t number, const struct bounce *b,
    const struct bounce_recipient *to, const struct bounce_verdict *v, enum reader reader)
{
	char status[ENHANCED_STATUS_TEXT];
	json_t *fact = bounce_json(number, b);

	status_text(to->status, status);
	json_t *more = json_pack("{so so ss so so so so}", "recipient", text_json(to->address),
	    "original_recipient", text_json(to->original), "action", dsn_action_name(to->action),
	    "status", *status ? json_string(status) : json_null(), "code",
	    to->code ? json_integer(to->code) : json_null(), "diagnostic",
	    text_json(to->diagnostic), "remote_mta", text_json(to->remote_mta));
	json_object_update(fact, more);
	json_decref(more);
	more = json_pack("{ss ss ss sb sI ss ss ss sI ss ss ss}", "reason",
	    bounce_reason_name(v->reason), "blame", bounce_blame_name(v->blame), "todo",
	    bounce_todo_name(v->todo), "permanent", v->is_permanent, "suppress_after",
	    (json_int_t)v->suppress_after, "operator", bounce_operator_name(v->operator), "rule",
	    v->rule, "check", v->check, "certainty", (json_int_t)v->certainty, "what",
	    bounce_text_what(v->reason), "who", bounce_text_who(v->blame, reader), "advice",
	    bounce_text_advice(v->reason, reader));
	json_object_update(fact, more);
	json_decref(more);
	print_fact(fact);
}

static const char *no_bounce_text(enum bounce_kind kind)
{
	if (kind == BOUNCE_AUTO_REPLY)
		return _("This is an automatic reply, not a bounce: your message arrived.");
	if (kind == BOUNCE_FEEDBACK)
		return _("This is a complaint or a request to unsubscribe, not a bounce: take the "
		         "address off your list.");
	return _("This is no bounce: it does not say that a message could not be delivered.");
}

/* Returns whether a recipient did not get the message. */
static bool show(struct cli *c, size_t number, const struct bounce *b,
    const struct bounce_classifier *classifier, enum reader reader)
{
	bool failed = false;

	if (b->kind != BOUNCE_REPORT || !b->count) {
		if (c->json)
			print_fact(bounce_json(number, b));
		else
			printf("%s\n", no_bounce_text(b->kind));
		return false;
	}
	if (!c->json && b->original_subject.len)
		printf("%s: " STR_FMT "\n", _("about the message"), STR_ARG(b->original_subject));
	if (!c->json && b->quoted)
		printf("%s\n", _("This report was forwarded or quoted by a person; it is shown, "
		                 "but do not act on it alone."));
	for (size_t i = 0; i < b->count; i++) {
		const struct bounce_recipient *to = &b->recipients[i];
		struct bounce_verdict v = bounce_judge(classifier, b, to);
		failed = failed || (to->action == DSN_FAILED && v.reason != BOUNCE_DELIVERED);
		if (c->json)
			print_recipient_json(number, b, to, &v, reader);
		else
			print_recipient(to, &v, reader);
	}
	return failed;
}

static int doctor_bounce(struct cli *c)
{
	const char *reader_name = cli_option(c, "for");
	AUTO_BUF file = BUF_INIT((size_t)FILE_MAX_MIB << 20);
	enum reader reader = READER_ADMIN;
	bool failed = false;

	if (cli_no_more_options(c, BOUNCE_USAGE) != 0)
		return EXIT_WRONG_USE;
	if (reader_name && reader_find(reader_name, &reader) < 0)
		return cli_fail(EXIT_WRONG_USE,
		    _("there are no readers '%s'; choose admin, marketer or user"), reader_name);
	if (c->argc != 1)
		return cli_usage(BOUNCE_USAGE);
	if (read_all(c->argv[0], &file) < 0)
		return EXIT_WRONG_USE;

	charset_init();
	AUTO_ARENA rules = arena_new(NULL, "bounce rules", 4 << 20);
	const struct bounce_classifier *classifier = bounce_classifier_new(rules, OPERATOR_NONE);
	str rest = buf_str(&file);
	for (size_t number = 1; rest.len && number <= MESSAGES_MAX; number++) {
		AUTO_ARENA a = arena_new(NULL, "bounce", 64 << 20);
		struct bounce b;
		bounce_parse(next_message(&rest), a, &b);
		failed = show(c, number, &b, classifier, reader) || failed;
	}
	return failed ? EXIT_NO : EXIT_FINE;
}

int cli_doctor(struct cli *c)
{
	static const struct {
		const char *name;
		cli_fn *run;
	} parts[] = { { "bounce", doctor_bounce } };

	for (size_t i = 0; c->argc > 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(c->argv[0], parts[i].name) == 0) {
			c->argc--;
			c->argv++;
			return parts[i].run(c);
		}
	}
	return cli_usage(BOUNCE_USAGE);
}
