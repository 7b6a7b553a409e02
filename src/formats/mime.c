/* The message is read line by line, once. Open multiparts and messages lie on a stack; a boundary
 * line of one of them ends everything above it. Nothing recurses and nothing is read twice but the
 * headers, whose fields are looked at when their end has been found. */
#include "formats/mime.h"

#include "formats/header.h"

enum {
	LINE_MAX_BYTES = 998, /* RFC 5322 §2.1.1 */
	SCRATCH_KEPT_BYTES = 64 * 1024,
	SCRATCH_MAX_BYTES = 4 << 20,
};

/* A multipart whose boundary is looked for, or (empty boundary) a message, or a multipart that has
 * seen its end boundary. */
struct open {
	uint32_t part;
	uint32_t children;
	uint64_t head; /* the first bytes of the boundary, so that most lines differ at one look */
	str boundary;
};

/* A boundary line that was found. */
struct hit {
	bool found;
	bool closing;
	size_t level; /* in the stack */
	size_t line_at;
	size_t body_end; /* without the line end, which belongs to the boundary: RFC 2046 §5.1.1 */
	uint64_t lines;  /* before body_end */
};

struct parser {
	str message;
	struct arena *a, *scratch;
	struct mime_part *parts;
	size_t count, cap;
	struct open stack[MIME_DEPTH_MAX];
	size_t depth;
	size_t boundaries; /* how many of them are not empty */
	size_t pos;
	uint64_t lines; /* line ends before pos */
	uint32_t flags;
};

/* ---- lines ---- */

/* Moves over one line and returns it with its end. */
static str next_line(struct parser *p)
{
	const char *start = p->message.ptr + p->pos;
	size_t left = p->message.len - p->pos, bytes = left, text = left;
	const char *nl = memchr(start, '\n', left);

	if (nl) {
		p->lines++;
		text = (size_t)(nl - start);
		bytes = text + 1;
		if (text > 0 && nl[-1] == '\r')
			text--;
		else
			p->flags |= INDEX_HAS_BARE_LF;
	}
	if (text > LINE_MAX_BYTES)
		p->flags |= INDEX_LONG_LINE;
	p->pos += bytes;
	return (str){ start, bytes };
}

static uint64_t head_of(str s)
{
	uint64_t head = 0;

	if (s.len > 0)
		memcpy(&head, s.ptr, s.len < sizeof(head) ? s.len : sizeof(head));
	return head;
}

static bool find_boundary(const struct parser *p, str text, size_t *out_level)
{
	uint64_t head = head_of(text);

	for (size_t i = p->depth; i > 0; i--) {
		const struct open *o = &p->stack[i - 1];
		if (o->boundary.len == text.len && text.len > 0 && o->head == head &&
		    str_eq(o->boundary, text)) {
			*out_level = i - 1;
			return true;
		}
	}
	return false;
}

/* "boundary", or "boundary--" with *closing set. */
static bool match_boundary(const struct parser *p, str text, struct hit *out)
{
	out->closing = false;
	if (find_boundary(p, text, &out->level))
		return true;
	if (text.len <= 2 || !str_ends(text, STR("--")))
		return false;
	out->closing = true;
	return find_boundary(p, str_trim(str_sub(text, 0, text.len - 2)), &out->level);
}

/* RFC 2046 §5.1.1: only the beginning of the line counts, blanks may follow the boundary. The whole
 * line is tried first, then what stands before a blank, so that neither a boundary with blanks inside
 * nor one that only begins like another is taken for a different one. */
static bool is_boundary_line(const struct parser *p, str line, struct hit *out)
{
	if (line.len < 3 || line.ptr[0] != '-' || line.ptr[1] != '-' || p->boundaries == 0)
		return false;
	str text = str_trim(str_skip(line, 2));
	if (text.ptr != line.ptr + 2)
		return false;
	if (match_boundary(p, text, out))
		return true;
	size_t word = 0;
	while (word < text.len && text.ptr[word] != ' ' && text.ptr[word] != '\t')
		word++;
	return word < text.len && match_boundary(p, str_sub(text, 0, word), out);
}

/* The line end before a boundary line is part of it, unless nothing but the header is before it. */
static void place_hit(const struct parser *p, size_t line_at, size_t from, struct hit *out)
{
	size_t end = line_at;

	out->found = true;
	out->line_at = line_at;
	out->lines = p->lines - (p->pos > line_at && p->message.ptr[p->pos - 1] == '\n');
	if (end > from && p->message.ptr[end - 1] == '\n') {
		end--;
		out->lines--;
		if (end > from && p->message.ptr[end - 1] == '\r')
			end--;
	}
	out->body_end = end;
}

