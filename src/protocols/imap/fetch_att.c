#include "protocols/imap/fetch_att.h"

#include "base/buf.h"

enum { LABEL_MAX = 65536 };

struct att_name {
	str name;
	uint32_t simple;
};

/* clang-format off */
static const struct att_name simple_atts[] = {
	{ STR_INIT("BODY"),          ATT_BODY },
	{ STR_INIT("BODYSTRUCTURE"), ATT_BODYSTRUCTURE },
	{ STR_INIT("ENVELOPE"),      ATT_ENVELOPE },
	{ STR_INIT("FLAGS"),         ATT_FLAGS },
	{ STR_INIT("INTERNALDATE"),  ATT_INTERNALDATE },
	{ STR_INIT("MODSEQ"),        ATT_MODSEQ },       /* RFC 7162 §3.1.4.2 */
	{ STR_INIT("PREVIEW"),       ATT_PREVIEW },      /* RFC 8970 §3.1 */
	{ STR_INIT("RFC822.SIZE"),   ATT_SIZE },
	{ STR_INIT("SAVEDATE"),      ATT_SAVEDATE },     /* RFC 8514 §4.3 */
	{ STR_INIT("UID"),           ATT_UID },
};

static const struct att_name macros[] = {
	{ STR_INIT("ALL"),  ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE },
	{ STR_INIT("FAST"), ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE },
	{ STR_INIT("FULL"), ATT_FLAGS | ATT_INTERNALDATE | ATT_SIZE | ATT_ENVELOPE | ATT_BODY },
};

/* Followed by a section in brackets. */
static const struct {
	str name;
	enum imap_section_form form;
	bool peek;
} bracket_atts[] = {
	{ STR_INIT("BODY"),        FORM_BODY,        false },
	{ STR_INIT("BODY.PEEK"),   FORM_BODY,        true },
	{ STR_INIT("BINARY"),      FORM_BINARY,      false },
	{ STR_INIT("BINARY.PEEK"), FORM_BINARY,      true },
	{ STR_INIT("BINARY.SIZE"), FORM_BINARY_SIZE, true },
};

/* RFC 3501 §6.4.5: older names of sections. */
static const struct {
	str name;
	enum imap_section_text text;
	bool peek;
} old_atts[] = {
	{ STR_INIT("RFC822"),        SECTION_WHOLE,  false },
	{ STR_INIT("RFC822.HEADER"), SECTION_HEADER, true },
	{ STR_INIT("RFC822.TEXT"),   SECTION_TEXT,   false },
};

static const struct {
	str name;
	enum imap_section_text text;
	bool needs_path;
} section_texts[] = {
	{ STR_INIT("HEADER"),            SECTION_HEADER,     false },
	{ STR_INIT("HEADER.FIELDS"),     SECTION_FIELDS,     false },
	{ STR_INIT("HEADER.FIELDS.NOT"), SECTION_FIELDS_NOT, false },
	{ STR_INIT("TEXT"),              SECTION_TEXT,       false },
	{ STR_INIT("MIME"),              SECTION_MIME,       true },
};

static const str form_names[] = {
	[FORM_BODY] = STR_INIT("BODY"),
	[FORM_BINARY] = STR_INIT("BINARY"),
	[FORM_BINARY_SIZE] = STR_INIT("BINARY.SIZE"),
};
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Attribute names are letters, digits and dots; an atom would swallow the bracket behind them. */
static str take_name(struct imap_lexer *l)
{
	size_t len = 0;

	while (len < l->in.len && len < 32 &&
	       (ascii_is_alnum(l->in.ptr[len]) || l->in.ptr[len] == '.'))
		len++;
	str name = str_sub(l->in, 0, len);
	l->in = str_skip(l->in, len);
	return name;
}

static const struct att_name *find_name(const struct att_name *names, size_t count, str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(names[i].name, name))
			return &names[i];
	return NULL;
}

/* ---- what stands in the brackets --------------------------------------------------------------
 */

/* *out_open: a dot stands behind the last number, so a name must follow. */
static int take_path(struct imap_lexer *l, struct imap_section *s, bool *out_open, struct err *err)
{
	size_t cap = 0;

	*out_open = true;

	while (l->in.len && ascii_is_digit(l->in.ptr[0])) {
		if (s->depth == IMAP_PART_DEPTH_MAX)
			return err_set(err, ERR_LIMIT, "part path deeper than %d numbers",
			    IMAP_PART_DEPTH_MAX);
		uint32_t *number =
		    arena_push(l->arena, &s->path, &s->depth, &cap, sizeof(*s->path));
		if (imap_take_nz_u32(l, number, err) < 0)
			return -1;
		*out_open = imap_try_char(l, '.');
		if (!*out_open)
			break;
	}
	return 0;
}

