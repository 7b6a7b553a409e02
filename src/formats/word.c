#include "formats/word.h"

#include "formats/base64.h"
#include "formats/charset.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- decoding ---- */

/* "=?charset*language?encoding?text?=" */
struct encoded_word {
	str charset;
	char encoding; /* 'b' or 'q' */
	str text;
};

/* charset: token of RFC 2047 §2. */
static bool is_token(str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7e || strchr("()<>@,;:\"/[]?=", s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

/* Spaces inside the text of a word are not allowed (§2), but written by many; a line break is where a
 * word must have ended. */
static int take_word_text(str *in, str *out)
{
	size_t end = str_find(str_sub(*in, 0, WORD_MAX), STR("?="));

	/* An empty text ends at once; one that starts with "=" is not the end of an empty one. */
	if (end == STR_NPOS)
		return -1;
	*out = str_sub(*in, 0, end);
	if (str_chr(*out, '\n') != STR_NPOS || str_chr(*out, '\r') != STR_NPOS)
		return -1;
	*in = str_skip(*in, end + 2);
	return 0;
}

static int take_encoded_word(str *in, struct encoded_word *out)
{
	struct encoded_word w;
	str at = *in, encoding;

	if (take_lit(&at, STR("=?")) < 0 ||
	    take_until(&at, '?', 2 * CHARSET_NAME_MAX, &w.charset) < 0)
		return -1;
	at = str_skip(at, 1);
	if (take_until(&at, '?', 1, &encoding) < 0 || encoding.len != 1 || !is_token(w.charset))
		return -1;
	at = str_skip(at, 1);
	w.encoding = ascii_lower(encoding.ptr[0]);
	if ((w.encoding != 'b' && w.encoding != 'q') || take_word_text(&at, &w.text) < 0)
		return -1;
	/* RFC 2231 §5: the language goes no further. */
	w.charset = str_sub(w.charset, 0, str_chr(w.charset, '*'));
	*in = at;
	*out = w;
	return 0;
}

/* RFC 2047 §4.2 */
static void add_q(str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int high = i + 2 < text.len ? ascii_hex_value(text.ptr[i + 1]) : -1;
		int low = i + 2 < text.len ? ascii_hex_value(text.ptr[i + 2]) : -1;
		if (c == '=' && high >= 0 && low >= 0) {
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		buf_addc(out, c);
	}
}

static void add_payload(const struct encoded_word *w, struct buf *out)
{
	struct base64_stream s = { 0 };

	if (w->encoding == 'q') {
		add_q(w->text, out);
		return;
	}
	base64_stream_feed(&s, w->text, out);
	base64_stream_end(&s, out);
}

/* A decoded text goes into replies, logs and screens of one line. */
static void blank_controls(struct buf *out, size_t from)
{
	for (size_t i = from; i < out->len; i++) {
		if ((unsigned char)out->ptr[i] < 0x20 || out->ptr[i] == 0x7f)
			out->ptr[i] = ' ';
	}
}

static void add_converted(str charset, struct buf *payload, struct buf *out)
{
	size_t from = out->len;

	charset_to_utf8(charset, buf_str(payload), out->max - out->len, out);
	blank_controls(out, from);
	buf_reset(payload);
}

/* A run of words with white space between them, from the front of *in. */
static void add_words(struct encoded_word w, str *in, struct buf *out)
{
	AUTO_BUF payload = BUF_INIT(SIZE_MAX);
	str charset = w.charset, at;

	do {
		if (!str_ieq(w.charset, charset)) {
			add_converted(charset, &payload, out);
			charset = w.charset;
		}
		add_payload(&w, &payload);
		at = *in;
		while (at.len && is_blank(at.ptr[0]))
			at = str_skip(at, 1);
		if (take_encoded_word(&at, &w) < 0)
			break;
		*in = at;
	} while (true);
	add_converted(charset, &payload, out);
}

/* Raw text up to the next "=?": without line breaks; 8-bit bytes as what they most likely are. */
static void add_raw(str text, struct buf *out)
{
	while (text.len) {
		size_t n = 0;
		while (n < text.len && text.ptr[n] != '\r' && text.ptr[n] != '\n')
			n++;
		size_t from = out->len;
		charset_guess_to_utf8(str_sub(text, 0, n), out->max - out->len, out);
		for (size_t i = from; i < out->len; i++) {
			if ((out->ptr[i] > 0 && out->ptr[i] < 0x20 && out->ptr[i] != '\t') ||
			    out->ptr[i] == 0x7f)
				out->ptr[i] = ' ';
		}
		text = str_skip(text, n + 1);
	}
}

void word_decode(str text, struct buf *out)
{
	struct encoded_word w;

	while (text.len) {
		size_t at = str_find(text, STR("=?"));
		str raw = str_sub(text, 0, at);
		text = str_skip(text, raw.len);
		str word = text;
		while (word.len && take_encoded_word(&word, &w) < 0) {
			/* Not a word: "=?" is text, and on to the next one. */
			size_t next = str_find(str_skip(word, 2), STR("=?"));
			size_t used = next == STR_NPOS ? word.len : next + 2;
			raw.len += used;
			text = word = str_skip(word, used);
		}
		add_raw(raw, out);
		if (word.len < text.len) {
			text = word;
			add_words(w, &text, out);
		}
	}
}

/* ---- encoding ---- */

static bool stays_in_q(char c, enum word_place place)
{
	if (ascii_is_alnum(c))
		return true;
	if (c <= 0x20 || c > 0x7e || c == '=' || c == '?' || c == '_')
		return false;
	return place == WORD_TEXT || strchr("!*+-/", c) != NULL;
}

/* Whole UTF-8 characters at the front that fit into room encoded bytes, at least one; RFC 2047 §5: no
 * character is cut in two. */
static size_t fitting(str in, enum word_place place, bool is_q, size_t room)
{
	size_t used = 0, n = 0;

	while (n < in.len) {
		size_t c = 1, cost;
		while (n + c < in.len && (in.ptr[n + c] & 0xc0) == 0x80 && c < 4)
			c++;
		cost = c * 3;
		if (is_q && c == 1 && (in.ptr[n] == ' ' || stays_in_q(in.ptr[n], place)))
			cost = 1;
		if (n && (is_q ? used + cost > room : BASE64_ENCODED(n + c) > room))
			break;
		used += cost;
		n += c;
	}
	return n;
}

static void add_q_text(str in, enum word_place place, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.ptr[i];
		if (c == ' ') {
			buf_addc(out, '_');
		} else if (stays_in_q(in.ptr[i], place)) {
			buf_addc(out, in.ptr[i]);
		} else {
			buf_addc(out, '=');
			buf_addc(out, hex[c >> 4]);
			buf_addc(out, hex[c & 15]);
		}
	}
}

static bool is_plain_text(str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < 0x20 && text.ptr[i] != '\t')
			return false;
		if (text.ptr[i] == 0x7f)
			return false;
	}
	return str_find(text, STR("=?")) == STR_NPOS;
}

