#include "protocols/smtp_client/peer_reply.h"

void peer_reply_init(struct peer_reply_reader *r)
{
	*r = (struct peer_reply_reader){ 0 };
	buf_init(&r->line, PEER_REPLY_LINE);
	buf_init(&r->text, PEER_REPLY_TEXT);
}

void peer_reply_fini(struct peer_reply_reader *r)
{
	buf_fini(&r->line);
	buf_fini(&r->text);
}

static void next_line(struct peer_reply_reader *r)
{
	buf_reset(&r->line);
	r->is_line_cut = false;
}

void peer_reply_reset(struct peer_reply_reader *r)
{
	next_line(r);
	buf_reset(&r->text);
	r->reply = (struct peer_reply){ 0 };
	r->lines = r->junk_lines = r->bytes = 0;
	r->has_code = r->is_handed_out = false;
}

/* ---- text ---- */

/* The length of the UTF-8 character at the front, 0 when it is none. */
static size_t utf8_length(str s)
{
	unsigned char c = (unsigned char)s.ptr[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	return n && n <= s.len && str_is_utf8(str_sub(s, 0, n)) ? n : 0;
}

/* U+0080 to U+009F: terminals obey some of them. */
static bool is_c1(str s, size_t n)
{
	return n == 2 && (unsigned char)s.ptr[0] == 0xc2 && (unsigned char)s.ptr[1] < 0xa0;
}

/* Replies end up in logs, stories and notifications, so nothing but text comes out of here. */
static void add_clean(struct peer_reply_reader *r, str line)
{
	while (line.len && buf_ok(&r->text)) {
		size_t n = utf8_length(line);
		char c = line.ptr[0];
		if (c == '\t') {
			buf_addc(&r->text, ' ');
		} else if (n == 0 || is_c1(line, n) || (n == 1 && (c < 0x20 || c == 0x7f))) {
			buf_addc(&r->text, '?');
			r->reply.flags |= PEER_REPLY_CLEANED;
		} else if (r->text.len + n > PEER_REPLY_TEXT) {
			r->text.failed = true; /* a character is kept whole */
		} else {
			buf_add(&r->text, str_sub(line, 0, n));
		}
		line = str_skip(line, n ? n : 1);
	}
	if (!buf_ok(&r->text))
		r->reply.flags |= PEER_REPLY_CUT;
}

static void add_text(struct peer_reply_reader *r, str line)
{
	if (r->lines > 1)
		buf_addc(&r->text, '\n');
	if (!buf_ok(&r->text))
		r->reply.flags |= PEER_REPLY_CUT;
	add_clean(r, line);
}

/* ---- one line ---- */

/* Three digits that can be the code of a reply, not the beginning of a longer number. */
static unsigned line_code(str line)
{
	unsigned code = 0;

	for (size_t i = 0; i < 3; i++) {
		if (i >= line.len || !ascii_is_digit(line.ptr[i]))
			return 0;
		code = code * 10 + (unsigned)(line.ptr[i] - '0');
	}
	if (line.len > 3 && ascii_is_digit(line.ptr[3]))
		return 0;
	return code >= 200 && code <= 599 ? code : 0;
}

/* How much a code forbids to believe that the command worked. */
static unsigned caution(unsigned code)
{
	return code == 421 ? 4 : code / 100 == 4 ? 3 : code / 100 == 5 ? 2 : 1;
}

/* RFC 5321 §4.2.1: all lines have one code. Where they do not, some clients believe the first and some the
 * last; nothing is lost by believing the one that asks to try again, then the one that refuses. */
static void take_code(struct peer_reply_reader *r, unsigned code)
{
	unsigned old = r->reply.code;

	if (!r->has_code) {
		r->reply.code = code;
		r->has_code = true;
	} else if (code != old) {
		r->reply.flags |= PEER_REPLY_MIXED;
		if (caution(code) >= caution(old))
			r->reply.code = code;
	}
}

/* RFC 2034 §4: on every line of the reply. */
static str take_status(struct peer_reply_reader *r, unsigned code, str text)
{
	struct enhanced_status s;
	str at = text;

	if (code / 100 == 3 || take_enhanced_status(&at, &s) < 0)
		return text;
	if (s.class != code / 100) {
		r->reply.flags |= PEER_REPLY_WRONG_CLASS;
		s.class = (uint8_t)(code / 100);
	}
	if (!r->reply.enhanced.class || r->reply.enhanced.class != r->reply.code / 100)
		r->reply.enhanced = s;
	return str_trim(at);
}

enum line_kind { LINE_MORE, LINE_LAST, LINE_EMPTY, LINE_JUNK };

static enum line_kind take_line(struct peer_reply_reader *r, str line)
{
	unsigned code = line_code(line);

	if (!code && r->has_code) {
		r->lines++;
		r->reply.flags |= PEER_REPLY_JUNK;
		add_text(r, line);
		return LINE_MORE;
	}
	if (!code)
		return line.len ? LINE_JUNK : LINE_EMPTY;
	bool has_more = line.len > 3 && line.ptr[3] == '-';
	bool has_gap = line.len <= 3 || has_more || line.ptr[3] == ' ' || line.ptr[3] == '\t';
	if (!has_gap)
		r->reply.flags |= PEER_REPLY_NO_SPACE;
	r->lines++;
	take_code(r, code);
	add_text(r, take_status(r, code, str_trim(str_skip(line, has_gap ? 4 : 3))));
	return has_more ? LINE_MORE : LINE_LAST;
}

static enum peer_reply_result finish(struct peer_reply_reader *r, struct peer_reply *out)
{
	if (r->reply.enhanced.class && r->reply.enhanced.class != r->reply.code / 100) {
		r->reply.flags |= PEER_REPLY_WRONG_CLASS;
		r->reply.enhanced = (struct enhanced_status){ 0 };
	}
	*out = r->reply;
	out->text = buf_str(&r->text);
	r->skip_junk = false;
	return PEER_REPLY_READY;
}

/* ---- bytes ---- */

static str without_ending(struct peer_reply_reader *r)
{
	str line = buf_str(&r->line);

	if (!r->is_line_cut && (line.len == 0 || line.ptr[line.len - 1] != '\r'))
		r->reply.flags |= PEER_REPLY_BARE_LF;
	while (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The line of r->line is complete. */
static enum peer_reply_result end_line(struct peer_reply_reader *r, struct peer_reply *out)
{
	enum line_kind kind = take_line(r, without_ending(r));

	if (r->is_line_cut)
		r->reply.flags |= PEER_REPLY_CUT;
	next_line(r);
	if (kind == LINE_LAST)
		return finish(r, out);
	if (kind == LINE_JUNK || kind == LINE_EMPTY) {
		r->reply.flags |= PEER_REPLY_JUNK;
		r->junk_lines++;
		if ((kind == LINE_JUNK && !r->skip_junk) || r->junk_lines > PEER_REPLY_JUNK_LINES)
			return PEER_REPLY_MALFORMED;
	}
	return r->lines >= PEER_REPLY_LINES ? PEER_REPLY_FLOOD : PEER_REPLY_MORE;
}

static void add_line(struct peer_reply_reader *r, str piece)
{
	size_t room = PEER_REPLY_LINE - r->line.len;

	if (piece.len > room)
		r->is_line_cut = true;
	buf_add(&r->line, str_sub(piece, 0, room));
}

/* The reply that was handed out, or given up, by the last call. */
static void forget_last(struct peer_reply_reader *r)
{
	if (r->is_handed_out)
		peer_reply_reset(r);
}

static enum peer_reply_result hand_out(struct peer_reply_reader *r, enum peer_reply_result result)
{
	r->is_handed_out = true;
	return result;
}

enum peer_reply_result peer_reply_next(struct peer_reply_reader *r, str *in, struct peer_reply *out)
{
	forget_last(r);
	while (in->len) {
		size_t end = str_chr(*in, '\n');
		str piece = str_sub(*in, 0, end == STR_NPOS ? in->len : end);
		size_t taken = piece.len + (end != STR_NPOS);
		/* Counted by line, so that the limit falls at the same byte however it is cut. */
		if (taken > PEER_REPLY_BYTES - r->bytes) {
			*in = str_skip(*in, PEER_REPLY_BYTES - r->bytes);
			return hand_out(r, PEER_REPLY_FLOOD);
		}
		*in = str_skip(*in, taken);
		r->bytes += (uint32_t)taken;
		add_line(r, piece);
		if (end == STR_NPOS)
			return PEER_REPLY_MORE;
		enum peer_reply_result result = end_line(r, out);
		if (result != PEER_REPLY_MORE)
			return hand_out(r, result);
	}
	return PEER_REPLY_MORE;
}

enum peer_reply_result peer_reply_end(struct peer_reply_reader *r, struct peer_reply *out)
{
	forget_last(r);
	if (r->line.len) {
		(void)take_line(r, without_ending(r));
		r->reply.flags &= ~(unsigned)PEER_REPLY_BARE_LF;
		next_line(r);
	}
	if (!r->has_code)
		return PEER_REPLY_MORE;
	r->reply.flags |= PEER_REPLY_UNFINISHED;
	return hand_out(r, finish(r, out));
}
