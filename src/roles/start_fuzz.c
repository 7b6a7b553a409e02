/* The start block and the certificates, as a role reads them: what is accepted is written again to the
 * same bytes, and never names more than there is room for. The first byte chooses which of the two. */
#include <assert.h>

#include "roles/start.h"

static void check_block(str in)
{
	AUTO_BUF again = BUF_INIT(1 << 20);
	struct start_block b;

	if (start_block_read(in, &b, NULL) < 0)
		return;
	assert(b.link_count <= START_LINKS_MAX);
	start_block_write(&b, &again);
	struct start_block second;
	int rc = start_block_read(buf_str(&again), &second, NULL);
	assert(rc == 0 && second.link_count == b.link_count);
	assert(str_eq(second.config_text, b.config_text));
}

static void check_certificates(str in)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF again = BUF_INIT(1 << 20);
	struct start_certificate *list, *second;
	size_t count, second_count;

	if (start_certificates_read(in, a, &list, &count, NULL) < 0)
		return;
	start_certificates_write(list, count, true, &again);
	int rc = start_certificates_read(buf_str(&again), a, &second, &second_count, NULL);
	assert(rc == 0 && second_count == count);
	for (size_t i = 0; i < count; i++)
		assert(
		    str_eq(list[i].key, second[i].key) && str_eq(list[i].chain, second[i].chain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	str in = str_new(data + 1, size - 1);
	if (data[0] & 1)
		check_certificates(in);
	else
		check_block(in);
	return 0;
}
