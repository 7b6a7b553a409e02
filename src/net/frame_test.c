/* Tests of the frame codec on a struct with one field of each type. */
#include "check.h"

#include "net/frame.h"

struct sample {
	bool yes;
	uint32_t small;
	uint64_t large;
	int64_t signed_one;
	str text;
};

static const struct frame_field fields[] = {
	{ "yes", FIELD_BOOL, offsetof(struct sample, yes), 0 },
	{ "small", FIELD_U32, offsetof(struct sample, small), 0 },
	{ "large", FIELD_U64, offsetof(struct sample, large), 0 },
	{ "signed_one", FIELD_I64, offsetof(struct sample, signed_one), 0 },
	{ "text", FIELD_STR, offsetof(struct sample, text), 5 },
};
static const struct frame_def def = { "sample", 7, 0, sizeof(struct sample), fields,
	COUNT(fields) };

static void test_round_trip(void **state)
{
	static const struct sample cases[] = {
		{ false, 0, 0, 0, STR_INIT("") },
		{ true, UINT32_MAX, UINT64_MAX, INT64_MIN, STR_INIT("12345") },
		{ true, 127, 128, -1, STR_INIT("\0x") },
		{ false, 1, 1, INT64_MAX, STR_INIT("a") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_BUF out = BUF_INIT(FRAME_MAX_BYTES);
		struct err err = { ERR_NONE, "" };
		struct sample back;
		check(frame_encode(&def, &cases[i], &out, &err) == 0);
		check(frame_decode(&def, buf_str(&out), &back, &err) == 0);
		check(back.yes == cases[i].yes && back.small == cases[i].small);
		check(back.large == cases[i].large && back.signed_one == cases[i].signed_one);
		check_str_eq(back.text, cases[i].text);
		for (size_t len = 0; len < out.len; len++)
			check(frame_decode(&def, str_sub(buf_str(&out), 0, len), &back, &err) < 0);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *name;
		str in;
		bool ok;
	} cases[] = {
		{ "all zero", STR_INIT("\0\0\0\0\0"), true },
		{ "bool of two", STR_INIT("\2\0\0\0\0"), false },
		{ "u32 at its end", STR_INIT("\0\xff\xff\xff\xff\x0f\0\0\0"), true },
		{ "u32 above its end", STR_INIT("\0\xff\xff\xff\xff\x1f\0\0\0"), false },
		{ "longer than needed", STR_INIT("\x81\0\0\0\0\0"), false },
		{ "string at its max", STR_INIT("\0\0\0\0\5abcde"), true },
		{ "string above its max", STR_INIT("\0\0\0\0\6abcdef"), false },
		{ "string cut short", STR_INIT("\0\0\0\0\3ab"), false },
		{ "a byte too many", STR_INIT("\0\0\0\0\0x"), false },
		{ "nothing", STR_INIT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { ERR_NONE, "" };
		struct sample out;
		int rc = frame_decode(&def, cases[i].in, &out, &err);
		check_case(cases[i].name, (rc == 0) == cases[i].ok);
		check_case(cases[i].name, rc == 0 || err.kind == ERR_INPUT);
	}
}

static void test_encode_limits(void **state)
{
	struct sample in = { .text = STR_INIT("123456") };
	AUTO_BUF out = BUF_INIT(FRAME_MAX_BYTES);
	struct err err = { ERR_NONE, "" };

	(void)state;
	check(frame_encode(&def, &in, &out, &err) < 0);
	check_int_eq(err.kind, ERR_LIMIT);
	AUTO_BUF tiny = BUF_INIT(3);
	in.text = STR("1");
	check(frame_encode(&def, &in, &tiny, &err) < 0);
	check_int_eq(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_encode_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
