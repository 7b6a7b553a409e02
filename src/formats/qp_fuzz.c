/* What we encode decodes to the same, in lines of 76; decoding says the same however it is cut. */
#include <assert.h>

#include "formats/qp.h"

enum { FUZZ_MAX = 1 << 20 };

static void decode(str text, size_t step, struct buf *out)
{
	struct qp_stream s = { 0 };

	for (; text.len; text = str_skip(text, step))
		qp_stream_feed(&s, str_sub(text, 0, step), out);
	qp_stream_end(&s, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	AUTO_BUF text = BUF_INIT(FUZZ_MAX);
	AUTO_BUF back = BUF_INIT(FUZZ_MAX);
	AUTO_BUF whole = BUF_INIT(FUZZ_MAX);
	AUTO_BUF cut = BUF_INIT(FUZZ_MAX);

	if (size > 65536)
		return 0;
	qp_encode(in, QP_BINARY, &text);
	decode(buf_str(&text), FUZZ_MAX, &back);
	assert(str_eq(buf_str(&back), in));
	str rest = buf_str(&text), line;
	while (str_split(&rest, '\n', &line))
		assert(line.len <= QP_LINE + 1);
	decode(in, FUZZ_MAX, &whole);
	decode(in, size ? 1 + data[0] % 16 : 1, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	assert(whole.len <= in.len + 1);
	return 0;
}
