#include "services/store/crc32c.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

/* One nibble at a time: 16 entries suffice for the few machines without the instruction. */
static const uint32_t nibble[16] = {
	0x00000000,
	0x105ec76f,
	0x20bd8ede,
	0x30e349b1,
	0x417b1dbc,
	0x5125dad3,
	0x61c69362,
	0x7198540d,
	0x82f63b78,
	0x92a8fc17,
	0xa24bb5a6,
	0xb21572c9,
	0xc38d26c4,
	0xd3d3e1ab,
	0xe330a81a,
	0xf36e6f75,
};

static uint32_t crc_plain(uint32_t crc, str bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= (unsigned char)bytes.ptr[i];
		crc = nibble[crc & 15] ^ (crc >> 4);
		crc = nibble[crc & 15] ^ (crc >> 4);
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, str bytes)
{
	uint64_t wide = crc, word;

	while (bytes.len >= sizeof(word)) {
		memcpy(&word, bytes.ptr, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
		bytes = str_skip(bytes, sizeof(word));
	}
	crc = (uint32_t)wide;
	for (size_t i = 0; i < bytes.len; i++)
		crc = _mm_crc32_u8(crc, (unsigned char)bytes.ptr[i]);
	return crc;
}
#endif

uint32_t crc32c(str bytes)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_sse42(~0u, bytes);
#endif
	return ~crc_plain(~0u, bytes);
}