static int take_field_names(struct imap_lexer *l, struct imap_section *s, struct err *err)
{
	size_t cap = 0;

	if (imap_take_sp(l, err) < 0 || imap_take_char(l, '(', err) < 0)
		return -1;
	do {
		if (s->field_count == IMAP_FIELDS_MAX)
			return err_set(
			    err, ERR_LIMIT, "more than %d header field names", IMAP_FIELDS_MAX);
		str *field =
		    arena_push(l->arena, &s->fields, &s->field_count, &cap, sizeof(*s->fields));
		if (imap_take_astring(l, field, err) < 0)
			return -1;
	} while (imap_try_char(l, ' '));
	return imap_take_char(l, ')', err);
}

static int take_section_text(struct imap_lexer *l, struct imap_section *s, struct err *err)
{
	str name = take_name(l);

	for (size_t i = 0; i < COUNT_OF(section_texts); i++) {
		if (!str_ieq(section_texts[i].name, name))
			continue;
		if (section_texts[i].needs_path && !s->depth)
			return err_set(err, ERR_INPUT, "MIME needs a part number before it");
		s->text = section_texts[i].text;
		if (s->text == SECTION_FIELDS || s->text == SECTION_FIELDS_NOT)
			return take_field_names(l, s, err);
		return 0;
	}
	return err_set(err, ERR_INPUT, "unknown section '" STR_FMT "'", STR_ARG(name));
}

static int take_section(struct imap_lexer *l, struct imap_section *s, struct err *err)
{
	bool open;

	if (imap_try_char(l, ']'))
		return 0;
	if (take_path(l, s, &open, err) < 0)
		return -1;
	/* "[1]" is done; "[1.TEXT]" goes on behind its dot, "[TEXT]" starts here. */
	if (open) {
		if (s->form != FORM_BODY)
			return err_set(err, ERR_INPUT, "BINARY takes a part number only");
		if (take_section_text(l, s, err) < 0)
			return -1;
	}
	return imap_take_char(l, ']', err);
}

static int take_partial(struct imap_lexer *l, struct imap_section *s, struct err *err)
{
	if (s->form == FORM_BINARY_SIZE || !imap_try_char(l, '<'))
		return 0;
	s->partial = true;
	if (imap_take_u64(l, &s->offset, err) < 0 || imap_take_char(l, '.', err) < 0 ||
	    imap_take_u64(l, &s->length, err) < 0 || imap_take_char(l, '>', err) < 0)
		return -1;
	return s->length ? 0 : err_set(err, ERR_INPUT, "a partial fetch of no bytes");
}

/* ---- how the response names it ----------------------------------------------------------------
 */

static void label_field(struct buf *b, str field)
{
	bool plain = field.len > 0;

	for (size_t i = 0; i < field.len && plain; i++)
		plain = ascii_is_alnum(field.ptr[i]) || field.ptr[i] == '-' || field.ptr[i] == '_';
	if (plain) {
		buf_add(b, field);
		return;
	}
	buf_addc(b, '"');
	for (size_t i = 0; i < field.len; i++) {
		char c = field.ptr[i];
		if (c == '"' || c == '\\')
			buf_addc(b, '\\');
		/* A name that no quoted string can hold matches nothing either. */
		buf_addc(b, c >= 0x20 && c < 0x7f ? c : '?');
	}
	buf_addc(b, '"');
}

static void label_section(struct buf *b, const struct imap_section *s)
{
	for (size_t i = 0; i < s->depth; i++) {
		if (i)
			buf_addc(b, '.');
		buf_addu(b, s->path[i]);
	}
	for (size_t i = 0; i < COUNT_OF(section_texts); i++) {
		if (section_texts[i].text != s->text)
			continue;
		if (s->depth)
			buf_addc(b, '.');
		buf_add(b, section_texts[i].name);
	}
	for (size_t i = 0; i < s->field_count; i++) {
		buf_add(b, i ? STR(" ") : STR(" ("));
		label_field(b, s->fields[i]);
	}
	if (s->field_count)
		buf_addc(b, ')');
}

static int make_label(struct imap_lexer *l, struct imap_section *s, struct err *err)
{
	AUTO_BUF b = BUF_INIT(LABEL_MAX);

	buf_add(&b, form_names[s->form]);
	buf_addc(&b, '[');
	label_section(&b, s);
	buf_addc(&b, ']');
	if (s->partial) {
		buf_addc(&b, '<');
		buf_addu(&b, s->offset);
		buf_addc(&b, '>');
	}
	if (!buf_ok(&b))
		return err_set(err, ERR_LIMIT, "section names of more than %d bytes", LABEL_MAX);
	s->label = arena_str(l->arena, buf_str(&b));
	return 0;
}

/* ---- attributes -------------------------------------------------------------------------------
 */

struct att_list {
	struct imap_fetch_atts atts;
	size_t section_cap;
};

static int add_section(
    struct imap_lexer *l, struct att_list *list, const struct imap_section *s, struct err *err)
{
	struct imap_fetch_atts *a = &list->atts;

