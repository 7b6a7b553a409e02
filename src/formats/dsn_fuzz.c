/* A notification from any addresses, answers and messages is read back with the same fields and nothing else. Two
 * bytes choose; the rest is split at 0xff. */
#include "formats/dsn_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static str next_piece(str *rest)
{
	str piece = STR_NONE;

	(void)str_split(rest, (char)0xff, &piece);
	return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dsn_recipient recipients[3] = { 0 };
	struct dsn_needs needs;
	AUTO_BUF out = BUF_INIT(4 << 20);

	if (size < 2)
		return 0;
	str rest = str_new(data + 2, size - 2);
	struct dsn d = {
		.language = data[0] & 1 ? DSN_SPANISH : DSN_ENGLISH,
		.utf8 = data[0] & 2,
		.has_body = data[0] & 4,
		.is_full_wanted = data[0] & 8,
		.host = STR("mx.example.org"),
		.to = STR("a@b.example"),
		.message_id = STR("1@mx.example.org"),
		.boundary = STR("bFiyL3xw07hYzNq8ruVt"),
		.now = 1800000000,
		.arrived_at = data[0] & 16 ? 1799990000 : 0,
		.recipients = recipients,
		.count = 1 + (data[0] >> 5) % 3,
	};
	d.envid = next_piece(&rest);
	for (size_t i = 0; i < d.count; i++) {
		struct dsn_recipient *r = &recipients[i];
		r->action = (enum dsn_action)((data[1] + i) % 5);
		r->status =
		    (struct enhanced_status){ (uint8_t)(data[1] & 8 ? 0 : 5), data[1] & 7, 1 };
		r->is_local = data[1] & 16;
		r->retry_until = data[1] & 32 ? 1800090000 : 0;
		r->last_attempt_at = 1800000000;
		r->address = next_piece(&rest);
		r->original = next_piece(&rest);
		r->remote_mta = next_piece(&rest);
		r->diagnostic = next_piece(&rest);
	}
	d.original = rest;
	if (str_find(rest, d.boundary) != STR_NPOS)
		return 0;
	dsn_write(&d, &out, &needs);
	assert(buf_ok(&out));
	dsn_check(&d, buf_str(&out), needs);
	return 0;
}
