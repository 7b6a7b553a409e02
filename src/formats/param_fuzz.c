/* Parameters printed in the plainest form read the same again. */
#include <assert.h>

#include "base/buf.h"
#include "formats/param.h"

static void print_param(const struct param *p, struct buf *out)
{
	buf_add(out, STR("; "));
	buf_add(out, p->name);
	buf_addz(out, p->extended ? "*=\"" : "=\"");
	for (size_t i = 0; i < p->value.len; i++) {
		if (p->value.ptr[i] == '"' || p->value.ptr[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, p->value.ptr[i]);
	}
	buf_addc(out, '"');
}

/* Names like "a*1" without a section 0 are kept as they are, and would be read as a section. */
static bool is_plain(const struct param_value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		if (str_chr(value->params[i].name, '*') != STR_NPOS)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 26);
	AUTO_BUF printed = BUF_INIT(1 << 22);
	struct param_value value, again;
	str charset, bytes;

	param_parse(str_new(data, size), a, &value);
	assert(value.count <= PARAM_MAX);
	buf_add(&printed, value.main);
	for (size_t i = 0; i < value.count; i++) {
		const struct param *p = &value.params[i];
		assert(param_find(&value, p->name));
		print_param(p, &printed);
		if (p->extended)
			param_split_extended(p->value, a, &charset, &bytes);
	}
	if (!is_plain(&value) || printed.len > PARAM_VALUE_MAX_BYTES)
		return 0;
	param_parse(buf_str(&printed), a, &again);
	assert(str_eq(again.main, value.main) && again.count == value.count);
	for (size_t i = 0; i < value.count; i++) {
		assert(str_eq(again.params[i].name, value.params[i].name));
		assert(str_eq(again.params[i].value, value.params[i].value));
	}
	return 0;
}
