/* Every frame of the list: its table fits its struct, and generated values survive the trip. */
#include "check.h"

#include "base/secret.h"
#include "services/frames/frames.h"

enum { ROUNDS = 50, STRUCT_MAX = 1024 };

static void fill(const struct frame_def *def, char *out, struct buf *text)
{
	for (size_t i = 0; i < def->field_count; i++) {
		const struct frame_field *f = &def->fields[i];
		uint64_t n = random_u64() >> (random_u64() % 64);
		bool b = n & 1;
		uint32_t u32 = (uint32_t)n;
		size_t room = text->max - text->len;
		size_t len = (size_t)(n % (f->max + 1));
		str s = { text->ptr + text->len, len < room / 4 ? len : room / 4 };
		switch (f->type) {
		case FIELD_BOOL:
			memcpy(out + f->offset, &b, sizeof(b));
			break;
		case FIELD_U32:
			memcpy(out + f->offset, &u32, sizeof(u32));
			break;
		case FIELD_U64:
		case FIELD_I64:
			memcpy(out + f->offset, &n, sizeof(n));
			break;
		case FIELD_STR:
			random_bytes(text->ptr + text->len, s.len);
			text->len += s.len;
			memcpy(out + f->offset, &s, sizeof(s));
			break;
		}
	}
}

static void check_same(const struct frame_def *def, const char *a, const char *b)
{
	static const size_t widths[] = { sizeof(bool), sizeof(uint32_t), sizeof(uint64_t),
		sizeof(int64_t), sizeof(str) };

	for (size_t i = 0; i < def->field_count; i++) {
		const struct frame_field *f = &def->fields[i];
		str x, y;
		if (f->type != FIELD_STR) {
			check_case(
			    f->name, memcmp(a + f->offset, b + f->offset, widths[f->type]) == 0);
			continue;
		}
		memcpy(&x, a + f->offset, sizeof(x));
		memcpy(&y, b + f->offset, sizeof(y));
		check_case(f->name, str_eq(x, y));
	}
}

static void test_tables(void **state)
{
	(void)state;
	check(!frame_def_of(FRAME_NONE));
	check(!frame_def_of(FRAME_TYPE_COUNT));
	check(!frame_def_of(UINT16_MAX));
	for (unsigned type = 1; type < FRAME_TYPE_COUNT; type++) {
		const struct frame_def *def = frame_def_of((uint16_t)type);
		check(def && def->type == type);
		check_case(def->name, def->struct_bytes <= STRUCT_MAX);
		for (size_t i = 0; i < def->field_count; i++) {
			const struct frame_field *f = &def->fields[i];
			check_case(def->name, f->offset < def->struct_bytes);
			check_case(def->name, (f->type == FIELD_STR) == (f->max > 0));
			check_case(def->name, i == 0 || f->offset > def->fields[i - 1].offset);
		}
	}
	check_str_eq(str_c(frame_def_rcpt_check.fields[1].name), STR("sender"));
	check_int_eq(frame_def_rcpt_check.field_count, 11);
	check_int_eq(frame_def_message.fd_count, 1);
}

static void test_round_trips(void **state)
{
	AUTO_BUF text = BUF_INIT(FRAME_MAX_BYTES - 1024);

	(void)state;
	check(buf_space(&text, text.max) != NULL);
	for (unsigned type = 1; type < FRAME_TYPE_COUNT; type++) {
		const struct frame_def *def = frame_def_of((uint16_t)type);
		for (int round = 0; round < ROUNDS; round++) {
			_Alignas(16) char in[STRUCT_MAX] = { 0 }, out[STRUCT_MAX];
			AUTO_BUF wire = BUF_INIT(FRAME_MAX_BYTES);
			struct err err = { ERR_NONE, "" };
			buf_reset(&text);
			fill(def, in, &text);
			check_case(def->name, frame_encode(def, in, &wire, &err) == 0);
			check_case(def->name, frame_decode(def, buf_str(&wire), out, &err) == 0);
			check_same(def, in, out);
			check_case(def->name,
			    frame_decode(def, str_sub(buf_str(&wire), 0, wire.len - 1), out, &err) <
			        0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
