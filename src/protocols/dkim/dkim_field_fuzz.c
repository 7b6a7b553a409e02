/* Signature fields and key records: what is read and written again reads the same. */
#include <assert.h>

#include "protocols/dkim/key.h"
#include "protocols/dkim/signature.h"

static void signature_round_trip(str text)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct header_field field = { .name = STR("DKIM-Signature"), .value = text }, written;
	struct dkim_signature s, back;

	if (dkim_signature_parse(&field, a, &s) != DKIM_OK)
		return;
	assert(s.name_count <= DKIM_NAMES_MAX && s.signature.len && s.domain.len && s.selector.len);
	assert(s.signature_raw.ptr >= text.ptr &&
	       s.signature_raw.ptr + s.signature_raw.len <= text.ptr + text.len);
	/* Identities may hold what only quoting could carry through a field; names of fields may hold ";". */
	for (size_t i = 0; i < s.name_count; i++) {
		if (str_chr(s.names[i], ';') != STR_NPOS)
			return;
	}
	s.identity = STR_NONE;
	dkim_signature_write(&s, &out);
	dkim_signature_finish(s.signature, &out);
	if (!buf_ok(&out) || out.len > DKIM_SIGNATURE_FIELD_MAX)
		return;
	str rest = buf_str(&out);
	assert(header_next(&rest, &written) && rest.len == 0);
	assert(dkim_signature_parse(&written, a, &back) == DKIM_OK);
	assert(str_eq(back.domain, s.domain) && str_eq(back.selector, s.selector));
	assert(str_eq(back.signature, s.signature) && str_eq(back.body_hash, s.body_hash));
	assert(back.algorithm == s.algorithm && back.header_canon == s.header_canon);
	assert(back.body_canon == s.body_canon && back.name_count == s.name_count);
	assert(back.has_expires_at == s.has_expires_at && back.expires_at == s.expires_at);
	for (size_t i = 0; i < s.name_count; i++)
		assert(str_eq(back.names[i], s.names[i]));
}

static void key_round_trip(str text)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct dkim_key key, back;

	if (dkim_key_parse(text, a, &key) != DKIM_OK || key.bytes.len == 0)
		return;
	dkim_key_write(&key, &out);
	if (out.len > DKIM_KEY_RECORD_MAX)
		return;
	assert(dkim_key_parse(buf_str(&out), a, &back) == DKIM_OK);
	assert(str_eq(key.bytes, back.bytes) && key.is_ed25519 == back.is_ed25519);
	assert(key.is_testing == back.is_testing && key.is_strict == back.is_strict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 20000)
		return 0;
	signature_round_trip(str_new(data, size));
	key_round_trip(str_new(data, size));
	return 0;
}
