/* num.h: decimal numbers from text, strictly.
 *
 * Purpose    The whole slice must be digits; no sign, no space, no overflow, no number above max.
 * Errors     0, or -1 with *out untouched.
 */
#ifndef BUZON_BASE_NUM_H
#define BUZON_BASE_NUM_H

#include "base/str.h"

int num_parse_u32(str s, uint32_t max, uint32_t *out);
int num_parse_u64(str s, uint64_t max, uint64_t *out);
/* Takes digits from the front of *in and stops at the first other byte. */
int num_take_u32(str *in, uint32_t max, uint32_t *out);
int num_take_u64(str *in, uint64_t max, uint64_t *out);
/* "50M", "64 KiB", "1G", "1048576": K, M, G are powers of 1024; a B or iB may follow. */
int num_parse_size(str s, uint64_t max, uint64_t *out);
/* "30s", "5m", "4h", "5d", "90": seconds. */
int num_parse_duration(str s, uint64_t max_s, uint64_t *out_s);

#endif
