#include "protocols/imap/preauth.h"

#include <stdlib.h>

#include "base/secret.h"
#include "formats/base64.h"
#include "protocols/imap/preauth_impl.h"
#include "protocols/imap/writer.h"

const struct imap_preauth_limits imap_preauth_limits_default = {
	.line_bytes = 8192,
	.response_bytes = 12288,
	.bad_commands = 3,
	.failed_sign_ins = 5,
};

enum {
	TAG_MAX = 128,
	OUTPUT_MAX = 64 * 1024,
	OUTPUT_PAUSE = 16 * 1024, /* feed takes nothing while so much waits to be sent */
	ARENA_MAX = 256 * 1024,
};

/* ---- answers ---- */

void imap_preauth_say(struct imap_preauth *p, const char *text)
{
	buf_addz(&p->out, text);
	buf_add(&p->out, STR("\r\n"));
}

/* "tag OK text", "tag NO [CODE] text"; without a tag "* ...". */
void imap_preauth_reply(struct imap_preauth *p, const char *status, str code, str text)
{
	buf_add(&p->out, p->tag.len ? buf_str(&p->tag) : STR("*"));
	buf_addc(&p->out, ' ');
	buf_addz(&p->out, status);
	buf_addc(&p->out, ' ');
	if (code.len) {
		buf_addc(&p->out, '[');
		buf_add(&p->out, code);
		buf_add(&p->out, STR("] "));
	}
	imap_put_text(&p->out, text, /* utf8 */ false);
	buf_add(&p->out, STR("\r\n"));
}

void imap_preauth_raise(struct imap_preauth *p, enum imap_preauth_event_kind kind)
{
	p->event = (struct imap_preauth_event){ .kind = kind, .mechanism = str_c(p->mechanism) };
	p->has_event = true;
}

static void close_with(struct imap_preauth *p, const char *bye)
{
	imap_preauth_say(p, bye);
	p->state = IS_OVER;
	imap_preauth_raise(p, IMAP_PREAUTH_CLOSE);
}

/* Back to commands; the engine holds nothing that could be a secret. */
void imap_preauth_end_command(struct imap_preauth *p)
{
	secret_wipe(p->data.ptr, p->data.len);
	buf_fini(&p->data);
	secret_wipe(p->line.ptr, p->line.len);
	buf_fini(&p->line);
	p->state = IN_COMMANDS;
}

static void bad_as(struct imap_preauth *p, const char *status, str code, const char *why)
{
	imap_preauth_reply(p, status, code, str_c(why));
	imap_preauth_end_command(p);
	if (++p->bad_commands >= p->o.limits.bad_commands)
		close_with(p, "* BYE too many bad commands");
}

void imap_preauth_bad(struct imap_preauth *p, const char *why)
{
	bad_as(p, "BAD", STR_NONE, why);
}

void imap_preauth_set_tag(struct imap_preauth *p, str tag)
{
	buf_reset(&p->tag);
	buf_add(&p->tag, str_sub(tag, 0, TAG_MAX));
}

/* ---- input ---- */

/* A line of AUTHENTICATE: base64 into data. */
int imap_preauth_decode(struct imap_preauth *p, str text, struct err *err)
{
	buf_fini(&p->data);
	buf_init(&p->data, p->o.limits.response_bytes);
	buf_space(&p->data, text.len < p->data.max ? text.len + 1 : p->data.max);
	return base64_decode(text, &p->data, err);
}

static void feed_commands(struct imap_preauth *p, str *in)
{
	struct imap_frame_event e;

	switch (imap_framer_feed(p->framer, in, &e)) {
	case IMAP_FRAME_NONE:
	case IMAP_FRAME_STREAM:
		return;
	case IMAP_FRAME_CONTINUE:
		imap_preauth_say(p, "+ go on");
		return;
	case IMAP_FRAME_COMMAND:
		imap_preauth_command(p, e.text);
		arena_reset(p->arena);
		break;
	case IMAP_FRAME_REFUSED:
		imap_preauth_set_tag(p, e.text);
		bad_as(p, "NO", STR("TOOBIG"), e.why);
		break;
	case IMAP_FRAME_BAD:
		imap_preauth_set_tag(p, e.text);
		imap_preauth_bad(p, e.why);
		break;
	case IMAP_FRAME_FATAL:
		close_with(p, "* BYE [TOOBIG] that is more than can be taken before signing in");
		break;
	}
	imap_framer_release(p->framer);
}

