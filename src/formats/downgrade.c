#include "formats/downgrade.h"

#include "base/num.h"
#include "formats/address.h"
#include "formats/header.h"
#include "formats/mailbox.h"
#include "formats/word.h"

enum { ARENA_MAX = 64 << 20, LINE = 76 };

enum how {
	AS_TEXT,      /* encoded words: RFC 6858 §2.2 */
	AS_ADDRESSES, /* RFC 6858 §2.1 */
	MASKED,       /* a grammar where encoded words have no place: '?' for each character */
};

/* clang-format off */
static const struct {
	str name;
	enum how how;
} fields[] = {
	{ STR_INIT("From"), AS_ADDRESSES }, { STR_INIT("Sender"), AS_ADDRESSES },
	{ STR_INIT("Reply-To"), AS_ADDRESSES }, { STR_INIT("To"), AS_ADDRESSES },
	{ STR_INIT("Cc"), AS_ADDRESSES }, { STR_INIT("Bcc"), AS_ADDRESSES },
	{ STR_INIT("Resent-From"), AS_ADDRESSES }, { STR_INIT("Resent-Sender"), AS_ADDRESSES },
	{ STR_INIT("Resent-To"), AS_ADDRESSES }, { STR_INIT("Resent-Cc"), AS_ADDRESSES },
	{ STR_INIT("Resent-Bcc"), AS_ADDRESSES }, { STR_INIT("Resent-Reply-To"), AS_ADDRESSES },
	{ STR_INIT("Disposition-Notification-To"), AS_ADDRESSES },
	{ STR_INIT("Message-ID"), MASKED }, { STR_INIT("Resent-Message-ID"), MASKED },
	{ STR_INIT("In-Reply-To"), MASKED }, { STR_INIT("References"), MASKED },
	{ STR_INIT("Received"), MASKED }, { STR_INIT("Return-Path"), MASKED },
	{ STR_INIT("Date"), MASKED }, { STR_INIT("Resent-Date"), MASKED },
	{ STR_INIT("MIME-Version"), MASKED }, { STR_INIT("Content-Type"), MASKED },
	{ STR_INIT("Content-Disposition"), MASKED }, { STR_INIT("Content-ID"), MASKED },
	{ STR_INIT("Content-Transfer-Encoding"), MASKED }, { STR_INIT("DKIM-Signature"), MASKED },
	{ STR_INIT("Authentication-Results"), MASKED },
};
/* clang-format on */

static enum how how_of(str name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (str_ieq(fields[i].name, name))
			return fields[i].how;
	}
	return AS_TEXT;
}

/* One '?' for a whole character; continuation bytes vanish. */
static void add_masked(str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((text.ptr[i] & 0xc0) == 0x80)
			continue;
		buf_addc(out, text.ptr[i] < 0 ? '?' : text.ptr[i]);
	}
}

