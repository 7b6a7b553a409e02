/* One pass over the text, no going back: words are collected until a byte tells what they were (a
 * local part before '@', a name before '<', a group before ':'). The text of a list is never longer
 * than the field, so two areas of that size hold all names and all address parts. */
#include "formats/address.h"

struct area {
	char *text;
	size_t used;
};

struct reader {
	str in;
	struct arena *a;
	struct address_list *list;
	size_t cap;
	struct area names; /* phrases and comments */
	struct area parts; /* local parts, domains, routes */
	str comment;       /* the last one seen, raw, without its parentheses */
	bool in_group;
	bool unseparated; /* the address before was not followed by a comma */
};

/* What the next address has shown so far. The phrase grows in names, the last word in parts. */
struct pending {
	size_t phrase_at, word_at;
	size_t before_word; /* length of the phrase without the last word */
	unsigned words;     /* separated by blanks and not by dots */
	bool any, broken;
};

enum byte_class { IS_ATOM, IS_BLANK, IS_COMMENT, IS_QUOTE, IS_DOT, IS_STOP, IS_STRAY };

/* clang-format off */
static const unsigned char classes[256] = {
	[0] = IS_BLANK, ['\t'] = IS_BLANK, ['\n'] = IS_BLANK, ['\r'] = IS_BLANK, [' '] = IS_BLANK,
	['('] = IS_COMMENT, ['"'] = IS_QUOTE, ['.'] = IS_DOT,
	['<'] = IS_STOP, [','] = IS_STOP, [';'] = IS_STOP, [':'] = IS_STOP, ['@'] = IS_STOP, ['>'] = IS_STOP,
	[')'] = IS_STRAY, ['['] = IS_STRAY, [']'] = IS_STRAY, ['\\'] = IS_STRAY,
	[1] = IS_STRAY, [2] = IS_STRAY, [3] = IS_STRAY, [4] = IS_STRAY, [5] = IS_STRAY, [6] = IS_STRAY, [7] = IS_STRAY,
	[8] = IS_STRAY, [11] = IS_STRAY, [12] = IS_STRAY, [14] = IS_STRAY, [15] = IS_STRAY, [16] = IS_STRAY,
	[17] = IS_STRAY, [18] = IS_STRAY, [19] = IS_STRAY, [20] = IS_STRAY, [21] = IS_STRAY, [22] = IS_STRAY,
	[23] = IS_STRAY, [24] = IS_STRAY, [25] = IS_STRAY, [26] = IS_STRAY, [27] = IS_STRAY, [28] = IS_STRAY,
	[29] = IS_STRAY, [30] = IS_STRAY, [31] = IS_STRAY, [127] = IS_STRAY,
};
/* clang-format on */

static enum byte_class class_of(char c)
{
	return (enum byte_class)classes[(unsigned char)c];
}

static char peek(const struct reader *r)
{
	return r->in.len > 0 ? r->in.ptr[0] : '\0';
}

static void put(struct area *area, char c)
{
	area->text[area->used++] = c;
}

static str area_since(const struct area *area, size_t from)
{
	return str_new(area->text + from, area->used - from);
}

