/* The first line is what FETCH asks for, the rest is the message: values are slices of it or made
 * from it, and header subsets divide the header between them. */
#include <assert.h>

#include "protocols/imap/section.h"

static void check_halves(str header)
{
	static const str names[] = { STR_INIT("subject"), STR_INIT("a") };
	AUTO_BUF in = BUF_INIT(1 << 20);
	AUTO_BUF out = BUF_INIT(1 << 20);

	section_header_fields(header, names, 2, false, &in);
	section_header_fields(header, names, 2, true, &out);
	/* The empty line at the end belongs to both. */
	assert(in.len + out.len >= header.len && in.len + out.len <= header.len + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str message = str_new(data, size), asked, bytes = STR_NONE;
	struct imap_fetch_atts atts;
	struct message_index index;
	struct imap_lexer l;
	struct err err;

	if (size > 65536 || !str_split(&message, '\n', &asked))
		return 0;
	AUTO_ARENA a = arena_new(NULL, "fuzz", 256 << 20);
	imap_lexer_init(&l, asked, a);
	if (imap_fetch_atts_parse(&l, &atts, &err) < 0)
		return 0;
	message_index_build(message, a, &index);
	for (size_t i = 0; i < atts.section_count; i++) {
		AUTO_BUF made = BUF_INIT(16 << 20);
		const struct imap_section *s = &atts.sections[i];
		if (section_get(s, &index, message, &made, &bytes) == SECTION_FOUND && s->partial)
			assert(bytes.len <= s->length);
	}
	check_halves(str_sub(message, 0, (size_t)index.header_bytes));
	return 0;
}
