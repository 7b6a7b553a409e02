/* An index comes from a worker, and a worker is the process that strangers' mail may have taken over:
 * whatever index it sends, beside whatever message, is refused or gives slices of that message and
 * nothing else. The first byte: 0, 1 or 2 make the index of the message and break it at places that
 * the second byte chooses; else the bytes up to the number in both are the index themselves. */
#include <assert.h>

#include "formats/charset.h"
#include "formats/part_text.h"
#include "protocols/imap/section.h"

enum { FUZZ_MAX = 16 << 20 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	charset_init();
	return 0;
}

/* Every second byte of the breakage is a place, the others what to put there. */
static void make_index(str breakage, str message, struct arena *a, struct buf *out)
{
	struct message_index index;

	message_index_build(message, a, &index);
	message_index_encode(&index, out);
	for (size_t i = 0; i + 2 < breakage.len && out->len; i += 3) {
		size_t at = (unsigned char)breakage.ptr[i] |
		            (size_t)(unsigned char)breakage.ptr[i + 1] << 8;
		out->ptr[at % out->len] = breakage.ptr[i + 2];
	}
}

static void ask(str wanted, const struct message_index *index, str message, struct arena *a)
{
	AUTO_BUF made = BUF_INIT(FUZZ_MAX);
	struct imap_fetch_atts atts;
	struct imap_lexer l;
	struct err err;
	str bytes;

	imap_lexer_init(&l, wanted, a);
	if (imap_fetch_atts_parse(&l, &atts, &err) < 0)
		return;
	for (size_t i = 0; i < atts.section_count; i++) {
		buf_reset(&made);
		if (section_get(&atts.sections[i], index, message, &made, &bytes) !=
		        SECTION_FOUND ||
		    bytes.len == 0)
			continue;
		bool in_message =
		    bytes.ptr >= message.ptr && bytes.ptr + bytes.len <= message.ptr + message.len;
		bool in_made = made.ptr && bytes.ptr >= made.ptr &&
		               bytes.ptr + bytes.len <= made.ptr + made.len;
		assert(in_message || in_made);
	}
}

static void use(str encoded, str message, struct arena *a)
{
	struct message_index index;
	AUTO_BUF text = BUF_INIT(FUZZ_MAX);
	uint64_t size;

	if (message_index_decode(encoded, a, &index, NULL) < 0)
		return;
	ask(STR("(BODY[] BODY[HEADER] BODY[TEXT] BODY[1] BODY[1.MIME] BODY[2.HEADER] "
	        "BODY[1.1.TEXT] "
	        "BINARY[1] BINARY[2] BODY[HEADER.FIELDS (Subject)] BODY[2]<1.5>)"),
	    &index, message, a);
	for (uint32_t i = 0; i < index.part_count && i < 20; i++) {
		part_text(&index.parts[i], message, 4096, &text);
		part_decoded_bytes(&index.parts[i], message, &size, NULL);
	}
	search_text(&index, message, SEARCH_IN_HEADER | SEARCH_IN_BODY, STR("x"));
	buf_reset(&text);
	bodystructure_to_body(index.bodystructure, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 28);
	AUTO_BUF encoded = BUF_INIT(FUZZ_MAX);

	if (size < 2 || size > 16384)
		return 0;
	str in = str_new(data + 2, size - 2);
	size_t cut = data[0] <= 2 ? data[1] : ((size_t)(data[0] - 3) << 8 | data[1]);
	str first = str_sub(in, 0, cut), message = str_skip(in, first.len);
	if (data[0] <= 2)
		make_index(first, message, a, &encoded);
	else
		buf_add(&encoded, first);
	use(buf_str(&encoded), message, a);
	return 0;
}
