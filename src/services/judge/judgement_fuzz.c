/* Reading a judgement is total; what was read packs to the same bytes, and cannot damage a message. */
#include <assert.h>

#include "services/judge/judgement.h"

enum { HEADER_BYTES = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 1 << 20);
	AUTO_BUF first = BUF_INIT(JUDGEMENT_MAX), second = BUF_INIT(JUDGEMENT_MAX);
	struct judgement j, again;
	struct err err = { ERR_NONE, "" };

	if (size > JUDGEMENT_MAX)
		return 0;
	if (judgement_unpack(str_new(data, size), HEADER_BYTES, a, &j, &err) < 0) {
		assert(err.kind == ERR_INPUT);
		return 0;
	}
	for (size_t i = 0; i < j.cut_count; i++)
		assert(j.cuts[i].bytes && j.cuts[i].at + j.cuts[i].bytes <= HEADER_BYTES);
	judgement_pack(&j, &first);
	int rc = judgement_unpack(buf_str(&first), HEADER_BYTES, a, &again, &err);
	assert(rc == 0);
	judgement_pack(&again, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	judgement_describe(&j, &second);
	(void)rc;
	return 0;
}
