#include "protocols/imap/framer.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/num.h"

enum framer_state {
	IN_LINE,    /* collecting a line */
	IN_LITERAL, /* its bytes go to the text */
	IN_STREAM,  /* its bytes go aside */
	SKIP_LINE,  /* a bad line: up to its CRLF */
	SKIP_BYTES, /* a refused literal: skip bytes, then the rest of its line */
	IS_OVER,    /* fatal */
};

struct imap_framer {
	struct imap_limits limits;
	enum framer_state state;
	struct buf text;
	size_t line_at;     /* where the line at hand starts in text */
	uint64_t left;      /* bytes of the literal still to come */
	bool ended;         /* the event that ends a command was given: text is stale */
	struct buf skipped; /* SKIP_LINE: the end of the line so far */
	bool stream_started;
	struct imap_streamed *streamed;
	size_t streamed_count, streamed_cap;
	uint64_t streamed_bytes;
};

enum {
	ANNOUNCE_MAX = 32, /* longer than any announcement whose number fits */
	APPEND_TOTAL_MIN = 256 << 20,
};

/* How a line ends that announces a literal. */
struct announced {
	uint64_t bytes;
	bool sync, binary, overflow;
};

struct imap_limits imap_limits_default(uint64_t append_bytes)
{
	return (struct imap_limits){
		.line_bytes = 64 * 1024,
		.command_bytes = 1024 * 1024,
		.inline_bytes = 64 * 1024,
		.append_bytes = append_bytes,
		.append_count = 1000,
		.append_total = append_bytes > APPEND_TOTAL_MIN ? append_bytes : APPEND_TOTAL_MIN,
		.swallow_bytes = 64 * 1024 * 1024,
	};
}

static void begin_command(struct imap_framer *f)
{
	buf_reset(&f->text);
	f->line_at = 0;
	f->streamed_count = 0;
	f->streamed_bytes = 0;
	f->ended = false;
}

/* "{123}", "{123+}", "~{123}" at the end of a line. No other line of the grammar ends in "}". */
static bool line_announces(str line, struct announced *out)
{
	if (line.len < 3 || line.ptr[line.len - 1] != '}')
		return false;
	size_t open = str_rchr(line, '{');
	if (open == STR_NPOS)
		return false;
	str inside = str_sub(line, open + 1, line.len - open - 2);
	bool sync = !str_ends(inside, STR("+"));
	if (!sync)
		inside.len--;
	if (inside.len == 0)
		return false;
	for (size_t i = 0; i < inside.len; i++)
		if (!ascii_is_digit(inside.ptr[i]))
			return false;
	*out = (struct announced){ .sync = sync, .binary = open > 0 && line.ptr[open - 1] == '~' };
	/* RFC 9051 §9: number64, so up to 2^63-1. */
	out->overflow = num_parse_u64(inside, INT64_MAX, &out->bytes) < 0;
	return true;
}

/* The first word, when it can be a tag; RFC 9051 §9: ASTRING-CHAR without "+". */
static str tag_of(str text)
{
	size_t end = str_chr(text, ' ');
	str tag = str_sub(text, 0, end == STR_NPOS ? text.len : end);

	if (tag.len > 128 || !str_is_printable(tag))
		return STR_NONE;
	for (size_t i = 0; i < tag.len; i++)
		if (str_chr(STR("(){%*\"\\+"), tag.ptr[i]) != STR_NPOS)
			return STR_NONE;
	return tag;
}

static bool is_append(str text)
{
	size_t space = str_chr(text, ' ');

	return space != STR_NPOS && str_istarts(str_skip(text, space + 1), STR("APPEND "));
}

static enum imap_frame give_bad(
    struct imap_framer *f, enum imap_frame event, const char *why, struct imap_frame_event *out)
{
	*out = (struct imap_frame_event){ .text = tag_of(buf_str(&f->text)), .why = why };
	f->ended = true;
	return event;
}

static enum imap_frame give_fatal(
    struct imap_framer *f, const char *why, struct imap_frame_event *out)
{
	f->state = IS_OVER;
	return give_bad(f, IMAP_FRAME_FATAL, why, out);
}

/* A literal that comes without having been asked for, after the command was refused: it is read and
 * dropped, or, when that would be too much, the connection ends. */
static bool swallow(struct imap_framer *f, const struct announced *a)
{
	if (a->overflow || a->bytes > f->limits.swallow_bytes)
		return false;
	buf_reset(&f->skipped);
	f->state = a->bytes ? SKIP_BYTES : SKIP_LINE;
	f->left = a->bytes;
	return true;
}

/* RFC 7888 §4: a synchronising literal is refused by not asking for it. */
static enum imap_frame refuse_literal(
    struct imap_framer *f, const struct announced *a, const char *why, struct imap_frame_event *out)
{
	f->state = IN_LINE;
	if (!a->sync && !swallow(f, a))
		return give_fatal(f, why, out);
	return give_bad(f, IMAP_FRAME_REFUSED, why, out);
}

