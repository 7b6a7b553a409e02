/* What can be read is written so that it reads the same; what names us is recognised in any case. */
#include <assert.h>

#include "formats/auth_results.h"
#include "formats/header.h"

/* Only what is written as it was given: no control characters, UTF-8, not too long. */
static bool is_kept(str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
			return false;
	}
	return text.len <= AUTH_VALUE_MAX && str_is_utf8(text);
}

static bool all_kept(const struct auth_results *r)
{
	bool is_good = is_kept(r->server);

	for (size_t i = 0; i < r->method_count; i++) {
		is_good = is_good && is_kept(r->methods[i].reason);
		for (size_t k = 0; k < r->methods[i].property_count; k++)
			is_good = is_good && is_kept(r->methods[i].properties[k].value);
	}
	return is_good;
}

static void check_same(const struct auth_results *r, const struct auth_results *back)
{
	assert(str_eq(r->server, back->server) && r->method_count == back->method_count);
	for (size_t i = 0; i < r->method_count; i++) {
		const struct auth_method *a = &r->methods[i], *b = &back->methods[i];
		assert(str_eq(a->method, b->method) && str_eq(a->result, b->result) &&
		       str_eq(a->reason, b->reason));
		assert(a->property_count == b->property_count);
		for (size_t k = 0; k < a->property_count; k++) {
			assert(str_eq(a->properties[k].type, b->properties[k].type));
			assert(str_eq(a->properties[k].name, b->properties[k].name));
			assert(str_eq(a->properties[k].value, b->properties[k].value));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF out = BUF_INIT(1 << 20);
	struct auth_results r, back;
	struct header_field field;
	str value = str_new(data, size);

	if (size > 16384)
		return 0;
	auth_results_claims(value, STR("mx.example.org"));
	if (auth_results_parse(value, a, &r, NULL) < 0)
		return 0;
	auth_results_write(&r, &out);
	str rest = buf_str(&out), line;
	assert(buf_ok(&out) && header_next(&rest, &field) && rest.len == 0);
	for (str lines = buf_str(&out); str_split(&lines, '\n', &line);)
		assert(line.len < 998 || !all_kept(&r) || r.method_count);
	assert(auth_results_parse(field.value, a, &back, NULL) == 0);
	if (all_kept(&r))
		check_same(&r, &back);
	return 0;
}
