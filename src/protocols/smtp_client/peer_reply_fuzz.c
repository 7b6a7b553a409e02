/* The reply reader on any bytes: the same replies however they are cut; text is clean; it always ends. */
#include <assert.h>

#include "protocols/smtp_client/peer_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(const struct peer_reply *r)
{
	assert(r->code >= 200 && r->code <= 599);
	assert(!r->enhanced.class || r->enhanced.class == r->code / 100);
	assert(r->text.len <= PEER_REPLY_TEXT && str_is_utf8(r->text));
	for (size_t i = 0; i < r->text.len; i++)
		assert((unsigned char)r->text.ptr[i] >= 0x20 || r->text.ptr[i] == '\n');
}

static void run(str bytes, size_t step, bool skip_junk, struct buf *out)
{
	struct peer_reply_reader reader;
	struct peer_reply r;

	peer_reply_init(&reader);
	reader.skip_junk = skip_junk;
	for (str rest = bytes; rest.len; rest = str_skip(rest, step))
		for (str piece = str_sub(rest, 0, step); piece.len;) {
			size_t before = piece.len;
			enum peer_reply_result result = peer_reply_next(&reader, &piece, &r);
			assert(piece.len < before);
			assert(result != PEER_REPLY_MORE || piece.len == 0);
			buf_addu(out, (uint64_t)result);
			buf_truncate(out, out->len - (result == PEER_REPLY_MORE));
			if (result != PEER_REPLY_READY)
				continue;
			check_reply(&r);
			buf_addf(out, "%u %u ", r.code, r.flags);
			enhanced_status_print(r.enhanced, out);
			buf_add(out, r.text);
		}
	if (peer_reply_end(&reader, &r) == PEER_REPLY_READY)
		check_reply(&r);
	peer_reply_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	AUTO_BUF whole = BUF_INIT(64 << 20);
	AUTO_BUF cut = BUF_INIT(64 << 20);
	str bytes = str_new(data + 2, size - 2);

	run(bytes, bytes.len + 1, data[0] & 1, &whole);
	run(bytes, 1u + data[1], data[0] & 1, &cut);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