/* Goes on from pos to the next boundary line of an open multipart, or to the end. from is where the
 * line end before that line may be cut off, at the earliest. */
static struct hit scan_body(struct parser *p, size_t from)
{
	struct hit hit = { .found = false };

	while (p->pos < p->message.len) {
		size_t line_at = p->pos;
		str line = next_line(p);
		if (line.ptr[0] == '-' && is_boundary_line(p, line, &hit)) {
			place_hit(p, line_at, from, &hit);
			return hit;
		}
	}
	hit.body_end = p->message.len;
	hit.lines = p->lines;
	return hit;
}

/* ---- headers ---- */

/* Reads up to the empty line that ends a header. A boundary line ends it as well: the part then has
 * no body. */
static struct hit read_header(struct parser *p, struct mime_part *part)
{
	struct hit hit = { .found = false };
	size_t start = p->pos, last;

	part->at.header_at = start;
	while (p->pos < p->message.len) {
		size_t line_at = p->pos;
		if (header_is_end(str_skip(p->message, line_at), &last)) {
			next_line(p);
			break;
		}
		uint64_t lines = p->lines;
		str line = next_line(p);
		if (is_boundary_line(p, line, &hit)) {
			place_hit(p, line_at, line_at, &hit);
			part->at.header_bytes = line_at - start;
			return hit;
		}
		if (p->pos - start > HEADER_MAX_BYTES) {
			p->pos = line_at;
			p->lines = lines;
			break;
		}
	}
	part->at.header_bytes = p->pos - start;
	return hit;
}

static void note_field(struct mime_part *part, const struct header_field *field)
{
	static const struct {
		str name;
		size_t offset;
	} fields[] = {
		{ STR_INIT("content-type"), offsetof(struct mime_part, content_type) },
		{ STR_INIT("content-transfer-encoding"),
		    offsetof(struct mime_part, transfer_encoding) },
		{ STR_INIT("content-disposition"), offsetof(struct mime_part, disposition) },
		{ STR_INIT("content-id"), offsetof(struct mime_part, id) },
		{ STR_INIT("content-description"), offsetof(struct mime_part, description) },
		{ STR_INIT("content-language"), offsetof(struct mime_part, language) },
		{ STR_INIT("content-location"), offsetof(struct mime_part, location) },
		{ STR_INIT("content-md5"), offsetof(struct mime_part, md5) },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!str_ieq(fields[i].name, field->name))
			continue;
		str *value = (str *)(void *)((char *)part + fields[i].offset);
		/* A second field of the same name is ignored, as everybody else does. */
		if (!value->ptr)
			*value = field->value;
		return;
	}
}

static bool has_8bit(str s)
{
	uint64_t bits = 0, word;
	size_t i = 0;

	for (; i + sizeof(word) <= s.len; i += sizeof(word)) {
		memcpy(&word, s.ptr + i, sizeof(word));
		bits |= word;
	}
	for (; i < s.len; i++)
		bits |= (unsigned char)s.ptr[i];
	return (bits & UINT64_C(0x8080808080808080)) != 0;
}

static void note_fields(struct parser *p, struct mime_part *part)
{
	str header = str_sub(p->message, part->at.header_at, part->at.header_bytes);
	struct header_field field;

	if (has_8bit(header) && str_is_utf8(header))
		p->flags |= INDEX_HEADER_UTF8;
	while (header_next(&header, &field)) {
		if (field.name.len > 8 && (field.name.ptr[0] | 0x20) == 'c')
			note_field(part, &field);
	}
}

static uint8_t encoding_of(str value)
{
	static const struct {
		str name;
		enum part_encoding encoding;
	} encodings[] = {
		{ STR_INIT(""), ENCODING_7BIT },
		{ STR_INIT("7bit"), ENCODING_7BIT },
		{ STR_INIT("8bit"), ENCODING_8BIT },
		{ STR_INIT("binary"), ENCODING_BINARY },
		{ STR_INIT("quoted-printable"), ENCODING_QP },
		{ STR_INIT("base64"), ENCODING_BASE64 },
	};

	value = str_trim(value);
	for (size_t i = 0; i < value.len; i++) {
		if (str_chr(STR(" ;(\t\r\n"), value.ptr[i]) != STR_NPOS)
			value.len = i;
	}
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		if (str_ieq(encodings[i].name, value))
			return (uint8_t)encodings[i].encoding;
	}
	return ENCODING_OTHER;
}

