#include "formats/xtext.h"

static bool is_plain(char c)
{
	return c >= 0x21 && c <= 0x7e && c != '+' && c != '=';
}

/* Exactly two upper-case hex digits: RFC 3461 §4 hexchar. */
static int take_hex_pair(str *in, char *out)
{
	int high, low;

	if (in->len < 2 || (in->ptr[0] >= 'a' && in->ptr[0] <= 'f') ||
	    (in->ptr[1] >= 'a' && in->ptr[1] <= 'f'))
		return -1;
	high = ascii_hex_value(in->ptr[0]);
	low = ascii_hex_value(in->ptr[1]);
	if (high < 0 || low < 0)
		return -1;
	*in = str_skip(*in, 2);
	*out = (char)(high * 16 + low);
	return 0;
}

static int fail(struct buf *out, size_t mark, enum err_kind kind, struct err *err, const char *why)
{
	buf_truncate(out, mark);
	if (kind == ERR_LIMIT)
		out->failed = false;
	return err_set(err, kind, "%s", why);
}

int xtext_decode(str in, struct buf *out, struct err *err)
{
	size_t mark = out->len;

	while (in.len) {
		char c = in.ptr[0];
		in = str_skip(in, 1);
		if (c == '+' ? take_hex_pair(&in, &c) < 0 || c < 0x20 || c > 0x7e : !is_plain(c))
			return fail(out, mark, ERR_INPUT, err, "the value is not xtext");
		buf_addc(out, c);
	}
	if (!buf_ok(out))
		return fail(out, mark, ERR_LIMIT, err, "the value is too long");
	return 0;
}

static void add_hex(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_addc(out, hex[c >> 4]);
	buf_addc(out, hex[c & 15]);
}

void xtext_encode(str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (is_plain(in.ptr[i])) {
			buf_addc(out, in.ptr[i]);
		} else {
			buf_addc(out, '+');
			add_hex(out, (unsigned char)in.ptr[i]);
		}
	}
}

/* ---- RFC 6533 §3 ---- */

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 63)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 63)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 63)));
	}
	buf_addc(out, (char)(0x80 | (c & 63)));
}

/* Behind "\x{": 2 to 6 upper-case digits without leading zeros beyond two, and "}". */
static int take_code_point(str *in, uint32_t *out)
{
	uint32_t c = 0;
	str at = *in, digits;

	if (take_until(&at, '}', 6, &digits) < 0 || digits.len < 2)
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		int v = ascii_hex_value(digits.ptr[i]);
		if (v < 0 || (digits.ptr[i] >= 'a' && digits.ptr[i] <= 'f'))
			return -1;
		c = c * 16 + (uint32_t)v;
	}
	if (digits.len > 2 && digits.ptr[0] == '0')
		return -1;
	/* EmbeddedUnicodeChar: ASCII only where it cannot stand for itself. */
	bool is_ascii_needed =
	    (c > 0 && c <= 0x20) || c == '+' || c == '=' || c == 0x5c || c == 0x7f;
	if ((c < 0x80 && !is_ascii_needed) || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return -1;
	*in = str_skip(at, 1);
	*out = c;
	return 0;
}

int xtext_utf8_decode(str in, bool utf8, struct buf *out, struct err *err)
{
	size_t mark = out->len;

	if (utf8 && !str_is_utf8(in))
		return fail(out, mark, ERR_INPUT, err, "the value is not valid UTF-8");
	while (in.len) {
		uint32_t c = (unsigned char)in.ptr[0];
		bool is_raw = c >= 0x80 && utf8;
		bool is_escape = take_lit(&in, STR("\\x{")) == 0;
		if (is_escape ? take_code_point(&in, &c) < 0
		              : !is_raw && (!is_plain((char)c) || c == '\\'))
			return fail(out, mark, ERR_INPUT, err, "the value is not a utf-8 address");
		if (is_escape &&
		    (c < 0x20 || c == 0x7f)) /* nobody's address has control characters */
			return fail(out, mark, ERR_INPUT, err, "control character in the address");
		if (is_escape) {
			add_utf8(out, c);
		} else {
			buf_addc(out, (char)c);
			in = str_skip(in, 1);
		}
	}
	if (!buf_ok(out))
		return fail(out, mark, ERR_LIMIT, err, "the value is too long");
	return 0;
}

/* The code point at the front of well-formed UTF-8. */
static uint32_t take_utf8(str *in)
{
	const unsigned char *p = (const unsigned char *)in->ptr;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	if (n > in->len)
		n = in->len;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 63);
	*in = str_skip(*in, n);
	return c;
}

void xtext_utf8_encode(str in, bool utf8, struct buf *out)
{
	while (in.len) {
		str at = in;
		uint32_t c = take_utf8(&in);
		if (c >= 0x80 ? utf8 : is_plain((char)c) && c != '\\')
			buf_add(out, str_sub(at, 0, at.len - in.len));
		else
			buf_addf(out, "\\x{%02X}", (unsigned)c);
	}
}
