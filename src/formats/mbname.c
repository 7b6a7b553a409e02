#include "formats/mbname.h"

#include <stdlib.h>
#include <uninorm.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int fail(struct buf *out, size_t mark, enum err_kind kind, struct err *err, const char *why)
{
	buf_truncate(out, mark);
	return err_set(err, kind, "%s", why);
}

/* ---- UTF-8 to and from code points ---- */

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

static void add_utf8(struct buf *out, uint32_t c)
{
	const char tail[3] = { (char)(0x80 | (c >> 12 & 63)), (char)(0x80 | (c >> 6 & 63)),
		(char)(0x80 | (c & 63)) };

	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_add(out, str_new(tail + 2, 1));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_add(out, str_new(tail + 1, 2));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_add(out, str_new(tail, 3));
	}
}

/* ---- modified UTF-7 ---- */

struct units {
	uint32_t bits, high; /* high: a surrogate that waits for its other half */
	unsigned held;
};

/* One UTF-16 unit; -1 when the pairs are broken or the character should have stood for itself. */
static int add_unit(struct units *u, uint32_t unit, struct buf *out)
{
	bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	if (is_low != (u->high != 0))
		return -1;
	if (is_low) {
		add_utf8(out, 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00));
		u->high = 0;
		return 0;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return 0;
	}
	if (unit >= 0x20 && unit <= 0x7e)
		return -1;
	add_utf8(out, unit);
	return 0;
}

/* Behind "&", up to and with "-". */
static int take_shifted(str *in, struct buf *out)
{
	struct units u = { 0 };
	str digits;

	if (take_until(in, '-', in->len, &digits) < 0)
		return -1;
	*in = str_skip(*in, 1);
	if (digits.len == 0) {
		buf_addc(out, '&');
		return 0;
	}
	for (size_t i = 0; i < digits.len; i++) {
		const char *at = memchr(alphabet, digits.ptr[i], 64);
		if (!at)
			return -1;
		u.bits = u.bits << 6 | (uint32_t)(at - alphabet);
		u.held += 6;
		if (u.held < 16)
			continue;
		u.held -= 16;
		if (add_unit(&u, u.bits >> u.held & 0xffff, out) < 0)
			return -1;
	}
	/* What is left over is padding: less than a digit, and zero. */
	return u.high || u.held >= 6 || (u.bits & ((1u << u.held) - 1)) ? -1 : 0;
}

int mbname_from_utf7(str in, struct buf *out, struct err *err)
{
	size_t mark = out->len;
	bool was_shifted = false;

	while (in.len) {
		char c = in.ptr[0];
		in = str_skip(in, 1);
		if (c < 0x20 || c > 0x7e)
			return fail(out, mark, ERR_INPUT, err,
			    "the mailbox name has characters that must be written in modified "
			    "UTF-7");
		if (c != '&') {
			buf_addc(out, c);
			was_shifted = false;
			continue;
		}
		bool is_ampersand = in.len && in.ptr[0] == '-';
		/* RFC 3501 §5.1.3: no null shifts: two in a row must have been one. */
		if ((was_shifted && !is_ampersand) || take_shifted(&in, out) < 0)
			return fail(out, mark, ERR_INPUT, err,
			    "the mailbox name is not valid modified UTF-7");
		was_shifted = !is_ampersand;
	}
	if (!buf_ok(out))
		return fail(out, mark, ERR_LIMIT, err, "the mailbox name is too long");
	return 0;
}

static void add_digits(struct units *u, uint32_t unit, struct buf *out)
{
	u->bits = u->bits << 16 | unit;
	u->held += 16;
	for (; u->held >= 6; u->held -= 6)
		buf_addc(out, alphabet[u->bits >> (u->held - 6) & 63]);
}

void mbname_to_utf7(str utf8, struct buf *out)
{
	struct units u = { 0 };
	bool is_shifted = false;

	while (utf8.len || is_shifted) {
		bool is_plain = utf8.len == 0 || (utf8.ptr[0] >= 0x20 && utf8.ptr[0] <= 0x7e);
		if (is_plain && is_shifted) {
			if (u.held)
				buf_addc(out, alphabet[u.bits << (6 - u.held) & 63]);
			buf_addc(out, '-');
			u = (struct units){ 0 };
			is_shifted = false;
		} else if (is_plain) {
			buf_add(out, utf8.ptr[0] == '&' ? STR("&-") : str_sub(utf8, 0, 1));
			utf8 = str_skip(utf8, 1);
		} else {
			if (!is_shifted)
				buf_addc(out, '&');
			is_shifted = true;
			uint32_t c = take_utf8(&utf8);
			if (c >= 0x10000) {
				add_digits(&u, 0xd800 + ((c - 0x10000) >> 10), out);
				c = 0xdc00 + ((c - 0x10000) & 0x3ff);
			}
			add_digits(&u, c, out);
		}
	}
}

/* ---- what a name may be ---- */

static bool is_forbidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 ||
	       (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

static const char *complaint(str name)
{
	str rest = name, part;
	size_t depth = 0;

	if (name.len == 0)
		return "a mailbox name cannot be empty";
	while (str_split(&rest, '/', &part)) {
		if (part.len == 0)
			return "a mailbox name cannot start or end with '/' or have two in a row";
		if (str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return "'.' and '..' cannot be parts of a mailbox name";
		if (++depth > MBNAME_DEPTH_MAX)
			return "the mailbox name has too many levels";
	}
	for (rest = name; rest.len;) {
		if (is_forbidden(take_utf8(&rest)))
			return "the mailbox name has control characters";
	}
	return NULL;
}

int mbname_normalise(str utf8, struct buf *out, struct err *err)
{
	uint8_t space[2 * MBNAME_MAX];
	size_t mark = out->len, len = sizeof(space);

	if (utf8.len > MBNAME_MAX)
		return err_set(
		    err, ERR_LIMIT, "the mailbox name is longer than %d bytes", MBNAME_MAX);
	if (!str_is_utf8(utf8))
		return err_set(err, ERR_INPUT, "the mailbox name is not valid UTF-8");
	if (str_is_ascii(utf8)) {
		buf_add(out, utf8);
	} else {
		uint8_t *nfc =
		    u8_normalize(UNINORM_NFC, (const uint8_t *)utf8.ptr, utf8.len, space, &len);
		if (nfc)
			buf_add(out, str_new(nfc, len));
		if (nfc != space)
			free(nfc);
	}
	str name = str_skip(buf_str(out), mark);
	if (!buf_ok(out) || name.len > MBNAME_MAX)
		return fail(out, mark, ERR_LIMIT, err, "the mailbox name is too long");
	const char *why = complaint(name);
	if (why)
		return fail(out, mark, ERR_INPUT, err, why);
	/* RFC 9051 §5.1: INBOX in any case is the one. */
	if (str_ieq(str_sub(name, 0, str_chr(name, '/')), STR("INBOX")))
		memcpy(out->ptr + mark, "INBOX", 5);
	return 0;
}
