#include "protocols/imap/preauth.h"

#include <stdlib.h>

#include "base/secret.h"
#include "formats/base64.h"
#include "protocols/imap/framer.h"
#include "protocols/imap/lexer.h"
#include "protocols/imap/writer.h"
#include "protocols/sasl/sasl.h"

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
	MECHANISM_MAX = 20, /* RFC 4422 §3.1 */
	ID_PAIRS_MAX = 30,  /* RFC 2971 §3.3 */
};

enum preauth_state {
	IN_COMMANDS,
	IN_QUESTION, /* an event waits for its answer */
	IN_RESPONSE, /* the client's next line belongs to AUTHENTICATE */
	IN_TLS,      /* STARTTLS was answered */
	IS_SIGNED_IN,
	IS_OVER,
};

struct imap_preauth {
	struct imap_preauth_options o;
	char *hostname;
	enum preauth_state state;
	struct imap_framer *framer;
	struct arena *arena; /* of the command */
	struct buf out, tag;
	struct buf line; /* IN_RESPONSE: the line so far */
	struct buf data; /* what the event carries */
	char mechanism[MECHANISM_MAX + 1];
	struct imap_preauth_event event;
	bool has_event;
	uint32_t bad_commands, failed_sign_ins;
};

/* ---- answers ---- */

static void say(struct imap_preauth *p, const char *text)
{
	buf_addz(&p->out, text);
	buf_add(&p->out, STR("\r\n"));
}

/* "tag OK text", "tag NO [CODE] text"; without a tag "* ...". */
static void answer(struct imap_preauth *p, const char *status, str code, str text)
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

static void give_event(struct imap_preauth *p, enum imap_preauth_event_kind kind)
{
	p->event = (struct imap_preauth_event){ .kind = kind, .mechanism = str_c(p->mechanism) };
	p->has_event = true;
}

static void close_with(struct imap_preauth *p, const char *bye)
{
	say(p, bye);
	p->state = IS_OVER;
	give_event(p, IMAP_PREAUTH_CLOSE);
}

/* Back to commands; the engine holds nothing that could be a secret. */
static void end_command(struct imap_preauth *p)
{
	secret_wipe(p->data.ptr, p->data.len);
	buf_fini(&p->data);
	secret_wipe(p->line.ptr, p->line.len);
	buf_fini(&p->line);
	p->state = IN_COMMANDS;
}

static void bad_as(struct imap_preauth *p, const char *status, str code, const char *why)
{
	answer(p, status, code, str_c(why));
	end_command(p);
	if (++p->bad_commands >= p->o.limits.bad_commands)
		close_with(p, "* BYE too many bad commands");
}

static void bad(struct imap_preauth *p, const char *why)
{
	bad_as(p, "BAD", STR_NONE, why);
}

static bool may_sign_in(const struct imap_preauth *p)
{
	return p->o.tls_active || p->o.allow_clear;
}

/* Before sign-in only what matters then is announced; the full list comes with the tagged OK. */
static void add_capabilities(struct imap_preauth *p)
{
	struct sasl_offer offer = { .passwords = may_sign_in(p), .binding = p->o.has_binding };

	buf_addz(&p->out, "CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID");
	if (p->o.tls_available && !p->o.tls_active)
		buf_addz(&p->out, " STARTTLS");
	if (may_sign_in(p))
		sasl_list(&p->out, &offer, STR(" AUTH="));
	else
		buf_addz(&p->out, " LOGINDISABLED");
}

static void greet(struct imap_preauth *p)
{
	buf_addz(&p->out, "* OK [");
	add_capabilities(p);
	buf_addz(&p->out, "] ");
	buf_addz(&p->out, p->hostname);
	say(p, " ready");
}

/* ---- commands ---- */

static void on_capability(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	buf_addz(&p->out, "* ");
	add_capabilities(p);
	say(p, "");
	answer(p, "OK", STR_NONE, STR("these before signing in"));
}

static void on_noop(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	answer(p, "OK", STR_NONE, STR("done"));
}

static void on_logout(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	say(p, "* BYE see you");
	answer(p, "OK", STR_NONE, STR("done"));
	p->state = IS_OVER;
	give_event(p, IMAP_PREAUTH_CLOSE);
}

/* RFC 2971 §3.1: NIL or a list of pairs. What clients say about themselves is read and forgotten.
 */
static int take_id(struct imap_lexer *l, struct err *err)
{
	str field, value;

	if (imap_take_sp(l, err) < 0)
		return -1;
	if (imap_try_atom(l, STR("NIL")))
		return imap_take_end(l, err);
	if (imap_take_char(l, '(', err) < 0)
		return -1;
	for (size_t pairs = 0; !imap_try_char(l, ')'); pairs++) {
		if (pairs >= ID_PAIRS_MAX)
			return err_set(err, ERR_LIMIT, "an ID has at most %d fields", ID_PAIRS_MAX);
		if ((pairs > 0 && imap_take_sp(l, err) < 0) ||
		    imap_take_string(l, &field, err) < 0 || imap_take_sp(l, err) < 0 ||
		    imap_take_nstring(l, &value, err) < 0)
			return -1;
	}
	return imap_take_end(l, err);
}