static void stream_add(struct imap_framer *f, const struct announced *a)
{
	if (f->streamed_count == f->streamed_cap) {
		f->streamed_cap = f->streamed_cap ? f->streamed_cap * 2 : 4;
		f->streamed = reallocarray(f->streamed, f->streamed_cap, sizeof(*f->streamed));
		if (!f->streamed)
			abort();
	}
	f->streamed[f->streamed_count++] = (struct imap_streamed){ .fd = -1,
		.offset = f->streamed_bytes,
		.length = a->bytes,
		.binary = a->binary,
		.at = f->text.len };
	f->streamed_bytes += a->bytes;
}

static enum imap_frame begin_stream(
    struct imap_framer *f, const struct announced *a, struct imap_frame_event *out)
{
	if (f->streamed_count >= f->limits.append_count ||
	    a->bytes > f->limits.append_total - f->streamed_bytes)
		return refuse_literal(
		    f, a, "the messages of this command are too many; send them in several", out);
	stream_add(f, a);
	f->state = IN_STREAM;
	f->stream_started = false;
	f->left = a->bytes;
	return a->sync ? IMAP_FRAME_CONTINUE : IMAP_FRAME_NONE;
}

/* text ends with the CRLF of a line that announces a literal. */
static enum imap_frame begin_literal(
    struct imap_framer *f, const struct announced *a, struct imap_frame_event *out)
{
	size_t room = f->limits.command_bytes - f->text.len;
	bool append = is_append(buf_str(&f->text));

	if (a->overflow)
		return refuse_literal(f, a, "the literal is larger than anything", out);
	if (append && a->bytes > f->limits.append_bytes)
		return refuse_literal(f, a, "the message is larger than this server takes", out);
	/* The small messages of a MULTIAPPEND go aside as well once they fill half of the command: the
	 * lines between a thousand of them need room too. */
	if (append &&
	    (a->bytes > f->limits.inline_bytes || a->bytes + f->limits.command_bytes / 2 > room))
		return begin_stream(f, a, out);
	if (a->bytes > room)
		return refuse_literal(f, a, "the literal is larger than this server takes", out);
	f->left = a->bytes;
	f->state = a->bytes ? IN_LITERAL : IN_LINE;
	f->line_at = f->text.len;
	return a->sync ? IMAP_FRAME_CONTINUE : IMAP_FRAME_NONE;
}

/* The line at hand is complete: text[line_at..], CRLF included. */
static enum imap_frame end_line(struct imap_framer *f, struct imap_frame_event *out)
{
	str line = str_skip(buf_str(&f->text), f->line_at);
	struct announced a;

	if (line.len < 2 || line.ptr[line.len - 2] != '\r')
		return give_bad(f, IMAP_FRAME_BAD, "lines end with CR and LF", out);
	line.len -= 2;
	bool literal = line_announces(line, &a);
	if (memchr(line.ptr, '\0', line.len)) {
		if (literal && !a.sync && !swallow(f, &a))
			return give_fatal(f, "a command holds no NUL", out);
		return give_bad(f, IMAP_FRAME_BAD, "a command holds no NUL", out);
	}
	if (literal)
		return begin_literal(f, &a, out);
	buf_truncate(&f->text, f->text.len - 2);
	*out = (struct imap_frame_event){ .text = buf_str(&f->text),
		.streamed = f->streamed,
		.streamed_count = f->streamed_count };
	f->ended = true;
	return IMAP_FRAME_COMMAND;
}

/* Keeps the end of a line that is thrown away: it may announce a literal, which comes too. */
static void skip_keep(struct imap_framer *f, str part)
{
	if (part.len >= ANNOUNCE_MAX) {
		buf_reset(&f->skipped);
		part = str_skip(part, part.len - ANNOUNCE_MAX);
	} else if (f->skipped.len + part.len > ANNOUNCE_MAX) {
		buf_consume(&f->skipped, f->skipped.len + part.len - ANNOUNCE_MAX);
	}
	buf_add(&f->skipped, part);
}

static enum imap_frame line_too_long(struct imap_framer *f, struct imap_frame_event *out)
{
	f->state = SKIP_LINE;
	buf_reset(&f->skipped);
	skip_keep(f, buf_str(&f->text));
	return give_bad(f, IMAP_FRAME_BAD, "the line is too long", out);
}

static enum imap_frame feed_line(struct imap_framer *f, str *in, struct imap_frame_event *out)
{
	size_t lf = str_chr(*in, '\n');
	size_t step = lf == STR_NPOS ? in->len : lf + 1;
	size_t have = f->text.len - f->line_at;
	size_t room = f->limits.line_bytes - have;

