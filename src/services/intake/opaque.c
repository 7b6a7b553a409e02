#include "services/intake/opaque.h"

static uint32_t count_lines(str body)
{
	uint32_t lines = 0;

	for (size_t at; (at = str_chr(body, '\n')) != STR_NPOS; body = str_skip(body, at + 1))
		lines++;
	return lines;
}

void opaque_index(str message, struct arena *a, struct message_index *out)
{
	size_t gap = str_find(message, STR("\r\n\r\n"));
	size_t header = gap == STR_NPOS ? 0 : gap + 4;
	str body = str_skip(message, header);
	uint32_t lines = count_lines(body);
	struct index_part *part = arena_one(a, struct index_part);

	*part = (struct index_part){
		.parent = UINT32_MAX,
		.number = 1,
		.kind = PART_LEAF,
		.encoding = ENCODING_8BIT,
		.header_bytes = header,
		.body_at = header,
		.body_bytes = body.len,
		.lines = lines,
		.type = STR("text/plain"),
		.charset = STR("us-ascii"),
	};
	*out = (struct message_index){
		.bytes = message.len,
		.header_bytes = header,
		.envelope = STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
		.bodystructure = arena_strf(a,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" %zu %u NIL "
		    "NIL NIL NIL)",
		    body.len, lines),
		.parts = part,
		.part_count = 1,
	};
}
