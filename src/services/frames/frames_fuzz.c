/* Frame decoding is total, and what decodes encodes to the same bytes: each struct has exactly one
 * form on the wire. The first byte chooses the frame. */
#include <assert.h>

#include "services/frames/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_Alignas(16) char out[1024];
	struct err err = { ERR_NONE, "" };

	if (size < 1 || size > FRAME_MAX_BYTES)
		return 0;
	const struct frame_def *def =
	    frame_def_of((uint16_t)(1 + data[0] % (FRAME_TYPE_COUNT - 1)));
	str payload = str_new(data + 1, size - 1);
	if (frame_decode(def, payload, out, &err) < 0) {
		assert(err.kind == ERR_INPUT);
		return 0;
	}
	AUTO_BUF back = BUF_INIT(FRAME_MAX_BYTES);
	int rc = frame_encode(def, out, &back, &err);
	assert(rc == 0);
	assert(str_eq(buf_str(&back), payload));
	(void)rc;
	return 0;
}
