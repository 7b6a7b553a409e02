/* The DATA reader against the naive one, on any bytes. The first byte says how they are cut. */
#include <assert.h>

#include "protocols/smtp/smtp_data_naive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	AUTO_BUF naive = BUF_INIT(1 << 20);
	AUTO_BUF fast = BUF_INIT(1 << 20);
	size_t naive_used = 0, fast_used = 0;
	bool naive_nul = false, fast_nul = false;
	str in = str_new(data + 1, size - 1);
	enum smtp_data_result want = naive_data(in, &naive, &naive_used, &naive_nul);
	enum smtp_data_result got = stepped_data(in, 1u + data[0], &fast, &fast_used, &fast_nul);

	assert(got == want);
	if (got == SMTP_DATA_BARE)
		return 0;
	assert(naive_used == fast_used && naive_nul == fast_nul);
	assert(str_eq(buf_str(&naive), buf_str(&fast)));
	return 0;
}
