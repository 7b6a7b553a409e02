#include "formats/envelope.h"

enum { QUOTED_MAX_BYTES = 1000 }; /* longer strings as literals: clients limit their lines */

/* ---- IMAP strings ---- */

static bool fits_quoted(str s)
{
	if (s.len > QUOTED_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c >= 0x80 || c == '\r' || c == '\n' || c == '\0')
			return false;
	}
	return true;
}

static void add_quoted(str s, struct buf *out)
{
	buf_addc(out, '"');
	while (s.len > 0) {
		size_t n = 0;
		while (n < s.len && s.ptr[n] != '"' && s.ptr[n] != '\\')
			n++;
		buf_add(out, str_sub(s, 0, n));
		if (n < s.len) {
			buf_addc(out, '\\');
			buf_addc(out, s.ptr[n++]);
		}
		s = str_skip(s, n);
	}
	buf_addc(out, '"');
}

/* RFC 9051 §9: literal = "{" number64 "}" CRLF *CHAR8, and CHAR8 has no NUL. */
static void add_literal(str s, struct buf *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < s.len; i++)
		bytes += s.ptr[i] != '\0';
	buf_addc(out, '{');
	buf_addu(out, bytes);
	buf_add(out, STR("}\r\n"));
	if (bytes == s.len) {
		buf_add(out, s);
		return;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\0')
			buf_addc(out, s.ptr[i]);
	}
}

void envelope_string(str s, struct buf *out)
{
	if (fits_quoted(s))
		add_quoted(s, out);
	else
		add_literal(s, out);
}

void envelope_nstring(str s, struct buf *out)
{
	if (s.len == 0)
		buf_add(out, STR("NIL"));
	else
		envelope_string(s, out);
}

/* ---- the fields ---- */

/* clang-format off */
static const str fact_names[FACT_COUNT] = {
	[FACT_DATE] = STR_INIT("date"),
	[FACT_SUBJECT] = STR_INIT("subject"),
	[FACT_FROM] = STR_INIT("from"),
	[FACT_SENDER] = STR_INIT("sender"),
	[FACT_REPLY_TO] = STR_INIT("reply-to"),
	[FACT_TO] = STR_INIT("to"),
	[FACT_CC] = STR_INIT("cc"),
	[FACT_BCC] = STR_INIT("bcc"),
	[FACT_IN_REPLY_TO] = STR_INIT("in-reply-to"),
	[FACT_MESSAGE_ID] = STR_INIT("message-id"),
	[FACT_REFERENCES] = STR_INIT("references"),
	[FACT_DELIVERED_TO] = STR_INIT("delivered-to"),
	[FACT_RECEIVED] = STR_INIT("received"),
	[FACT_RESENT_BCC] = STR_INIT("resent-bcc"),
};
/* clang-format on */

enum fact header_fact_of(str name)
{
	for (unsigned i = 0; i < FACT_COUNT; i++) {
		if (fact_names[i].len == name.len && str_ieq(fact_names[i], name))
			return (enum fact)i;
	}
	return FACT_COUNT;
}

void header_facts_find(str block, struct header_facts *out)
{
	struct header_field field;
	str rest = block;

	*out = (struct header_facts){ .block = block };
	while (header_next(&rest, &field)) {
		enum fact fact = header_fact_of(field.name);
		if (fact == FACT_COUNT)
			continue;
		if (out->count[fact]++ == 0)
			out->first[fact] = field.value;
	}
}

bool header_facts_next(const struct header_facts *facts, enum fact fact, str *rest, str *out_value)
{
	struct header_field field;

	if (facts->count[fact] == 0)
		return false;
	while (header_next(rest, &field)) {
		if (str_ieq(field.name, fact_names[fact])) {
			*out_value = field.value;
			return true;
		}
	}
	return false;
}

/* ---- the envelope ---- */

/* RFC 9051 §7.5.2: absent is NIL, present but empty is "". */
static void add_text(
    const struct header_facts *facts, enum fact fact, struct arena *scratch, struct buf *out)
{
	if (facts->count[fact] == 0) {
		buf_add(out, STR("NIL"));
		return;
	}
	str text = header_unfold(facts->first[fact], scratch);
	envelope_string(str_sub(text, 0, ENVELOPE_TEXT_MAX_BYTES), out);
	arena_reset(scratch);
}

