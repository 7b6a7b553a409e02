/* The fields of a header are the header: put together again they are the same bytes. */
#include <assert.h>

#include "formats/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 24);
	str message = str_new(data, size), block = header_block(message), rest = block;
	struct header_field field, first;
	size_t used = 0, last = 0;

	while (header_next(&rest, &field)) {
		assert(field.whole.ptr == block.ptr + used);
		used += field.whole.len;
		str text = header_unfold(field.value, a);
		assert(str_chr(text, '\n') == STR_NPOS && str_chr(text, '\0') == STR_NPOS);
		assert(text.len <= field.value.len);
		if (field.name.len > 0) {
			assert(header_find(block, field.name, &first));
			assert(first.whole.ptr <= field.whole.ptr);
		}
	}
	assert(rest.len == 0 || header_is_end(rest, &last));
	assert(used + last == block.len);
	return 0;
}
