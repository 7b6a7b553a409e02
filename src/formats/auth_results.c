#include "formats/auth_results.h"

#include "base/num.h"
#include "formats/mailbox.h"

enum { COMMENT_DEPTH_MAX = 50 };

/* --- reading --- */

/* Blanks, line ends and comments; -1 when a comment does not end. */
static int skip_cfws(str *in)
{
	size_t depth = 0, i = 0;

	for (; i < in->len; i++) {
		char c = in->ptr[i];
		if (c == '(') {
			if (++depth > COMMENT_DEPTH_MAX)
				return -1;
		} else if (depth && c == '\\') {
			i++;
		} else if (depth && c == ')') {
			depth--;
		} else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
			break;
		}
	}
	if (depth)
		return -1;
	*in = str_skip(*in, i);
	return 0;
}

static bool is_token_char(char c)
{
	return (unsigned char)c >= 0x80 ||
	       (c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c));
}

/* Letters, digits, hyphens; the underscore is in the wild. */
static int take_keyword(str *in, struct arena *a, str *out)
{
	size_t len = 0;

	while (len < in->len &&
	       (ascii_is_alnum(in->ptr[len]) || in->ptr[len] == '-' || in->ptr[len] == '_'))
		len++;
	if (len == 0)
		return -1;
	char *word = arena_cstr(a, str_sub(*in, 0, len));
	for (size_t i = 0; i < len; i++)
		word[i] = ascii_lower(word[i]);
	*out = str_new(word, len);
	*in = str_skip(*in, len);
	return 0;
}

/* Behind the opening quote. */
static int take_quoted(str *in, struct buf *out)
{
	for (size_t i = 0; i < in->len; i++) {
		char c = in->ptr[i];
		if (c == '"') {
			*in = str_skip(*in, i + 1);
			return 0;
		}
		if (c == '\\' && i + 1 < in->len)
			c = in->ptr[++i];
		if (c != '\r' && c != '\n')
			buf_addc(out, c);
	}
	return -1;
}

/* A token or a quoted string, or both around "@": more than the grammar allows, since all of it is in the wild. */
static int take_value(str *in, struct arena *a, str *out)
{
	AUTO_BUF text = BUF_INIT(AUTH_FIELD_MAX);
	size_t taken = 0;

	while (in->len) {
		char c = in->ptr[0];
		bool is_quote = c == '"';
		if (!is_quote && !is_token_char(c) && !(c && strchr("@:/=[]?<>,", c)))
			break;
		*in = str_skip(*in, 1);
		if (!is_quote)
			buf_addc(&text, c);
		else if (take_quoted(in, &text) < 0)
			return -1;
		taken++;
	}
	*out = arena_str(a, buf_str(&text));
	return taken ? 0 : -1;
}

static int take_version(str *in, unsigned *out)
{
	uint32_t version;

	if (num_take_u32(in, 1000, &version) < 0)
		return -1;
	*out = version;
	return skip_cfws(in);
}

/* Between CFWS. */
static int take_sign(str *in, char sign)
{
	return skip_cfws(in) < 0 || take_char(in, sign) < 0 || skip_cfws(in) < 0 ? -1 : 0;
}

/* method [ "/" version ] "=" result */
static int take_method(str *in, struct arena *a, struct auth_method *m)
{
	if (take_keyword(in, a, &m->method) < 0 || skip_cfws(in) < 0)
		return -1;
	if (take_char(in, '/') == 0 && (skip_cfws(in) < 0 || take_version(in, &m->version) < 0))
		return -1;
	return take_sign(in, '=') < 0 || take_keyword(in, a, &m->result) < 0 ? -1 : skip_cfws(in);
}

/* "reason" "=" value, or ptype "." property "=" value. */
static int take_detail(str *in, struct arena *a, struct auth_method *m)
{
	struct auth_property p;

	if (take_keyword(in, a, &p.type) < 0 || skip_cfws(in) < 0)
		return -1;
	bool is_reason = str_eq(p.type, STR("reason")) && in->len && in->ptr[0] == '=';
	if (!is_reason && (take_sign(in, '.') < 0 || take_keyword(in, a, &p.name) < 0))
		return -1;
	if (take_sign(in, '=') < 0 || take_value(in, a, &p.value) < 0 || skip_cfws(in) < 0)
		return -1;
	if (is_reason)
		m->reason = p.value;
	else if (m->property_count < AUTH_PROPERTIES_MAX)
		m->properties[m->property_count++] = p;
	else
		return -1;
	return 0;
}

static int take_result(str *in, struct arena *a, struct auth_results *r)
{
	struct auth_method m = { 0 };

	if (take_method(in, a, &m) < 0)
		return -1;
	while (in->len && in->ptr[0] != ';') {
		if (take_detail(in, a, &m) < 0)
			return -1;
	}
	if (r->method_count == AUTH_METHODS_MAX)
		return -1;
	r->methods[r->method_count++] = m;
	return 0;
}

/* CFWS name [ CFWS version ] CFWS */
static int take_server(str *in, struct arena *a, struct auth_results *r)
{
	if (skip_cfws(in) < 0 || take_value(in, a, &r->server) < 0 || skip_cfws(in) < 0)
		return -1;
	return in->len && ascii_is_digit(in->ptr[0]) ? take_version(in, &r->version) : 0;
}

static bool is_none(str rest)
{
	return take_ilit(&rest, STR("none")) == 0 && skip_cfws(&rest) == 0 && rest.len == 0;
}