/* Gives the exchange up on our side first: the event, then the answer to the client. */
static void cancel(struct imap_preauth *p, const char *why)
{
	imap_preauth_bad(p, why);
	/* CLOSE, when that was one bad command too many, says it as well. */
	if (p->state != IS_OVER)
		imap_preauth_raise(p, IMAP_PREAUTH_SASL_ABORT);
}

static void on_response(struct imap_preauth *p, str line)
{
	struct err err = { 0 };

	if (str_eq(line, STR("*"))) {
		/* RFC 9051 §6.2.2: BAD; nothing bad about it, so it does not count. */
		imap_preauth_reply(p, "BAD", STR_NONE, STR("given up"));
		imap_preauth_end_command(p);
		imap_preauth_raise(p, IMAP_PREAUTH_SASL_ABORT);
		return;
	}
	if (imap_preauth_decode(p, line, &err) < 0) {
		cancel(p, "the response is not base64");
		return;
	}
	p->state = IN_QUESTION;
	imap_preauth_raise(p, IMAP_PREAUTH_SASL_STEP);
	p->event.response = buf_str(&p->data);
}

static void feed_response(struct imap_preauth *p, str *in)
{
	size_t lf = str_chr(*in, '\n');
	str part = str_sub(*in, 0, lf == STR_NPOS ? in->len : lf + 1);

	*in = str_skip(*in, part.len);
	buf_add(&p->line, part);
	if (!buf_ok(&p->line)) {
		/* Reading on to the line's end would be reading what may never end. */
		close_with(p, "* BYE [TOOBIG] the response is too long");
		return;
	}
	if (lf == STR_NPOS)
		return;
	str line = buf_str(&p->line);
	if (!str_ends(line, STR("\r\n"))) {
		cancel(p, "lines end with CR and LF");
		return;
	}
	on_response(p, str_sub(line, 0, line.len - 2));
	secret_wipe(p->line.ptr, p->line.len);
	buf_reset(&p->line);
}

size_t imap_preauth_feed(struct imap_preauth *p, str bytes)
{
	str in = bytes;

	while (in.len > 0 && !p->has_event && p->out.len < OUTPUT_PAUSE) {
		if (p->state == IN_COMMANDS)
			feed_commands(p, &in);
		else if (p->state == IN_RESPONSE)
			feed_response(p, &in);
		else
			break;
	}
	return bytes.len - in.len;
}

bool imap_preauth_next(struct imap_preauth *p, struct imap_preauth_event *out)
{
	if (!p->has_event)
		return false;
	*out = p->event;
	p->has_event = false;
	return true;
}

/* ---- what the caller says ---- */

static void challenge(struct imap_preauth *p, str data)
{
	buf_addz(&p->out, "+ ");
	base64_encode(data, &p->out);
	imap_preauth_say(p, "");
	imap_preauth_end_command(p);
	buf_init(&p->line, p->o.limits.response_bytes + 2);
	buf_space(&p->line, p->line.max);
	p->state = IN_RESPONSE;
}

static void failed(struct imap_preauth *p, str text)
{
	imap_preauth_reply(p, "NO", STR("AUTHENTICATIONFAILED"),
	    text.len ? text : STR("wrong user name or password"));
	imap_preauth_end_command(p);
	if (++p->failed_sign_ins >= p->o.limits.failed_sign_ins)
		close_with(p, "* BYE too many failed sign-ins");
}

