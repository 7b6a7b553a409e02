/* Whatever page_decode takes, page_encode writes again and it comes back the same. The checksum is
 * put right first, so that the fuzzer reaches what is behind it. */
#include <assert.h>
#include <stdlib.h>

#include "services/store/crc32c.h"
#include "services/store/page.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	AUTO_BUF bytes = BUF_INIT(1 << 20);
	AUTO_BUF again = BUF_INIT(1 << 20);
	struct store_page *first, *second;

	if (size > 65536)
		return 0;
	buf_add(&bytes, str_new(data, size));
	buf_add_u32(&bytes, crc32c(str_new(data, size)));
	if (page_decode(buf_str(&bytes), 1, &first, NULL) < 0)
		return 0;
	page_encode(first, &again);
	assert(buf_ok(&again));
	assert(page_decode(buf_str(&again), 1, &second, NULL) == 0);
	assert(first->count == second->count);
	assert(memcmp(first->entries, second->entries, first->count * sizeof(struct store_entry)) ==
	       0);
	page_unref(first);
	page_unref(second);
	return 0;
}
