#include "protocols/imap/writer.h"

#include "formats/mbname.h"

/* A quoted string above this goes as a literal: RFC 2683 §3.2.1.5 asks for lines below 8,000. */
enum { QUOTED_MAX = 4000, FLAG_MAX = 64 };

enum quotable { QUOTABLE, NEEDS_LITERAL, NEEDS_LITERAL8 };

static enum quotable quotable(str s, bool utf8)
{
	bool high = false;

	if (str_chr(s, '\0') != STR_NPOS)
		return NEEDS_LITERAL8;
	if (s.len > QUOTED_MAX)
		return NEEDS_LITERAL;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		/* RFC 3501 §9: TEXT-CHAR may be a control byte, but not all clients cope. */
		if (c < 0x20 || c == 0x7f)
			return NEEDS_LITERAL;
		high |= c >= 0x80;
	}
	return !high || (utf8 && str_is_utf8(s)) ? QUOTABLE : NEEDS_LITERAL;
}

static void put_quoted(struct buf *b, str s)
{
	buf_addc(b, '"');
	for (size_t at = 0; at < s.len;) {
		size_t end = at;
		while (end < s.len && s.ptr[end] != '"' && s.ptr[end] != '\\')
			end++;
		buf_add(b, str_sub(s, at, end - at));
		if (end < s.len) {
			buf_addc(b, '\\');
			buf_addc(b, s.ptr[end++]);
		}
		at = end;
	}
	buf_addc(b, '"');
}

void imap_put_literal_head(struct buf *b, uint64_t bytes, bool binary)
{
	buf_addz(b, binary ? "~{" : "{");
	buf_addu(b, bytes);
	buf_addz(b, "}\r\n");
}

void imap_put_string(struct buf *b, str s, bool utf8)
{
	enum quotable how = quotable(s, utf8);

	if (how == QUOTABLE) {
		put_quoted(b, s);
		return;
	}
	imap_put_literal_head(b, s.len, how == NEEDS_LITERAL8);
	buf_add(b, s);
}

void imap_put_nstring(struct buf *b, str s, bool utf8)
{
	if (s.ptr)
		imap_put_string(b, s, utf8);
	else
		buf_addz(b, "NIL");
}

/* Letters, digits and what cannot be misread: such names need no quotes. */
static bool is_plain_atom(str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.ptr[i]) && str_chr(STR("-_./"), s.ptr[i]) == STR_NPOS)
			return false;
	return s.len > 0 && !str_ieq(s, STR("NIL"));
}

void imap_put_mailbox(struct buf *b, str name_utf8, bool utf8)
{
	AUTO_BUF utf7 = BUF_INIT(64 * 1024);

	if (utf8) {
		imap_put_string(b, name_utf8, true);
		return;
	}
	mbname_to_utf7(name_utf8, &utf7);
	if (is_plain_atom(buf_str(&utf7)))
		buf_add(b, buf_str(&utf7));
	else
		imap_put_string(b, buf_str(&utf7), false);
}

void imap_put_text(struct buf *b, str text, bool utf8)
{
	bool keep_high = utf8 && str_is_utf8(text);

	if (text.len == 0 || text.ptr[0] == '[')
		buf_addc(b, '-');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool bad = c < 0x20 || c == 0x7f || (c >= 0x80 && !keep_high);
		buf_addc(b, bad ? '?' : text.ptr[i]);
	}
}

void imap_put_flags(
    struct buf *b, uint32_t flags, bool recent, uint64_t keywords, const str *names, size_t count)
{
	static const str system[] = { STR_INIT("\\Seen"), STR_INIT("\\Answered"),
		STR_INIT("\\Flagged"), STR_INIT("\\Deleted"), STR_INIT("\\Draft") };
	const char *gap = "";

	buf_addc(b, '(');
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++) {
		if (!(flags & (1U << i)))
			continue;
		buf_addz(b, gap);
		buf_add(b, system[i]);
		gap = " ";
	}
	if (recent) {
		buf_addz(b, gap);
		buf_addz(b, "\\Recent");
		gap = " ";
	}
	for (size_t i = 0; i < count && i < FLAG_MAX; i++) {
		if (!(keywords & (UINT64_C(1) << i)))
			continue;
		buf_addz(b, gap);
		buf_add(b, names[i]);
		gap = " ";
	}
	buf_addc(b, ')');
}