static void refused(struct imap_preauth *p, const char *code, str text, const char *standard)
{
	imap_preauth_reply(p, "NO", str_c(code), text.len ? text : str_c(standard));
	imap_preauth_end_command(p);
}

void imap_preauth_sasl_answer(
    struct imap_preauth *p, enum imap_sasl_outcome outcome, str data, str text)
{
	if (p->state != IN_QUESTION)
		return;
	switch (outcome) {
	case IMAP_SASL_CHALLENGE:
		challenge(p, data);
		break;
	case IMAP_SASL_OK:
		imap_preauth_end_command(p);
		p->state = IN_QUESTION;
		imap_preauth_raise(p, IMAP_PREAUTH_SIGN_IN);
		break;
	case IMAP_SASL_FAILED:
		failed(p, text);
		break;
	case IMAP_SASL_MALFORMED:
		imap_preauth_bad(p, "that is not a message of this sign-in mechanism");
		break;
	case IMAP_SASL_UNKNOWN:
		refused(p, "CANNOT", text, "this sign-in mechanism is not offered");
		break;
	case IMAP_SASL_NEEDS_TLS:
		refused(p, "PRIVACYREQUIRED", text, "switch to TLS before you sign in");
		break;
	case IMAP_SASL_UNAVAILABLE:
		refused(p, "UNAVAILABLE", text,
		    "signing in is not possible right now, try again later");
		break;
	}
}

void imap_preauth_signed_in(struct imap_preauth *p, str capability)
{
	if (p->state != IN_QUESTION)
		return;
	imap_preauth_reply(p, "OK", capability, STR("signed in"));
	p->state = IS_SIGNED_IN;
}

void imap_preauth_refuse(struct imap_preauth *p, str code, str text)
{
	if (p->state != IN_QUESTION)
		return;
	imap_preauth_reply(p, "NO", code, text);
	imap_preauth_end_command(p);
}

void imap_preauth_tls_started(struct imap_preauth *p, bool has_binding)
{
	if (p->state != IN_TLS)
		return;
	p->o.tls_active = true;
	p->o.has_binding = has_binding;
	p->state = IN_COMMANDS;
}

void imap_preauth_stop(struct imap_preauth *p)
{
	if (p->state == IS_OVER || p->state == IS_SIGNED_IN)
		return;
	close_with(p, "* BYE [UNAVAILABLE] the server is stopping, try again in a moment");
}

str imap_preauth_tag(const struct imap_preauth *p)
{
	return buf_str(&p->tag);
}

str imap_preauth_output(const struct imap_preauth *p)
{
	return buf_str(&p->out);
}

void imap_preauth_sent(struct imap_preauth *p, size_t count)
{
	buf_consume(&p->out, count);
	if (p->out.len == 0)
		buf_fini(&p->out);
}

struct imap_preauth *imap_preauth_new(const struct imap_preauth_options *o)
{
	struct imap_preauth *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->o = *o;
	if (o->limits.line_bytes == 0)
		p->o.limits = imap_preauth_limits_default;
	p->hostname = strndup(o->hostname.ptr ? o->hostname.ptr : "", o->hostname.len);
	if (!p->hostname)
		abort();
	p->o.hostname = str_c(p->hostname);
	p->framer = imap_framer_new(&(struct imap_limits){
	    .line_bytes = p->o.limits.line_bytes,
	    .command_bytes = p->o.limits.line_bytes,
	    .inline_bytes = p->o.limits.line_bytes,
	    .swallow_bytes = p->o.limits.line_bytes,
	});
	p->arena = arena_new(NULL, "imap before sign-in", ARENA_MAX);
	buf_init(&p->out, OUTPUT_MAX);
	buf_init(&p->tag, TAG_MAX);
	imap_preauth_greet(p);
	return p;
}

void imap_preauth_free(struct imap_preauth *p)
{
	if (!p)
		return;
	imap_preauth_end_command(p);
	imap_framer_free(p->framer);
	arena_free(p->arena);
	buf_fini(&p->out);
	buf_fini(&p->tag);
	free(p->hostname);
	free(p);
}
