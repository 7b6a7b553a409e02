/* received.c: the trace field that says where a message came from. RFC 5321 §4.4. */
#include "formats/date.h"
#include "services/content/submission.h"
#include "services/frames/frames.h"

enum { TOKEN_MAX_BYTES = 255, PATH_MAX_BYTES = 512 };

/* What a peer said may go into a structured field only as plain name characters; the rest could end
 * the clause, open a comment or fold the line. */
static bool is_name_char(char c, bool utf8)
{
	return ascii_is_alnum(c) || (c && strchr("-._:[]", c)) ||
	       (utf8 && (unsigned char)c >= 0x80);
}

static bool is_name(str s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_name_char(s.ptr[i], utf8))
			return false;
	}
	return s.len > 0 && s.len <= TOKEN_MAX_BYTES && str_is_utf8(s);
}

/* [192.0.2.1], [IPv6:2001:db8::1]: RFC 5321 §4.1.3. */
static void add_literal(str address, struct buf *out)
{
	buf_addz(out, str_chr(address, ':') == STR_NPOS ? "[" : "[IPv6:");
	buf_add(out, address);
	buf_addc(out, ']');
}

static bool is_ip(str address)
{
	return is_name(address, false) && !str_eq(address, STR("local")) &&
	       (ascii_is_digit(address.ptr[0]) || str_chr(address, ':') != STR_NPOS);
}

/* "name ([ip])". Without a usable name the address stands for it; without both it is "localhost":
 * a Unix socket has neither. */
static void add_from(const struct received_facts *f, struct buf *out)
{
	bool ip = is_ip(f->peer_address);

	buf_add(out, STR("Received: from "));
	if (is_name(f->helo, f->utf8))
		buf_add(out, f->helo);
	else if (ip)
		add_literal(f->peer_address, out);
	else
		buf_add(out, STR("localhost"));
	if (ip) {
		buf_add(out, STR(" ("));
		add_literal(f->peer_address, out);
		buf_addc(out, ')');
	}
}

/* RFC 3848: the protocol, S for TLS, A for authentication, SA for both; RFC 6531 §4.3: UTF8 in
 * front, with SMTP for ESMTP. Plain SMTP (RFC 5321 §4.4) has no such variants. */
static void add_protocol(const struct received_facts *f, struct buf *out)
{
	bool lmtp = f->protocol == PROTOCOL_LMTP;

	if (f->helo_only) {
		buf_addz(out, "SMTP");
		return;
	}
	if (f->utf8)
		buf_addz(out, lmtp ? "UTF8LMTP" : "UTF8SMTP");
	else
		buf_addz(out, lmtp ? "LMTP" : "ESMTP");
	if (f->tls_version.len > 0)
		buf_addc(out, 'S');
	if (f->signed_in)
		buf_addc(out, 'A');
}

static void add_comment_word(str word, struct buf *out)
{
	for (size_t i = 0; i < word.len && i < TOKEN_MAX_BYTES; i++)
		buf_addc(out, is_name_char(word.ptr[i], false) ? word.ptr[i] : '_');
}

static void add_tls_comment(const struct received_facts *f, struct buf *out)
{
	if (f->tls_version.len == 0)
		return;
	buf_add(out, STR("\r\n\t("));
	add_comment_word(f->tls_version, out);
	if (f->tls_cipher.len > 0) {
		buf_addc(out, ' ');
		add_comment_word(f->tls_cipher, out);
	}
	buf_addc(out, ')');
}

/* An address that could not stand between angle brackets is left out. */
static bool is_path(str s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || (c >= 0x80 && !utf8))
			return false;
	}
	return s.len > 0 && s.len <= PATH_MAX_BYTES && str_is_utf8(s);
}

void received_field(const struct received_facts *f, struct buf *out)
{
	add_from(f, out);
	buf_add(out, STR("\r\n\tby "));
	buf_add(out, f->hostname);
	buf_add(out, STR(" with "));
	add_protocol(f, out);
	if (is_name(f->id, false)) {
		buf_add(out, STR(" id "));
		buf_add(out, f->id);
	}
	add_tls_comment(f, out);
	if (is_path(f->recipient, f->utf8)) {
		buf_add(out, STR("\r\n\tfor <"));
		buf_add(out, f->recipient);
		buf_addc(out, '>');
	}
	buf_add(out, STR(";\r\n\t"));
	date_print(out, f->at, 0);
	buf_add(out, STR("\r\n"));
}
