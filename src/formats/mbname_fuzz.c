/* Modified UTF-7 that is accepted is the one encoding of its name, and UTF-8 goes there and back; a
 * normal name is its own normal form. */
#include <assert.h>

#include "formats/mbname.h"

enum { FUZZ_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	AUTO_BUF utf8 = BUF_INIT(FUZZ_MAX);
	AUTO_BUF utf7 = BUF_INIT(FUZZ_MAX);
	AUTO_BUF name = BUF_INIT(FUZZ_MAX);
	AUTO_BUF again = BUF_INIT(FUZZ_MAX);

	if (size > 4096)
		return 0;
	if (mbname_from_utf7(in, &utf8, NULL) == 0) {
		assert(str_is_utf8(buf_str(&utf8)));
		mbname_to_utf7(buf_str(&utf8), &utf7);
		assert(str_eq(buf_str(&utf7), in));
	}
	if (mbname_normalise(in, &name, NULL) < 0)
		return 0;
	assert(mbname_normalise(buf_str(&name), &again, NULL) == 0);
	assert(str_eq(buf_str(&name), buf_str(&again)));
	buf_reset(&utf7);
	buf_reset(&utf8);
	mbname_to_utf7(buf_str(&name), &utf7);
	assert(mbname_from_utf7(buf_str(&utf7), &utf8, NULL) == 0);
	assert(str_eq(buf_str(&utf8), buf_str(&name)));
	return 0;
}
