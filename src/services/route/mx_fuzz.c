/* Whatever the DNS says: an end within the limits, the same for any order of answers, no special address. */
#include <assert.h>

#include "protocols/dns/dns_zone.h"
#include "services/route/mx.h"
#include "services/route/special.h"

enum { QUESTIONS_MAX = 1 + 2 * MX_HOSTS_MAX };

static void check_result(const struct mx_result *r)
{
	assert((r->status == MX_OK) == (r->count > 0) && r->count <= MX_ADDRESSES_MAX);
	assert(r->status == MX_OK ||
	       (r->reason.len && r->enhanced.class == (r->status == MX_TEMPORARY ? 4 : 5)));
	for (size_t i = 0; i < r->count; i++) {
		assert(!ip_special_kind(&r->targets[i].ip));
		assert(i == 0 || r->targets[i - 1].preference <= r->targets[i].preference);
		assert(!dns_name_eq(r->targets[i].host, STR("us.example")));
	}
}

/* The first line is the destination, the rest the zone. */
static void run(str input, bool is_backwards, struct buf *out)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", 64 << 20);
	struct mx_options o = { .hostname = STR("us.example"), .seed = (uint32_t)input.len };
	size_t questions = 0;
	const struct mx_result *r;

	if (!str_split(&input, '\n', &o.destination))
		return;
	struct mx *m = mx_start(a, &o);
	while (!(r = mx_result(m))) {
		struct dns_question q[QUESTIONS_MAX];
		size_t count = 0;
		while (count < QUESTIONS_MAX && mx_next_question(m, &q[count]))
			count++;
		questions += count;
		assert(count > 0 && questions <= QUESTIONS_MAX);
		for (size_t i = 0; i < count; i++) {
			const struct dns_question *at = &q[is_backwards ? count - 1 - i : i];
			assert(dns_name_is_valid(at->name));
			struct dns_answer answer = dns_zone_answer(a, input, at);
			mx_answer(m, at->id, &answer);
		}
	}
	check_result(r);
	for (size_t i = 0; i < r->count; i++) {
		buf_add(out, r->targets[i].host);
		ip_print(&r->targets[i].ip, out);
	}
	buf_add(out, r->reason);
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
