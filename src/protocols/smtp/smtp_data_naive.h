/* smtp_data_naive.h: the same as data.c, byte by byte, to be compared with in tests and fuzzing. */
#ifndef BUZON_PROTOCOLS_SMTP_SMTP_DATA_NAIVE_H
#define BUZON_PROTOCOLS_SMTP_SMTP_DATA_NAIVE_H

#include "base/buf.h"
#include "protocols/smtp/data.h"

/* Decodes the message at the front of in; *out_used is where it ends. MORE: it does not end there. */
static inline enum smtp_data_result naive_data(
    str in, struct buf *out, size_t *out_used, bool *out_nul)
{
	*out_nul = false;
	for (size_t i = 0; i < in.len;) {
		str line = str_skip(in, i);
		size_t n = 0;
		while (n < line.len && line.ptr[n] != '\r' && line.ptr[n] != '\n')
			n++;
		bool has_cr = n < line.len && line.ptr[n] == '\r';
		if (n < line.len && (!has_cr || (n + 1 < line.len && line.ptr[n + 1] != '\n')))
			return SMTP_DATA_BARE;
		bool is_whole = has_cr && n + 1 < line.len;
		if (n == 1 && line.ptr[0] == '.' && is_whole) {
			*out_used = i + 3;
			return SMTP_DATA_END;
		}
		bool is_stuffed = line.ptr[0] == '.';
		/* ".\r" at the end of what is there: the CR may belong to the end. */
		size_t len = is_whole ? n + 2 : has_cr && !(is_stuffed && n == 1) ? n + 1 : n;
		for (size_t k = is_stuffed; k < len; k++) {
			*out_nul |= line.ptr[k] == '\0';
			buf_addc(out, line.ptr[k]);
		}
		i += is_whole ? n + 2 : line.len;
	}
	*out_used = in.len;
	return SMTP_DATA_MORE;
}

/* data.c over the same bytes, fed in pieces of step. */
static inline enum smtp_data_result stepped_data(
    str in, size_t step, struct buf *out, size_t *out_used, bool *out_nul)
{
	struct smtp_data d = { 0 };
	enum smtp_data_result result = SMTP_DATA_MORE;
	str rest = in, block;

	while (rest.len && result != SMTP_DATA_END) {
		str piece = str_sub(rest, 0, step), left = piece;
		do {
			result = smtp_data_next(&d, &left, &block);
			if (result == SMTP_DATA_BARE)
				return result;
			buf_add(out, block);
		} while (result == SMTP_DATA_BLOCK);
		rest = str_skip(rest, piece.len - left.len);
	}
	*out_used = in.len - rest.len;
	*out_nul = d.has_nul;
	return result;
}

#endif