int auth_results_parse(str value, struct arena *a, struct auth_results *out, struct err *err)
{
	struct auth_results r = { 0 };

	if (value.len > AUTH_FIELD_MAX)
		return err_set(err, ERR_LIMIT, "the field is longer than %d bytes", AUTH_FIELD_MAX);
	if (take_server(&value, a, &r) < 0)
		return err_set(
		    err, ERR_INPUT, "the field does not begin with the name of a server");
	r.methods = arena_array(a, struct auth_method, AUTH_METHODS_MAX);
	while (value.len) {
		if (take_char(&value, ';') < 0 || skip_cfws(&value) < 0)
			return err_set(err, ERR_INPUT, "a result is not separated by a semicolon");
		if (value.len == 0 || (r.method_count == 0 && is_none(value)))
			break;
		if (take_result(&value, a, &r) < 0)
			return err_set(
			    err, ERR_INPUT, "result number %zu is not correct", r.method_count + 1);
	}
	*out = r;
	return 0;
}

bool auth_results_claims(str value, str name)
{
	AUTO_ARENA a = arena_new(NULL, "auth results", 4 * AUTH_FIELD_MAX);
	AUTO_BUF server = BUF_INIT(DOMAIN_MAX);
	struct auth_results r = { 0 };

	value = str_sub(value, 0, AUTH_FIELD_MAX);
	if (take_server(&value, a, &r) < 0)
		return true;
	if (domain_normalise(r.server, true, &server, NULL) < 0)
		return str_ieq(r.server, name);
	return str_ieq(buf_str(&server), name);
}

/* --- writing --- */

/* RFC 2045 §5.1 wants ASCII; local parts and domains may be UTF-8 (RFC 6532 §3.2). */
static bool is_token(str text, bool utf8)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!is_token_char(text.ptr[i]) || (!utf8 && (unsigned char)text.ptr[i] >= 0x80))
			return false;
	}
	return text.len > 0;
}

static void add_char(struct buf *out, char c, bool is_utf8)
{
	bool is_bad =
	    (unsigned char)c < 0x20 || c == 0x7f || ((unsigned char)c >= 0x80 && !is_utf8);

	buf_addc(out, is_bad ? '?' : c);
}

static void add_quoted(struct buf *out, str text, bool is_utf8)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			buf_addc(out, '\\');
		add_char(out, text.ptr[i], is_utf8);
	}
	buf_addc(out, '"');
}

/* RFC 8601 §2.2: what looks like an address is written as one, [ [ local-part ] "@" ] domain-name. */
static void add_value(struct buf *out, str value)
{
	value = str_sub(value, 0, AUTH_VALUE_MAX);
	bool is_utf8 = str_is_utf8(value);
	size_t at = str_rchr(value, '@');
	bool is_address = at != STR_NPOS && is_token(str_skip(value, at + 1), is_utf8);
	str local = is_address ? str_sub(value, 0, at) : value;

	if (is_token(local, is_address && is_utf8) || (is_address && at == 0))
		buf_add(out, local);
	else
		add_quoted(out, local, is_utf8);
	if (is_address)
		buf_add(out, str_skip(value, at));
}

static void add_comment(struct buf *out, str comment)
{
	comment = str_sub(comment, 0, AUTH_VALUE_MAX);
	bool is_utf8 = str_is_utf8(comment);
	buf_addz(out, " (");
	for (size_t i = 0; i < comment.len; i++) {
		if (comment.ptr[i] && strchr("()\\", comment.ptr[i]))
			buf_addc(out, '\\');
		add_char(out, comment.ptr[i], is_utf8);
	}
	buf_addc(out, ')');
}

static void add_method(struct buf *out, const struct auth_method *m)
{
	buf_addz(out, ";\r\n\t");
	buf_add(out, m->method);
	if (m->version > 1)
		buf_addf(out, "/%u", m->version);
	buf_addc(out, '=');
	buf_add(out, m->result);
	if (m->comment.len)
		add_comment(out, m->comment);
	if (m->reason.len) {
		buf_addz(out, "\r\n\t reason=");
		add_value(out, m->reason);
	}
	for (size_t i = 0; i < m->property_count; i++) {
		const struct auth_property *p = &m->properties[i];
		/* A line for each: none can get too long, whatever the values are. */
		buf_addf(
		    out, "\r\n\t " STR_FMT "." STR_FMT "=", STR_ARG(p->type), STR_ARG(p->name));
		add_value(out, p->value);
	}
}

void auth_results_write(const struct auth_results *results, struct buf *out)
{
	buf_addz(out, "Authentication-Results: ");
	add_value(out, results->server);
	if (results->version > 1)
		buf_addf(out, " %u", results->version);
	for (size_t i = 0; i < results->method_count; i++)
		add_method(out, &results->methods[i]);
	buf_addz(out, results->method_count ? "\r\n" : "; none\r\n");
}

struct auth_method *auth_results_add(
    struct auth_results *results, struct arena *a, str method, str result)
{
	if (!results->methods)
		results->methods = arena_array(a, struct auth_method, AUTH_METHODS_MAX);
	if (results->method_count == AUTH_METHODS_MAX)
		return NULL;
	struct auth_method *m = &results->methods[results->method_count++];
	*m = (struct auth_method){ .method = method, .result = result };
	return m;
}

void auth_method_add(struct auth_method *m, const char *type, const char *name, str value)
{
	if (value.len && m->property_count < AUTH_PROPERTIES_MAX)
		m->properties[m->property_count++] =
		    (struct auth_property){ str_c(type), str_c(name), value };
}
