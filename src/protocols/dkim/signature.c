#include "protocols/dkim/signature.h"

#include "base/num.h"
#include "formats/base64.h"
#include "formats/mailbox.h"
#include "formats/tag_list.h"

static const struct {
	const char *name;
	enum dkim_algorithm algorithm;
} algorithms[] = {
	{ "rsa-sha256", DKIM_RSA_SHA256 },
	{ "ed25519-sha256", DKIM_ED25519_SHA256 },
	{ "rsa-sha1", DKIM_RSA_SHA1 },
};

const char *dkim_algorithm_name(enum dkim_algorithm algorithm)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].name;
	}
	return "unknown";
}

/* --- reading: one function a tag, in the order of the table below --- */

static enum dkim_reason read_version(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a, (void)s;
	return str_eq(value, STR("1")) ? DKIM_OK : DKIM_BAD_VERSION;
}

static enum dkim_reason read_algorithm(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a;
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (str_ieq(value, str_c(algorithms[i].name)))
			s->algorithm = algorithms[i].algorithm;
	}
	return s->algorithm == DKIM_ALGORITHM_UNKNOWN ? DKIM_BAD_ALGORITHM : DKIM_OK;
}

/* RFC 8616 §4: names may be U-labels. */
static int read_name(str value, struct arena *a, str *out)
{
	AUTO_BUF name = BUF_INIT(DOMAIN_MAX);

	if (domain_normalise(value, true, &name, NULL) < 0)
		return -1;
	*out = arena_str(a, buf_str(&name));
	return 0;
}

static enum dkim_reason read_domain(str value, struct arena *a, struct dkim_signature *s)
{
	return read_name(value, a, &s->domain) < 0 ? DKIM_BAD_SYNTAX : DKIM_OK;
}

static enum dkim_reason read_selector(str value, struct arena *a, struct dkim_signature *s)
{
	return read_name(value, a, &s->selector) < 0 ? DKIM_BAD_SYNTAX : DKIM_OK;
}

static int read_base64(str value, struct arena *a, str *out_text, str *out)
{
	AUTO_BUF text = BUF_INIT(DKIM_SIGNATURE_FIELD_MAX + 4);
	AUTO_BUF bytes = BUF_INIT(DKIM_SIGNATURE_FIELD_MAX);

	tag_value_squeeze(value, &text);
	if (text.len == 0 || base64_decode(buf_str(&text), &bytes, NULL) < 0)
		return -1;
	*out_text = arena_str(a, buf_str(&text));
	*out = arena_str(a, buf_str(&bytes));
	return 0;
}

static enum dkim_reason read_signature(str value, struct arena *a, struct dkim_signature *s)
{
	return read_base64(value, a, &s->signature_text, &s->signature) < 0 ? DKIM_BAD_SYNTAX
	                                                                    : DKIM_OK;
}

static enum dkim_reason read_body_hash(str value, struct arena *a, struct dkim_signature *s)
{
	str text;

	/* A hash of another length is one of an algorithm that is refused elsewhere, or a wrong one. */
	return read_base64(value, a, &text, &s->body_hash) < 0 ? DKIM_BAD_SYNTAX : DKIM_OK;
}

static bool is_field_name(str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] <= 0x20 || name.ptr[i] >= 0x7f)
			return false;
	}
	return name.len > 0;
}

static enum dkim_reason read_names(str value, struct arena *a, struct dkim_signature *s)
{
	str name;

	while (tag_value_next(&value, ':', &name)) {
		if (!is_field_name(name) || s->name_count == DKIM_NAMES_MAX)
			return DKIM_BAD_SYNTAX;
		s->names[s->name_count++] = arena_str(a, name);
	}
	return s->name_count ? DKIM_OK : DKIM_BAD_SYNTAX;
}

static int canon_of(str name, enum dkim_canon *out)
{
	if (!str_ieq(name, STR("simple")) && !str_ieq(name, STR("relaxed")))
		return -1;
	*out = str_ieq(name, STR("simple")) ? DKIM_SIMPLE : DKIM_RELAXED;
	return 0;
}

/* "relaxed" alone is relaxed/simple. */
static enum dkim_reason read_canon(str value, struct arena *a, struct dkim_signature *s)
{
	str header, body;

	(void)a;
	str_split(&value, '/', &header);
	body = value.ptr ? value : STR("simple");
	return canon_of(header, &s->header_canon) < 0 || canon_of(body, &s->body_canon) < 0
	           ? DKIM_BAD_CANON
	           : DKIM_OK;
}

