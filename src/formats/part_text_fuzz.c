/* The text of any part is UTF-8; a part decodes to the same in pieces and at once; what is in a field
 * is found there. */
#include <assert.h>

#include "formats/charset.h"
#include "formats/header.h"
#include "formats/html_text.h"
#include "formats/part_text.h"

static void check_part(const struct index_part *part, str message)
{
	AUTO_BUF text = BUF_INIT(1 << 22), bytes = BUF_INIT(1 << 22);
	uint64_t size;

	part_text(part, message, 16384, &text);
	assert(str_is_utf8(buf_str(&text)));
	if (part_decode(part, message, &bytes, NULL) < 0)
		return;
	assert(part_decoded_bytes(part, message, &size, NULL) == 0);
	assert(size == bytes.len);
}

/* A field name occurs in the folded header. */
static void check_search(const struct message_index *index, str message)
{
	struct header_field field;
	str header = part_header(&index->parts[0], message);

	if (!header_next(&header, &field) || field.name.len == 0)
		return;
	AUTO_BUF needle = BUF_INIT(1 << 20);
	text_fold(field.name, &needle);
	assert(search_text(index, message, SEARCH_IN_HEADER, buf_str(&needle)));
	assert(search_header(part_header(&index->parts[0], message), field.name, STR("")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 28);
	AUTO_BUF html = BUF_INIT(1 << 22);
	str message = str_new(data, size);
	struct message_index index;

	if (size > 16384)
		return 0;
	message_index_build(message, a, &index);
	for (uint32_t i = 0; i < index.part_count && i < 20; i++)
		check_part(&index.parts[i], message);
	check_search(&index, message);
	search_text(&index, message, SEARCH_IN_HEADER | SEARCH_IN_BODY, STR("zzzzzz"));
	html_text(message, &html);
	assert(!str_is_utf8(message) || str_is_utf8(buf_str(&html)));
	return 0;
}
