/* What we print, we parse back to the same mailbox; it never holds a line break or a NUL. */
#include <assert.h>

#include "formats/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 20);
	AUTO_BUF printed = BUF_INIT(65536);
	struct mailbox first, second;
	str in = str_new(data, size);

	if (size < 1 || size > 4096)
		return 0;
	unsigned flags = data[0] & 15;
	in = str_skip(in, 1);
	if (mailbox_parse_path(&in, flags, a, &first, NULL) < 0)
		return 0;
	mailbox_print_path(&printed, &first);
	str again = buf_str(&printed);
	assert(str_find(again, STR("\n")) == STR_NPOS && str_find(again, STR("\r")) == STR_NPOS);
	assert(again.len == 0 || !memchr(again.ptr, '\0', again.len));
	assert(first.local.len <= MAILBOX_LOCAL_LONG_MAX && first.domain.len <= DOMAIN_MAX);
	assert(mailbox_parse_path(&again, flags, a, &second, NULL) == 0);
	assert(again.len == 0 && mailbox_eq(&first, &second));
	return 0;
}
