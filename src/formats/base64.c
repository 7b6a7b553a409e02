#include "formats/base64.h"

static const char standard[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { INVALID = 64, SPACE = 65, PAD = 66 };

/* Value of each byte in the standard alphabet plus one, so that the gaps, 0, are what is invalid. */
/* clang-format off */
#define V(c, n) [c] = (n) + 1
static const unsigned char values[256] = {
	V('A', 0), V('B', 1), V('C', 2), V('D', 3), V('E', 4), V('F', 5), V('G', 6), V('H', 7),
	V('I', 8), V('J', 9), V('K', 10), V('L', 11), V('M', 12), V('N', 13), V('O', 14), V('P', 15),
	V('Q', 16), V('R', 17), V('S', 18), V('T', 19), V('U', 20), V('V', 21), V('W', 22), V('X', 23),
	V('Y', 24), V('Z', 25), V('a', 26), V('b', 27), V('c', 28), V('d', 29), V('e', 30), V('f', 31),
	V('g', 32), V('h', 33), V('i', 34), V('j', 35), V('k', 36), V('l', 37), V('m', 38), V('n', 39),
	V('o', 40), V('p', 41), V('q', 42), V('r', 43), V('s', 44), V('t', 45), V('u', 46), V('v', 47),
	V('w', 48), V('x', 49), V('y', 50), V('z', 51), V('0', 52), V('1', 53), V('2', 54), V('3', 55),
	V('4', 56), V('5', 57), V('6', 58), V('7', 59), V('8', 60), V('9', 61), V('+', 62), V('/', 63),
	V(' ', SPACE), V('\t', SPACE), V('\r', SPACE), V('\n', SPACE), V('=', PAD),
};
#undef V
/* clang-format on */

static unsigned value_of(char c)
{
	unsigned v = values[(unsigned char)c];

	return v ? v - 1 : INVALID;
}

static unsigned value_of_url(char c)
{
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return c == '+' || c == '/' ? INVALID : value_of(c);
}

/* Whole groups of digits without padding, then a tail of 0, 2 or 3. */
static int decode_digits(str in, unsigned (*value)(char), char *to)
{
	uint32_t bits = 0;
	size_t held = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned v = value(in.ptr[i]);
		if (v >= INVALID)
			return -1;
		bits = bits << 6 | v;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (char)(bits >> held);
		}
	}
	/* RFC 4648 §3.5: unused bits must be zero, so that each value has one spelling. */
	return held == 6 || (bits & ((1u << held) - 1)) ? -1 : 0;
}

static int decode(str digits, unsigned (*value)(char), struct buf *out, struct err *err)
{
	size_t bytes = digits.len / 4 * 3 + digits.len % 4 * 3 / 4;

	if (out->failed || bytes > out->max - out->len)
		return err_set(err, ERR_LIMIT, "base64 text is too long");
	char *to = buf_space(out, bytes);
	if (!to || decode_digits(digits, value, to) < 0)
		return err_set(err, ERR_INPUT, "not valid base64");
	buf_grow(out, bytes);
	return 0;
}

int base64_decode(str in, struct buf *out, struct err *err)
{
	str digits = in;

	for (int i = 0; i < 2 && digits.len && digits.ptr[digits.len - 1] == '='; i++)
		digits.len--;
	if (in.len % 4 != 0)
		return err_set(
		    err, ERR_INPUT, "base64 text must have a multiple of four characters");
	return decode(digits, value_of, out, err);
}

int base64url_decode(str in, struct buf *out, struct err *err)
{
	return decode(in, value_of_url, out, err);
}

static void encode(str in, const char *alphabet, bool padded, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.ptr;
	size_t tail = in.len % 3;
	char *to = buf_space(out, BASE64_ENCODED(in.len)), *from = to;

	if (!to)
		return;
	for (size_t i = 0; i + 3 <= in.len; i += 3) {
		uint32_t bits = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = alphabet[bits >> 6 & 63];
		*to++ = alphabet[bits & 63];
	}
	if (tail) {
		uint32_t bits = (uint32_t)p[in.len - tail] << 16;
		if (tail == 2)
			bits |= (uint32_t)p[in.len - 1] << 8;
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		if (tail == 2)
			*to++ = alphabet[bits >> 6 & 63];
		for (size_t i = tail; padded && i < 3; i++)
			*to++ = '=';
	}
	buf_grow(out, (size_t)(to - from));
}

void base64_encode(str in, struct buf *out)
{
	encode(in, standard, true, out);
}

void base64url_encode(str in, struct buf *out)
{
	encode(in, url, false, out);
}

void base64_encode_lines(str in, struct buf *out)
{
	while (in.len) {
		str line = str_sub(in, 0, BASE64_LINE / 4 * 3);
		encode(line, standard, true, out);
		buf_add(out, STR("\r\n"));
		in = str_skip(in, line.len);
	}
}

/* What a group cut short by padding or the end still holds: 2 digits are a byte, 3 are two. */
static void stream_finish_group(struct base64_stream *s, struct buf *out)
{
	if (s->count == 1)
		s->damaged = true;
	if (s->count >= 2)
		buf_addc(out, (char)(s->bits >> (s->count == 2 ? 4 : 10)));
	if (s->count == 3)
		buf_addc(out, (char)(s->bits >> 2));
	s->bits = 0;
	s->count = 0;
}

static void stream_add(struct base64_stream *s, unsigned v, struct buf *out)
{
	s->bits = s->bits << 6 | v;
	if (++s->count < 4)
		return;
	const char bytes[3] = { (char)(s->bits >> 16), (char)(s->bits >> 8), (char)s->bits };
	buf_add(out, str_new(bytes, sizeof(bytes)));
	s->bits = 0;
	s->count = 0;
}

/* The common case, whole groups of digits, straight into out. Returns how many bytes it read. */
static size_t stream_groups(str in, struct buf *out)
{
	size_t at = 0;
	char *to = buf_space(out, in.len / 4 * 3), *from = to;

	if (!to)
		return 0;
	for (; at + 4 <= in.len; at += 4) {
		unsigned a = value_of(in.ptr[at]), b = value_of(in.ptr[at + 1]);
		unsigned c = value_of(in.ptr[at + 2]), d = value_of(in.ptr[at + 3]);
		if ((a | b | c | d) >= INVALID)
			break;
		*to++ = (char)(a << 2 | b >> 4);
		*to++ = (char)(b << 4 | c >> 2);
		*to++ = (char)(c << 6 | d);
	}
	buf_grow(out, (size_t)(to - from));
	return at;
}

void base64_stream_feed(struct base64_stream *s, str in, struct buf *out)
{
	enum { PIECE = 3072 }; /* so that a small ceiling of out is used up to its end */

	while (in.len) {
		if (s->count == 0)
			in = str_skip(in, stream_groups(str_sub(in, 0, PIECE), out));
		for (size_t n = 0; in.len && (n == 0 || s->count); n++) {
			unsigned v = value_of(in.ptr[0]);
			in = str_skip(in, 1);
			if (v < INVALID)
				stream_add(s, v, out);
			else if (v == PAD)
				stream_finish_group(s, out);
			else if (v == INVALID)
				s->damaged = true;
		}
	}
}

void base64_stream_end(struct base64_stream *s, struct buf *out)
{
	stream_finish_group(s, out);
}
