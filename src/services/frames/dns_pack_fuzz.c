/* Unpacking is total; what unpacks packs to bytes that unpack to the same. */
#include <assert.h>

#include "services/frames/dns_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	AUTO_BUF first = BUF_INIT(DNS_PACK_MAX), second = BUF_INIT(DNS_PACK_MAX);
	struct dns_answer answer, again;
	struct err err = { ERR_NONE, "" };

	if (size > DNS_PACK_MAX)
		return 0;
	if (dns_answer_unpack(str_new(data, size), a, &answer, &err) < 0) {
		assert(err.kind == ERR_INPUT);
		return 0;
	}
	assert((answer.count > 0) == (answer.status == DNS_OK));
	dns_answer_pack(&answer, &first);
	int rc = dns_answer_unpack(buf_str(&first), a, &again, &err);
	assert(rc == 0 && again.count == answer.count);
	dns_answer_pack(&again, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	(void)rc;
	return 0;
}
