/* verbs.c: the commands of SMTP, where they are legal, and those that need little work. */
#include "protocols/smtp/internal.h"

/* ---- EHLO ---- */

str smtp_mechanisms(const struct smtp_session *s)
{
	if (s->o.role != SMTP_ROLE_SUBMISSION || !(s->tls || s->o.allow_plain))
		return STR_NONE;
	return s->tls && s->o.mechanisms_tls.len ? s->o.mechanisms_tls : s->o.mechanisms;
}

static bool always(const struct smtp_session *s)
{
	(void)s;
	return true;
}

static bool can_start_tls(const struct smtp_session *s)
{
	return s->o.tls_offered && !s->tls;
}

/* RFC 8689 §2: only under TLS. */
static bool has_tls(const struct smtp_session *s)
{
	return s->tls;
}

static bool has_auth(const struct smtp_session *s)
{
	return smtp_mechanisms(s).len > 0;
}

static void add_size(const struct smtp_session *s, struct buf *out)
{
	buf_addu(out, s->o.limits.message_bytes);
}

static void add_mechanisms(const struct smtp_session *s, struct buf *out)
{
	buf_add(out, smtp_mechanisms(s));
}

/* RFC 9422 §4 */
static void add_limits(const struct smtp_session *s, struct buf *out)
{
	buf_addz(out, "MAILMAX=");
	buf_addu(out, s->o.limits.messages);
	buf_addz(out, " RCPTMAX=");
	buf_addu(out, s->o.limits.recipients);
}

/* clang-format off */
static const struct extension {
	str keyword;
	bool (*is_offered)(const struct smtp_session *s);
	void (*add_args)(const struct smtp_session *s, struct buf *out); /* may be NULL */
} extensions[] = {
	{ STR_INIT("PIPELINING"),          always,        NULL },           /* RFC 2920 */
	{ STR_INIT("SIZE"),                always,        add_size },       /* RFC 1870 */
	{ STR_INIT("8BITMIME"),            always,        NULL },           /* RFC 6152 */
	{ STR_INIT("ENHANCEDSTATUSCODES"), always,        NULL },           /* RFC 2034 */
	{ STR_INIT("STARTTLS"),            can_start_tls, NULL },           /* RFC 3207 */
	{ STR_INIT("AUTH"),                has_auth,      add_mechanisms }, /* RFC 4954 */
	{ STR_INIT("SMTPUTF8"),            always,        NULL },           /* RFC 6531 */
	{ STR_INIT("CHUNKING"),            always,        NULL },           /* RFC 3030 */
	{ STR_INIT("BINARYMIME"),          always,        NULL },           /* RFC 3030 */
	{ STR_INIT("DSN"),                 always,        NULL },           /* RFC 3461 */
	{ STR_INIT("REQUIRETLS"),          has_tls,       NULL },           /* RFC 8689 */
	{ STR_INIT("LIMITS"),              always,        add_limits },     /* RFC 9422 */
	{ STR_INIT("HELP"),                always,        NULL },           /* RFC 5321 §4.1.1.8 */
};
/* clang-format on */

static void say_extensions(struct smtp_session *s)
{
	const size_t count = sizeof(extensions) / sizeof(extensions[0]);

	smtp_say_line(s, 250, true, s->o.hostname);
	for (size_t i = 0; i < count; i++) {
		const struct extension *e = &extensions[i];
		if (!e->is_offered(s))
			continue;
		AUTO_BUF line = BUF_INIT(1024);
		buf_add(&line, e->keyword);
		if (e->add_args) {
			buf_addc(&line, ' ');
			e->add_args(s, &line);
		}
		smtp_say_line(s, 250, i + 1 < count, buf_str(&line));
	}
}

/* The name goes into trace fields and logs. Clients at home greet with what their computer is called,
 * so bytes that no host name has are replaced rather than refused (RFC 5321 §4.1.4: not a reason to
 * refuse mail). */
static str clean_name(struct smtp_session *s, str name)
{
	char *clean = arena_cstr(smtp_scratch(s), name);

	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(clean[i]) && !memchr("-._:[]", clean[i], 6))
			clean[i] = '?';
	return str_new(clean, name.len);
}

static bool take_hello(struct smtp_session *s, str args, bool extended)
{
	if (args.len == 0 || args.len > SMTP_HELLO_MAX || str_chr(args, ' ') != STR_NPOS) {
		SMTP_REFUSE(s, 501, "5.5.4", "one host name or address literal must follow");
		return false;
	}
	/* RFC 5321 §4.1.4: as if RSET had been said. */
	smtp_end_transaction(s, SMTP_READY);
	s->extended = extended;
	s->forgiven = 0;
	s->event.hello = (struct smtp_hello){ clean_name(s, args), extended };
	smtp_push(s, SMTP_EVENT_HELLO);
	return true;
}

static void on_ehlo(struct smtp_session *s, str args)
{
	if (take_hello(s, args, true))
		say_extensions(s);
}

static void on_helo(struct smtp_session *s, str args)
{
	if (take_hello(s, args, false))
		smtp_say_line(s, 250, false, s->o.hostname);
}

