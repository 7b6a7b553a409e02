/* transcript.h: golden transcripts: a conversation in a text file drives a protocol engine.
 *
 * Purpose    transcript_check_folder() runs every *.txt of a folder against a driver, whole and then cut
 *            at every step size, and fails the test at the first line that differs.
 *
 *   # a comment, or what is tested and where the RFC says so
 *   C: a line from the client; CRLF is added. Lines in a row are sent in one piece
 *   c: bytes from the client without CRLF behind them
 *   S: a line that the server must send; CRLF is added
 *   s: only the beginning of such a line
 *   X: any other letter is a directive for the driver (options before the start, events, answers)
 *
 * \r \n \t \0 \\ and \xHH stand for bytes in C, c, S and s. After the client's lines all that the server
 * has to say must have been named by S lines before the next C line or the end.
 * A transcript starts with directives, if any; then the session is opened; greetings are S lines.
 */
#ifndef BUZON_TESTS_TRANSCRIPT_H
#define BUZON_TESTS_TRANSCRIPT_H

#include "check.h"
#include "files.h"

enum { TRANSCRIPT_MAX = 1 << 20, TRANSCRIPT_STEPS = 48 };

struct transcript_driver {
	void *(*open)(void *ctx); /* a fresh session; before any directive */
	/* The whole of bytes, events and answers included; output is added to out. bytes may be empty:
	 * a driver that takes directives as options makes its engine in the first call. */
	void (*feed)(void *session, str bytes, struct buf *out);
	/* May be NULL when the transcripts have none. who is the letter. */
	void (*directive)(void *session, char who, str text, struct buf *out);
	void (*close)(void *session);
	size_t
	    steps; /* cut sizes to be tried; 0: TRANSCRIPT_STEPS. Fewer where a session is dear */
};

struct transcript_ {
	const struct transcript_driver *driver;
	void *session;
	const char *name;
	size_t line, step;
	struct buf sent, got; /* bytes for the server, what it said and nobody has looked at yet */
};

static inline void transcript_fail_(const struct transcript_ *t, const char *what, str want)
{
	print_error("%s:%zu (cut every %zu bytes): %s\n", t->name, t->line, t->step, what);
	print_error("  want \"" STR_FMT "\"\n  got  \"" STR_FMT "\"\n", STR_ARG(want),
	    STR_ARG(buf_str(&t->got)));
	_fail(t->name, (int)t->line);
}

static inline void transcript_unescape_(str text, struct buf *out)
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

/* What the client has said so far goes in, in pieces of step bytes. */
static inline void transcript_flush_(struct transcript_ *t)
{
	str rest = buf_str(&t->sent);

	do {
		str piece = str_sub(rest, 0, t->step);
		rest = str_skip(rest, piece.len);
		t->driver->feed(t->session, piece, &t->got);
	} while (rest.len);
	buf_reset(&t->sent);
}

static inline void transcript_expect_(struct transcript_ *t, str text, bool whole)
{
	AUTO_BUF want = BUF_INIT(TRANSCRIPT_MAX);

	transcript_flush_(t);
	transcript_unescape_(text, &want);
	if (whole)
		buf_add(&want, STR("\r\n"));
	if (!str_starts(buf_str(&t->got), buf_str(&want)))
		transcript_fail_(t, "the server says something else", buf_str(&want));
	size_t used = whole ? want.len : str_chr(buf_str(&t->got), '\n') + 1;
	buf_consume(&t->got, used);
}

static inline void transcript_line_(struct transcript_ *t, str line)
{
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (line.len < 2 || line.ptr[1] != ':')
		transcript_fail_(t, "not a transcript line", line);
	char who = line.ptr[0];
	str text = str_skip(line, line.len > 2 && line.ptr[2] == ' ' ? 3 : 2);
	if (who == 'S' || who == 's') {
		transcript_expect_(t, text, who == 'S');
		return;
	}
	if (who != 'C' && who != 'c') {
		transcript_flush_(t);
		t->driver->directive(t->session, who, text, &t->got);
		return;
	}
	if (t->sent.len == 0 && t->got.len)
		transcript_fail_(t, "the server said more", STR(""));
	transcript_unescape_(text, &t->sent);
	if (who == 'C')
		buf_add(&t->sent, STR("\r\n"));
}

static inline void transcript_run_(
    const struct transcript_driver *d, void *ctx, const char *name, str text, size_t step)
{
	struct transcript_ t = { .driver = d, .name = name, .step = step };
	str line;

	buf_init(&t.sent, TRANSCRIPT_MAX);
	buf_init(&t.got, TRANSCRIPT_MAX);
	t.session = d->open(ctx);
	while (str_split(&text, '\n', &line)) {
		t.line++;
		transcript_line_(&t, line);
	}
	transcript_flush_(&t);
	if (t.got.len)
		transcript_fail_(&t, "the server said more", STR(""));
	d->close(t.session);
	buf_fini(&t.sent);
	buf_fini(&t.got);
}

static inline void transcript_check(const char *path, const struct transcript_driver *d, void *ctx)
{
	AUTO_BUF text = BUF_INIT(TRANSCRIPT_MAX);

	if (!test_read(path, &text)) {
		print_error("cannot read transcript %s\n", path);
		_fail(path, 0);
	}
	transcript_run_(d, ctx, path, buf_str(&text), TRANSCRIPT_MAX);
	size_t steps = d->steps ? d->steps : TRANSCRIPT_STEPS;
	for (size_t step = 1; step <= steps && step < text.len; step++)
		transcript_run_(d, ctx, path, buf_str(&text), step);
}

/* Fails when there is not even one transcript. */
static inline void transcript_check_folder(
    const char *folder, const struct transcript_driver *d, void *ctx)
{
	char path[TEST_PATH_MAX], **names;
	size_t count = test_list(folder, ".txt", &names);

	check(count > 0);
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		transcript_check(path, d, ctx);
	}
	test_list_free(names, count);
}

#endif
