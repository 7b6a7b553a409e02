/* The open mailbox over real sessions on a temporary store: tests/transcripts/imap-mailbox/.
 *
 *   # a comment
 *   M: 3                      three standard messages arrive in INBOX (see arrive())
 *   A: From: a@b\r\n...       this message arrives in INBOX
 *   Q: 1000                   the account's quota in bytes
 *   C: / 1C: / 2C:            what a client says; CRLF is added. c: without CRLF
 *   S: / 1S: / 2S:            the next line of the server; s: the beginning of one
 *   1X:                       this client hangs up
 *
 * Escapes: \r \n \t \0 \\ \xHH. In S lines {#} stands for some digits and {name=} keeps them;
 * {name} puts them in, in C and S lines. Sessions start when they are first named, signed in. At
 * the end each says LOGOUT, so that whatever the server said and nobody named fails the test. */
#include "check.h"
#include "files.h"
#include "imap_house.h"

#include <sys/socket.h>

enum { CLIENTS = 4, LINE_MAX_BYTES = 1 << 20, VARIABLES = 32, NAME_BYTES = 16 };

struct client {
	int fd;
	struct buf in;
};

struct script {
	struct house house;
	struct client clients[CLIENTS];
	const char *path;
	size_t line;
	size_t step; /* bytes sent at once */
	unsigned arrived;
	struct {
		char name[NAME_BYTES];
		char value[24];
	} variables[VARIABLES];
	size_t variable_count;
};

static void stop(const struct script *s, const char *what, str want, str got)
{
	print_error("%s:%zu: %s\n  want \"" STR_FMT "\"\n  got  \"" STR_FMT "\"\n", s->path,
	    s->line, what, STR_ARG(want), STR_ARG(got));
	_fail(s->path, (int)s->line);
}

/* ---- text ---- */

static void unescape(str text, struct buf *out)
{
	static const char names[] = "rnt0\\", bytes[] = "\r\n\t\0\\";

	for (size_t i = 0; i < text.len; i++) {
		const char *at =
		    i + 1 < text.len ? memchr(names, text.ptr[i + 1], sizeof(names) - 1) : NULL;
		if (text.ptr[i] == '\\' && i + 3 < text.len && text.ptr[i + 1] == 'x') {
			buf_addc(out, (char)(ascii_hex_value(text.ptr[i + 2]) * 16 +
			                     ascii_hex_value(text.ptr[i + 3])));
			i += 3;
		} else if (text.ptr[i] == '\\' && at) {
			buf_addc(out, bytes[at - names]);
			i++;
		} else {
			buf_addc(out, text.ptr[i]);
		}
	}
}

static str variable(const struct script *s, str name)
{
	for (size_t i = s->variable_count; i-- > 0;)
		if (str_eq(str_c(s->variables[i].name), name))
			return str_c(s->variables[i].value);
	return STR_NONE;
}

static void keep(struct script *s, str name, str value)
{
	check(s->variable_count < VARIABLES && name.len < NAME_BYTES && value.len < 24);
	snprintf(s->variables[s->variable_count].name, NAME_BYTES, STR_FMT, STR_ARG(name));
	snprintf(s->variables[s->variable_count].value, 24, STR_FMT, STR_ARG(value));
	s->variable_count++;
}

/* "{name}", "{name=}" or "{#}" at the front of text: its inside. */
static bool take_brace(str *text, str *out_inside)
{
	size_t end = str_chr(*text, '}');

	if (text->len < 3 || text->ptr[0] != '{' || end == STR_NPOS ||
	    !(ascii_is_alpha(text->ptr[1]) || text->ptr[1] == '#'))
		return false;
	*out_inside = str_sub(*text, 1, end - 1);
	*text = str_skip(*text, end + 1);
	return true;
}

static str take_number(str *text)
{
	size_t len = 0;

	while (len < text->len && ascii_is_digit(text->ptr[len]))
		len++;
	str digits = str_sub(*text, 0, len);
	*text = str_skip(*text, len);
	return digits;
}

/* got starts with what want says. */
static bool matches(struct script *s, str want, str *got)
{
	str inside;

	while (want.len) {
		if (!take_brace(&want, &inside)) {
			if (!got->len || got->ptr[0] != want.ptr[0])
				return false;
			want = str_skip(want, 1);
			*got = str_skip(*got, 1);
			continue;
		}
		bool keeps = str_ends(inside, STR("="));
		str digits = take_number(got);
		if (!digits.len)
			return false;
		if (keeps)
			keep(s, str_sub(inside, 0, inside.len - 1), digits);
		else if (!str_eq(inside, STR("#")) && !str_eq(variable(s, inside), digits))
			return false;
	}
	return true;
}

static void insert_variables(const struct script *s, str text, struct buf *out)
{
	str inside;

	while (text.len) {
		if (take_brace(&text, &inside)) {
			buf_add(out, variable(s, inside));
		} else {
			buf_addc(out, text.ptr[0]);
			text = str_skip(text, 1);
		}
	}
}

/* ---- talking ---- */

static struct client *client_of(struct script *s, unsigned number)
{
	struct client *c = &s->clients[number - 1];

	if (c->fd < 0) {
		c->fd = house_connect(&s->house);
		buf_init(&c->in, 64 << 20);
	}
	return c;
}

static void say(struct script *s, struct client *c, str text, bool whole)
{
	AUTO_BUF bytes = BUF_INIT(LINE_MAX_BYTES);
	AUTO_BUF out = BUF_INIT(LINE_MAX_BYTES);

	unescape(text, &bytes);
	insert_variables(s, buf_str(&bytes), &out);
	if (whole)
		buf_addz(&out, "\r\n");
	for (str rest = buf_str(&out); rest.len; rest = str_skip(rest, s->step))
		check(fd_write_all(c->fd, str_sub(rest, 0, s->step)) == 0);
}

