/* Whatever is published: an end after a bounded number of questions, the same for any order of answers, and a
 * result that agrees with itself. */
#include <assert.h>

#include "protocols/dmarc/dmarc.h"
#include "protocols/dns/dns_zone.h"

enum { QUESTIONS_MAX = (DMARC_IDENTIFIERS_MAX + 1) * DMARC_WALK_MAX + 1 };

static void run(str input, bool is_backwards, struct buf *out)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 30);
	str word, rest = input, dkim[3] = { STR_NONE, STR_NONE, STR_NONE };
	struct dmarc_options o = { .dkim_domains = dkim, .dkim_count = 3 };
	size_t questions = 0;
	const struct dmarc_result *r;

	if (str_split(&rest, '\n', &word))
		o.author_domain = word;
	if (str_split(&rest, '\n', &word))
		o.spf_domain = word;
	for (size_t i = 0; i < 3; i++)
		str_split(&rest, '\n', &dkim[i]);
	struct dmarc *d = dmarc_start(a, &o);
	while (!(r = dmarc_result(d))) {
		struct dns_question q[QUESTIONS_MAX];
		size_t count = 0;
		while (count < QUESTIONS_MAX && dmarc_next_question(d, &q[count]))
			count++;
		questions += count;
		assert(count > 0 && questions <= QUESTIONS_MAX);
		for (size_t i = 0; i < count; i++) {
			size_t k = is_backwards ? count - 1 - i : i;
			assert(dns_name_is_valid(q[k].name));
			struct dns_answer answer = dns_zone_answer(a, rest, &q[k]);
			dmarc_answer(d, q[k].id, &answer);
		}
	}
	assert((r->status == DMARC_PASS) == (r->is_spf_aligned || r->is_dkim_aligned));
	assert(r->status == DMARC_FAIL || r->disposition == DMARC_POLICY_NONE);
	assert(r->disposition <= r->policy && r->policy >= DMARC_POLICY_NONE);
	assert(r->status == DMARC_NONE || r->status == DMARC_TEMPERROR || r->record);
	assert(!r->organizational_domain.len ||
	       dns_name_is_within(r->author_domain, r->organizational_domain));
	buf_addf(out, "%d %d ", (int)r->status, (int)r->disposition);
	buf_add(out, r->reason);
	buf_add(out, r->policy_tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF forwards = BUF_INIT(1 << 20);
	AUTO_BUF backwards = BUF_INIT(1 << 20);

	if (size > 4096)
		return 0;
	run(str_new(data, size), false, &forwards);
	run(str_new(data, size), true, &backwards);
	assert(str_eq(buf_str(&forwards), buf_str(&backwards)));
	return 0;
}
