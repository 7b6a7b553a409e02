/* The whole server engine on any bytes. Two header bytes: role and TLS; how the bytes are cut. Checked:
 * the record of the transaction in smtp_driver.h; replies are well formed; the same bytes in other
 * pieces get the same replies and the same events. */
#include "protocols/smtp/smtp_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size, size_t step, struct buf *out, struct buf *log)
{
	struct driver d;
	str rest = str_new(data + 2, size - 2);

	driver_init(&d);
	d.options.role = (enum smtp_role)(data[0] % 3);
	d.options.tls_active = data[0] & 8;
	d.options.allow_plain = data[0] & 16;
	d.options.tls_offered = data[0] & 32;
	d.options.limits.message_bytes = 2000;
	/* What is discarded is counted in pieces, so that limit is left to the transcripts. */
	d.options.limits.swallow_bytes = 1 << 20;
	d.options.limits.recipients = 3;
	if (data[0] & 64)
		driver_queue(&d, STR("auth challenge x"));
	driver_open(&d, out);
	while (rest.len) {
		str piece = str_sub(rest, 0, step);
		rest = str_skip(rest, piece.len);
		driver_feed(&d, piece, out);
		/* What follows STARTTLS depends on where it was cut. */
		if (d.waiting_tls)
			break;
	}
	driver_tick(&d, 400 * 1000, out);
	buf_add(log, buf_str(&d.log));
	driver_fini(&d);
}

/* RFC 5321 §4.2: three digits, a space or hyphen, no control characters, CRLF. */
static void check_replies(str rest)
{
	str line;

	while (rest.len) {
		size_t end = str_find(rest, STR("\r\n"));
		assert(end != STR_NPOS && end >= 4);
		line = str_sub(rest, 0, end);
		rest = str_skip(rest, end + 2);
		assert(line.ptr[0] >= '2' && line.ptr[0] <= '5' && ascii_is_digit(line.ptr[1]) &&
		       ascii_is_digit(line.ptr[2]));
		assert(line.ptr[3] == ' ' || line.ptr[3] == '-');
		for (size_t i = 0; i < line.len; i++)
			assert((unsigned char)line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 60000)
		return 0;
	AUTO_BUF whole = BUF_INIT(DRIVER_MAX);
	AUTO_BUF cut = BUF_INIT(DRIVER_MAX);
	AUTO_BUF whole_log = BUF_INIT(DRIVER_MAX);
	AUTO_BUF cut_log = BUF_INIT(DRIVER_MAX);

	run(data, size, size, &whole, &whole_log);
	check_replies(buf_str(&whole));
	run(data, size, 1u + data[1], &cut, &cut_log);
	assert(str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
