/* A search program that was accepted is a tree within its limits. */
#include <assert.h>

#include "protocols/imap/search_key.h"

static size_t count_keys(const struct imap_search_key *key, size_t depth)
{
	size_t count = 1;

	/* Each level that was written can stand for two: NEW, UNSEEN. */
	assert(depth <= 2 * IMAP_SEARCH_DEPTH_MAX + 2);
	assert(key->op <= SEARCH_TEXT);
	if (key->op == SEARCH_NOT)
		assert(key->children && !key->children->next);
	if (key->op == SEARCH_OR)
		assert(key->children && key->children->next);
	for (const struct imap_search_key *k = key->children; k; k = k->next)
		count += count_keys(k, depth + 1);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_search search;
	struct imap_lexer l;
	struct err err;

	if (size > 16384)
		return 0;
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	imap_lexer_init(&l, str_new(data, size), a);
	if (imap_search_parse(&l, &search, &err) == 0)
		assert(count_keys(search.key, 0) <= 4 * IMAP_SEARCH_KEYS_MAX + 1);
	return 0;
}