/* ---- what a part is ---- */

static struct mime_part *begin_part(struct parser *p)
{
	struct mime_part *part = arena_push(p->a, &p->parts, &p->count, &p->cap, sizeof(*part));
	struct open *parent = p->depth > 0 ? &p->stack[p->depth - 1] : NULL;

	*part = (struct mime_part){ .at = { .parent = UINT32_MAX, .number = 1 } };
	if (parent) {
		part->at.parent = parent->part;
		part->at.number = ++parent->children;
	}
	return part;
}

static str lower_cut(struct arena *a, str s, size_t max)
{
	s = str_sub(s, 0, max);
	char *text = arena_cstr(a, s);
	for (size_t i = 0; i < s.len; i++)
		text[i] = ascii_lower(text[i]);
	return str_new(text, s.len);
}

/* The value of a parameter that is ASCII by nature, whichever way it was written. */
static str plain_param(struct parser *p, const struct param_value *value, str name)
{
	const struct param *param = param_find(value, name);
	str charset, bytes;

	if (!param)
		return STR_NONE;
	if (param->extended && param_split_extended(param->value, p->scratch, &charset, &bytes))
		return bytes;
	return param->value;
}

static void set_type(struct parser *p, struct mime_part *part, const struct param_value *value)
{
	part->typed = true;
	part->at.type = lower_cut(p->a, value->main, MIME_TYPE_MAX);
	part->at.charset = lower_cut(p->a, plain_param(p, value, STR("charset")), MIME_CHARSET_MAX);
}

/* Not what its header says: what we could not take apart (opaque), or a multipart that is none. */
static void set_other_type(struct mime_part *part, str type)
{
	part->at.kind = PART_LEAF;
	part->typed = false;
	part->at.type = type;
	part->at.charset = STR_NONE;
}

static void push(struct parser *p, struct mime_part *part, enum part_kind kind, str boundary)
{
	part->at.kind = (uint8_t)kind;
	p->stack[p->depth++] = (struct open){
		.part = (uint32_t)(part - p->parts), .boundary = boundary, .head = head_of(boundary)
	};
	p->boundaries += boundary.len > 0;
}

/* RFC 2046 §5.1.1: a boundary never ends in a blank; what a mailer added at its end is not it. */
static str boundary_of(struct parser *p, const struct param_value *value)
{
	str boundary = plain_param(p, value, STR("boundary"));

	while (boundary.len > 0 && boundary.ptr[boundary.len - 1] == ' ')
		boundary.len--;
	if (boundary.len == 0 || boundary.len > MIME_BOUNDARY_MAX)
		return STR_NONE;
	return arena_str(p->a, boundary);
}

static bool is_message_type(str type)
{
	return str_eq(type, STR("message/rfc822")) || str_eq(type, STR("message/global"));
}

/* Multiparts and messages are opened; anything else is a leaf, and so is what is too deep, or ended
 * within its header. */
static void open_by_type(
    struct parser *p, struct mime_part *part, const struct param_value *value, bool has_body)
{
	bool is_multipart = str_starts(part->at.type, STR("multipart/"));
	str boundary = is_multipart ? boundary_of(p, value) : STR_NONE;

	if (!is_multipart && !is_message_type(part->at.type))
		return;
	if (p->depth == MIME_DEPTH_MAX)
		set_other_type(part, STR("application/octet-stream"));
	else if (!has_body || (is_multipart && boundary.len == 0))
		set_other_type(part, STR("text/plain"));
	else
		push(p, part, is_multipart ? PART_MULTIPART : PART_MESSAGE, boundary);
}

/* RFC 2046 §5.1.5: inside multipart/digest the default type is message/rfc822. */
static str default_type(const struct parser *p, const struct mime_part *part)
{
	if (part->at.parent != UINT32_MAX &&
	    str_eq(p->parts[part->at.parent].at.type, STR("multipart/digest")))
		return STR("message/rfc822");
	return STR("text/plain");
}

static void classify(struct parser *p, struct mime_part *part, bool has_body)
{
	struct param_value value = { .valid = false };

	note_fields(p, part);
	part->at.encoding = encoding_of(part->transfer_encoding);
	if (part->content_type.len > 0)
		param_parse(part->content_type, p->scratch, &value);
	/* RFC 2045 §5.2: what is no media type counts as if the field were not there. */
	if (value.valid)
		set_type(p, part, &value);
	else
		set_other_type(part, default_type(p, part));
	open_by_type(p, part, &value, has_body);
	if (arena_used(p->scratch) > SCRATCH_KEPT_BYTES)
		arena_reset(p->scratch);
}

