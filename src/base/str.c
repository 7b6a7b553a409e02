#include "base/str.h"

bool str_eq(str a, str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_ieq(str a, str b)
{
	return a.len == b.len && str_icmp(a, b) == 0;
}

static int by_length(str a, str b)
{
	return (a.len > b.len) - (a.len < b.len);
}

int str_cmp(str a, str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return order ? order : by_length(a, b);
}

int str_icmp(str a, str b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int x = (unsigned char)ascii_lower(a.ptr[i]);
		int y = (unsigned char)ascii_lower(b.ptr[i]);
		if (x != y)
			return x - y;
	}
	return by_length(a, b);
}

bool str_starts(str s, str prefix)
{
	return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_istarts(str s, str prefix)
{
	return s.len >= prefix.len && str_ieq(str_sub(s, 0, prefix.len), prefix);
}

bool str_ends(str s, str suffix)
{
	return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool str_iends(str s, str suffix)
{
	return s.len >= suffix.len && str_ieq(str_skip(s, s.len - suffix.len), suffix);
}

size_t str_chr(str s, char c)
{
	const char *hit = s.len ? memchr(s.ptr, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.ptr) : STR_NPOS;
}

size_t str_rchr(str s, char c)
{
	const char *hit = s.len ? memrchr(s.ptr, c, s.len) : NULL;

	return hit ? (size_t)(hit - s.ptr) : STR_NPOS;
}

size_t str_find(str s, str needle)
{
	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return STR_NPOS;
	const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
	return hit ? (size_t)(hit - s.ptr) : STR_NPOS;
}

size_t str_ifind(str s, str needle)
{
	char first = needle.len ? ascii_lower(needle.ptr[0]) : '\0';

	for (size_t i = 0; needle.len <= s.len && i <= s.len - needle.len; i++) {
		/* Most places are ruled out by one byte. */
		if (needle.len && ascii_lower(s.ptr[i]) != first)
			continue;
		if (str_ieq(str_sub(s, i, needle.len), needle))
			return i;
	}
	return STR_NPOS;
}

str str_skip(str s, size_t count)
{
	if (count > s.len)
		count = s.len;
	return (str){ count ? s.ptr + count : s.ptr, s.len - count };
}

str str_sub(str s, size_t from, size_t len)
{
	s = str_skip(s, from);
	if (s.len > len)
		s.len = len;
	return s;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

str str_trim(str s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = str_skip(s, 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool str_split(str *rest, char sep, str *out_head)
{
	if (!rest->ptr)
		return false;
	size_t at = str_chr(*rest, sep);
	if (at == STR_NPOS) {
		*out_head = *rest;
		*rest = STR_NONE;
		return true;
	}
	*out_head = str_sub(*rest, 0, at);
	*rest = str_skip(*rest, at + 1);
	return true;
}

int take_char(str *in, char c)
{
	if (in->len == 0 || in->ptr[0] != c)
		return -1;
	*in = str_skip(*in, 1);
	return 0;
}

int take_lit(str *in, str lit)
{
	if (!str_starts(*in, lit))
		return -1;
	*in = str_skip(*in, lit.len);
	return 0;
}

int take_ilit(str *in, str lit)
{
	if (!str_istarts(*in, lit))
		return -1;
	*in = str_skip(*in, lit.len);
	return 0;
}

/* Takes the first n bytes when 1 <= n <= max. */
static int take_count(str *in, size_t n, size_t max, str *out)
{
	if (n == 0 || n > max)
		return -1;
	*out = str_sub(*in, 0, n);
	*in = str_skip(*in, n);
	return 0;
}

int take_word(str *in, size_t max, str *out)
{
	size_t n = 0;

	while (n < in->len && !is_blank(in->ptr[n]))
		n++;
	return take_count(in, n, max, out);
}

int take_space(str *in)
{
	size_t n = 0;

	while (n < in->len && in->ptr[n] == ' ')
		n++;
	*in = str_skip(*in, n);
	return n ? 0 : -1;
}

int take_rest(str *in, size_t max, str *out)
{
	if (in->len > max)
		return -1;
	*out = *in;
	*in = str_skip(*in, in->len);
	return 0;
}

int take_until(str *in, char stop, size_t max, str *out)
{
	size_t n = str_chr(*in, stop);

	if (n == STR_NPOS || n > max)
		return -1;
	*out = str_sub(*in, 0, n);
	*in = str_skip(*in, n);
	return 0;
}

int take_digits(str *in, size_t max, str *out)
{
	size_t n = 0;

	while (n < in->len && ascii_is_digit(in->ptr[n]))
		n++;
	return take_count(in, n, max, out);
}

int ascii_hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_is_printable(str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return false;
	}
	return true;
}

bool str_is_ascii(str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	}
	return true;
}

/* Length of the well-formed sequence at the front (RFC 3629 §4), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		need = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		need = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (len < need)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

bool str_is_utf8(str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;

	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_sequence(p + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}
