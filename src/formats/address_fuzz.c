/* What was read without doubt reads the same again when it is printed, and nothing that is printed can
 * break a line. */
#include <assert.h>

#include "formats/address.h"

static void check_printed(const struct address *item, struct arena *a)
{
	AUTO_BUF printed = BUF_INIT(1 << 20);
	struct address_list again;

	address_print(item, &printed);
	assert(str_chr(buf_str(&printed), '\n') == STR_NPOS);
	assert(str_chr(buf_str(&printed), '\0') == STR_NPOS);
	if (item->broken)
		return;
	address_list_parse(buf_str(&printed), a, &again);
	assert(again.count == 1 && !again.broken);
	assert(str_eq(again.items[0].local, item->local));
	assert(str_ieq(again.items[0].domain, item->domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 28);
	struct address_list list;
	size_t open = 0;

	if (size > 8192)
		return 0;
	address_list_parse(str_new(data, size), a, &list);
	assert(list.count <= ADDRESS_LIST_MAX);
	for (size_t i = 0; i < list.count; i++) {
		const struct address *item = &list.items[i];
		assert(!item->broken || list.broken);
		open += item->kind == ADDRESS_GROUP;
		open -= item->kind == ADDRESS_GROUP_END;
		assert(open <= 1);
		if (item->kind == ADDRESS_MAILBOX)
			check_printed(item, a);
	}
	assert(open == 0);
	return 0;
}