/* Until a whole line is there; its length with LF. */
static size_t read_line(struct script *s, struct client *c)
{
	size_t end;

	while ((end = str_chr(buf_str(&c->in), '\n')) == STR_NPOS) {
		char *to = buf_space(&c->in, 65536);
		ssize_t n = recv(c->fd, to, 65536, 0);
		if (n <= 0)
			stop(s, "the server says nothing more", STR("a line"), buf_str(&c->in));
		buf_grow(&c->in, (size_t)n);
	}
	return end + 1;
}

static void expect(struct script *s, struct client *c, str text, bool whole)
{
	AUTO_BUF want = BUF_INIT(LINE_MAX_BYTES);

	unescape(text, &want);
	if (whole)
		buf_addz(&want, "\r\n");
	size_t len = read_line(s, c);
	str got = str_sub(buf_str(&c->in), 0, len), rest = got;
	if (!matches(s, buf_str(&want), &rest) || (whole && rest.len))
		stop(s, "the server says something else", buf_str(&want), got);
	buf_consume(&c->in, len);
}

static void hang_up(struct client *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	buf_fini(&c->in);
}

static void log_out(struct script *s, struct client *c)
{
	if (c->fd < 0)
		return;
	say(s, c, STR("bye LOGOUT"), true);
	expect(s, c, STR("* BYE "), false);
	hang_up(c);
}

/* ---- mail ---- */

enum { DAY_ONE = 1767225600 }; /* 1-Jan-2026 00:00 */

static void arrive(struct script *s, unsigned count)
{
	while (count--) {
		unsigned n = ++s->arrived;
		AUTO_BUF text = BUF_INIT(4096);
		buf_addf(&text,
		    "From: Sender %u <s%u@example.org>\r\nTo: user@example.org\r\n"
		    "Subject: message %u\r\nDate: Thu, 01 Jan 2026 %02u:00:00 +0000\r\n"
		    "Message-ID: <%u@example.org>\r\n\r\nbody %u\r\n",
		    n, n, n, n, n, n);
		house_mail(&s->house, buf_str(&text), DAY_ONE + n * 3600, 1);
	}
}

static void arrive_text(struct script *s, str text)
{
	AUTO_BUF bytes = BUF_INIT(LINE_MAX_BYTES);

	unescape(text, &bytes);
	house_mail(&s->house, buf_str(&bytes), DAY_ONE + ++s->arrived * 3600, 1);
}

struct quota {
	uint64_t bytes;
};

static int quota_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct quota *q = arg;

	return txn_account_quota(t, STR("user@example.org"), q->bytes, err);
}

static void set_quota(struct script *s, uint32_t bytes)
{
	struct quota q = { bytes };
	struct err err = { 0 };

	house_must_(store_write(s->house.store, quota_job, &q, &err), &err);
}

/* ---- scripts ---- */

static void run_line(struct script *s, str line)
{
	unsigned number = 1;

	if (!line.len || line.ptr[0] == '#')
		return;
	if (ascii_is_digit(line.ptr[0])) {
		number = (unsigned)(line.ptr[0] - '0');
		line = str_skip(line, 1);
	}
	if (line.len < 2 || line.ptr[1] != ':' || !number || number > CLIENTS)
		stop(s, "not a transcript line", STR("1C: ..."), line);
	str text = str_skip(line, line.len > 2 && line.ptr[2] == ' ' ? 3 : 2);
	uint32_t count = 0;
	for (size_t i = 0; i < text.len && ascii_is_digit(text.ptr[i]); i++)
		count = count * 10 + (uint32_t)(text.ptr[i] - '0');
	switch (line.ptr[0]) {
	case 'C':
	case 'c':
		say(s, client_of(s, number), text, line.ptr[0] == 'C');
		return;
	case 'S':
	case 's':
		expect(s, client_of(s, number), text, line.ptr[0] == 'S');
		return;
	case 'M':
		arrive(s, count);
		return;
	case 'Q':
		set_quota(s, count);
		return;
	case 'A':
		arrive_text(s, text);
		return;
	case 'X':
		hang_up(client_of(s, number));
		return;
	default:
		stop(s, "not a transcript line", STR("1C: ..."), line);
	}
}

static void run_script(const char *path, str text, size_t step)
{
	struct script s = { .path = path, .step = step };
	str line;

	house_open(&s.house, 1 << 20);
	for (size_t i = 0; i < CLIENTS; i++)
		s.clients[i].fd = -1;
	while (str_split(&text, '\n', &line)) {
		s.line++;
		run_line(&s, line);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		log_out(&s, &s.clients[i]);
	house_close(&s.house);
}

static void test_transcripts(void **state)
{
	static const char folder[] = "tests/transcripts/imap-mailbox";
	const char *only = getenv("TRANSCRIPT");
	char path[TEST_PATH_MAX], **names;
	size_t count = test_list(folder, ".txt", &names);

	(void)state;
	check(count > 0);
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF text = BUF_INIT(1 << 20);
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (only && str_find(str_c(path), str_c(only)) == STR_NPOS)
			continue;
		check(test_read(path, &text));
		run_script(path, buf_str(&text), LINE_MAX_BYTES);
		/* Cut into single bytes: both must say the same. */
		run_script(path, buf_str(&text), 1);
	}
	test_list_free(names, count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transcripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