static void on_id(struct imap_preauth *p, struct imap_lexer *l)
{
	struct err err = { 0 };

	if (take_id(l, &err) < 0) {
		bad(p, err.text);
		return;
	}
	say(p, "* ID (\"name\" \"buzon\")");
	answer(p, "OK", STR_NONE, STR("nice to meet you"));
}

static void on_starttls(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	if (p->o.tls_active) {
		bad(p, "TLS is on already");
		return;
	}
	if (!p->o.tls_available) {
		bad(p, "TLS is not available here");
		return;
	}
	answer(p, "OK", STR_NONE, STR("start TLS now"));
	p->state = IN_TLS;
	give_event(p, IMAP_PREAUTH_STARTTLS);
}

/* RFC 9051 §6.2.3: LOGINDISABLED, and for AUTHENTICATE as well. */
static bool refuse_clear(struct imap_preauth *p)
{
	if (may_sign_in(p))
		return false;
	answer(p, "NO", STR("PRIVACYREQUIRED"),
	    p->o.tls_available ? STR("switch to TLS before you sign in: STARTTLS")
	                       : STR("signing in needs TLS, which is not set up on this server"));
	return true;
}

static void ask_start(struct imap_preauth *p, bool has_initial)
{
	p->state = IN_QUESTION;
	give_event(p, IMAP_PREAUTH_SASL_START);
	p->event.has_initial = has_initial;
	p->event.initial = buf_str(&p->data);
}

static void on_login(struct imap_preauth *p, struct imap_lexer *l)
{
	struct err err = { 0 };
	str user, password;

	if (imap_take_sp(l, &err) < 0 || imap_take_astring(l, &user, &err) < 0 ||
	    imap_take_sp(l, &err) < 0 || imap_take_astring(l, &password, &err) < 0 ||
	    imap_take_end(l, &err) < 0) {
		bad(p, err.text);
		return;
	}
	if (refuse_clear(p))
		return;
	buf_init(&p->data, p->o.limits.line_bytes + 2);
	buf_space(&p->data, p->data.max);
	buf_addc(&p->data, '\0');
	buf_add(&p->data, user);
	buf_addc(&p->data, '\0');
	buf_add(&p->data, password);
	snprintf(p->mechanism, sizeof(p->mechanism), "PLAIN");
	ask_start(p, /* has_initial */ true);
}

/* A line of AUTHENTICATE: base64 into data. */
static int decode(struct imap_preauth *p, str text, struct err *err)
{
	buf_fini(&p->data);
	buf_init(&p->data, p->o.limits.response_bytes);
	buf_space(&p->data, text.len < p->data.max ? text.len + 1 : p->data.max);
	return base64_decode(text, &p->data, err);
}

static int take_mechanism(struct imap_preauth *p, struct imap_lexer *l, struct err *err)
{
	str name;

	if (imap_take_sp(l, err) < 0 || imap_take_atom(l, &name, err) < 0)
		return -1;
	if (name.len > MECHANISM_MAX)
		return err_set(err, ERR_INPUT, "that is not the name of a mechanism");
	snprintf(p->mechanism, sizeof(p->mechanism), STR_FMT, STR_ARG(name));
	return 0;
}

static void on_authenticate(struct imap_preauth *p, struct imap_lexer *l)
{
	struct err err = { 0 };
	bool has_initial;

	if (take_mechanism(p, l, &err) < 0) {
		bad(p, err.text);
		return;
	}
	has_initial = imap_try_char(l, ' ');
	/* RFC 4959 §3: "=" is an initial response that is empty. */
	if (has_initial && !str_eq(l->in, STR("=")) &&
	    (str_empty(l->in) || decode(p, l->in, &err) < 0)) {
		bad(p, "the initial response is not base64");
		return;
	}
	if (!has_initial && imap_take_end(l, &err) < 0) {
		bad(p, err.text);
		return;
	}
	if (refuse_clear(p)) {
		end_command(p);
		return;
	}
	ask_start(p, has_initial);
}

static const struct preauth_verb {
	str name;
	bool bare; /* takes no arguments */
	bool secret;
	void (*run)(struct imap_preauth *p, struct imap_lexer *l);
} verbs[] = {
	/* clang-format off */
	{ STR_INIT("AUTHENTICATE"), false, true,  on_authenticate }, /* RFC 9051 §6.2.2 */
	{ STR_INIT("CAPABILITY"),   true,  false, on_capability },   /* RFC 9051 §6.1.1 */
	{ STR_INIT("ID"),           false, false, on_id },           /* RFC 2971 §3.1 */
	{ STR_INIT("LOGIN"),        false, true,  on_login },        /* RFC 9051 §6.2.3 */
	{ STR_INIT("LOGOUT"),       true,  false, on_logout },       /* RFC 9051 §6.1.3 */
	{ STR_INIT("NOOP"),         true,  false, on_noop },         /* RFC 9051 §6.1.2 */
	{ STR_INIT("STARTTLS"),     true,  false, on_starttls },     /* RFC 9051 §6.2.1 */
	/* clang-format on */
};