static void add_name(str name, struct buf *out)
{
	AUTO_BUF plain = BUF_INIT(HEADER_FIELD_MAX_BYTES);

	word_decode(name, &plain);
	/* A quoted string would do for ASCII, but encoded words are right for everything. */
	if (!str_is_ascii(buf_str(&plain))) {
		word_encode(buf_str(&plain), WORD_PHRASE, LINE / 2, out);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < plain.len; i++) {
		if (plain.ptr[i] == '"' || plain.ptr[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, plain.ptr[i]);
	}
	buf_addc(out, '"');
}

/* The address in ASCII: U-labels become A-labels; false when the local part forbids it. */
static bool add_ascii_address(const struct address *a, struct buf *out)
{
	AUTO_BUF domain = BUF_INIT(DOMAIN_MAX);
	struct address ascii = *a;

	if (!str_is_ascii(a->local) || !str_is_ascii(a->route))
		return false;
	if (!str_is_ascii(a->domain)) {
		if (domain_normalise(a->domain, /* utf8 */ true, &domain, NULL) < 0)
			return false;
		ascii.domain = buf_str(&domain);
	}
	buf_addc(out, '<');
	address_print(&ascii, out);
	buf_addc(out, '>');
	return true;
}

/* RFC 6858 §2.1: an address that ASCII cannot hold becomes an empty group whose name shows it. */
static void add_shown_address(const struct address *a, struct buf *out)
{
	AUTO_BUF shown = BUF_INIT(HEADER_FIELD_MAX_BYTES);

	word_decode(a->name, &shown);
	if (shown.len)
		buf_addc(&shown, ' ');
	address_print(a, &shown);
	word_encode(buf_str(&shown), WORD_PHRASE, LINE / 2, out);
	buf_add(out, STR(":;"));
}

static void add_address(const struct address *a, bool in_group, struct buf *out)
{
	AUTO_BUF angle = BUF_INIT(HEADER_FIELD_MAX_BYTES);

	if (!add_ascii_address(a, &angle)) {
		/* Groups do not nest: inside one the name alone is shown in place of a member. */
		if (!in_group)
			add_shown_address(a, out);
		else
			buf_add(out, STR("<invalid@internationalized-address.invalid>"));
		return;
	}
	if (a->name.len) {
		add_name(a->name, out);
		buf_addc(out, ' ');
	}
	buf_add(out, buf_str(&angle));
}

static void add_addresses(str value, struct buf *out)
{
	AUTO_ARENA arena = arena_new(NULL, "downgrade", ARENA_MAX);
	struct address_list list;
	bool in_group = false, needs_comma = false;

	address_list_parse(value, arena, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct address *a = &list.items[i];
		if (a->kind == ADDRESS_GROUP_END) {
			buf_addc(out, ';');
			in_group = false;
			needs_comma = true;
			continue;
		}
		buf_add(out, needs_comma ? STR(",\r\n ") : STR(" "));
		needs_comma = a->kind != ADDRESS_GROUP;
		if (a->kind == ADDRESS_GROUP) {
			add_name(a->name, out);
			buf_addc(out, ':');
			in_group = true;
		} else {
			add_address(a, in_group, out);
		}
	}
}

static void add_text(str name, str value, struct buf *out)
{
	AUTO_BUF plain = BUF_INIT(HEADER_FIELD_MAX_BYTES);

	word_decode(str_trim(value), &plain);
	buf_addc(out, ' ');
	word_encode(buf_str(&plain), WORD_TEXT, name.len + 2, out);
}

static void add_field(const struct header_field *f, struct buf *out)
{
	if (str_is_ascii(f->whole)) {
		buf_add(out, f->whole);
		return;
	}
	if (f->name.len == 0 || !str_is_ascii(f->name)) {
		add_masked(f->whole, out);
		return;
	}
	buf_add(out, f->name);
	buf_addc(out, ':');
	switch (how_of(f->name)) {
	case AS_TEXT:
		add_text(f->name, f->value, out);
		break;
	case AS_ADDRESSES:
		add_addresses(f->value, out);
		break;
	case MASKED:
		add_masked(f->value, out);
		break;
	}
	buf_add(out, STR("\r\n"));
}

void downgrade_header(str header, struct buf *out)
{
	struct header_field f;
	str rest = header;

	while (header_next(&rest, &f))
		add_field(&f, out);
	buf_add(out, rest); /* the empty line */
}

/* ---- IMAP strings ---- */

/* "{5}\r\nabcde" at the front of *in; false when that is not what stands there. */
static bool take_literal(str *in, str *out)
{
	str rest = str_skip(*in, 1);
	uint64_t bytes;

	if (num_take_u64(&rest, SIZE_MAX, &bytes) < 0 || take_lit(&rest, STR("}\r\n")) < 0 ||
	    bytes > rest.len)
		return false;
	*out = str_sub(rest, 0, (size_t)bytes);
	*in = str_skip(rest, (size_t)bytes);
	return true;
}

/* The length of the quoted string at the front, both quotes included. */
static size_t quoted_bytes(str in)
{
	size_t i = 1;

	while (i < in.len && in.ptr[i] != '"')
		i += in.ptr[i] == '\\' ? 2 : 1;
	return i < in.len ? i + 1 : in.len;
}

static void add_encoded(str text, struct buf *out)
{
	AUTO_BUF plain = BUF_INIT(HEADER_FIELD_MAX_BYTES), words = BUF_INIT(HEADER_FIELD_MAX_BYTES);

	word_decode(text, &plain);
	word_encode(buf_str(&plain), WORD_TEXT, 0, &words);
	buf_addc(out, '"');
	/* Between two words a space is left of the fold. */
	for (size_t i = 0; i < words.len; i++) {
		if (words.ptr[i] == '"' || words.ptr[i] == '\\')
			buf_addc(out, '\\');
		if (words.ptr[i] != '\r' && words.ptr[i] != '\n')
			buf_addc(out, words.ptr[i]);
	}
	buf_addc(out, '"');
}

void downgrade_strings(str value, struct buf *out)
{
	while (value.len) {
		str start = value, literal;
		size_t plain = 1;
		if (value.ptr[0] == '"') {
			plain = quoted_bytes(value);
		} else if (value.ptr[0] == '{' && take_literal(&value, &literal)) {
			if (!str_is_ascii(literal) && str_is_utf8(literal)) {
				add_encoded(literal, out);
				continue;
			}
			plain = start.len - value.len;
		}
		buf_add(out, str_sub(start, 0, plain));
		value = str_skip(start, plain);
	}
}