/* Takes "(...)" with nesting and escapes; an open end takes all there is. */
static void take_comment(struct reader *r)
{
	size_t depth = 0, i = 0;

	for (; i < r->in.len; i++) {
		char c = r->in.ptr[i];
		if (c == '\\' && i + 1 < r->in.len)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	r->comment = str_sub(r->in, 1, i - 1);
	r->in = str_skip(r->in, i + 1);
}

/* Blanks and comments; true when there was one. */
static bool skip_blanks(struct reader *r)
{
	bool any = false;

	for (; r->in.len > 0; any = true) {
		enum byte_class class = class_of(peek(r));
		if (class == IS_COMMENT)
			take_comment(r);
		else if (class == IS_BLANK)
			r->in = str_skip(r->in, 1);
		else
			break;
	}
	return any;
}

static bool is_line_byte(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* A quoted string without quotes and escapes, to one or two areas. False: the end was missing. */
static bool take_quoted(struct reader *r, struct area *first, struct area *second)
{
	size_t i = 1;

	for (; i < r->in.len && r->in.ptr[i] != '"'; i++) {
		if (r->in.ptr[i] == '\\' && i + 1 < r->in.len)
			i++;
		if (is_line_byte(r->in.ptr[i]))
			continue;
		put(first, r->in.ptr[i]);
		if (second)
			put(second, r->in.ptr[i]);
	}
	bool closed = i < r->in.len;
	r->in = str_skip(r->in, i + 1);
	return closed;
}

static struct address *add(struct reader *r, enum address_kind kind)
{
	struct address *item =
	    arena_push(r->a, &r->list->items, &r->list->count, &r->cap, sizeof(*r->list->items));

	*item = (struct address){ .kind = kind };
	return item;
}

/* The comment as a name: "user@host (Real Name)". Escapes undone, folding and NUL dropped. */
static str comment_name(struct reader *r)
{
	size_t from = r->names.used;

	for (size_t i = 0; i < r->comment.len; i++) {
		if (r->comment.ptr[i] == '\\' && i + 1 < r->comment.len)
			i++;
		if (!is_line_byte(r->comment.ptr[i]))
			put(&r->names, r->comment.ptr[i]);
	}
	return str_trim(area_since(&r->names, from));
}

static void begin(struct reader *r, struct pending *p)
{
	*p = (struct pending){
		.phrase_at = r->names.used, .word_at = r->parts.used, .broken = r->unseparated
	};
	r->comment = STR_NONE;
	r->unseparated = false;
}

/* A blank before this byte starts a new word of the address part, unless a dot stands on either side
 * of it: "a . b" is one local part (RFC 5322 §4.4). The phrase keeps what was written. */
static void next_word(struct reader *r, struct pending *p, bool blank, bool is_dot)
{
	bool glued = r->parts.used > p->word_at &&
	             (!blank || is_dot || r->parts.text[r->parts.used - 1] == '.');

	if (!p->any || (blank && !glued)) {
		p->before_word = r->names.used - p->phrase_at;
		r->parts.used = p->word_at;
		p->words++;
	}
	if (p->any && blank)
		put(&r->names, ' ');
	p->any = true;
}

static void collect_one(struct reader *r, struct pending *p, bool blank)
{
	char c = peek(r);
	enum byte_class class = class_of(c);

	next_word(r, p, blank, class == IS_DOT);
	if (class == IS_QUOTE) {
		if (!take_quoted(r, &r->names, &r->parts))
			p->broken = true;
		return;
	}
	if (class == IS_STRAY)
		p->broken = true;
	put(&r->names, c);
	put(&r->parts, c);
	r->in = str_skip(r->in, 1);
}

/* Collects words up to a byte that decides what they are. */
static void collect(struct reader *r, struct pending *p)
{
	while (r->in.len > 0) {
		bool blank = skip_blanks(r);
		if (r->in.len == 0 || class_of(peek(r)) == IS_STOP)
			return;
		collect_one(r, p, blank);
	}
}

static void finish(struct reader *r, struct address *item, str name, bool broken)
{
	item->name = str_trim(name);
	skip_blanks(r);
	if (item->name.len == 0 && r->comment.len > 0)
		item->name = comment_name(r);
	item->broken = broken || item->domain.len == 0 || item->local.len == 0;
	if (item->broken)
		r->list->broken = true;
}

/* A domain or address literal; obsolete blanks around its dots fall away. RFC 5322 §4.4. */
static str take_domain(struct reader *r, bool *broken)
{
	size_t from = r->parts.used;
	bool gap = false;

	for (;;) {
		gap = skip_blanks(r);
		char c = peek(r);
		if (r->in.len == 0 || class_of(c) == IS_STOP)
			break;
		if (gap && r->parts.used > from && c != '.' &&
		    r->parts.text[r->parts.used - 1] != '.') {
			r->unseparated = true;
			break;
		}
		if (c == '[' && r->parts.used == from) {
			size_t end = str_chr(r->in, ']');
			*broken |= end == STR_NPOS;
			end = end == STR_NPOS ? r->in.len : end + 1;
			for (size_t i = 0; i < end; i++) {
				if (class_of(r->in.ptr[i]) != IS_BLANK)
					put(&r->parts, r->in.ptr[i]);
			}
			r->in = str_skip(r->in, end);
			continue;
		}
		*broken |= class_of(c) != IS_ATOM && c != '.';
		put(&r->parts, c);
		r->in = str_skip(r->in, 1);
	}
	return area_since(&r->parts, from);
}

/* Behind the local part: '@' and domain. "a@b@c" is broken; its last '@' is taken to count. */
static void take_at_domain(struct reader *r, struct address *item, size_t local_at, bool *broken)
{
	item->local = area_since(&r->parts, local_at);
	while (peek(r) == '@') {
		r->in = str_skip(r->in, 1);
		if (item->domain.len > 0) {
			*broken = true;
			item->local = area_since(&r->parts, local_at);
		}
		size_t local_end = r->parts.used;
		item->domain = take_domain(r, broken);
		if (peek(r) == '@') {
			/* Put the '@' between them: the room is there, it was read from the input.
			 */
			memmove(r->parts.text + local_end + 1, r->parts.text + local_end,
			    r->parts.used - local_end);
			r->parts.text[local_end] = '@';
			r->parts.used++;
		}
	}
}

/* "@a,@b:" in front of the address inside angle brackets. RFC 5322 §4.4. */
static void take_route(struct reader *r, struct address *item, bool *broken)
{
	size_t from = r->parts.used;

	while (skip_blanks(r), peek(r) == '@' || (peek(r) == ',' && r->parts.used > from)) {
		put(&r->parts, peek(r));
		bool is_at = peek(r) == '@';
		r->in = str_skip(r->in, 1);
		if (is_at)
			take_domain(r, broken);
		r->unseparated = false;
	}
	item->route = area_since(&r->parts, from);
	if (peek(r) == ':')
		r->in = str_skip(r->in, 1);
	else if (item->route.len > 0)
		*broken = true;
}

/* The local part inside angle brackets, up to '@' or '>'. */
static size_t take_angle_local(struct reader *r, bool *broken)
{
	size_t from = r->parts.used;

	for (;;) {
		bool gap = skip_blanks(r);
		char c = peek(r);
		enum byte_class class = class_of(c);
		if (r->in.len == 0 || (class == IS_STOP && c != ':' && c != ';'))
			return from;
		if (gap && r->parts.used > from && c != '.' &&
		    r->parts.text[r->parts.used - 1] != '.') {
			*broken = true;
			put(&r->parts, ' ');
		}
		if (class == IS_QUOTE) {
			*broken |= !take_quoted(r, &r->parts, NULL);
			continue;
		}
		*broken |= class != IS_ATOM && class != IS_DOT;
		put(&r->parts, c);
		r->in = str_skip(r->in, 1);
	}
}

static void take_angle(struct reader *r, const struct pending *p)
{
	str name = area_since(&r->names, p->phrase_at);
	struct address *item = add(r, ADDRESS_MAILBOX);
	bool broken = p->broken;

	r->in = str_skip(r->in, 1);
	for (; peek(r) == '<'; broken = true)
		r->in = str_skip(r->in, 1);
	r->parts.used = p->word_at;
	take_route(r, item, &broken);
	size_t local_at = take_angle_local(r, &broken);
	take_at_domain(r, item, local_at, &broken);
	r->unseparated = false;
	/* Junk between the address and '>' makes it doubtful, but '>' still ends it. */
	while (r->in.len > 0 && peek(r) != '>' && peek(r) != ',' && peek(r) != '<') {
		broken = true;
		r->in = str_skip(r->in, 1);
	}
	if (peek(r) == '>')
		r->in = str_skip(r->in, 1);
	else
		broken = true;
	finish(r, item, name, broken);
	r->unseparated = r->in.len > 0 && peek(r) != ',' && peek(r) != ';';
}

/* "local@domain" without brackets. Words before the last one can only be a name that lost its
 * brackets. */
static void take_plain(struct reader *r, const struct pending *p)
{
	struct address *item = add(r, ADDRESS_MAILBOX);
	bool broken = p->broken || p->words > 1;
	str name = p->words > 1 ? str_new(r->names.text + p->phrase_at, p->before_word) : STR_NONE;

	take_at_domain(r, item, p->word_at, &broken);
	finish(r, item, name, broken);
	if (r->in.len > 0 && peek(r) != ',' && peek(r) != ';')
		r->unseparated = true;
}

/* Words that never became an address: one word is taken for a local part, more for a name. */
static void take_words(struct reader *r, const struct pending *p)
{
	if (!p->any)
		return;
	struct address *item = add(r, ADDRESS_MAILBOX);
	if (p->words == 1)
		item->local = area_since(&r->parts, p->word_at);
	finish(r, item, p->words > 1 ? area_since(&r->names, p->phrase_at) : STR_NONE, true);
}

static void begin_group(struct reader *r, const struct pending *p)
{
	struct address *item = add(r, ADDRESS_GROUP);

	item->name = str_trim(area_since(&r->names, p->phrase_at));
	item->broken = p->broken || item->name.len == 0;
	r->list->broken |= item->broken;
	r->in_group = true;
	r->in = str_skip(r->in, 1);
}

static void end_group(struct reader *r)
{
	if (r->in_group)
		add(r, ADDRESS_GROUP_END);
	else
		r->list->broken = true;
	r->in_group = false;
}

static void take_address(struct reader *r)
{
	struct pending p;

	begin(r, &p);
	collect(r, &p);
	char c = peek(r);
	if (r->in.len > 0 && c == '<') {
		take_angle(r, &p);
	} else if (r->in.len > 0 && c == '@' && p.any) {
		take_plain(r, &p);
	} else if (r->in.len > 0 && c == ':' && !r->in_group && p.any) {
		begin_group(r, &p);
	} else {
		take_words(r, &p);
		if (r->in.len == 0)
			return;
		/* ',' and ';' end an address; any other special byte here has no meaning. */
		if (peek(r) == ';')
			end_group(r);
		else if (peek(r) != ',')
			r->list->broken = true;
		r->in = str_skip(r->in, 1);
	}
}

void address_list_parse(str value, struct arena *a, struct address_list *out)
{
	struct reader r = { .in = value, .a = a, .list = out };

	*out = (struct address_list){ .items = NULL };
	if (value.len == 0)
		return;
	/* One byte more than the input for the space in front of a word behind a comment. */
	r.names.text = arena_alloc(a, value.len * 2 + 2);
	r.parts.text = r.names.text + value.len + 1;
	while (r.in.len > 0 && out->count < ADDRESS_LIST_MAX - 1)
		take_address(&r);
	if (r.in_group)
		add(&r, ADDRESS_GROUP_END);
	out->broken |= r.in.len > 0 || r.in_group;
}

static bool is_dot_atom(str local)
{
	bool dot = true;

	for (size_t i = 0; i < local.len; i++) {
		bool is_dot = local.ptr[i] == '.';
		if (!is_dot && class_of(local.ptr[i]) != IS_ATOM)
			return false;
		if (is_dot && dot)
			return false;
		dot = is_dot;
	}
	return !dot;
}

void address_print(const struct address *address, struct buf *out)
{
	if (is_dot_atom(address->local)) {
		buf_add(out, address->local);
	} else {
		buf_addc(out, '"');
		for (size_t i = 0; i < address->local.len; i++) {
			char c = address->local.ptr[i];
			if (c == '"' || c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, c);
		}
		buf_addc(out, '"');
	}
	if (address->domain.len > 0)
		buf_addc(out, '@');
	for (size_t i = 0; i < address->domain.len; i++)
		buf_addc(out, ascii_lower(address->domain.ptr[i]));
}
