/* What decodes encodes to something that decodes to the same. */
#include <assert.h>

#include "formats/xtext.h"

enum { FUZZ_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	AUTO_BUF first = BUF_INIT(FUZZ_MAX);
	AUTO_BUF again = BUF_INIT(FUZZ_MAX);
	AUTO_BUF text = BUF_INIT(FUZZ_MAX);

	if (size > 4096)
		return 0;
	if (xtext_decode(in, &first, NULL) == 0) {
		xtext_encode(buf_str(&first), &text);
		assert(xtext_decode(buf_str(&text), &again, NULL) == 0);
		assert(str_eq(buf_str(&first), buf_str(&again)));
	}
	for (int utf8 = 0; utf8 < 2; utf8++) {
		buf_reset(&first);
		buf_reset(&again);
		buf_reset(&text);
		if (xtext_utf8_decode(in, utf8, &first, NULL) < 0)
			continue;
		xtext_utf8_encode(buf_str(&first), utf8, &text);
		assert(xtext_utf8_decode(buf_str(&text), utf8, &again, NULL) == 0);
		assert(str_eq(buf_str(&first), buf_str(&again)));
		assert(str_is_utf8(buf_str(&first)));
	}
	return 0;
}