/* ---- those that are told in a line ---- */

static void on_starttls(struct smtp_session *s, str args)
{
	(void)args;
	if (s->tls) {
		SMTP_REFUSE(s, 503, "5.5.1", "TLS is in use already");
	} else if (!s->o.tls_offered) {
		SMTP_REFUSE(s, 502, "5.5.1", "TLS is not offered here");
	} else {
		SMTP_SAY(s, 220, "2.0.0", "start TLS now");
		smtp_push(s, SMTP_EVENT_STARTTLS);
		s->mode = SMTP_MODE_TLS;
	}
}

static void on_rset(struct smtp_session *s, str args)
{
	(void)args;
	SMTP_SAY(s, 250, "2.0.0", "forgotten");
	smtp_end_transaction(s, s->state == SMTP_START ? SMTP_START : SMTP_READY);
	s->forgiven = 0;
	smtp_resume(s);
}

static void on_noop(struct smtp_session *s, str args)
{
	(void)args;
	SMTP_SAY(s, 250, "2.0.0", "ok");
}

/* RFC 5321 §3.5.3, §7.3: whether an address exists is told to those who have mail for it. */
static void on_vrfy(struct smtp_session *s, str args)
{
	if (args.len == 0)
		SMTP_REFUSE(s, 501, "5.5.4", "an address must follow");
	else
		SMTP_SAY(s, 252, "2.5.0", "cannot say; send mail and see");
}

static void on_quit(struct smtp_session *s, str args)
{
	(void)args;
	SMTP_SAY(s, 221, "2.0.0", "bye");
	smtp_end_transaction(s, SMTP_START);
	smtp_push(s, SMTP_EVENT_QUIT);
	smtp_finish(s);
}

static void on_help(struct smtp_session *s, str args)
{
	AUTO_BUF text = BUF_INIT(1024);

	(void)args;
	buf_addz(&text, "commands:");
	for (size_t i = 0; i < smtp_verb_count; i++) {
		const struct smtp_verb *v = &smtp_verbs[i];
		if (!(v->roles & 1u << s->o.role) || v->flags & VERB_HIDDEN)
			continue;
		buf_addc(&text, ' ');
		buf_add(&text, v->name);
	}
	buf_addz(&text, "\nsee RFC 5321");
	smtp_say(s, 214, STR("2.0.0"), buf_str(&text));
}

static void on_never(struct smtp_session *s, str args)
{
	(void)args;
	SMTP_REFUSE(s, 502, "5.5.1", "not implemented");
}

/* A browser that was sent here by a web page carries commands in its request's body; whatever
 * follows must not be read. */
static void on_web(struct smtp_session *s, str args)
{
	(void)args;
	SMTP_DECLINE(s, 554, "5.5.1", "this is a mail server, not a web server");
	smtp_finish(s);
}

/* ---- the table ---- */

#define MX (1u << SMTP_ROLE_MX)
#define SUBMIT (1u << SMTP_ROLE_SUBMISSION)
#define LMTP (1u << SMTP_ROLE_LMTP)
#define ALL (MX | SUBMIT | LMTP)