void word_encode(str utf8, enum word_place place, size_t column, struct buf *out)
{
	enum {
		FRAME = sizeof("=?UTF-8?Q?"
		               "?=") -
		        1,
		LINE_MAX_BYTES = 76
	};
	size_t special = 0;

	if (is_plain_text(utf8)) {
		buf_add(out, utf8);
		return;
	}
	for (size_t i = 0; i < utf8.len; i++)
		special += utf8.ptr[i] != ' ' && !stays_in_q(utf8.ptr[i], place);
	bool is_q = special * 3 < utf8.len; /* three bytes each against a third more for all */
	while (utf8.len) {
		size_t room = WORD_PRINT_MAX;
		if (column + room > LINE_MAX_BYTES)
			room = column + 24 < LINE_MAX_BYTES ? LINE_MAX_BYTES - column : 0;
		if (room == 0) {
			buf_add(out, STR("\r\n "));
			column = 1;
			continue;
		}
		size_t n = fitting(utf8, place, is_q, room - FRAME);
		buf_add(out, is_q ? STR("=?UTF-8?Q?") : STR("=?UTF-8?B?"));
		if (is_q)
			add_q_text(str_sub(utf8, 0, n), place, out);
		else
			base64_encode(str_sub(utf8, 0, n), out);
		buf_add(out, STR("?="));
		column = LINE_MAX_BYTES; /* the next word goes on a line of its own */
		utf8 = str_skip(utf8, n);
	}
}