static const struct preauth_verb *find_verb(str name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (str_ieq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void run_verb(struct imap_preauth *p, const struct preauth_verb *verb, struct imap_lexer *l)
{
	struct err err = { 0 };

	if (verb->bare && imap_take_end(l, &err) < 0)
		bad(p, err.text);
	else
		verb->run(p, l);
}

/* UNSAFE: the framer gives its text as const; it is ours alone now, and held a password. */
static void wipe_text(str text)
{
	secret_wipe((void *)(uintptr_t)text.ptr, text.len);
}

static void set_tag(struct imap_preauth *p, str tag)
{
	buf_reset(&p->tag);
	buf_add(&p->tag, str_sub(tag, 0, TAG_MAX));
}

static void on_command(struct imap_preauth *p, str text)
{
	const struct preauth_verb *verb = NULL;
	struct imap_lexer l;
	struct err err = { 0 };
	str tag, name;

	set_tag(p, STR_NONE);
	imap_lexer_init(&l, text, p->arena);
	if (imap_take_tag(&l, &tag, &err) < 0) {
		bad(p, err.text);
		return;
	}
	set_tag(p, tag);
	if (imap_take_sp(&l, &err) < 0 || imap_take_atom(&l, &name, &err) < 0)
		bad(p, err.text);
	else if (!(verb = find_verb(name)))
		bad(p, "not a command that can be used before signing in");
	else
		run_verb(p, verb, &l);
	/* An unknown one may be a password that was typed into the wrong line. */
	if (!verb || verb->secret)
		wipe_text(text);
}

/* ---- input ---- */

static void feed_commands(struct imap_preauth *p, str *in)
{
	struct imap_frame_event e;

	switch (imap_framer_feed(p->framer, in, &e)) {
	case IMAP_FRAME_NONE:
	case IMAP_FRAME_STREAM:
		return;
	case IMAP_FRAME_CONTINUE:
		say(p, "+ go on");
		return;
	case IMAP_FRAME_COMMAND:
		on_command(p, e.text);
		arena_reset(p->arena);
		break;
	case IMAP_FRAME_REFUSED:
		set_tag(p, e.text);
		bad_as(p, "NO", STR("TOOBIG"), e.why);
		break;
	case IMAP_FRAME_BAD:
		set_tag(p, e.text);
		bad(p, e.why);
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
	bad(p, why);
	/* CLOSE, when that was one bad command too many, says it as well. */
	if (p->state != IS_OVER)
		give_event(p, IMAP_PREAUTH_SASL_ABORT);
}

static void on_response(struct imap_preauth *p, str line)
{
	struct err err = { 0 };

	if (str_eq(line, STR("*"))) {
		/* RFC 9051 §6.2.2: BAD; nothing bad about it, so it does not count. */
		answer(p, "BAD", STR_NONE, STR("given up"));
		end_command(p);
		give_event(p, IMAP_PREAUTH_SASL_ABORT);
		return;
	}
	if (decode(p, line, &err) < 0) {
		cancel(p, "the response is not base64");
		return;
	}
	p->state = IN_QUESTION;
	give_event(p, IMAP_PREAUTH_SASL_STEP);
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
	say(p, "");
	end_command(p);
	buf_init(&p->line, p->o.limits.response_bytes + 2);
	buf_space(&p->line, p->line.max);
	p->state = IN_RESPONSE;
}

static void failed(struct imap_preauth *p, str text)
{
	answer(p, "NO", STR("AUTHENTICATIONFAILED"),
	    text.len ? text : STR("wrong user name or password"));
	end_command(p);
	if (++p->failed_sign_ins >= p->o.limits.failed_sign_ins)
		close_with(p, "* BYE too many failed sign-ins");
}

static void refused(struct imap_preauth *p, const char *code, str text, const char *standard)
{
	answer(p, "NO", str_c(code), text.len ? text : str_c(standard));
	end_command(p);
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
		end_command(p);
		p->state = IN_QUESTION;
		give_event(p, IMAP_PREAUTH_SIGN_IN);
		break;
	case IMAP_SASL_FAILED:
		failed(p, text);
		break;
	case IMAP_SASL_MALFORMED:
		bad(p, "that is not a message of this sign-in mechanism");
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
	answer(p, "OK", capability, STR("signed in"));
	p->state = IS_SIGNED_IN;
}

void imap_preauth_refuse(struct imap_preauth *p, str code, str text)
{
	if (p->state != IN_QUESTION)
		return;
	answer(p, "NO", code, text);
	end_command(p);
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
	greet(p);
	return p;
}

void imap_preauth_free(struct imap_preauth *p)
{
	if (!p)
		return;
	end_command(p);
	imap_framer_free(p->framer);
	arena_free(p->arena);
	buf_fini(&p->out);
	buf_fini(&p->tag);
	free(p->hostname);
	free(p);
}