/* clang-format off */
const struct smtp_verb smtp_verbs[] = {
	{ STR_INIT("EHLO"),     MX | SUBMIT, IN_ANY,                        VERB_HELLO,                 on_ehlo },       /* RFC 5321 §4.1.1.1 */
	{ STR_INIT("HELO"),     MX | SUBMIT, IN_ANY,                        VERB_HELLO,                 on_helo },       /* RFC 5321 §4.1.1.1 */
	{ STR_INIT("LHLO"),     LMTP,        IN_ANY,                        VERB_HELLO,                 on_ehlo },       /* RFC 2033 §4.1 */
	{ STR_INIT("STARTTLS"), ALL,         IN(SMTP_READY),                VERB_BARE,                  on_starttls },   /* RFC 3207 §4 */
	{ STR_INIT("AUTH"),     SUBMIT,      IN(SMTP_READY),                0,                          smtp_on_auth },  /* RFC 4954 §4 */
	{ STR_INIT("MAIL"),     ALL,         IN(SMTP_READY),                0,                          smtp_on_mail },  /* RFC 5321 §4.1.1.2 */
	{ STR_INIT("RCPT"),     ALL,         IN(SMTP_MAIL) | IN(SMTP_RCPT), VERB_PIPELINED,             smtp_on_rcpt },  /* RFC 5321 §4.1.1.3 */
	{ STR_INIT("DATA"),     ALL,         IN(SMTP_MAIL) | IN(SMTP_RCPT), VERB_BARE | VERB_PIPELINED, smtp_on_data },  /* RFC 5321 §4.1.1.4 */
	/* BDAT is run in any state: its bytes follow, whether it is legal or not. RFC 3030 §2 */
	{ STR_INIT("BDAT"),     ALL,         IN_ANY,                        VERB_PIPELINED,             smtp_on_bdat },
	{ STR_INIT("RSET"),     ALL,         IN_ANY,                        VERB_BARE | VERB_IDLE,      on_rset },       /* RFC 5321 §4.1.1.5 */
	{ STR_INIT("NOOP"),     ALL,         IN_ANY,                        VERB_IDLE,                  on_noop },       /* RFC 5321 §4.1.1.9 */
	{ STR_INIT("VRFY"),     ALL,         IN_ANY,                        VERB_IDLE,                  on_vrfy },       /* RFC 5321 §4.1.1.6 */
	{ STR_INIT("HELP"),     ALL,         IN_ANY,                        VERB_IDLE,                  on_help },       /* RFC 5321 §4.1.1.8 */
	{ STR_INIT("QUIT"),     ALL,         IN_ANY,                        VERB_BARE,                  on_quit },       /* RFC 5321 §4.1.1.10 */
	{ STR_INIT("EXPN"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },      /* RFC 5321 §4.1.1.7 */
	{ STR_INIT("SEND"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },      /* RFC 5321 appendix F.6 */
	{ STR_INIT("SOML"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },
	{ STR_INIT("SAML"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },
	{ STR_INIT("TURN"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },      /* RFC 5321 appendix F.1 */
	{ STR_INIT("ETRN"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_never },      /* RFC 1985 */
	{ STR_INIT("GET"),      ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("POST"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("PUT"),      ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("HEAD"),     ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("DELETE"),   ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("OPTIONS"),  ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("PATCH"),    ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("TRACE"),    ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
	{ STR_INIT("CONNECT"),  ALL,         IN_ANY,                        VERB_HIDDEN,                on_web },
};
/* clang-format on */
const size_t smtp_verb_count = sizeof(smtp_verbs) / sizeof(smtp_verbs[0]);

/* Why a command is out of order: what to do instead. */
static str order_hint(const struct smtp_session *s)
{
	static const str hints[SMTP_STATE_COUNT] = {
		[SMTP_START] = STR_INIT("say EHLO first"),
		[SMTP_READY] = STR_INIT("no transaction is open, say MAIL first"),
		[SMTP_MAIL] = STR_INIT("a transaction is open: RCPT or RSET comes next"),
		[SMTP_RCPT] =
		    STR_INIT("a transaction is open: RCPT, DATA, BDAT or RSET comes next"),
		[SMTP_CHUNKS] = STR_INIT("a message is coming in by BDAT: BDAT or RSET comes next"),
		[SMTP_FAILED] = STR_INIT("the last message failed, say RSET"),
	};

	if (s->o.role == SMTP_ROLE_LMTP && s->state == SMTP_START)
		return STR("say LHLO first");
	return hints[s->state];
}

/* With PIPELINING, RCPTs and DATA are on their way before the client knows that its MAIL was refused;
 * such a row must not cost it the connection. */
static void out_of_order(struct smtp_session *s, const struct smtp_verb *v)
{
	if (v->flags & VERB_PIPELINED && s->forgiven > 0) {
		s->forgiven--;
		smtp_decline(s, 503, STR("5.5.1"), order_hint(s));
	} else {
		smtp_refuse(s, 503, STR("5.5.1"), order_hint(s));
	}
}

static const struct smtp_verb *find_verb(str name)
{
	for (size_t i = 0; i < smtp_verb_count; i++)
		if (str_ieq(smtp_verbs[i].name, name))
			return &smtp_verbs[i];
	return NULL;
}

static void wrong_role(struct smtp_session *s, const struct smtp_verb *v)
{
	if (!(v->flags & VERB_HELLO))
		SMTP_REFUSE(s, 502, "5.5.1", "not offered on this port");
	else if (s->o.role == SMTP_ROLE_LMTP)
		SMTP_REFUSE(s, 500, "5.5.1", "this is LMTP, say LHLO");
	else
		SMTP_REFUSE(s, 500, "5.5.1", "this is not LMTP, say EHLO");
}

static bool is_used_up(struct smtp_session *s, const struct smtp_verb *v)
{
	return v->flags & VERB_IDLE && ++s->idle > s->o.limits.idle_commands;
}

void smtp_run_line(struct smtp_session *s, str line)
{
	str name = line;
	size_t space = str_chr(line, ' ');
	str args = STR_NONE;

	if (space != STR_NPOS) {
		name = str_sub(line, 0, space);
		args = str_trim(str_skip(line, space));
	}
	const struct smtp_verb *v = find_verb(name);
	if (!v)
		SMTP_REFUSE(s, 500, "5.5.1", "unknown command");
	else if (!(v->roles & 1u << s->o.role))
		wrong_role(s, v);
	else if (v->flags & VERB_BARE && args.len)
		SMTP_REFUSE(s, 501, "5.5.4", "this command takes no argument");
	else if (!(v->states & IN(s->state)))
		out_of_order(s, v);
	else if (is_used_up(s, v))
		SMTP_REFUSE(s, 450, "4.7.0", "enough of this, send mail or QUIT");
	else
		v->run(s, args);
	if (s->stopping && s->mode == SMTP_MODE_COMMAND)
		smtp_resume(s);
}
