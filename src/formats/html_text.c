#include "formats/html_text.h"

enum { NAME_MAX_BYTES = 16, REFERENCE_MAX_BYTES = 16 };

/* Named character references of HTML 4 for U+00A0 to U+00FF, in order. */
/* clang-format off */
static const str latin1_names[96] = {
	STR_INIT("nbsp"), STR_INIT("iexcl"), STR_INIT("cent"), STR_INIT("pound"), STR_INIT("curren"), STR_INIT("yen"),
	STR_INIT("brvbar"), STR_INIT("sect"), STR_INIT("uml"), STR_INIT("copy"), STR_INIT("ordf"), STR_INIT("laquo"),
	STR_INIT("not"), STR_INIT("shy"), STR_INIT("reg"), STR_INIT("macr"), STR_INIT("deg"), STR_INIT("plusmn"),
	STR_INIT("sup2"), STR_INIT("sup3"), STR_INIT("acute"), STR_INIT("micro"), STR_INIT("para"), STR_INIT("middot"),
	STR_INIT("cedil"), STR_INIT("sup1"), STR_INIT("ordm"), STR_INIT("raquo"), STR_INIT("frac14"), STR_INIT("frac12"),
	STR_INIT("frac34"), STR_INIT("iquest"), STR_INIT("Agrave"), STR_INIT("Aacute"), STR_INIT("Acirc"), STR_INIT("Atilde"),
	STR_INIT("Auml"), STR_INIT("Aring"), STR_INIT("AElig"), STR_INIT("Ccedil"), STR_INIT("Egrave"), STR_INIT("Eacute"),
	STR_INIT("Ecirc"), STR_INIT("Euml"), STR_INIT("Igrave"), STR_INIT("Iacute"), STR_INIT("Icirc"), STR_INIT("Iuml"),
	STR_INIT("ETH"), STR_INIT("Ntilde"), STR_INIT("Ograve"), STR_INIT("Oacute"), STR_INIT("Ocirc"), STR_INIT("Otilde"),
	STR_INIT("Ouml"), STR_INIT("times"), STR_INIT("Oslash"), STR_INIT("Ugrave"), STR_INIT("Uacute"), STR_INIT("Ucirc"),
	STR_INIT("Uuml"), STR_INIT("Yacute"), STR_INIT("THORN"), STR_INIT("szlig"), STR_INIT("agrave"), STR_INIT("aacute"),
	STR_INIT("acirc"), STR_INIT("atilde"), STR_INIT("auml"), STR_INIT("aring"), STR_INIT("aelig"), STR_INIT("ccedil"),
	STR_INIT("egrave"), STR_INIT("eacute"), STR_INIT("ecirc"), STR_INIT("euml"), STR_INIT("igrave"), STR_INIT("iacute"),
	STR_INIT("icirc"), STR_INIT("iuml"), STR_INIT("eth"), STR_INIT("ntilde"), STR_INIT("ograve"), STR_INIT("oacute"),
	STR_INIT("ocirc"), STR_INIT("otilde"), STR_INIT("ouml"), STR_INIT("divide"), STR_INIT("oslash"), STR_INIT("ugrave"),
	STR_INIT("uacute"), STR_INIT("ucirc"), STR_INIT("uuml"), STR_INIT("yacute"), STR_INIT("thorn"), STR_INIT("yuml"),
};

static const struct {
	str name;
	uint32_t code;
} other_names[] = {
	{ STR_INIT("amp"), '&' },      { STR_INIT("lt"), '<' },       { STR_INIT("gt"), '>' },
	{ STR_INIT("quot"), '"' },     { STR_INIT("apos"), '\'' },    { STR_INIT("euro"), 0x20ac },
	{ STR_INIT("ndash"), 0x2013 }, { STR_INIT("mdash"), 0x2014 }, { STR_INIT("lsquo"), 0x2018 },
	{ STR_INIT("rsquo"), 0x2019 }, { STR_INIT("ldquo"), 0x201c }, { STR_INIT("rdquo"), 0x201d },
	{ STR_INIT("bdquo"), 0x201e }, { STR_INIT("bull"), 0x2022 },  { STR_INIT("hellip"), 0x2026 },
	{ STR_INIT("trade"), 0x2122 }, { STR_INIT("rarr"), 0x2192 },  { STR_INIT("OElig"), 0x152 },
	{ STR_INIT("oelig"), 0x153 },  { STR_INIT("zwnj"), 0x200c },  { STR_INIT("zwj"), 0x200d },
};

/* Elements that the eye does not read on across. */
static const str breaking[] = {
	STR_INIT("p"), STR_INIT("br"), STR_INIT("div"), STR_INIT("tr"), STR_INIT("td"), STR_INIT("th"), STR_INIT("li"),
	STR_INIT("ul"), STR_INIT("ol"), STR_INIT("dt"), STR_INIT("dd"), STR_INIT("h1"), STR_INIT("h2"), STR_INIT("h3"),
	STR_INIT("h4"), STR_INIT("h5"), STR_INIT("h6"), STR_INIT("hr"), STR_INIT("pre"), STR_INIT("table"),
	STR_INIT("blockquote"), STR_INIT("title"), STR_INIT("option"), STR_INIT("section"), STR_INIT("article"),
};
static const str silent[] = { STR_INIT("script"), STR_INIT("style") };
/* clang-format on */

