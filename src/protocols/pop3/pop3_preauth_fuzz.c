/* Any bytes, cut anywhere: the same replies and the same events. */
#include <assert.h>

#include "protocols/pop3/preauth.h"

enum { FUZZ_MAX = 1 << 22 };

/* What auth would say, from a byte of the input. */
static void answer(struct pop3_preauth *p, const struct pop3_preauth_event *e, struct buf *log)
{
	str message = e->kind == POP3_PREAUTH_SASL_START ? e->initial : e->response;
	unsigned choice = message.len ? (unsigned char)message.ptr[message.len - 1] % 7 : 0;

	buf_addf(log, "<%d>", (int)e->kind);
	switch (e->kind) {
	case POP3_PREAUTH_SASL_START:
	case POP3_PREAUTH_SASL_STEP:
		buf_add(log, message);
		pop3_preauth_sasl_answer(
		    p, (enum pop3_sasl_outcome)choice, message.len % 3 ? STR("data") : STR(""));
		break;
	case POP3_PREAUTH_SIGN_IN:
		pop3_preauth_refuse(p, STR("IN-USE"), STR(""));
		break;
	case POP3_PREAUTH_STARTTLS:
		pop3_preauth_tls_started(p);
		break;
	case POP3_PREAUTH_SASL_ABORT:
	case POP3_PREAUTH_CLOSE:
		break;
	}
}

static void run(unsigned flags, str in, size_t step, struct buf *log)
{
	struct pop3_preauth_event e;
	struct pop3_preauth *p = pop3_preauth_new(&(struct pop3_preauth_options){
	    .hostname = STR("h"),
	    .mechanisms_tls = STR("SCRAM-SHA-256 PLAIN"),
	    .mechanisms_clear = STR("SCRAM-SHA-256"),
	    .tls_available = flags & 1,
	    .tls_active = flags & 2,
	    .allow_plain = flags & 4,
	    .limits = { 255, 12288, 100, 100 },
	});

	while (in.len) {
		str piece = str_sub(in, 0, step);
		in = str_skip(in, piece.len);
		for (;;) {
			size_t used = pop3_preauth_feed(p, piece);
			piece = str_skip(piece, used);
			str out = pop3_preauth_output(p);
			buf_add(log, out);
			pop3_preauth_sent(p, out.len);
			bool had_event = pop3_preauth_next(p, &e);
			if (had_event)
				answer(p, &e, log);
			if (!used && !had_event && !out.len)
				break;
		}
	}
	pop3_preauth_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF whole = BUF_INIT(FUZZ_MAX);
	AUTO_BUF cut = BUF_INIT(FUZZ_MAX);

	if (size < 2 || size > 8192)
		return 0;
	str in = str_new(data + 2, size - 2);
	run(data[0], in, size, &whole);
	run(data[0], in, 1 + data[1] % 32, &cut);
	assert(buf_ok(&whole) && str_eq(buf_str(&whole), buf_str(&cut)));
	return 0;
}
