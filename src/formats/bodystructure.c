#include "formats/bodystructure.h"

#include "formats/envelope.h"

enum { MEMBER_MAX_BYTES = 8 * 1024, LANGUAGES_MAX = 32 };

struct writer {
	str message;
	const struct mime_part *parts;
	uint32_t count;
	struct arena *scratch;
	struct buf *out;
	uint32_t open[MIME_DEPTH_MAX]; /* multiparts and messages around the place we are at */
	size_t depth;
};

static bool is_over_budget(const struct writer *w)
{
	return w->out->len > BODYSTRUCTURE_SOFT_BYTES;
}

static void add_nil(struct writer *w)
{
	buf_add(w->out, STR("NIL"));
}

/* A field's value as nstring. */
static void add_field(struct writer *w, str value)
{
	if (!value.ptr || is_over_budget(w)) {
		add_nil(w);
		return;
	}
	str text = header_unfold(value, w->scratch);
	envelope_nstring(str_sub(text, 0, MEMBER_MAX_BYTES), w->out);
}

static void add_param(struct writer *w, str name, bool extended, str value)
{
	AUTO_BUF full = BUF_INIT((size_t)2 * MEMBER_MAX_BYTES);

	buf_add(&full, str_sub(name, 0, MEMBER_MAX_BYTES));
	if (extended)
		buf_addc(&full, '*');
	envelope_string(buf_str(&full), w->out);
	buf_addc(w->out, ' ');
	envelope_string(str_sub(value, 0, MEMBER_MAX_BYTES), w->out);
}

/* Extended values keep the form of RFC 2231 §4, under "name*", joined from their sections: clients
 * know it from other servers, and nothing is lost. */
static void add_params(struct writer *w, const struct param_value *value, bool wants_charset)
{
	size_t written = 0;

	if (is_over_budget(w)) {
		add_nil(w);
		return;
	}
	buf_addc(w->out, '(');
	for (size_t i = 0; i < value->count; i++) {
		const struct param *p = &value->params[i];
		if (written++ > 0)
			buf_addc(w->out, ' ');
		add_param(w, p->name, p->extended, p->value);
		wants_charset = wants_charset && !str_eq(p->name, STR("charset"));
	}
	if (wants_charset) {
		if (written++ > 0)
			buf_addc(w->out, ' ');
		buf_add(w->out, STR("\"charset\" \"us-ascii\""));
	}
	if (written == 0 && buf_ok(w->out)) {
		buf_truncate(w->out, w->out->len - 1);
		add_nil(w);
	} else {
		buf_addc(w->out, ')');
	}
}

static void add_type_params(struct writer *w, const struct mime_part *part)
{
	struct param_value value = { .valid = false };

	if (part->typed)
		param_parse(part->content_type, w->scratch, &value);
	/* RFC 2046 §4.1.2: text without charset is US-ASCII. */
	add_params(w, &value, str_starts(part->at.type, STR("text/")));
}

static void add_disposition(struct writer *w, const struct mime_part *part)
{
	struct param_value value;

	if (str_trim(part->disposition).len == 0 || is_over_budget(w)) {
		add_nil(w);
		return;
	}
	param_parse(part->disposition, w->scratch, &value);
	buf_addc(w->out, '(');
	/* RFC 2183 §2.8: an unknown type counts as attachment, and so does one that is missing. */
	envelope_string(
	    value.main.len > 0 ? str_sub(value.main, 0, MEMBER_MAX_BYTES) : STR("attachment"),
	    w->out);
	buf_addc(w->out, ' ');
	add_params(w, &value, false);
	buf_addc(w->out, ')');
}

/* RFC 3282 §2: a list of tags, separated by commas. */
static void add_languages(struct writer *w, str value)
{
	str rest = str_sub(header_unfold(value, w->scratch), 0, MEMBER_MAX_BYTES), tag;
	size_t count = 0;

	if (!value.ptr || is_over_budget(w)) {
		add_nil(w);
		return;
	}
	while (count < LANGUAGES_MAX && str_split(&rest, ',', &tag)) {
		tag = str_trim(tag);
		if (tag.len == 0)
			continue;
		buf_addc(w->out, count++ == 0 ? '(' : ' ');
		envelope_string(tag, w->out);
	}
	if (count == 0)
		add_nil(w);
	else
		buf_addc(w->out, ')');
}

