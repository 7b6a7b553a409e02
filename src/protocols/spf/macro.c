/* Macros: RFC 7208 §7. */
#include "base/num.h"
#include "protocols/spf/internal.h"

enum { PARTS_MAX = SPF_IDENTITY_MAX + 40, KEEP_MAX = 100000 };

struct macro {
	char letter; /* lower case; 0 stands for a literal */
	bool is_upper, is_reversed;
	uint32_t keep; /* right-hand parts; 0 all */
	str delimiters;
	str literal;
};

static bool is_delimiter(char c)
{
	return c && strchr(".-+,/_=", c);
}

/* Behind "%{": letter, digits, r, delimiters, "}". */
static int take_braced(str *in, struct macro *out)
{
	struct macro m = { 0 };
	str rest = *in;

	if (rest.len < 2 || !ascii_is_alpha(rest.ptr[0]))
		return -1;
	m.letter = ascii_lower(rest.ptr[0]);
	m.is_upper = m.letter != rest.ptr[0];
	rest = str_skip(rest, 1);
	if (ascii_is_digit(rest.ptr[0])) {
		/* RFC 7208 §7.3: the value must be nonzero, and may be more than there are parts. */
		if (num_take_u32(&rest, KEEP_MAX, &m.keep) < 0 || m.keep == 0)
			return -1;
	}
	if (rest.len && ascii_lower(rest.ptr[0]) == 'r') {
		m.is_reversed = true;
		rest = str_skip(rest, 1);
	}
	size_t count = 0;
	while (count < rest.len && is_delimiter(rest.ptr[count]))
		count++;
	m.delimiters = str_sub(rest, 0, count);
	rest = str_skip(rest, count);
	if (take_char(&rest, '}') < 0)
		return -1;
	*in = rest;
	*out = m;
	return 0;
}

/* One macro, or the longest literal before the next one. */
static int take_macro(str *in, struct macro *out)
{
	size_t percent = str_chr(*in, '%');

	*out = (struct macro){ 0 };
	if (percent != 0) {
		out->literal = str_sub(*in, 0, percent == STR_NPOS ? in->len : percent);
		*in = str_skip(*in, out->literal.len);
		return 0;
	}
	if (in->len < 2)
		return -1;
	char kind = in->ptr[1];
	*in = str_skip(*in, 2);
	if (kind == '{')
		return take_braced(in, out);
	if (kind == '%')
		out->literal = STR("%");
	else if (kind == '_')
		out->literal = STR(" ");
	else if (kind == '-')
		out->literal = STR("%20");
	else
		return -1;
	return 0;
}

static bool is_literal_ok(str literal, bool is_explanation)
{
	for (size_t i = 0; i < literal.len; i++) {
		char c = literal.ptr[i];
		if ((c < 0x21 || c > 0x7e) && !(is_explanation && c == ' '))
			return false;
	}
	return true;
}

static int check(str text, bool is_explanation, unsigned *out_uses, str *out_tail)
{
	struct macro m;
	unsigned uses = 0;

	*out_tail = STR_NONE;
	while (text.len) {
		bool is_macro = text.ptr[0] == '%';
		if (take_macro(&text, &m) < 0)
			return -1;
		*out_tail = is_macro ? STR_NONE : m.literal;
		if (!m.letter && !is_macro && !is_literal_ok(m.literal, is_explanation))
			return -1;
		if (m.letter && !strchr(is_explanation ? "slodiphvcrt" : "slodiphv", m.letter))
			return -1;
		if (m.letter == 'p')
			uses |= SPF_USES_PTR;
		if (m.letter == 's' || m.letter == 'l')
			uses |= SPF_USES_LOCAL;
	}
	*out_uses = uses;
	return 0;
}

int spf_macro_check(str text, bool is_explanation, unsigned *out_uses)
{
	str tail;

	return check(text, is_explanation, out_uses, &tail);
}

/* toplabel: letters, digits and inner hyphens, not all digits. */
static bool is_top_label(str label)
{
	bool is_number = true;

	if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
			return false;
		is_number = is_number && ascii_is_digit(label.ptr[i]);
	}
	return !is_number;
}

int spf_domain_spec_check(str text, unsigned *out_uses)
{
	str tail;

	if (text.len == 0 || check(text, false, out_uses, &tail) < 0)
		return -1;
	if (tail.len == 0)
		return 0; /* ends in a macro */
	if (tail.ptr[tail.len - 1] == '.')
		tail.len--;
	size_t dot = str_rchr(tail, '.');
	return dot != STR_NPOS && is_top_label(str_skip(tail, dot + 1)) ? 0 : -1;
}

/* RFC 3986 §2.3 */
static void add_url_escaped(struct buf *out, str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (ascii_is_alnum(c) || (c && strchr("-._~", c)))
			buf_addc(out, c);
		else
			buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
	}
}

/* RFC 7208 §7.3: "i" of an IPv6 address is its 32 digits with dots. */
static void add_dotted_ip(const struct ip *ip, struct buf *out)
{
	if (ip->version == 4) {
		ip_print(ip, out);
		return;
	}
	for (size_t i = 0; i < 32; i++) {
		unsigned byte = ip->bytes[i / 2];
		buf_addf(out, "%s%X", i ? "." : "", i % 2 ? byte & 15 : byte >> 4);
	}
}

static str macro_value(char letter, const struct spf_macro_values *v, struct buf *scratch)
{
	switch (letter) {
	case 's':
		return v->sender;
	case 'l':
		return v->local;
	case 'o':
		return v->sender_domain;
	case 'd':
		return v->domain;
	case 'i':
		add_dotted_ip(&v->ip, scratch);
		return buf_str(scratch);
	case 'p':
		return v->validated;
	case 'h':
		return v->helo;
	case 'v':
		return v->ip.version == 4 ? STR("in-addr") : STR("ip6");
	case 'c':
		ip_print(&v->ip, scratch);
		return buf_str(scratch);
	case 'r':
		return v->receiver;
	default:
		buf_addf(scratch, "%lld", (long long)v->now_s);
		return buf_str(scratch);
	}
}

static size_t split(str value, str delimiters, str parts[PARTS_MAX])
{
	size_t count = 0, from = 0;

	for (size_t i = 0; i <= value.len && count < PARTS_MAX; i++) {
		if (i < value.len && str_chr(delimiters, value.ptr[i]) == STR_NPOS)
			continue;
		parts[count++] = str_sub(value, from, i - from);
		from = i + 1;
	}
	return count;
}

static void add_macro(const struct macro *m, const struct spf_macro_values *values, struct buf *out)
{
	AUTO_BUF scratch = BUF_INIT(256);
	AUTO_BUF joined = BUF_INIT(4096);
	str value = macro_value(m->letter, values, &scratch);
	str parts[PARTS_MAX];

	if (m->keep || m->is_reversed || m->delimiters.len) {
		size_t count = split(value, m->delimiters.len ? m->delimiters : STR("."), parts);
		size_t keep = m->keep && m->keep < count ? m->keep : count;
		for (size_t i = count - keep; i < count; i++) {
			if (i > count - keep)
				buf_addc(&joined, '.');
			buf_add(&joined, parts[m->is_reversed ? count - 1 - i : i]);
		}
		value = buf_str(&joined);
	}
	if (m->is_upper)
		add_url_escaped(out, value);
	else
		buf_add(out, value);
}

void spf_macro_expand(str text, const struct spf_macro_values *values, struct buf *out)
{
	struct macro m;

	while (text.len && buf_ok(out) && take_macro(&text, &m) == 0) {
		if (m.letter)
			add_macro(&m, values, out);
		else
			buf_add(out, m.literal);
	}
}
