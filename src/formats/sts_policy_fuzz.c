/* What is read keeps to the limits; every pattern without a wildcard matches itself, one with a wildcard any label. */
#include <assert.h>

#include "base/buf.h"
#include "formats/sts_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ARENA a = arena_new(NULL, "policy", 1 << 20);
	str in = str_new(data, size), id;
	struct sts_policy p;

	if (sts_record_parse(in, &id, NULL) == 0) {
		assert(sts_record_is(in) && id.len > 0 && id.len <= STS_ID_MAX);
		assert(id.ptr >= in.ptr && id.ptr + id.len <= in.ptr + in.len);
	}
	if (sts_policy_parse(in, a, &p, NULL) < 0)
		return 0;
	assert(p.max_age_s <= STS_AGE_MAX_S && p.mx_count <= STS_MX_MAX);
	assert(p.mode == STS_NONE || p.mx_count > 0);
	for (size_t i = 0; i < p.mx_count; i++) {
		AUTO_BUF host = BUF_INIT(1024);
		str pattern = p.mx[i];
		if (take_lit(&pattern, STR("*.")) == 0)
			buf_addz(&host, "any.");
		buf_add(&host, pattern);
		assert(sts_policy_matches(&p, buf_str(&host)));
	}
	return 0;
}
