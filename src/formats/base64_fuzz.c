/* What we encode decodes to the same; what decodes strictly encodes to the same text, and the lenient
 * stream agrees with it however it is cut. */
#include <assert.h>

#include "formats/base64.h"

enum { FUZZ_MAX = 1 << 20 };

static void check_round_trip(str raw)
{
	AUTO_BUF text = BUF_INIT(FUZZ_MAX);
	AUTO_BUF back = BUF_INIT(FUZZ_MAX);

	base64_encode(raw, &text);
	assert(base64_decode(buf_str(&text), &back, NULL) == 0);
	assert(str_eq(buf_str(&back), raw));
}

static void check_stream(str text, size_t step, struct buf *out)
{
	struct base64_stream s = { 0 };

	for (; text.len; text = str_skip(text, step))
		base64_stream_feed(&s, str_sub(text, 0, step), out);
	base64_stream_end(&s, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	AUTO_BUF strict = BUF_INIT(FUZZ_MAX);
	AUTO_BUF whole = BUF_INIT(FUZZ_MAX);
	AUTO_BUF cut = BUF_INIT(FUZZ_MAX);

	if (size > 65536)
		return 0;
	check_round_trip(in);
	check_stream(in, in.len + 1, &whole);
	check_stream(in, size ? 1 + data[0] % 16 : 1, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	if (base64_decode(in, &strict, NULL) == 0) {
		AUTO_BUF again = BUF_INIT(FUZZ_MAX);
		assert(str_eq(buf_str(&strict), buf_str(&whole)));
		base64_encode(buf_str(&strict), &again);
		assert(str_eq(buf_str(&again), in));
	}
	return 0;
}
