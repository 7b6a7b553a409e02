/* The whole client against any peer. Four header bytes: options, the transaction, the recipients, how the bytes
 * are cut. Then what the peer says; a byte from 0xf0 on is something that happens instead. Checked: the promises
 * that smtp_client_driver.h looks after; that every way ends; that no memory is asked for without bound. */
#include "protocols/smtp_client/smtp_client_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, OP_FIRST = 0xf0, STEPS_MAX = 2000 };

static void set_up(struct caller *d, const uint8_t *head)
{
	static const char *const addresses[] = { "x@y.example", "\xc3\xa9@y.example", "x@z.example",
		"\"a b\"@y.example", "x@y.example>\r\nQUIT" };

	d->options.tls = (enum smtp_client_tls_policy)(head[0] % 3);
	d->options.lmtp = head[0] & 4;
	d->options.tls_active = head[0] & 8;
	d->options.allow_clear = head[0] & 16;
	d->options.chunking =
	    head[0] & 32 ? SMTP_CLIENT_CHUNKING_PREFERRED : SMTP_CLIENT_CHUNKING_NEEDED;
	d->options.chunk_bytes = head[0] & 64 ? 7 : 0;
	if (head[0] & 128) {
		d->options.user = STR("user");
		d->options.password = STR("pencil");
		d->options.tls_facts.exporter = STR("exporter");
	}
	d->tx.body = (enum smtp_body)(head[1] % 3);
	d->tx.is_probe = head[1] & 4;
	d->tx.utf8_header = head[1] & 8;
	d->tx.requiretls = head[1] & 16;
	d->tx.ret = SMTP_RET_FULL;
	d->tx.auth = STR("<>");
	d->tx.count = head[2] % 5;
	for (size_t i = 0; i < d->tx.count; i++)
		d->recipients[i] = (struct smtp_client_recipient){
			.address = str_c(addresses[(head[2] / 5 + i) % 5]),
			.notify = head[2],
			.orcpt = STR("utf-8;\xc3\xa9@y.example"),
		};
}

static void happen(struct caller *d, uint8_t op)
{
	switch (op) {
	case 0xf0:
		caller_tls(d, "tls");
		break;
	case 0xf1:
		caller_tls(d, "tls-failed");
		break;
	case 0xf2:
		smtp_client_lost(d->c, STR("reset"));
		break;
	case 0xf3:
		if (smtp_client_deadline(d->c) != UINT64_MAX)
			caller_stall(d);
		break;
	case 0xf4:
		d->holds_output = !d->holds_output;
		break;
	case 0xf5:
		smtp_client_quit(d->c);
		break;
	case 0xf6:
		smtp_client_body_failed(d->c);
		break;
	case 0xf7:
		smtp_client_abort(d->c);
		break;
	default:
		(void)caller_start(d);
	}
	caller_run(d);
}

static void play(struct caller *d, str rest, size_t step)
{
	while (rest.len) {
		size_t n = 0;
		while (n < rest.len && n < step && (uint8_t)rest.ptr[n] < OP_FIRST)
			n++;
		if (n == 0) {
			happen(d, (uint8_t)rest.ptr[0]);
			n = 1;
		} else {
			buf_add(&d->in, str_sub(rest, 0, n));
			caller_run(d);
		}
		rest = str_skip(rest, n);
	}
}

/* Silence: one deadline after the other leads to the end. */
static void fall_silent(struct caller *d)
{
	d->holds_output = false;
	caller_run(d);
	for (unsigned i = 0; !d->is_closed; i++) {
		assert(i < STEPS_MAX);
		caller_stall(d);
	}
	assert(smtp_client_is_done(d->c) && d->finished == d->starts);
	assert(smtp_client_output(d->c).len == 0 && !smtp_client_wants(d->c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct caller caller;
	struct caller *d = &caller;

	if (size < HEAD || size > 20000)
		return 0;
	caller_init(d);
	set_up(d, data);
	caller_open(d);
	if (caller_start(d))
		caller_run(d);
	play(d, str_new(data + HEAD, size - HEAD), 1u + data[3]);
	fall_silent(d);
	caller_fini(d);
	return 0;
}
