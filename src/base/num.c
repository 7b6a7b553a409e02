#include "base/num.h"

int num_take_u64(str *in, uint64_t max, uint64_t *out)
{
	str digits;
	uint64_t n = 0;

	str at = *in;
	if (take_digits(&at, SIZE_MAX, &digits) < 0)
		return -1;
	for (size_t i = 0; i < digits.len; i++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(digits.ptr[i] - '0'), &n))
			return -1;
	}
	if (n > max)
		return -1;
	*in = at;
	*out = n;
	return 0;
}

int num_take_u32(str *in, uint32_t max, uint32_t *out)
{
	uint64_t n;

	if (num_take_u64(in, max, &n) < 0)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

int num_parse_u64(str s, uint64_t max, uint64_t *out)
{
	uint64_t n;

	if (num_take_u64(&s, max, &n) < 0 || s.len)
		return -1;
	*out = n;
	return 0;
}

int num_parse_u32(str s, uint32_t max, uint32_t *out)
{
	uint64_t n;

	if (num_parse_u64(s, max, &n) < 0)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

static int scale(uint64_t n, uint64_t unit, uint64_t max, uint64_t *out)
{
	if (__builtin_mul_overflow(n, unit, &n) || n > max)
		return -1;
	*out = n;
	return 0;
}

int num_parse_size(str s, uint64_t max, uint64_t *out)
{
	uint64_t n, unit = 1;

	s = str_trim(s);
	if (num_take_u64(&s, UINT64_MAX, &n) < 0)
		return -1;
	s = str_trim(s);
	if (s.len > 0) {
		static const char units[] = "kmgt";
		const char *hit = strchr(units, ascii_lower(s.ptr[0]));
		if (hit) {
			unit = (uint64_t)1 << (10 * (hit - units + 1));
			s = str_skip(s, 1);
			if (s.len == 2 && s.ptr[0] == 'i')
				s = str_skip(s, 1);
		}
		if (!str_empty(s) && !str_ieq(s, STR("b")))
			return -1;
	}
	return scale(n, unit, max, out);
}

int num_parse_duration(str s, uint64_t max_s, uint64_t *out_s)
{
	static const struct {
		char name;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	uint64_t n;

	s = str_trim(s);
	if (num_take_u64(&s, UINT64_MAX, &n) < 0)
		return -1;
	s = str_trim(s);
	if (str_empty(s))
		return scale(n, 1, max_s, out_s);
	for (size_t i = 0; s.len == 1 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].name == s.ptr[0])
			return scale(n, units[i].seconds, max_s, out_s);
	}
	return -1;
}