static bool is_in(const str *names, size_t count, str name)
{
	for (size_t i = 0; i < count; i++) {
		if (str_ieq(names[i], name))
			return true;
	}
	return false;
}

static void add_code_point(uint32_t c, struct buf *out)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* "#228", "#xe4". Zero when it is not a number. */
static uint32_t numeric_reference(str name)
{
	bool hex = name.len > 1 && (name.ptr[1] | 0x20) == 'x';
	uint32_t base = hex ? 16 : 10, code = 0;
	size_t i = hex ? 2 : 1;

	if (i >= name.len)
		return 0;
	for (; i < name.len; i++) {
		int digit = ascii_hex_value(name.ptr[i]);
		if (digit < 0 || (uint32_t)digit >= base)
			return 0;
		code = code > 0x10ffff ? code : code * base + (uint32_t)digit;
	}
	return code > 0 ? code : 0xfffd;
}

static uint32_t reference(str name)
{
	if (name.len > 0 && name.ptr[0] == '#')
		return numeric_reference(name);
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++) {
		if (str_eq(other_names[i].name, name))
			return other_names[i].code;
	}
	for (uint32_t i = 0; i < 96; i++) {
		if (str_eq(latin1_names[i], name))
			return i == 0 ? ' ' : 0xa0 + i;
	}
	return 0;
}

/* in begins with '&'. What is no reference stays as it is. */
static void take_reference(str *in, struct buf *out)
{
	size_t n = 1;

	while (n < in->len && n <= REFERENCE_MAX_BYTES &&
	       (ascii_is_alnum(in->ptr[n]) || (n == 1 && in->ptr[n] == '#')))
		n++;
	uint32_t code = n > REFERENCE_MAX_BYTES ? 0 : reference(str_sub(*in, 1, n - 1));
	if (code == 0) {
		buf_addc(out, '&');
		*in = str_skip(*in, 1);
		return;
	}
	add_code_point(code, out);
	if (n < in->len && in->ptr[n] == ';')
		n++;
	*in = str_skip(*in, n);
}

/* Over "<!-- -->"; an open end takes all there is. */
static void skip_comment(str *in)
{
	size_t end = str_find(*in, STR("-->"));

	*in = end == STR_NPOS ? str_skip(*in, in->len) : str_skip(*in, end + 3);
}

/* The end of a tag: '>' outside quotes. Without one the '<' was text. */
static size_t tag_bytes(str in)
{
	char quote = '\0';

	for (size_t i = 1; i < in.len; i++) {
		char c = in.ptr[i];
		if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '>')
			return i + 1;
		else if ((c == '"' || c == '\'') && in.ptr[i - 1] == '=')
			quote = c;
	}
	return 0;
}

/* The content of a script or style up to its end tag. */
static void skip_silent(str *in, str name)
{
	while (in->len > 0) {
		size_t at = str_find(*in, STR("</"));
		if (at == STR_NPOS) {
			*in = str_skip(*in, in->len);
			return;
		}
		*in = str_skip(*in, at);
		if (str_istarts(str_skip(*in, 2), name))
			return;
		*in = str_skip(*in, 2);
	}
}

static bool begins_tag(str in)
{
	return in.len > 1 && (ascii_is_alpha(in.ptr[1]) || in.ptr[1] == '/' || in.ptr[1] == '!' ||
	                         in.ptr[1] == '?');
}

/* in begins with '<'. *open_ended: no tag ends behind here, so nobody needs to look again. */
static void take_tag(str *in, bool *open_ended, struct buf *out)
{
	if (str_starts(*in, STR("<!--"))) {
		skip_comment(in);
		return;
	}
	size_t bytes = begins_tag(*in) && !*open_ended ? tag_bytes(*in) : 0;
	if (bytes == 0) {
		*open_ended |= begins_tag(*in);
		buf_addc(out, '<');
		*in = str_skip(*in, 1);
		return;
	}
	bool is_end = in->ptr[1] == '/';
	str name = str_sub(*in, is_end ? 2 : 1, NAME_MAX_BYTES);
	size_t n = 0;
	while (n < name.len && ascii_is_alnum(name.ptr[n]))
		n++;
	name.len = n;
	*in = str_skip(*in, bytes);
	if (is_in(breaking, sizeof(breaking) / sizeof(breaking[0]), name))
		buf_addc(out, '\n');
	if (!is_end && is_in(silent, sizeof(silent) / sizeof(silent[0]), name))
		skip_silent(in, name);
}

void html_text(str utf8, struct buf *out)
{
	bool open_ended = false;

	while (utf8.len > 0) {
		size_t n = 0;
		while (n < utf8.len && utf8.ptr[n] != '<' && utf8.ptr[n] != '&')
			n++;
		buf_add(out, str_sub(utf8, 0, n));
		utf8 = str_skip(utf8, n);
		if (utf8.len == 0)
			return;
		if (utf8.ptr[0] == '<')
			take_tag(&utf8, &open_ended, out);
		else
			take_reference(&utf8, out);
	}
}
