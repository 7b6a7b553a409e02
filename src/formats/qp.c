#include "formats/qp.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void hold(struct qp_stream *s, char c)
{
	s->held[s->held_len++] = c;
}

static void give_held(struct qp_stream *s, struct buf *out)
{
	buf_add(out, str_new(s->held, s->held_len));
	s->held_len = 0;
}

/* Held is white space, perhaps with a CR behind it: at a line break it was added on the way and goes
 * (RFC 2045 §6.7 rule 3), before anything else it stays. */
static void after_blank(struct qp_stream *s, char c, struct buf *out)
{
	bool has_cr = s->held_len && s->held[s->held_len - 1] == '\r';

	if (c == '\n') {
		s->held_len = 0;
		buf_add(out, has_cr ? STR("\r\n") : STR("\n"));
		return;
	}
	if (has_cr || s->held_len == QP_HELD)
		give_held(s, out);
	if (is_blank(c) || c == '\r' || c == '=') {
		if (c == '=')
			give_held(s, out);
		hold(s, c);
		return;
	}
	give_held(s, out);
	buf_addc(out, c);
}

static void after_broken(struct qp_stream *s, char c, struct buf *out);

/* Held is "=" and what followed it. */
static void after_equals(struct qp_stream *s, char c, struct buf *out)
{
	char last = s->held[s->held_len - 1];

	if (s->held_len == 2 && ascii_hex_value(last) >= 0 && ascii_hex_value(c) >= 0) {
		s->held_len = 0;
		buf_addc(out, (char)(ascii_hex_value(last) * 16 + ascii_hex_value(c)));
		return;
	}
	/* A soft line break, white space before the break allowed (rule 3 and 5). */
	if (c == '\n' && (last == '=' || last == '\r' || is_blank(last))) {
		s->held_len = 0;
		return;
	}
	bool may_go_on = last == '=' ? ascii_hex_value(c) >= 0 || is_blank(c) || c == '\r'
	                             : is_blank(last) && (is_blank(c) || c == '\r');
	if (may_go_on && s->held_len < QP_HELD)
		hold(s, c);
	else
		after_broken(s, c, out);
}

/* The escape is none: it stays as it is, and c is looked at as if nothing had been before it. */
static void after_broken(struct qp_stream *s, char c, struct buf *out)
{
	s->damaged = true;
	give_held(s, out);
	after_blank(s, c, out);
}

void qp_stream_feed(struct qp_stream *s, str in, struct buf *out)
{
	while (in.len) {
		if (s->held_len == 0) {
			size_t plain = 0;
			while (plain < in.len && in.ptr[plain] != '=' && in.ptr[plain] != '\r' &&
			       in.ptr[plain] != '\n' && !is_blank(in.ptr[plain]))
				plain++;
			buf_add(out, str_sub(in, 0, plain));
			in = str_skip(in, plain);
			if (in.len == 0)
				break;
		}
		if (s->held_len && s->held[0] == '=')
			after_equals(s, in.ptr[0], out);
		else
			after_blank(s, in.ptr[0], out);
		in = str_skip(in, 1);
	}
}

void qp_stream_end(struct qp_stream *s, struct buf *out)
{
	if (s->held_len && s->held[0] == '=') {
		/* "=" at the very end is a soft break whose line end was lost. */
		bool is_soft = s->held_len == 1 || s->held[1] == '\r' || is_blank(s->held[1]);
		s->damaged = s->damaged || !is_soft;
		if (is_soft)
			s->held_len = 0;
	} else if (s->held_len && s->held[s->held_len - 1] != '\r') {
		s->held_len = 0; /* white space at the end of the last line */
	}
	give_held(s, out);
}

struct encoder {
	struct buf *out;
	size_t column;
};

static void put(struct encoder *e, str piece)
{
	if (e->column + piece.len > QP_LINE - 1) {
		buf_add(e->out, STR("=\r\n"));
		e->column = 0;
	}
	buf_add(e->out, piece);
	e->column += piece.len;
}

static void put_escaped(struct encoder *e, char c)
{
	static const char hex[] = "0123456789ABCDEF";
	const char piece[3] = { '=', hex[(unsigned char)c >> 4], hex[(unsigned char)c & 15] };

	put(e, str_new(piece, sizeof(piece)));
}

/* Length of the line break at the front of in, 0 when there is none. */
static size_t line_break(str in, enum qp_kind kind)
{
	if (kind == QP_BINARY || in.len == 0)
		return 0;
	if (in.ptr[0] == '\n')
		return 1;
	return str_starts(in, STR("\r\n")) ? 2 : 0;
}

static bool must_escape(str in, size_t column, enum qp_kind kind)
{
	char c = in.ptr[0];

	if (is_blank(c)) /* at a line's end it would be lost */
		return in.len == 1 || line_break(str_skip(in, 1), kind) ||
		       column + 1 >= QP_LINE - 1;
	if (c < 0x21 || c > 0x7e || c == '=')
		return true;
	return column == 0 && (c == '.' || str_starts(in, STR("From ")));
}

void qp_encode(str in, enum qp_kind kind, struct buf *out)
{
	struct encoder e = { .out = out };

	while (in.len) {
		size_t eol = line_break(in, kind);
		if (eol) {
			buf_add(out, STR("\r\n"));
			e.column = 0;
			in = str_skip(in, eol);
			continue;
		}
		size_t column = e.column >= QP_LINE - 1 ? 0 : e.column;
		if (must_escape(in, column, kind))
			put_escaped(&e, in.ptr[0]);
		else
			put(&e, str_sub(in, 0, 1));
		in = str_skip(in, 1);
	}
}
