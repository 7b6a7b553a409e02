#include "protocols/dkim/key.h"

#include "formats/base64.h"
#include "formats/tag_list.h"

/* Zone files that were quoted twice: "v=DKIM1\; k=rsa\; p=…" with the quotes inside. */
static str without_quoting(str text, struct arena *a)
{
	AUTO_BUF out = BUF_INIT(DKIM_KEY_RECORD_MAX);

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '"' && text.ptr[i] != '\\')
			buf_addc(&out, text.ptr[i]);
	}
	return arena_str(a, buf_str(&out));
}

/* The padding that some leave out. */
static int decode(str value, struct arena *a, str *out)
{
	AUTO_BUF text = BUF_INIT(DKIM_KEY_RECORD_MAX + 4);
	AUTO_BUF bytes = BUF_INIT(DKIM_KEY_RECORD_MAX);

	tag_value_squeeze(value, &text);
	while (text.len % 4 == 2 || text.len % 4 == 3)
		buf_addc(&text, '=');
	if (base64_decode(buf_str(&text), &bytes, NULL) < 0)
		return -1;
	*out = arena_str(a, buf_str(&bytes));
	return 0;
}

static enum dkim_reason read_tags(
    const struct tag_list *tags, struct arena *a, struct dkim_key *key)
{
	const struct tag *hashes = tag_list_find(tags, STR("h")),
	                 *services = tag_list_find(tags, STR("s"));
	const struct tag *type = tag_list_find(tags, STR("k"));
	str flags = tag_list_value(tags, STR("t"));

	key->allows_sha256 = !hashes || tag_value_has(hashes->value, ':', STR("sha256"));
	key->allows_mail = !services || tag_value_has(services->value, ':', STR("*")) ||
	                   tag_value_has(services->value, ':', STR("email"));
	key->is_testing = tag_value_has(flags, ':', STR("y"));
	key->is_strict = tag_value_has(flags, ':', STR("s"));
	key->is_ed25519 = type && str_ieq(type->value, STR("ed25519"));
	key->notes = arena_str(a, tag_list_value(tags, STR("n")));
	if (type && !key->is_ed25519 && !str_ieq(type->value, STR("rsa")))
		return DKIM_KEY_TYPE;
	str value = tag_list_value(tags, STR("p"));
	if (value.len == 0)
		return DKIM_KEY_REVOKED; /* RFC 6376 §3.6.1 */
	return decode(value, a, &key->bytes) < 0 ? DKIM_KEY_SYNTAX : DKIM_OK;
}

enum dkim_reason dkim_key_parse(str text, struct arena *a, struct dkim_key *out)
{
	struct tag_list tags;
	bool looks_like_key = str_istarts(str_trim(text), STR("v=DKIM"));

	*out = (struct dkim_key){ 0 };
	if (text.len > DKIM_KEY_RECORD_MAX)
		return DKIM_KEY_SYNTAX;
	if (str_chr(text, '\\') != STR_NPOS || str_chr(text, '"') != STR_NPOS)
		text = without_quoting(text, a);
	if (tag_list_parse(text, &tags, NULL) < 0)
		return looks_like_key ? DKIM_KEY_SYNTAX : DKIM_KEY_MISSING;
	const struct tag *version = tag_list_find(&tags, STR("v"));
	/* RFC 6376 §3.6.1: when it is there, it is DKIM1 and comes first. */
	if (version && (version != &tags.tags[0] || !str_ieq(version->value, STR("DKIM1"))))
		return looks_like_key ? DKIM_KEY_SYNTAX : DKIM_KEY_MISSING;
	if (!tag_list_find(&tags, STR("p")))
		return version ? DKIM_KEY_SYNTAX : DKIM_KEY_MISSING;
	return read_tags(&tags, a, out);
}

void dkim_key_write(const struct dkim_key *key, struct buf *out)
{
	buf_addf(out, "v=DKIM1; k=%s; ", key->is_ed25519 ? "ed25519" : "rsa");
	if (key->is_testing)
		buf_addz(out, key->is_strict ? "t=y:s; " : "t=y; ");
	else if (key->is_strict)
		buf_addz(out, "t=s; ");
	buf_addz(out, "p=");
	base64_encode(key->bytes, out);
}
