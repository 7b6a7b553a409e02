/* IMAP before sign-in: any bytes, fed whole and byte by byte, with answers chosen by the input. The
 * property: both say the same, and nobody is signed in who was not said to be. */
#include <assert.h>
#include <stdlib.h>

#include "protocols/imap/preauth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct imap_preauth *p;
	str answers;
	struct buf out;
	bool is_over, may_sign_in;
};

static unsigned next_answer(struct run *r)
{
	if (str_empty(r->answers))
		return IMAP_SASL_FAILED;
	unsigned a = (unsigned char)r->answers.ptr[0];
	r->answers = str_skip(r->answers, 1);
	return a % (IMAP_SASL_UNAVAILABLE + 1);
}

static void react(struct run *r, const struct imap_preauth_event *e)
{
	switch (e->kind) {
	case IMAP_PREAUTH_STARTTLS:
		imap_preauth_tls_started(r->p, true);
		break;
	case IMAP_PREAUTH_SASL_START:
	case IMAP_PREAUTH_SASL_STEP: {
		unsigned answer = next_answer(r);
		r->may_sign_in = answer == IMAP_SASL_OK;
		imap_preauth_sasl_answer(
		    r->p, (enum imap_sasl_outcome)answer, STR("challenge"), STR_NONE);
		break;
	}
	case IMAP_PREAUTH_SIGN_IN:
		assert(r->may_sign_in);
		if (next_answer(r) & 1) {
			imap_preauth_signed_in(r->p, STR("CAPABILITY IMAP4rev2"));
			r->is_over = true;
		} else {
			imap_preauth_refuse(r->p, STR("UNAVAILABLE"), STR("later"));
		}
		break;
	case IMAP_PREAUTH_SASL_ABORT:
		break;
	case IMAP_PREAUTH_CLOSE:
		r->is_over = true;
		break;
	}
}

static void take_output(struct run *r)
{
	str text = imap_preauth_output(r->p);

	buf_add(&r->out, text);
	imap_preauth_sent(r->p, text.len);
}

static void feed(struct run *r, str bytes)
{
	struct imap_preauth_event e;

	while (!r->is_over) {
		size_t used = imap_preauth_feed(r->p, bytes), said = imap_preauth_output(r->p).len;
		bytes = str_skip(bytes, used);
		take_output(r);
		bool any = imap_preauth_next(r->p, &e);
		if (any)
			react(r, &e);
		take_output(r);
		if (!any && !used && !said)
			break;
	}
	assert(r->is_over || bytes.len == 0);
}

static void run(
    const struct imap_preauth_options *o, str answers, str bytes, size_t step, struct run *out)
{
	*out = (struct run){ .p = imap_preauth_new(o), .answers = answers };
	buf_init(&out->out, 16 << 20);
	for (str rest = bytes; rest.len > 0; rest = str_skip(rest, step))
		feed(out, str_sub(rest, 0, step));
	take_output(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str in = str_new(data, size);
	struct run whole, cut;

	if (size < 9)
		return 0;
	struct imap_preauth_options o = { .hostname = STR("mx.example.org"),
		.tls_available = data[0] & 1,
		.tls_active = data[0] & 2,
		.has_binding = data[0] & 4,
		.allow_clear = data[0] & 8 };
	run(&o, str_sub(in, 1, 8), str_skip(in, 9), size, &whole);
	run(&o, str_sub(in, 1, 8), str_skip(in, 9), 1, &cut);
	assert(str_eq(buf_str(&whole.out), buf_str(&cut.out)));
	assert(whole.is_over == cut.is_over);
	imap_preauth_free(whole.p);
	imap_preauth_free(cut.p);
	buf_fini(&whole.out);
	buf_fini(&cut.out);
	return 0;
}
