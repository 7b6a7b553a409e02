/* preauth_verbs.c: the commands that IMAP has before sign-in. */
#include "protocols/imap/preauth_impl.h"

#include "base/secret.h"
#include "protocols/imap/lexer.h"
#include "protocols/sasl/sasl.h"

enum { ID_PAIRS_MAX = 30 }; /* RFC 2971 §3.3 */

/* ---- what is on offer ---- */

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

void imap_preauth_greet(struct imap_preauth *p)
{
	buf_addz(&p->out, "* OK [");
	add_capabilities(p);
	buf_addz(&p->out, "] ");
	buf_addz(&p->out, p->hostname);
	imap_preauth_say(p, " ready");
}

/* ---- commands ---- */

static void on_capability(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	buf_addz(&p->out, "* ");
	add_capabilities(p);
	imap_preauth_say(p, "");
	imap_preauth_reply(p, "OK", STR_NONE, STR("these before signing in"));
}

static void on_noop(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	imap_preauth_reply(p, "OK", STR_NONE, STR("done"));
}

static void on_logout(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	imap_preauth_say(p, "* BYE see you");
	imap_preauth_reply(p, "OK", STR_NONE, STR("done"));
	p->state = IS_OVER;
	imap_preauth_raise(p, IMAP_PREAUTH_CLOSE);
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
		imap_preauth_bad(p, err.text);
		return;
	}
	imap_preauth_say(p, "* ID (\"name\" \"buzon\")");
	imap_preauth_reply(p, "OK", STR_NONE, STR("nice to meet you"));
}

static void on_starttls(struct imap_preauth *p, struct imap_lexer *l)
{
	(void)l;
	if (p->o.tls_active) {
		imap_preauth_bad(p, "TLS is on already");
		return;
	}
	if (!p->o.tls_available) {
		imap_preauth_bad(p, "TLS is not available here");
		return;
	}
	imap_preauth_reply(p, "OK", STR_NONE, STR("start TLS now"));
	p->state = IN_TLS;
	imap_preauth_raise(p, IMAP_PREAUTH_STARTTLS);
}

/* RFC 9051 §6.2.3: LOGINDISABLED, and for AUTHENTICATE as well. */
static bool refuse_clear(struct imap_preauth *p)
{
	if (may_sign_in(p))
		return false;
	imap_preauth_reply(p, "NO", STR("PRIVACYREQUIRED"),
	    p->o.tls_available ? STR("switch to TLS before you sign in: STARTTLS")
	                       : STR("signing in needs TLS, which is not set up on this server"));
	return true;
}

static void ask_start(struct imap_preauth *p, bool has_initial)
{
	p->state = IN_QUESTION;
	imap_preauth_raise(p, IMAP_PREAUTH_SASL_START);
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
		imap_preauth_bad(p, err.text);
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

static int take_mechanism(struct imap_preauth *p, struct imap_lexer *l, struct err *err)
{
	str name;

	if (imap_take_sp(l, err) < 0 || imap_take_atom(l, &name, err) < 0)
		return -1;
	if (name.len > IMAP_MECHANISM_MAX)
		return err_set(err, ERR_INPUT, "that is not the name of a mechanism");
	snprintf(p->mechanism, sizeof(p->mechanism), STR_FMT, STR_ARG(name));
	return 0;
}

static void on_authenticate(struct imap_preauth *p, struct imap_lexer *l)
{
	struct err err = { 0 };
	bool has_initial;

	if (take_mechanism(p, l, &err) < 0) {
		imap_preauth_bad(p, err.text);
		return;
	}
	has_initial = imap_try_char(l, ' ');
	/* RFC 4959 §3: "=" is an initial response that is empty. */
	if (has_initial && !str_eq(l->in, STR("=")) &&
	    (str_empty(l->in) || imap_preauth_decode(p, l->in, &err) < 0)) {
		imap_preauth_bad(p, "the initial response is not base64");
		return;
	}
	if (!has_initial && imap_take_end(l, &err) < 0) {
		imap_preauth_bad(p, err.text);
		return;
	}
	if (refuse_clear(p)) {
		imap_preauth_end_command(p);
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
		imap_preauth_bad(p, err.text);
	else
		verb->run(p, l);
}

/* UNSAFE: the framer gives its text as const; it is ours alone now, and held a password. */
static void wipe_text(str text)
{
	secret_wipe((void *)(uintptr_t)text.ptr, text.len);
}

void imap_preauth_command(struct imap_preauth *p, str text)
{
	const struct preauth_verb *verb = NULL;
	struct imap_lexer l;
	struct err err = { 0 };
	str tag, name;

	imap_preauth_set_tag(p, STR_NONE);
	imap_lexer_init(&l, text, p->arena);
	if (imap_take_tag(&l, &tag, &err) < 0) {
		imap_preauth_bad(p, err.text);
		return;
	}
	imap_preauth_set_tag(p, tag);
	if (imap_take_sp(&l, &err) < 0 || imap_take_atom(&l, &name, &err) < 0)
		imap_preauth_bad(p, err.text);
	else if (!(verb = find_verb(name)))
		imap_preauth_bad(p, "not a command that can be used before signing in");
	else
		run_verb(p, verb, &l);
	/* An unknown one may be a password that was typed into the wrong line. */
	if (!verb || verb->secret)
		wipe_text(text);
}
