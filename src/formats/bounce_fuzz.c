/* Any message is read within its limits; any answer is classified in time that grows with its bytes only. */
#include <assert.h>

#include "formats/bounce_reason.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_recipient(
    const struct bounce_classifier *c, const struct bounce *b, const struct bounce_recipient *to)
{
	struct bounce_verdict v = bounce_judge(c, b, to);

	assert(to->address.len <= BOUNCE_ADDRESS_MAX && to->original.len <= BOUNCE_ADDRESS_MAX);
	assert(to->diagnostic.len <= BOUNCE_DIAGNOSTIC_MAX &&
	       to->remote_mta.len <= BOUNCE_ADDRESS_MAX);
	assert(
	    str_is_utf8(to->address) && str_is_utf8(to->diagnostic) && str_is_utf8(to->remote_mta));
	for (size_t i = 0; i < to->diagnostic.len; i++)
		assert((unsigned char)to->diagnostic.ptr[i] >= ' ');
	assert(to->code == 0 || (to->code >= 200 && to->code < 600));
	assert(v.reason < BOUNCE_REASONS && v.rule && v.check);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *rules;
	static struct bounce_classifier *c;
	str input = str_new(data, size);
	struct bounce b;

	if (!rules) {
		rules = arena_new(NULL, "rules", 4 << 20);
		c = bounce_classifier_new(rules, OPERATOR_NONE);
	}
	AUTO_ARENA a = arena_new(NULL, "fuzz", 256 << 20);
	bounce_parse(input, a, &b);
	assert(b.kind < BOUNCE_KINDS && b.count <= BOUNCE_RECIPIENTS_MAX);
	assert(b.kind == BOUNCE_REPORT || b.count == 0);
	assert(b.context.len <= BOUNCE_CONTEXT_MAX && str_is_utf8(b.context));
	for (size_t i = 0; i < b.count; i++)
		check_recipient(c, &b, &b.recipients[i]);

	struct bounce_answer answer = { .code = 550, .text = input, .host = str_sub(input, 0, 64) };
	assert(bounce_classify(c, &answer).reason < BOUNCE_REASONS);
	return 0;
}