	if (a->section_count == IMAP_SECTIONS_MAX)
		return err_set(
		    err, ERR_LIMIT, "more than %d sections in one FETCH", IMAP_SECTIONS_MAX);
	*(struct imap_section *)arena_push(
	    l->arena, &a->sections, &a->section_count, &list->section_cap, sizeof(*s)) = *s;
	a->sets_seen = a->sets_seen || !s->peek;
	return 0;
}

static int take_bracket_att(struct imap_lexer *l, str name, struct att_list *list, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(bracket_atts); i++) {
		if (!str_ieq(bracket_atts[i].name, name))
			continue;
		struct imap_section s = { .form = bracket_atts[i].form,
			.peek = bracket_atts[i].peek };
		if (take_section(l, &s, err) < 0 || take_partial(l, &s, err) < 0 ||
		    make_label(l, &s, err) < 0)
			return -1;
		return add_section(l, list, &s, err);
	}
	return err_set(err, ERR_INPUT, "unknown FETCH attribute '" STR_FMT "['", STR_ARG(name));
}

/* RFC 8970 §3.1: "PREVIEW (LAZY)". Ours are made when the message arrives; lazy changes nothing. */
static int take_preview_modifier(struct imap_lexer *l, struct err *err)
{
	struct imap_lexer at = *l;

	if (!imap_try_char(&at, ' ') || !imap_try_char(&at, '('))
		return 0;
	if (!imap_try_atom(&at, STR("LAZY")))
		return err_set(err, ERR_INPUT, "PREVIEW knows only the modifier LAZY");
	if (imap_take_char(&at, ')', err) < 0)
		return -1;
	*l = at;
	return 0;
}

static int take_att(struct imap_lexer *l, bool in_list, struct att_list *list, struct err *err)
{
	str name = take_name(l);

	if (imap_try_char(l, '['))
		return take_bracket_att(l, name, list, err);
	const struct att_name *simple = find_name(simple_atts, COUNT_OF(simple_atts), name);
	if (simple) {
		list->atts.simple |= simple->simple;
		return simple->simple == ATT_PREVIEW && in_list ? take_preview_modifier(l, err) : 0;
	}
	for (size_t i = 0; i < COUNT_OF(old_atts); i++)
		if (str_ieq(old_atts[i].name, name)) {
			struct imap_section s = { .text = old_atts[i].text,
				.peek = old_atts[i].peek,
				.label = old_atts[i].name };
			return add_section(l, list, &s, err);
		}
	return err_set(err, ERR_INPUT, "unknown FETCH attribute '" STR_FMT "'", STR_ARG(name));
}

static int take_att_list(struct imap_lexer *l, struct att_list *list, struct err *err)
{
	do {
		if (take_att(l, true, list, err) < 0)
			return -1;
	} while (imap_try_char(l, ' '));
	return imap_take_char(l, ')', err);
}

/* Macros stand alone, never in a list. RFC 9051 §6.4.5. */
static bool try_macro(struct imap_lexer *l, struct att_list *list)
{
	struct imap_lexer at = *l;
	const struct att_name *macro = find_name(macros, COUNT_OF(macros), take_name(&at));

	if (!macro)
		return false;
	list->atts.simple = macro->simple;
	*l = at;
	return true;
}

int imap_fetch_atts_parse(struct imap_lexer *l, struct imap_fetch_atts *out, struct err *err)
{
	struct att_list list = { 0 };

	if (imap_try_char(l, '(')) {
		if (take_att_list(l, &list, err) < 0)
			return -1;
	} else if (!try_macro(l, &list) && take_att(l, false, &list, err) < 0) {
		return -1;
	}
	*out = list.atts;
	return 0;
}

/* ---- modifiers --------------------------------------------------------------------------------
 */

static int take_modifier(struct imap_lexer *l, struct imap_fetch_modifiers *m, struct err *err)
{
	if (imap_try_atom(l, STR("VANISHED"))) {
		m->vanished = true;
		return 0;
	}
	if (!imap_try_atom(l, STR("CHANGEDSINCE")))
		return err_set(err, ERR_INPUT, "unknown FETCH modifier");
	if (imap_take_sp(l, err) < 0 || imap_take_u64(l, &m->changed_since, err) < 0)
		return -1;
	m->has_changed_since = true;
	return 0;
}

int imap_fetch_modifiers_parse(
    struct imap_lexer *l, struct imap_fetch_modifiers *out, struct err *err)
{
	struct imap_fetch_modifiers m = { 0 };

	if (imap_try_char(l, ' ')) {
		if (imap_take_char(l, '(', err) < 0)
			return -1;
		do {
			if (take_modifier(l, &m, err) < 0)
				return -1;
		} while (imap_try_char(l, ' '));
		if (imap_take_char(l, ')', err) < 0)
			return -1;
	}
	*out = m;
	return 0;
}