static void add_address(const struct address *address, struct buf *out)
{
	switch (address->kind) {
	case ADDRESS_GROUP:
		/* A host of NIL marks a group. RFC 9051 §7.5.2. */
		buf_add(out, STR("(NIL NIL "));
		envelope_string(address->name, out);
		buf_add(out, STR(" NIL)"));
		return;
	case ADDRESS_GROUP_END:
		buf_add(out, STR("(NIL NIL NIL NIL)"));
		return;
	case ADDRESS_MAILBOX:
		break;
	}
	buf_addc(out, '(');
	envelope_nstring(address->name, out);
	buf_addc(out, ' ');
	envelope_nstring(address->route, out);
	buf_addc(out, ' ');
	/* Never NIL, even if broken: that would make it a group. */
	envelope_string(address->local, out);
	buf_addc(out, ' ');
	envelope_string(address->domain, out);
	buf_addc(out, ')');
}

/* A name, local part or the like that nobody wrote by hand is cut, so that the budget holds. */
static void clip(str *s)
{
	*s = str_sub(*s, 0, ENVELOPE_TEXT_MAX_BYTES);
}

static void add_items(const struct address_list *list, size_t from, struct buf *out)
{
	bool in_group = false;

	for (size_t i = 0; i < list->count; i++) {
		struct address item = list->items[i];
		if (out->len - from > ENVELOPE_LIST_MAX_BYTES)
			break;
		clip(&item.name);
		clip(&item.route);
		clip(&item.local);
		clip(&item.domain);
		add_address(&item, out);
		in_group =
		    item.kind == ADDRESS_GROUP || (in_group && item.kind != ADDRESS_GROUP_END);
	}
	if (in_group)
		buf_add(out, STR("(NIL NIL NIL NIL)"));
}

/* One parenthesised list of all fields of that name, or of the first only; NIL without addresses. */
static void add_list(const struct header_facts *facts, enum fact fact, bool only_first,
    struct arena *scratch, struct buf *out)
{
	str rest = facts->block, value = facts->first[fact];
	size_t from = out->len;
	struct address_list list;

	bool once = only_first || facts->count[fact] < 2;
	buf_addc(out, '(');
	while (once ? value.len > 0 : header_facts_next(facts, fact, &rest, &value)) {
		address_list_parse(value, scratch, &list);
		add_items(&list, from, out);
		arena_reset(scratch);
		if (once)
			break;
	}
	if (buf_ok(out) && out->len == from + 1) {
		buf_truncate(out, from);
		buf_add(out, STR("NIL"));
	} else {
		buf_addc(out, ')');
	}
}

/* Sender and Reply-To default to From. RFC 9051 §7.5.2. */
static void add_list_or_from(
    const struct header_facts *facts, enum fact fact, struct arena *scratch, struct buf *out)
{
	size_t from = out->len;

	add_list(facts, fact, true, scratch, out);
	if (buf_ok(out) && str_eq(str_skip(buf_str(out), from), STR("NIL"))) {
		buf_truncate(out, from);
		add_list(facts, FACT_FROM, true, scratch, out);
	}
}

void envelope_write(const struct header_facts *facts, struct arena *scratch, struct buf *out)
{
	buf_addc(out, '(');
	add_text(facts, FACT_DATE, scratch, out);
	buf_addc(out, ' ');
	add_text(facts, FACT_SUBJECT, scratch, out);
	buf_addc(out, ' ');
	add_list(facts, FACT_FROM, true, scratch, out);
	buf_addc(out, ' ');
	add_list_or_from(facts, FACT_SENDER, scratch, out);
	buf_addc(out, ' ');
	add_list_or_from(facts, FACT_REPLY_TO, scratch, out);
	buf_addc(out, ' ');
	add_list(facts, FACT_TO, false, scratch, out);
	buf_addc(out, ' ');
	add_list(facts, FACT_CC, false, scratch, out);
	buf_addc(out, ' ');
	add_list(facts, FACT_BCC, false, scratch, out);
	buf_addc(out, ' ');
	add_text(facts, FACT_IN_REPLY_TO, scratch, out);
	buf_addc(out, ' ');
	add_text(facts, FACT_MESSAGE_ID, scratch, out);
	buf_addc(out, ')');
}
