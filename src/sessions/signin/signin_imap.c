#include "protocols/imap/preauth.h"
#include "sessions/signin/signin.h"

_Static_assert((int)IMAP_SASL_CHALLENGE == (int)SASL_CONTINUE &&
                   (int)IMAP_SASL_OK == (int)SASL_OK && (int)IMAP_SASL_FAILED == (int)SASL_FAILED &&
                   (int)IMAP_SASL_MALFORMED == (int)SASL_MALFORMED &&
                   (int)IMAP_SASL_UNKNOWN == (int)SASL_UNKNOWN_MECHANISM &&
                   (int)IMAP_SASL_NEEDS_TLS == (int)SASL_NEEDS_TLS &&
                   (int)IMAP_SASL_UNAVAILABLE == (int)SASL_UNAVAILABLE,
    "outcomes are the same");
_Static_assert((int)IMAP_PREAUTH_STARTTLS == (int)SIGNIN_STARTTLS &&
                   (int)IMAP_PREAUTH_SASL_START == (int)SIGNIN_SASL_START &&
                   (int)IMAP_PREAUTH_SASL_STEP == (int)SIGNIN_SASL_STEP &&
                   (int)IMAP_PREAUTH_SASL_ABORT == (int)SIGNIN_SASL_ABORT &&
                   (int)IMAP_PREAUTH_SIGN_IN == (int)SIGNIN_OPEN &&
                   (int)IMAP_PREAUTH_CLOSE == (int)SIGNIN_CLOSE,
    "events are the same");

static void *imap_open(const struct signin_options *o)
{
	struct imap_preauth_limits limits = imap_preauth_limits_default;

	limits.failed_sign_ins = o->failed_sign_ins;
	return imap_preauth_new(&(struct imap_preauth_options){ .hostname = o->hostname,
	    .tls_available = o->tls_available,
	    .tls_active = o->tls_active,
	    .has_binding = o->has_binding,
	    .allow_clear = o->allow_clear,
	    .limits = limits });
}

static void imap_free(void *engine)
{
	imap_preauth_free(engine);
}

static size_t imap_feed(void *engine, str bytes)
{
	return imap_preauth_feed(engine, bytes);
}

static bool imap_next(void *engine, struct signin_event *out)
{
	struct imap_preauth_event e;

	if (!imap_preauth_next(engine, &e))
		return false;
	*out = (struct signin_event){ .kind = (enum signin_event_kind)e.kind,
		.mechanism = e.mechanism,
		.has_initial = e.has_initial,
		.initial = e.initial,
		.response = e.response };
	return true;
}

static void imap_answer(void *engine, enum sasl_outcome outcome, str data, str text)
{
	imap_preauth_sasl_answer(engine, (enum imap_sasl_outcome)outcome, data, text);
}

static void imap_signed_in(void *engine, str text)
{
	imap_preauth_signed_in(engine, text);
}

/* RFC 5530 §3 */
static void imap_refuse(void *engine, str code, str text)
{
	imap_preauth_refuse(engine, str_eq(code, STR("IN-USE")) ? STR("INUSE") : code, text);
}

static void imap_tls_started(void *engine, bool has_binding)
{
	imap_preauth_tls_started(engine, has_binding);
}

static void imap_stop(void *engine)
{
	imap_preauth_stop(engine);
}

static str imap_output(const void *engine)
{
	return imap_preauth_output(engine);
}

static void imap_sent(void *engine, size_t count)
{
	imap_preauth_sent(engine, count);
}

static bool imap_is_utf8(const void *engine)
{
	(void)engine;
	return false;
}

static str imap_language(const void *engine)
{
	(void)engine;
	return STR("en");
}

const struct signin_protocol signin_imap = {
	.alpn = "imap",
	.frame = PROTOCOL_IMAP,
	.open = imap_open,
	.free = imap_free,
	.feed = imap_feed,
	.next = imap_next,
	.answer = imap_answer,
	.signed_in = imap_signed_in,
	.refuse = imap_refuse,
	.tls_started = imap_tls_started,
	.stop = imap_stop,
	.output = imap_output,
	.sent = imap_sent,
	.is_utf8 = imap_is_utf8,
	.language = imap_language,
};
