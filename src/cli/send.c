/* buzon send, and the program when it is called as sendmail. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "formats/address.h"
#include "formats/header.h"

#define SEND_USAGE "send [-t] [-i] [-f SENDER] [ADDRESS...]"

enum { MESSAGE_MAX = 256 << 20, RECIPIENTS_MAX = 10000 };

struct letter {
	bool from_header; /* -t */
	bool dot_is_text; /* -i, -oi */
	const char *sender;
	json_t *recipients;
	struct buf body;
};

/* ---- options: those of sendmail that programs use; the others have no meaning here ---- */

/* Options with a value that is passed over. */
static bool takes_value(const char *option)
{
	return strchr("FNRVBCXOph", option[1]) != NULL;
}

static int read_options(struct cli *c, struct letter *l)
{
	for (int i = 0; i < c->argc; i++) {
		const char *a = c->argv[i];
		if (strcmp(a, "--") == 0)
			continue;
		if (a[0] != '-') {
			json_array_append_new(l->recipients, json_string(a));
		} else if (strcmp(a, "-t") == 0) {
			l->from_header = true;
		} else if (strcmp(a, "-i") == 0 || strcmp(a, "-oi") == 0) {
			l->dot_is_text = true;
		} else if (a[1] == 'f' || a[1] == 'r') {
			l->sender = a[2] ? a + 2 : i + 1 < c->argc ? c->argv[++i] : NULL;
			if (!l->sender)
				return cli_usage(SEND_USAGE);
		} else if (takes_value(a) && !a[2]) {
			i++;
		} else if (strncmp(a, "-b", 2) == 0 && strcmp(a, "-bm") != 0) {
			return cli_fail(EXIT_WRONG_USE,
			    _("'%s' asks for another mode than sending; see: buzon help"), a);
		}
	}
	return 0;
}

/* ---- the message ---- */

/* RFC 5321 §2.3.8: lines end with CRLF on their way, whatever they ended with here. */
static bool read_body(struct letter *l)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		str s = str_new(line, (size_t)n);
		if (str_ends(s, STR("\n")))
			s.len--;
		if (str_ends(s, STR("\r")))
			s.len--;
		if (!l->dot_is_text && str_eq(s, STR(".")))
			break;
		buf_add(&l->body, s);
		buf_add(&l->body, STR("\r\n"));
	}
	free(line);
	return buf_ok(&l->body) && l->body.len > 0;
}

static void add_addresses(struct letter *l, str value, struct arena *a)
{
	struct address_list list;

	address_list_parse(value, a, &list);
	for (size_t i = 0; i < list.count && json_array_size(l->recipients) < RECIPIENTS_MAX; i++) {
		AUTO_BUF text = BUF_INIT(2048);
		if (list.items[i].kind != ADDRESS_MAILBOX || str_empty(list.items[i].domain))
			continue;
		address_print(&list.items[i], &text);
		json_array_append_new(l->recipients, json_stringn(text.ptr, text.len));
	}
}

static void recipients_from_header(struct letter *l)
{
	static const str names[] = { STR_INIT("To"), STR_INIT("Cc"), STR_INIT("Bcc") };
	AUTO_ARENA a = arena_new(NULL, "send", 64 << 20);
	str rest = header_block(buf_str(&l->body));
	struct header_field f;

	while (header_next(&rest, &f)) {
		for (size_t i = 0; i < 3; i++) {
			if (str_ieq(f.name, names[i]))
				add_addresses(l, f.value, a);
		}
	}
}

/* A message without From gets one: programs on this machine often leave it out. */
static void complete_from(struct letter *l, const char *sender)
{
	AUTO_BUF from = BUF_INIT(1024);
	struct header_field f;

	if (header_find(header_block(buf_str(&l->body)), STR("From"), &f))
		return;
	buf_addf(&from, "From: <%s>\r\n", sender);
	size_t extra = from.len, old = l->body.len;
	char *room = buf_space(&l->body, extra);
	if (!room)
		return;
	buf_grow(&l->body, extra);
	memmove(l->body.ptr + extra, l->body.ptr, old);
	memcpy(l->body.ptr, from.ptr, extra);
}

static const char *default_sender(const struct cli *c, char out[512])
{
	const struct passwd *user = getpwuid(getuid());

	snprintf(
	    out, 512, "%s@" STR_FMT, user ? user->pw_name : "root", STR_ARG(c->config->hostname));
	return out;
}

/* The request line and, behind it, the message. */
static int hand_in(struct cli *c, struct letter *l, int fd)
{
	json_t *request = json_pack("{ss ss sO sI}", "command", "send", "sender", l->sender,
	    "recipients", l->recipients, "bytes", (json_int_t)l->body.len);
	pid_t writer;

	if (!request)
		return cli_fail(EXIT_WRONG_USE, "%s", _("addresses must be UTF-8"));
	/* The answer comes after the body: one process writes it while this one waits for the answer. */
	char *line = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	AUTO_BUF whole = BUF_INIT(MESSAGE_MAX + (1 << 20));
	buf_addz(&whole, line);
	buf_addc(&whole, '\n');
	buf_add(&whole, buf_str(&l->body));
	free(line);
	writer = fork();
	if (writer == 0)
		_exit(fd_write_all(fd, buf_str(&whole)) < 0);
	return writer < 0 ? cli_fail(EXIT_TRY_AGAIN, "%s", _("cannot start another process"))
	                  : cli_converse(c, fd, NULL, NULL, NULL);
}

int cli_send(struct cli *c)
{
	struct letter l = { .recipients = json_array(), .body = BUF_INIT(MESSAGE_MAX) };
	char sender[512];
	int status = read_options(c, &l);

	if (status == 0)
		status = cli_config(c);
	if (status == 0 && !read_body(&l))
		status = cli_fail(EXIT_WRONG_USE, "%s", _("there is no message on standard input"));
	if (status == 0) {
		if (l.from_header)
			recipients_from_header(&l);
		if (!l.sender)
			l.sender = default_sender(c, sender);
		complete_from(&l, l.sender);
		AUTO_FD fd = cli_connect(c);
		status = fd < 0 ? cli_fail(EXIT_TRY_AGAIN, "%s",
		                      _("no server is running here, or its control socket is not "
		                        "yours to use"))
		                : hand_in(c, &l, fd);
	}
	json_decref(l.recipients);
	buf_fini(&l.body);
	return status;
}
