/* Tests of the packed lists: there and back, and cut at every byte. */
#include "check.h"

#include "services/frames/outbound.h"

static void test_recipients(void **state)
{
	AUTO_BUF packed = BUF_INIT(10000);
	struct outbound_recipient r;
	struct err err;

	(void)state;
	outbound_recipient_add(&packed,
	    &(struct outbound_recipient){ 7, 4, STR_INIT("a@b.example"), STR_INIT("rfc822;a@b") });
	size_t first = packed.len;
	outbound_recipient_add(&packed,
	    &(struct outbound_recipient){ UINT64_MAX, 0, STR_INIT("c@d.example"), STR_NONE });
	str in = buf_str(&packed);
	check_int_eq(outbound_recipient_take(&in, &r, &err), 0);
	check_int_eq(r.id, 7);
	check_int_eq(r.notify, 4);
	check_str_eq(r.address, STR("a@b.example"));
	check_str_eq(r.orcpt, STR("rfc822;a@b"));
	check_int_eq(outbound_recipient_take(&in, &r, &err), 0);
	check(r.id == UINT64_MAX && in.len == 0);
	for (size_t len = 0; len < first; len++) {
		in = str_sub(buf_str(&packed), 0, len);
		check_int_eq(outbound_recipient_take(&in, &r, &err), -1);
	}
}

static void test_results(void **state)
{
	char text[OUTBOUND_TEXT_MAX + 100];
	AUTO_BUF packed = BUF_INIT(10000);
	struct outbound_result r;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	outbound_result_add(&packed, &(struct outbound_result){ .id = 9,
	                                 .outcome = OUTBOUND_PERMANENT,
	                                 .told_peer = true,
	                                 .code = 550,
	                                 .status = { 5, 1, 1 },
	                                 .stage = STR("RCPT"),
	                                 .text = str_new(text, sizeof(text)) });
	str in = buf_str(&packed);
	check_int_eq(outbound_result_take(&in, &r, &err), 0);
	check(r.id == 9 && r.outcome == OUTBOUND_PERMANENT && r.code == 550 && r.status[2] == 1);
	check(r.told_peer && !r.is_local && in.len == 0);
	check_str_eq(r.stage, STR("RCPT"));
	check_int_eq(r.text.len, OUTBOUND_TEXT_MAX);
	for (size_t len = 0; len < packed.len; len++) {
		in = str_sub(buf_str(&packed), 0, len);
		check_int_eq(outbound_result_take(&in, &r, &err), -1);
	}
	packed.ptr[1] = OUTBOUND_OUTCOMES;
	in = buf_str(&packed);
	check_int_eq(outbound_result_take(&in, &r, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_results),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
