/* Whatever the DNS says: an end within the limits, the same for any order of answers. */
#include <assert.h>

#include "protocols/dns/dns_zone.h"
#include "protocols/spf/spf.h"

/* A TXT for each check_host(), an answer and hosts for each term, names of the peer, an explanation. */
enum { QUESTIONS_MAX = 11 + 10 * 11 + 11 + 1 };

/* The zone is the input; every name that is not in it gets the text of the last line, so that chains go on. */
static struct dns_answer answer_of(struct arena *a, str zone, const struct dns_question *q)
{
	struct dns_answer answer = dns_zone_answer(a, zone, q);
	size_t line = str_rchr(zone, '\n');

	if (answer.status != DNS_NXDOMAIN || line == STR_NPOS || q->type != DNS_TXT)
		return answer;
	struct dns_record *r = arena_one(a, struct dns_record);
	*r = (struct dns_record){ .data = dns_zone_unescape(a, str_skip(zone, line + 1)) };
	return (struct dns_answer){ .status = DNS_OK, .records = r, .count = 1 };
}

static void run(str input, bool is_backwards, struct buf *out)
{
	AUTO_ARENA a = arena_new(NULL, "fuzz", (size_t)1 << 30);
	struct spf_options o = { .receiver = STR("r.example") };
	str word, rest = input;
	size_t questions = 0;
	const struct spf_result *r;

	if (str_split(&rest, '\n', &word))
		ip_parse(word, &o.ip);
	if (str_split(&rest, '\n', &word))
		o.helo = word;
	if (str_split(&rest, '\n', &word))
		o.mail_from = word;
	if (!o.ip.version)
		ip_parse(STR("192.0.2.1"), &o.ip);
	struct spf *s = spf_start(a, &o);
	while (!(r = spf_result(s))) {
		struct dns_question q[QUESTIONS_MAX];
		size_t count = 0;
		while (count < QUESTIONS_MAX && spf_next_question(s, &q[count]))
			count++;
		questions += count;
		assert(count > 0 && questions <= QUESTIONS_MAX);
		for (size_t i = 0; i < count; i++) {
			size_t k = is_backwards ? count - 1 - i : i;
			assert(dns_name_is_valid(q[k].name));
			struct dns_answer answer = answer_of(a, rest, &q[k]);
			spf_answer(s, q[k].id, &answer);
		}
	}
	assert(r->lookups <= SPF_LOOKUPS_MAX && r->voids <= SPF_VOIDS_MAX &&
	       r->step_count <= SPF_STEPS_MAX);
	assert(str_is_printable(r->explanation) && (r->status == SPF_FAIL || !r->explanation.len));
	buf_addf(out, "%d ", (int)r->status);
	buf_add(out, r->reason);
	buf_add(out, r->explanation);
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
