/* Both body forms, cut anywhere, against a second implementation that is slow and plain. */
#include <assert.h>

#include "base/buf.h"
#include "protocols/dkim/canon.h"

static void add_piece(void *arg, str piece)
{
	buf_add(arg, piece);
}

/* RFC 6376 §3.4.4 a: line by line, blanks reduced. */
static void naive_line(str line, struct buf *out)
{
	bool is_blank = false;

	while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
		line.len--;
	for (size_t i = 0; i < line.len; i++) {
		bool blank = line.ptr[i] == ' ' || line.ptr[i] == '\t';
		if (!blank)
			buf_addc(out, line.ptr[i]);
		else if (!is_blank)
			buf_addc(out, ' ');
		is_blank = blank;
	}
}

static void naive(enum dkim_canon kind, str body, struct buf *out)
{
	while (body.len) {
		size_t end = str_find(body, STR("\r\n"));
		str line = str_sub(body, 0, end == STR_NPOS ? body.len : end);
		if (kind == DKIM_RELAXED)
			naive_line(line, out);
		else
			buf_add(out, line);
		buf_addz(out, "\r\n");
		body = str_skip(body, line.len + 2);
	}
	while (str_ends(buf_str(out), STR("\r\n\r\n")))
		buf_truncate(out, out->len - 2);
	bool is_empty = out->len == 0 || str_eq(buf_str(out), STR("\r\n"));
	if (is_empty) {
		buf_reset(out);
		if (kind == DKIM_SIMPLE)
			buf_addz(out, "\r\n");
	}
}

static void check_kind(enum dkim_canon kind, str body, size_t step)
{
	AUTO_BUF got = BUF_INIT(1 << 20);
	AUTO_BUF want = BUF_INIT(1 << 20);
	struct dkim_body_canon c = { .kind = kind };

	naive(kind, body, &want);
	while (body.len) {
		str piece = str_sub(body, 0, step);
		dkim_body_canon_feed(&c, piece, add_piece, &got);
		body = str_skip(body, piece.len);
	}
	dkim_body_canon_end(&c, add_piece, &got);
	assert(str_eq(buf_str(&got), buf_str(&want)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	check_kind(DKIM_SIMPLE, str_new(data + 1, size - 1), 1 + data[0]);
	check_kind(DKIM_RELAXED, str_new(data + 1, size - 1), 1 + data[0]);
	return 0;
}