/* ---- the ends of things ---- */

static void end_part(struct parser *p, uint32_t number, const struct hit *hit)
{
	struct mime_part *part = &p->parts[number];
	size_t end = hit->body_end;
	uint64_t lines = hit->lines, before = part->at.lines;

	if (end < part->at.body_at) {
		end = part->at.body_at;
		lines = before;
	}
	part->at.body_bytes = end - part->at.body_at;
	lines = lines > before ? lines - before : 0;
	part->at.lines = lines > UINT32_MAX ? UINT32_MAX : (uint32_t)lines;
}

/* Closes open entries down to keep of them. */
static void close_to(struct parser *p, size_t keep, const struct hit *hit)
{
	while (p->depth > keep) {
		struct open *o = &p->stack[--p->depth];
		p->boundaries -= o->boundary.len > 0;
		end_part(p, o->part, hit);
		if (p->parts[o->part].at.kind == PART_MULTIPART && o->children == 0)
			set_other_type(&p->parts[o->part], STR("text/plain"));
	}
}

/* The last part that is allowed: everything that is left, unread. */
static void swallow_rest(struct parser *p)
{
	struct mime_part *part = begin_part(p);
	uint32_t number = (uint32_t)(part - p->parts);

	part->at.header_at = part->at.body_at = p->pos;
	part->at.lines = (uint32_t)p->lines;
	set_other_type(part, STR("application/octet-stream"));
	while (p->pos < p->message.len)
		next_line(p);
	struct hit end = { .body_end = p->message.len, .lines = p->lines };
	end_part(p, number, &end);
	close_to(p, 0, &end);
}

/* Header and kind of one part. Afterwards pos is at the body of what was opened, or a leaf is done
 * and the boundary behind it in *out_hit. */
static void enter_part(struct parser *p, struct hit *out_hit)
{
	struct mime_part *part = begin_part(p);
	uint32_t number = (uint32_t)(part - p->parts);
	size_t depth = p->depth;
	struct hit hit = read_header(p, part);

	part->at.body_at = part->at.header_at + part->at.header_bytes;
	/* Until the part ends, lines holds how many there were before its body. */
	part->at.lines = (uint32_t)(hit.found ? hit.lines : p->lines);
	classify(p, part, !hit.found);
	if (p->depth == depth) {
		if (!hit.found)
			hit = scan_body(p, part->at.body_at);
		end_part(p, number, &hit);
	}
	*out_hit = hit;
}

/* After a boundary: everything above its multipart ends, and with "--" its boundary is done. What
 * follows that is epilogue. */
static void settle(struct parser *p, const struct hit *hit)
{
	close_to(p, hit->level + 1, hit);
	if (hit->closing) {
		p->stack[hit->level].boundary = STR_NONE;
		p->boundaries--;
	}
}

static void parse_parts(struct parser *p)
{
	struct hit hit;

	do {
		if (p->count == MIME_PARTS_MAX - 1) {
			swallow_rest(p);
			return;
		}
		size_t depth = p->depth;
		enter_part(p, &hit);
		bool is_opened = p->depth > depth;
		if (is_opened && p->stack[depth].boundary.len == 0) {
			/* A message: its inner header comes next. */
			hit.found = true;
			continue;
		}
		if (is_opened)
			hit = scan_body(p, p->pos);
		while (hit.found && hit.closing) {
			settle(p, &hit);
			hit = scan_body(p, hit.line_at);
		}
		if (hit.found)
			settle(p, &hit);
	} while (hit.found);
	close_to(p, 0, &hit);
}

void mime_parse(str message, struct arena *a, struct mime_tree *out)
{
	struct parser p = { .message = message, .a = a };

	p.scratch = arena_new(a, "mime scratch", SCRATCH_MAX_BYTES);
	parse_parts(&p);
	arena_free(p.scratch);
	if (has_8bit(message))
		p.flags |= INDEX_HAS_8BIT;
	if (str_chr(message, '\0') != STR_NPOS)
		p.flags |= INDEX_HAS_NUL;
	*out = (struct mime_tree){ .parts = p.parts, .count = (uint32_t)p.count, .flags = p.flags };
}
