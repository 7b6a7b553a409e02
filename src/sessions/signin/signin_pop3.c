#include "protocols/pop3/preauth.h"
#include "protocols/sasl/sasl.h"
#include "sessions/signin/signin.h"

_Static_assert((int)POP3_SASL_CHALLENGE == (int)SASL_CONTINUE &&
                   (int)POP3_SASL_OK == (int)SASL_OK && (int)POP3_SASL_FAILED == (int)SASL_FAILED &&
                   (int)POP3_SASL_MALFORMED == (int)SASL_MALFORMED &&
                   (int)POP3_SASL_UNKNOWN == (int)SASL_UNKNOWN_MECHANISM &&
                   (int)POP3_SASL_NEEDS_TLS == (int)SASL_NEEDS_TLS &&
                   (int)POP3_SASL_UNAVAILABLE == (int)SASL_UNAVAILABLE,
    "outcomes are the same");
_Static_assert((int)POP3_PREAUTH_STARTTLS == (int)SIGNIN_STARTTLS &&
                   (int)POP3_PREAUTH_SASL_START == (int)SIGNIN_SASL_START &&
                   (int)POP3_PREAUTH_SASL_STEP == (int)SIGNIN_SASL_STEP &&
                   (int)POP3_PREAUTH_SASL_ABORT == (int)SIGNIN_SASL_ABORT &&
                   (int)POP3_PREAUTH_SIGN_IN == (int)SIGNIN_OPEN &&
                   (int)POP3_PREAUTH_CLOSE == (int)SIGNIN_CLOSE,
    "events are the same");

static void *pop3_open(const struct signin_options *o)
{
	AUTO_BUF tls = BUF_INIT(256);
	AUTO_BUF clear = BUF_INIT(256);
	struct pop3_preauth_limits limits = pop3_preauth_limits_default;

	/* Every certificate has an end point to bind to, so that -PLUS is on offer under TLS. */
	sasl_list(&tls, &(struct sasl_offer){ .passwords = true, .binding = true }, STR(" "));
	if (o->allow_clear)
		sasl_list(&clear, &(struct sasl_offer){ .passwords = true }, STR(" "));
	limits.failed_sign_ins = o->failed_sign_ins;
	return pop3_preauth_new(&(struct pop3_preauth_options){ .hostname = o->hostname,
	    .mechanisms_tls = str_trim(buf_str(&tls)),
	    .mechanisms_clear = str_trim(buf_str(&clear)),
	    .tls_available = o->tls_available,
	    .tls_active = o->tls_active,
	    .allow_plain = o->allow_clear,
	    .limits = limits });
}

static void pop3_free(void *engine)
{
	pop3_preauth_free(engine);
}

static size_t pop3_feed(void *engine, str bytes)
{
	return pop3_preauth_feed(engine, bytes);
}

static bool pop3_next(void *engine, struct signin_event *out)
{
	struct pop3_preauth_event e;

	if (!pop3_preauth_next(engine, &e))
		return false;
	*out = (struct signin_event){ .kind = (enum signin_event_kind)e.kind,
		.mechanism = e.mechanism,
		.has_initial = e.has_initial,
		.initial = e.initial,
		.response = e.response };
	return true;
}

static void pop3_answer(void *engine, enum sasl_outcome outcome, str data, str text)
{
	(void)text;
	pop3_preauth_sasl_answer(engine, (enum pop3_sasl_outcome)outcome, data);
}

static void pop3_signed_in(void *engine, str text)
{
	(void)text;
	pop3_preauth_signed_in(engine);
}

/* RFC 2449 §8, RFC 3206 §4: one code for a maildrop in use, one for anything that passes. */
static void pop3_refuse(void *engine, str code, str text)
{
	pop3_preauth_refuse(
	    engine, str_eq(code, STR("IN-USE")) ? STR("IN-USE") : STR("SYS/TEMP"), text);
}

static void pop3_tls_started(void *engine, bool has_binding)
{
	(void)has_binding;
	pop3_preauth_tls_started(engine);
}

static void pop3_stop(void *engine)
{
	pop3_preauth_stop(engine);
}

static str pop3_output(const void *engine)
{
	return pop3_preauth_output(engine);
}

static void pop3_sent(void *engine, size_t count)
{
	pop3_preauth_sent(engine, count);
}

static bool pop3_is_utf8(const void *engine)
{
	return pop3_preauth_is_utf8(engine);
}

static str pop3_language(const void *engine)
{
	return pop3_preauth_language(engine);
}

const struct signin_protocol signin_pop3 = {
	.alpn = "pop3",
	.frame = PROTOCOL_POP3,
	.open = pop3_open,
	.free = pop3_free,
	.feed = pop3_feed,
	.next = pop3_next,
	.answer = pop3_answer,
	.signed_in = pop3_signed_in,
	.refuse = pop3_refuse,
	.tls_started = pop3_tls_started,
	.stop = pop3_stop,
	.output = pop3_output,
	.sent = pop3_sent,
	.is_utf8 = pop3_is_utf8,
	.language = pop3_language,
};