	if (room > f->limits.command_bytes - f->text.len)
		room = f->limits.command_bytes - f->text.len;
	if (step > room) {
		buf_add(&f->text, str_sub(*in, 0, room));
		*in = str_skip(*in, room);
		return line_too_long(f, out);
	}
	buf_add(&f->text, str_sub(*in, 0, step));
	*in = str_skip(*in, step);
	return lf == STR_NPOS ? IMAP_FRAME_NONE : end_line(f, out);
}

static enum imap_frame feed_literal(struct imap_framer *f, str *in)
{
	size_t step = in->len < f->left ? in->len : (size_t)f->left;

	buf_add(&f->text, str_sub(*in, 0, step));
	*in = str_skip(*in, step);
	f->left -= step;
	if (f->left == 0) {
		f->state = IN_LINE;
		f->line_at = f->text.len;
	}
	return IMAP_FRAME_NONE;
}

static enum imap_frame feed_stream(struct imap_framer *f, str *in, struct imap_frame_event *out)
{
	struct imap_streamed *into = &f->streamed[f->streamed_count - 1];
	size_t step = in->len < f->left ? in->len : (size_t)f->left;

	*out = (struct imap_frame_event){ .index = f->streamed_count - 1,
		.data = str_sub(*in, 0, step),
		.first = !f->stream_started,
		.last = step == f->left };
	*in = str_skip(*in, step);
	f->left -= step;
	f->stream_started = true;
	if (step && memchr(out->data.ptr, '\0', step))
		into->has_nul = true;
	if (out->last) {
		f->state = IN_LINE;
		f->line_at = f->text.len;
	}
	return IMAP_FRAME_STREAM;
}

static enum imap_frame end_skipped_line(struct imap_framer *f, struct imap_frame_event *out)
{
	str line = buf_str(&f->skipped);
	struct announced a;

	f->state = IN_LINE;
	if (str_ends(line, STR("\r\n"))) {
		line.len -= 2;
		if (line_announces(line, &a) && !a.sync && !swallow(f, &a))
			return give_fatal(f, "the literal is larger than this server takes", out);
	}
	return IMAP_FRAME_NONE;
}

static enum imap_frame feed_skip_line(struct imap_framer *f, str *in, struct imap_frame_event *out)
{
	size_t lf = str_chr(*in, '\n');
	size_t step = lf == STR_NPOS ? in->len : lf + 1;

	skip_keep(f, str_sub(*in, 0, step));
	*in = str_skip(*in, step);
	return lf == STR_NPOS ? IMAP_FRAME_NONE : end_skipped_line(f, out);
}

static void feed_skip_bytes(struct imap_framer *f, str *in)
{
	size_t step = in->len < f->left ? in->len : (size_t)f->left;

	*in = str_skip(*in, step);
	f->left -= step;
	if (f->left == 0)
		f->state = SKIP_LINE;
}

enum imap_frame imap_framer_feed(struct imap_framer *f, str *in, struct imap_frame_event *out)
{
	enum imap_frame event = IMAP_FRAME_NONE;

	while (event == IMAP_FRAME_NONE && in->len > 0 && f->state != IS_OVER) {
		if (f->ended && f->state == IN_LINE)
			begin_command(f);
		switch (f->state) {
		case IN_LINE:
			event = feed_line(f, in, out);
			break;
		case IN_LITERAL:
			event = feed_literal(f, in);
			break;
		case IN_STREAM:
			event = feed_stream(f, in, out);
			break;
		case SKIP_LINE:
			event = feed_skip_line(f, in, out);
			break;
		case SKIP_BYTES:
			feed_skip_bytes(f, in);
			break;
		case IS_OVER:
			break;
		}
	}
	return event;
}

void imap_framer_set_fd(struct imap_framer *f, size_t index, int fd)
{
	if (index < f->streamed_count)
		f->streamed[index].fd = fd;
}

bool imap_framer_is_inside(const struct imap_framer *f)
{
	return f->state != IN_LINE || (!f->ended && f->text.len > 0);
}

void imap_framer_release(struct imap_framer *f)
{
	if (!f->ended)
		return;
	buf_fini(&f->text);
	free(TAKE(f->streamed));
	f->streamed_cap = f->streamed_count = 0;
	f->line_at = 0;
	if (f->state == IN_LINE)
		buf_fini(&f->skipped);
}

struct imap_framer *imap_framer_new(const struct imap_limits *limits)
{
	struct imap_framer *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->limits = *limits;
	buf_init(&f->text, limits->command_bytes);
	buf_init(&f->skipped, 2 * ANNOUNCE_MAX);
	return f;
}

void imap_framer_free(struct imap_framer *f)
{
	if (!f)
		return;
	buf_fini(&f->text);
	buf_fini(&f->skipped);
	free(f->streamed);
	free(f);
}