/* Disposition, language, location: the end of the extension data of every kind of part. */
static void add_extension(struct writer *w, const struct mime_part *part)
{
	buf_addc(w->out, ' ');
	add_disposition(w, part);
	buf_addc(w->out, ' ');
	add_languages(w, part->language);
	buf_addc(w->out, ' ');
	add_field(w, part->location);
	buf_addc(w->out, ')');
	arena_reset(w->scratch);
}

static void add_encoding(struct writer *w, const struct mime_part *part)
{
	static const str names[] = {
		[ENCODING_7BIT] = STR_INIT("\"7bit\""),
		[ENCODING_8BIT] = STR_INIT("\"8bit\""),
		[ENCODING_BINARY] = STR_INIT("\"binary\""),
		[ENCODING_QP] = STR_INIT("\"quoted-printable\""),
		[ENCODING_BASE64] = STR_INIT("\"base64\""),
	};

	if (part->at.encoding < ENCODING_OTHER) {
		buf_add(w->out, names[part->at.encoding]);
		return;
	}
	str text = header_unfold(part->transfer_encoding, w->scratch);
	envelope_string(str_sub(text, 0, MIME_TYPE_MAX), w->out);
}

static void add_media_type(struct writer *w, const struct mime_part *part)
{
	str type, rest = part->at.type;

	if (!str_split(&rest, '/', &type))
		type = STR("application");
	envelope_string(type, w->out);
	buf_addc(w->out, ' ');
	envelope_string(rest.len > 0 ? rest : STR("octet-stream"), w->out);
}

static void add_lines(struct writer *w, const struct mime_part *part)
{
	buf_addc(w->out, ' ');
	buf_addu(w->out, part->at.lines);
}

static void add_md5_and_extension(struct writer *w, const struct mime_part *part)
{
	buf_addc(w->out, ' ');
	add_field(w, part->md5);
	add_extension(w, part);
}

/* type subtype params id description encoding octets */
static void add_basic(struct writer *w, const struct mime_part *part)
{
	add_media_type(w, part);
	buf_addc(w->out, ' ');
	add_type_params(w, part);
	buf_addc(w->out, ' ');
	add_field(w, part->id);
	buf_addc(w->out, ' ');
	add_field(w, part->description);
	buf_addc(w->out, ' ');
	add_encoding(w, part);
	buf_addc(w->out, ' ');
	buf_addu(w->out, part->at.body_bytes);
}

/* What is known when the part begins. A leaf is whole with it. */
static void open_part(struct writer *w, uint32_t number)
{
	const struct mime_part *part = &w->parts[number];

	buf_addc(w->out, '(');
	if (part->at.kind == PART_MULTIPART) {
		w->open[w->depth++] = number;
		return;
	}
	add_basic(w, part);
	if (part->at.kind == PART_LEAF) {
		if (str_starts(part->at.type, STR("text/")))
			add_lines(w, part);
		add_md5_and_extension(w, part);
		return;
	}
	struct header_facts facts;
	const struct index_part *inner = &w->parts[number + 1].at;
	header_facts_find(is_over_budget(w)
	                      ? STR_NONE
	                      : str_sub(w->message, inner->header_at, inner->header_bytes),
	    &facts);
	buf_addc(w->out, ' ');
	envelope_write(&facts, w->scratch, w->out);
	buf_addc(w->out, ' ');
	w->open[w->depth++] = number;
}

/* What follows the children. */
static void close_part(struct writer *w)
{
	const struct mime_part *part = &w->parts[w->open[--w->depth]];

	if (part->at.kind == PART_MESSAGE) {
		add_lines(w, part);
		add_md5_and_extension(w, part);
		return;
	}
	str subtype = str_skip(part->at.type, STR("multipart/").len);
	buf_addc(w->out, ' ');
	envelope_string(subtype, w->out);
	buf_addc(w->out, ' ');
	add_type_params(w, part);
	add_extension(w, part);
}

void bodystructure_write(
    str message, const struct mime_tree *tree, struct arena *scratch, struct buf *out)
{
	struct writer w = { .message = message,
		.parts = tree->parts,
		.count = tree->count,
		.scratch = scratch,
		.out = out };

	for (uint32_t i = 0; i < w.count; i++) {
		while (w.depth > 0 && w.open[w.depth - 1] != w.parts[i].at.parent)
			close_part(&w);
		open_part(&w, i);
	}
	while (w.depth > 0)
		close_part(&w);
}
