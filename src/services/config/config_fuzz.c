/* Any text is either a configuration or an error with a sentence; nothing else happens. */
#include <assert.h>

#include "services/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	struct err err = { 0 };

	if (config_parse("fuzz", str_new(data, size), &c, &err) < 0)
		assert(err.kind != ERR_NONE && err.text[0]);
	else
		assert(c->hostname.len && c->data.len);
	config_free(c);
	return 0;
}
