/* The framer says the same however its input is cut, and never takes more memory than its limits. */
#include <assert.h>

#include "protocols/imap/framer.h"

static const struct imap_limits limits = { .line_bytes = 200,
	.command_bytes = 1000,
	.inline_bytes = 50,
	.append_bytes = 300,
	.append_count = 3,
	.append_total = 1000,
	.swallow_bytes = 500 };

static void note(struct buf *log, enum imap_frame event, const struct imap_frame_event *e)
{
	if (event == IMAP_FRAME_STREAM) {
		if (e->first)
			buf_addf(log, "<%zu ", e->index);
		buf_add(log, e->data);
		if (e->last)
			buf_addz(log, ">");
		return;
	}
	buf_addf(log, "[%d ", (int)event);
	buf_add(log, e->text);
	for (size_t i = 0; i < e->streamed_count; i++)
		buf_addf(log, " %d %d %zu", (int)e->streamed[i].length, e->streamed[i].has_nul,
		    e->streamed[i].at);
	buf_addz(log, "]");
}

static void run(struct buf *log, str input, size_t step)
{
	struct imap_framer *f = imap_framer_new(&limits);
	bool over = false;

	for (size_t at = 0; at < input.len && !over; at += step) {
		str part = str_sub(input, at, step);
		while (part.len > 0 && !over) {
			struct imap_frame_event e = { .why = NULL };
			size_t before = part.len;
			enum imap_frame event = imap_framer_feed(f, &part, &e);
			if (event == IMAP_FRAME_NONE)
				break;
			/* A line that is full is told with the byte behind it still unread. */
			assert(part.len < before || event == IMAP_FRAME_BAD);
			note(log, event, &e);
			over = event == IMAP_FRAME_FATAL;
			if (event == IMAP_FRAME_COMMAND)
				assert(e.text.len <= limits.command_bytes);
		}
	}
	imap_framer_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF whole = BUF_INIT(1 << 20);
	AUTO_BUF part = BUF_INIT(1 << 20);

	if (size < 2 || size > 8192)
		return 0;
	str input = str_new(data + 1, size - 1);
	run(&whole, input, input.len);
	run(&part, input, 1 + data[0] % 17);
	assert(str_eq(buf_str(&whole), buf_str(&part)));
	return 0;
}