static enum dkim_reason read_query(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a, (void)s;
	return tag_value_has(value, ':', STR("dns/txt")) || tag_value_has(value, ':', STR("dns"))
	           ? DKIM_OK
	           : DKIM_BAD_QUERY;
}

static enum dkim_reason read_identity(str value, struct arena *a, struct dkim_signature *s)
{
	size_t at = str_rchr(value, '@');

	if (at == STR_NPOS || read_name(str_skip(value, at + 1), a, &s->identity_domain) < 0)
		return DKIM_BAD_SYNTAX;
	s->identity = arena_str(a, value);
	return DKIM_OK;
}

static enum dkim_reason read_length(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a;
	/* Up to 76 digits are allowed; no body is longer than 18 of them. */
	return num_parse_u64(value, (uint64_t)1 << 60, &s->body_limit) < 0 ? DKIM_BAD_SYNTAX
	                                                                   : DKIM_OK;
}

static int read_time(str value, bool *out_is_there, int64_t *out)
{
	uint64_t at;
	str digits;

	if (value.len > 12 && take_digits(&value, SIZE_MAX, &digits) == 0 && value.len == 0)
		return 0; /* RFC 6376 §3.5: larger values may be taken as infinite */
	if (value.len > 12 || num_parse_u64(value, UINT64_MAX, &at) < 0)
		return -1;
	*out_is_there = true;
	*out = (int64_t)at;
	return 0;
}

static enum dkim_reason read_signed_at(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a;
	return read_time(value, &s->has_signed_at, &s->signed_at) < 0 ? DKIM_BAD_SYNTAX : DKIM_OK;
}

static enum dkim_reason read_expires_at(str value, struct arena *a, struct dkim_signature *s)
{
	(void)a;
	return read_time(value, &s->has_expires_at, &s->expires_at) < 0 ? DKIM_BAD_SYNTAX : DKIM_OK;
}

static const struct tag_rule {
	str name;
	bool is_required;
	enum dkim_reason (*read)(str value, struct arena *a, struct dkim_signature *s);
} tag_rules[] = {
	/* clang-format off */
	{ STR_INIT("v"),  true,  read_version },
	{ STR_INIT("d"),  true,  read_domain },
	{ STR_INIT("s"),  true,  read_selector },
	{ STR_INIT("i"),  false, read_identity },
	{ STR_INIT("b"),  true,  read_signature },
	{ STR_INIT("a"),  true,  read_algorithm },
	{ STR_INIT("c"),  false, read_canon },
	{ STR_INIT("q"),  false, read_query },
	{ STR_INIT("h"),  true,  read_names },
	{ STR_INIT("bh"), true,  read_body_hash },
	{ STR_INIT("l"),  false, read_length },
	{ STR_INIT("t"),  false, read_signed_at },
	{ STR_INIT("x"),  false, read_expires_at },
	/* clang-format on */
};

/* What no single tag can tell. */
static enum dkim_reason check_together(struct dkim_signature *s, struct arena *a)
{
	bool has_from = false;
	AUTO_BUF name = BUF_INIT(DOMAIN_MAX);

	if (s->identity.len == 0) {
		s->identity = arena_strf(a, "@" STR_FMT, STR_ARG(s->domain));
		s->identity_domain = s->domain;
	}
	bool is_same = str_eq(s->identity_domain, s->domain);
	bool is_below = str_ends(s->identity_domain, s->domain) &&
	                s->identity_domain.len > s->domain.len &&
	                s->identity_domain.ptr[s->identity_domain.len - s->domain.len - 1] == '.';
	if (!is_same && !is_below)
		return DKIM_BAD_IDENTITY;
	if (s->has_signed_at && s->has_expires_at && s->expires_at <= s->signed_at)
		return DKIM_BAD_SYNTAX;
	buf_addf(&name, STR_FMT "._domainkey." STR_FMT, STR_ARG(s->selector), STR_ARG(s->domain));
	if (!buf_ok(&name))
		return DKIM_BAD_SYNTAX;
	s->key_name = arena_str(a, buf_str(&name));
	for (size_t i = 0; i < s->name_count; i++)
		has_from = has_from || str_ieq(s->names[i], STR("From"));
	if (!has_from)
		return DKIM_FROM_NOT_SIGNED; /* RFC 6376 §5.4 */
	return s->algorithm == DKIM_RSA_SHA1 ? DKIM_SHA1 : DKIM_OK;
}

