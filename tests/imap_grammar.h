/* imap_grammar.h: a strict reader of ENVELOPE and BODYSTRUCTURE values, for tests and fuzz targets.
 *
 * Purpose    Written from the grammar of RFC 9051 §9 and sharing nothing with the code under test,
 *            it answers one question: would a client that takes the grammar at its word read this?
 *            Stricter where RFC 3501 is: no 8-bit byte in a quoted string.
 */
#ifndef BUZON_TESTS_IMAP_GRAMMAR_H
#define BUZON_TESTS_IMAP_GRAMMAR_H

#include "base/num.h"
#include "base/str.h"

static inline bool grammar_number(str *in)
{
	uint64_t n;

	return num_take_u64(in, INT64_MAX, &n) == 0;
}

static inline bool grammar_quoted(str *in, str *out)
{
	size_t i = 1;

	for (; i < in->len && in->ptr[i] != '"'; i++) {
		unsigned char c = (unsigned char)in->ptr[i];
		if (c == '\\') {
			i++;
			if (i >= in->len || (in->ptr[i] != '"' && in->ptr[i] != '\\'))
				return false;
		} else if (c == 0 || c == '\r' || c == '\n' || c >= 0x80) {
			return false;
		}
	}
	if (i >= in->len)
		return false;
	*out = str_sub(*in, 1, i - 1);
	*in = str_skip(*in, i + 1);
	return true;
}

static inline bool grammar_string(str *in, str *out)
{
	uint64_t n;
	str rest = *in;

	if (in->len > 0 && in->ptr[0] == '"')
		return grammar_quoted(in, out);
	if (take_char(&rest, '{') < 0 || num_take_u64(&rest, in->len, &n) < 0 ||
	    take_lit(&rest, STR("}\r\n")) < 0 || rest.len < n)
		return false;
	*out = str_sub(rest, 0, n);
	*in = str_skip(rest, n);
	return str_chr(*out, '\0') == STR_NPOS;
}

static inline bool grammar_nil(str *in)
{
	return take_lit(in, STR("NIL")) == 0;
}

static inline bool grammar_nstring(str *in)
{
	str ignored;

	return grammar_nil(in) || grammar_string(in, &ignored);
}

static inline bool grammar_space(str *in)
{
	return take_char(in, ' ') == 0;
}

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static inline bool grammar_address(str *in)
{
	return take_char(in, '(') == 0 && grammar_nstring(in) && grammar_space(in) &&
	       grammar_nstring(in) && grammar_space(in) && grammar_nstring(in) &&
	       grammar_space(in) && grammar_nstring(in) && take_char(in, ')') == 0;
}

static inline bool grammar_addresses(str *in)
{
	if (grammar_nil(in))
		return true;
	if (take_char(in, '(') < 0 || !grammar_address(in))
		return false;
	while (in->len > 0 && in->ptr[0] == '(') {
		if (!grammar_address(in))
			return false;
	}
	return take_char(in, ')') == 0;
}

static inline bool grammar_envelope(str *in)
{
	if (take_char(in, '(') < 0 || !grammar_nstring(in) || !grammar_space(in) ||
	    !grammar_nstring(in))
		return false;
	for (int i = 0; i < 6; i++) {
		if (!grammar_space(in) || !grammar_addresses(in))
			return false;
	}
	return grammar_space(in) && grammar_nstring(in) && grammar_space(in) &&
	       grammar_nstring(in) && take_char(in, ')') == 0;
}

static inline bool grammar_strings(str *in, bool pairs)
{
	str ignored;
	size_t count = 0;

	if (take_char(in, '(') < 0)
		return false;
	do {
		if (!grammar_string(in, &ignored))
			return false;
		count++;
	} while (grammar_space(in));
	return take_char(in, ')') == 0 && (!pairs || count % 2 == 0);
}

static inline bool grammar_params(str *in)
{
	return grammar_nil(in) || grammar_strings(in, true);
}

/* body-fld-dsp, body-fld-lang, body-fld-loc */
static inline bool grammar_extension_tail(str *in)
{
	str ignored;

	if (!grammar_space(in))
		return false;
	if (!grammar_nil(in) &&
	    (take_char(in, '(') < 0 || !grammar_string(in, &ignored) || !grammar_space(in) ||
	        !grammar_params(in) || take_char(in, ')') < 0))
		return false;
	if (!grammar_space(in))
		return false;
	bool is_list = in->len > 0 && in->ptr[0] == '(';
	if (is_list ? !grammar_strings(in, false) : !grammar_nstring(in))
		return false;
	return grammar_space(in) && grammar_nstring(in);
}

static inline bool grammar_body(str *in, bool extended, unsigned depth);

static inline bool grammar_multipart(str *in, bool extended, unsigned depth)
{
	str ignored;

	do {
		if (!grammar_body(in, extended, depth + 1))
			return false;
	} while (in->len > 0 && in->ptr[0] == '(');
	if (!grammar_space(in) || !grammar_string(in, &ignored))
		return false;
	return !extended || (grammar_space(in) && grammar_params(in) && grammar_extension_tail(in));
}

static inline bool grammar_single(str *in, bool extended, unsigned depth)
{
	str type, subtype, encoding;

	if (!grammar_string(in, &type) || !grammar_space(in) || !grammar_string(in, &subtype))
		return false;
	if (!grammar_space(in) || !grammar_params(in) || !grammar_space(in) ||
	    !grammar_nstring(in) || !grammar_space(in) || !grammar_nstring(in) ||
	    !grammar_space(in) || !grammar_string(in, &encoding) || !grammar_space(in) ||
	    !grammar_number(in))
		return false;
	if (str_ieq(type, STR("message")) &&
	    (str_ieq(subtype, STR("rfc822")) || str_ieq(subtype, STR("global")))) {
		if (!grammar_space(in) || !grammar_envelope(in) || !grammar_space(in) ||
		    !grammar_body(in, extended, depth + 1) || !grammar_space(in) ||
		    !grammar_number(in))
			return false;
	} else if (str_ieq(type, STR("text")) && (!grammar_space(in) || !grammar_number(in))) {
		return false;
	}
	return !extended ||
	       (grammar_space(in) && grammar_nstring(in) && grammar_extension_tail(in));
}

static inline bool grammar_body(str *in, bool extended, unsigned depth)
{
	if (depth > 130 || take_char(in, '(') < 0)
		return false;
	bool multipart = in->len > 0 && in->ptr[0] == '(';
	if (multipart ? !grammar_multipart(in, extended, depth)
	              : !grammar_single(in, extended, depth))
		return false;
	return take_char(in, ')') == 0;
}

/* The whole value, nothing behind it. */
static inline bool grammar_is_envelope(str value)
{
	return grammar_envelope(&value) && value.len == 0;
}

static inline bool grammar_is_bodystructure(str value)
{
	return grammar_body(&value, true, 0) && value.len == 0;
}

static inline bool grammar_is_body(str value)
{
	return grammar_body(&value, false, 0) && value.len == 0;
}

#endif
