/* Whatever the header: the surrogate is ASCII, and a surrogate of a surrogate is the same. */
#include <assert.h>

#include "formats/charset.h"
#include "formats/downgrade.h"
#include "formats/header.h"

enum { FUZZ_MAX = 1 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	charset_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF first = BUF_INIT(FUZZ_MAX);
	AUTO_BUF second = BUF_INIT(FUZZ_MAX);

	if (size > 4096)
		return 0;
	downgrade_header(header_block(str_new(data, size)), &first);
	assert(str_is_ascii(buf_str(&first)));
	downgrade_header(buf_str(&first), &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	buf_reset(&first);
	buf_reset(&second);
	downgrade_strings(str_new(data, size), &first);
	downgrade_strings(buf_str(&first), &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	return 0;
}