enum dkim_reason dkim_signature_parse(
    const struct header_field *field, struct arena *a, struct dkim_signature *out)
{
	struct tag_list tags;
	enum dkim_reason reason;

	*out = (struct dkim_signature){ .body_limit = DKIM_WHOLE_BODY };
	if (field->value.len > DKIM_SIGNATURE_FIELD_MAX ||
	    tag_list_parse(field->value, &tags, NULL) < 0)
		return DKIM_BAD_SYNTAX;
	for (size_t i = 0; i < sizeof(tag_rules) / sizeof(tag_rules[0]); i++) {
		const struct tag *tag = tag_list_find(&tags, tag_rules[i].name);
		if (!tag && tag_rules[i].is_required)
			return DKIM_BAD_SYNTAX;
		if (tag && (reason = tag_rules[i].read(tag->value, a, out)) != DKIM_OK)
			return reason;
	}
	out->signature_raw = tag_list_find(&tags, STR("b"))->raw;
	return check_together(out, a);
}

/* --- writing --- */

enum { LINE_MAX_BYTES = 78 };

struct writer {
	struct buf *out;
	size_t line_start;
};

/* Puts word on this line or, when it would pass the margin, on the next one behind a tab. */
static void add_word(struct writer *w, str word)
{
	if (w->out->len - w->line_start + word.len > LINE_MAX_BYTES &&
	    w->out->len > w->line_start + 1) {
		buf_addz(w->out, "\r\n\t");
		w->line_start = w->out->len - 1;
	}
	buf_add(w->out, word);
}

static void add_tag(struct writer *w, const char *name, str value, bool is_last)
{
	AUTO_BUF word = BUF_INIT(4096);

	buf_addf(&word, " %s=" STR_FMT "%s", name, STR_ARG(value), is_last ? "" : ";");
	str text = buf_str(&word);
	/* The blank in front is the fold itself at the beginning of a line. */
	if (w->out->len - w->line_start + text.len > LINE_MAX_BYTES) {
		buf_addz(w->out, "\r\n\t");
		w->line_start = w->out->len - 1;
		text = str_skip(text, 1);
	}
	add_word(w, text);
}

static void add_number(struct writer *w, const char *name, int64_t number)
{
	AUTO_BUF text = BUF_INIT(32);

	buf_addu(&text, (uint64_t)number);
	add_tag(w, name, buf_str(&text), false);
}

static void add_names(struct writer *w, const struct dkim_signature *s)
{
	for (size_t i = 0; i < s->name_count; i++) {
		AUTO_BUF word = BUF_INIT(1024);
		buf_addf(&word, "%s" STR_FMT "%s", i ? "" : " h=", STR_ARG(s->names[i]),
		    i + 1 < s->name_count ? ":" : ";");
		add_word(w, buf_str(&word));
	}
}

void dkim_signature_write(const struct dkim_signature *s, struct buf *out)
{
	static const char *const canons[] = { "simple", "relaxed" };
	struct writer w = { out, out->len };
	AUTO_BUF canon = BUF_INIT(32);
	AUTO_BUF hash = BUF_INIT(128);

	buf_addf(&canon, "%s/%s", canons[s->header_canon], canons[s->body_canon]);
	base64_encode(s->body_hash, &hash);
	buf_addz(out, "DKIM-Signature:");
	add_tag(&w, "v", STR("1"), false);
	add_tag(&w, "a", str_c(dkim_algorithm_name(s->algorithm)), false);
	add_tag(&w, "c", buf_str(&canon), false);
	add_tag(&w, "d", s->domain, false);
	if (s->identity.len)
		add_tag(&w, "i", s->identity, false);
	add_tag(&w, "s", s->selector, false);
	if (s->has_signed_at)
		add_number(&w, "t", s->signed_at);
	if (s->has_expires_at)
		add_number(&w, "x", s->expires_at);
	add_names(&w, s);
	add_tag(&w, "bh", buf_str(&hash), false);
	buf_addz(out, "\r\n\tb=");
}

void dkim_signature_finish(str signature, struct buf *out)
{
	AUTO_BUF text = BUF_INIT(4096);
	enum { FIRST = LINE_MAX_BYTES - 3, NEXT = LINE_MAX_BYTES - 1 };

	base64_encode(signature, &text);
	str rest = buf_str(&text);
	buf_add(out, str_sub(rest, 0, FIRST));
	for (rest = str_skip(rest, FIRST); rest.len; rest = str_skip(rest, NEXT)) {
		buf_addz(out, "\r\n\t");
		buf_add(out, str_sub(rest, 0, NEXT));
	}
	buf_addz(out, "\r\n");
}
