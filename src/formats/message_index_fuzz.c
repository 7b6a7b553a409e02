/* Every message has an index; it packs and unpacks to the same; what IMAP sends of it follows the
 * grammar; and any bytes taken for a packed index are refused or safe to use. */
#include <assert.h>

#include "formats/message_index.h"
#include "formats/part_text.h"
#include "imap_grammar.h"

static void check_places(const struct message_index *index, str message)
{
	for (uint32_t i = 0; i < index->part_count; i++) {
		const struct index_part *p = &index->parts[i];
		assert(p->body_at + p->body_bytes <= message.len);
		assert(part_body(p, message).len == p->body_bytes);
		if (i == 0)
			continue;
		const struct index_part *parent = &index->parts[p->parent];
		assert(p->header_at >= parent->body_at);
		assert(p->body_at + p->body_bytes <= parent->body_at + parent->body_bytes);
	}
}

static void check_texts(const struct message_index *index)
{
	AUTO_BUF body = BUF_INIT(16 << 20);

	assert(grammar_is_envelope(index->envelope));
	assert(grammar_is_bodystructure(index->bodystructure));
	bodystructure_to_body(index->bodystructure, &body);
	assert(grammar_is_body(buf_str(&body)));
	assert(str_is_utf8(index->subject) && str_is_utf8(index->preview));
	assert(str_is_utf8(index->search_from) && str_is_utf8(index->search_to));
	assert(str_is_utf8(index->search_cc) && str_is_utf8(index->search_bcc));
}

static void check_round_trip(const struct message_index *index, struct arena *a)
{
	AUTO_BUF bytes = BUF_INIT(16 << 20), again_bytes = BUF_INIT(16 << 20);
	struct message_index again;

	message_index_encode(index, &bytes);
	assert(buf_ok(&bytes));
	assert(message_index_decode(buf_str(&bytes), a, &again, NULL) == 0);
	message_index_encode(&again, &again_bytes);
	assert(str_eq(buf_str(&bytes), buf_str(&again_bytes)));
	message_index_shift(&again, 100);
	assert(again.bytes == index->bytes + 100);
}

/* Any bytes as a packed index. */
static void check_decode(str bytes, struct arena *a)
{
	static const uint32_t path[] = { 1, 2, 1 };
	struct message_index index;

	if (message_index_decode(bytes, a, &index, NULL) < 0)
		return;
	AUTO_BUF body = BUF_INIT(1 << 20);
	bodystructure_to_body(index.bodystructure, &body);
	for (size_t i = 0; i <= 3; i++)
		message_index_part(&index, path, i);
	check_round_trip(&index, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 28);
	str message = str_new(data, size);
	struct message_index index;

	message_index_build(message, a, &index);
	check_places(&index, message);
	check_texts(&index);
	check_round_trip(&index, a);
	check_decode(message, a);
	return 0;
}
