/* mail.c: MAIL and RCPT: paths and parameters. RFC 5321 §4.1.1.2, §4.1.1.3, §4.1.1.11. */
#include "base/num.h"
#include "formats/mailbox.h"
#include "formats/xtext.h"
#include "protocols/smtp/internal.h"

/* ---- parameters ---- */

/* Why a parameter is refused; code 0: it is fine. */
typedef struct smtp_reply param_fn(struct smtp_session *s, str value);

static const struct smtp_reply fine = { 0 };

static struct smtp_reply bad_value(const char *text)
{
	return (struct smtp_reply){ 501, STR("5.5.4"), str_c(text) };
}

/* RFC 1870 §6.1: a number of up to 20 digits may be more than 64 bits hold; that is too big as well. */
static struct smtp_reply set_size(struct smtp_session *s, str value)
{
	uint64_t size;
	str digits = value;

	if (take_digits(&digits, 20, &value) < 0 || digits.len)
		return bad_value("SIZE must be a number of up to 20 digits");
	if (num_parse_u64(value, UINT64_MAX, &size) < 0 || size > s->o.limits.message_bytes)
		return (struct smtp_reply){ 552, STR("5.3.4"),
			STR("message too big, see SIZE in EHLO") };
	s->event.mail.size = size;
	return fine;
}

static struct smtp_reply set_body(struct smtp_session *s, str value)
{
	static const str names[] = {
		[SMTP_BODY_7BIT] = STR_INIT("7BIT"),
		[SMTP_BODY_8BIT] = STR_INIT("8BITMIME"),
		[SMTP_BODY_BINARY] = STR_INIT("BINARYMIME"),
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(value, names[i])) {
			s->event.mail.body = (enum smtp_body)i;
			return fine;
		}
	return bad_value("BODY must be 7BIT, 8BITMIME or BINARYMIME");
}

static struct smtp_reply set_utf8(struct smtp_session *s, str value)
{
	(void)value;
	s->event.mail.utf8 = true;
	return fine;
}

static struct smtp_reply set_ret(struct smtp_session *s, str value)
{
	if (str_ieq(value, STR("FULL")))
		s->event.mail.ret = SMTP_RET_FULL;
	else if (str_ieq(value, STR("HDRS")))
		s->event.mail.ret = SMTP_RET_HDRS;
	else
		return bad_value("RET must be FULL or HDRS");
	return fine;
}

static bool is_xtext(str value, size_t max)
{
	AUTO_BUF plain = BUF_INIT(1024);

	return value.len > 0 && value.len <= max && xtext_decode(value, &plain, NULL) == 0;
}

static struct smtp_reply set_envid(struct smtp_session *s, str value)
{
	if (!is_xtext(value, SMTP_ENVID_MAX))
		return bad_value("ENVID must be xtext of up to 100 characters");
	s->event.mail.envid = value;
	return fine;
}

/* RFC 4954 §5: who wrote the message, said by a server we would have to trust. We trust none, which
 * is to treat every value as "<>"; the syntax is still checked. */
static struct smtp_reply set_auth(struct smtp_session *s, str value)
{
	if (smtp_mechanisms(s).len == 0)
		return (struct smtp_reply){ 555, STR("5.5.4"),
			STR("AUTH is not offered on this port") };
	if (!str_eq(value, STR("<>")) && !is_xtext(value, 500))
		return bad_value("AUTH must be <> or an address as xtext");
	return fine;
}

/* RFC 8689 §4.2.1 */
static struct smtp_reply set_requiretls(struct smtp_session *s, str value)
{
	(void)value;
	if (!s->tls)
		return (struct smtp_reply){ 555, STR("5.5.4"),
			STR("REQUIRETLS needs TLS on this connection") };
	s->event.mail.requiretls = true;
	return fine;
}

/* RFC 3461 §4.1: NEVER stands alone. */
static struct smtp_reply set_notify(struct smtp_session *s, str value)
{
	static const struct {
		str name;
		unsigned bit;
	} words[] = {
		{ STR_INIT("NEVER"), SMTP_NOTIFY_NEVER },
		{ STR_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS },
		{ STR_INIT("FAILURE"), SMTP_NOTIFY_FAILURE },
		{ STR_INIT("DELAY"), SMTP_NOTIFY_DELAY },
	};
	unsigned notify = 0, count = 0;
	str word;

	while (str_split(&value, ',', &word)) {
		unsigned bit = 0;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			bit |= str_ieq(word, words[i].name) ? words[i].bit : 0;
		if (!bit || ++count > 16)
			return bad_value(
			    "NOTIFY must be NEVER, or some of SUCCESS, FAILURE, DELAY");
		notify |= bit;
	}
	if (!notify || (notify & SMTP_NOTIFY_NEVER && notify != SMTP_NOTIFY_NEVER))
		return bad_value("NOTIFY must be NEVER alone, or some of SUCCESS, FAILURE, DELAY");
	s->event.rcpt.notify = notify;
	return fine;
}

/* RFC 3461 §4.2; RFC 6533 §3 for the type "utf-8". */
static struct smtp_reply set_orcpt(struct smtp_session *s, str value)
{
	AUTO_BUF plain = BUF_INIT(1024);
	str address = value, type;

	if (value.len > SMTP_ORCPT_MAX || take_until(&address, ';', 40, &type) < 0 || type.len == 0)
		return bad_value("ORCPT must be type;address of up to 500 characters");
	address = str_skip(address, 1);
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_is_alnum(type.ptr[i]) && type.ptr[i] != '-')
			return bad_value("the type of ORCPT must be a word such as rfc822");
	bool is_utf8 = str_ieq(type, STR("utf-8"));
	if (address.len == 0 || (is_utf8 ? xtext_utf8_decode(address, s->tx.utf8, &plain, NULL)
	                                 : xtext_decode(address, &plain, NULL)) < 0)
		return bad_value("the address in ORCPT must be xtext");
	s->event.rcpt.orcpt = value;
	return fine;
}

enum param_value { VALUE_NONE, VALUE_NEEDED };

/* clang-format off */
static const struct param {
	str name;
	enum param_value value;
	param_fn *set;
} mail_params[] = {
	{ STR_INIT("SIZE"),       VALUE_NEEDED, set_size },       /* RFC 1870 §3 */
	{ STR_INIT("BODY"),       VALUE_NEEDED, set_body },       /* RFC 6152 §2, RFC 3030 §3 */
	{ STR_INIT("SMTPUTF8"),   VALUE_NONE,   set_utf8 },       /* RFC 6531 §3.4 */
	{ STR_INIT("RET"),        VALUE_NEEDED, set_ret },        /* RFC 3461 §4.3 */
	{ STR_INIT("ENVID"),      VALUE_NEEDED, set_envid },      /* RFC 3461 §4.4 */
	{ STR_INIT("AUTH"),       VALUE_NEEDED, set_auth },       /* RFC 4954 §5 */
	{ STR_INIT("REQUIRETLS"), VALUE_NONE,   set_requiretls }, /* RFC 8689 §2 */
	{ { NULL, 0 }, VALUE_NONE, NULL },
}, rcpt_params[] = {
	{ STR_INIT("NOTIFY"),     VALUE_NEEDED, set_notify },     /* RFC 3461 §4.1 */
	{ STR_INIT("ORCPT"),      VALUE_NEEDED, set_orcpt },      /* RFC 3461 §4.2 */
	{ { NULL, 0 }, VALUE_NONE, NULL },
};
/* clang-format on */

static struct smtp_reply take_param(
    struct smtp_session *s, const struct param *table, str text, unsigned *seen)
{
	size_t eq = str_chr(text, '=');
	str name = str_sub(text, 0, eq), value = eq == STR_NPOS ? STR_NONE : str_skip(text, eq + 1);

	for (unsigned i = 0; table[i].set; i++) {
		if (!str_ieq(table[i].name, name))
			continue;
		if (*seen & 1u << i)
			return bad_value("a parameter is given twice");
		*seen |= 1u << i;
		if (table[i].value == VALUE_NONE ? eq != STR_NPOS : value.len == 0)
			return bad_value(table[i].value == VALUE_NONE
			                     ? "this parameter takes no value"
			                     : "a parameter lacks its value");
		return table[i].set(s, value);
	}
	return (struct smtp_reply){ 555, STR("5.5.4"), STR("unknown parameter") };
}

/* RFC 5321 §4.1.1.11: " KEY=value" any number of times; only for who has seen our EHLO. */
static struct smtp_reply take_params(struct smtp_session *s, const struct param *table, str rest)
{
	unsigned seen = 0;
	str text;

	if (rest.len && rest.ptr[0] != ' ')
		return bad_value("a space must stand between the path and its parameters");
	while (take_space(&rest) == 0 && rest.len) {
		if (!s->extended)
			return (
			    struct smtp_reply){ 555, STR("5.5.4"), STR("parameters need EHLO") };
		if (take_word(&rest, 600, &text) < 0)
			return bad_value("a parameter is too long");
		struct smtp_reply why = take_param(s, table, text, &seen);
		if (why.code)
			return why;
	}
	return rest.len ? bad_value("parameters are separated by spaces") : fine;
}

/* ---- paths ---- */

struct path {
	str text; /* canonical, in the scratch arena */
	bool is_utf8;
};

/* "FROM:" and a path. DEVIATION RFC 5321 §3.3: a space behind the colon is taken, as many clients
 * put one there. */
static int take_path(struct smtp_session *s, str *args, str keyword, unsigned flags,
    struct path *out, struct err *err)
{
	struct mailbox box;
	AUTO_BUF text = BUF_INIT(MAILBOX_PATH_MAX);

	if (take_ilit(args, keyword) < 0)
		return err_set(err, ERR_INPUT, STR_FMT "<address> must follow", STR_ARG(keyword));
	(void)take_space(args);
	str start = *args;
	if (mailbox_parse_path(
	        args, flags | MAILBOX_UTF8 | MAILBOX_LONG_LOCAL, smtp_scratch(s), &box, err) < 0)
		return -1;
	out->is_utf8 = !str_is_ascii(str_sub(start, 0, start.len - args->len));
	mailbox_print(&text, &box);
	out->text = arena_str(smtp_scratch(s), buf_str(&text));
	return 0;
}

static void refuse_with(struct smtp_session *s, struct smtp_reply why)
{
	smtp_refuse(s, why.code, why.enhanced, why.text);
}

/* ---- MAIL ---- */

/* What follows a refused MAIL by pipelining: its recipients and a DATA or BDAT. */
static void forgive_followers(struct smtp_session *s)
{
	s->forgiven = s->o.limits.recipients + 2;
}

static bool may_send(struct smtp_session *s)
{
	if (s->o.role == SMTP_ROLE_SUBMISSION && !s->signed_in) {
		SMTP_REFUSE(s, 530, "5.7.0", "sign in first"); /* RFC 4954 §6 */
		return false;
	}
	if (s->messages >= s->o.limits.messages) {
		SMTP_DECLINE(s, 421, "4.7.0", "enough messages on one connection, connect again");
		smtp_finish(s);
		return false;
	}
	return true;
}

void smtp_on_mail(struct smtp_session *s, str args)
{
	struct err err = { 0 };
	struct path path;

	forgive_followers(s);
	if (!may_send(s))
		return;
	s->event.mail = (struct smtp_mail){ 0 };
	if (take_path(s, &args, STR("FROM:"), MAILBOX_EMPTY, &path, &err) < 0) {
		smtp_refuse(s, 501, STR("5.1.7"), str_c(err.text));
		return;
	}
	struct smtp_reply why = take_params(s, mail_params, args);
	if (why.code) {
		refuse_with(s, why);
	} else if (path.is_utf8 && !s->event.mail.utf8) {
		SMTP_REFUSE(
		    s, 553, "5.6.7", "an address outside ASCII needs SMTPUTF8"); /* RFC 6531 §3.5 */
	} else {
		s->event.mail.sender = path.text;
		smtp_ask(s, SMTP_EVENT_MAIL, SMTP_WAIT_MAIL);
	}
}

void smtp_answer_mail(struct smtp_session *s, struct smtp_reply r)
{
	if (smtp_is_ok(r)) {
		s->tx.open = true;
		s->tx.utf8 = s->event.mail.utf8;
		s->tx.body = s->event.mail.body;
		s->state = SMTP_MAIL;
		s->messages++;
		s->forgiven = 0;
	}
	smtp_say(s, r.code, r.enhanced, r.text);
	smtp_resume(s);
}

/* ---- RCPT ---- */

/* DEVIATION RFC 5321 §4.5.3.1.8, §4.2.5: after ten unknown recipients only five more are looked at on
 * this connection. Who guesses addresses learns little; who has an old list may come again. */
static bool is_harvesting(struct smtp_session *s)
{
	return s->refused_recipients >= s->o.limits.refused_recipients &&
	       ++s->last_recipients > SMTP_LAST_RECIPIENTS;
}

static bool has_room(struct smtp_session *s)
{
	if (is_harvesting(s)) {
		SMTP_DECLINE(s, 421, "4.7.0", "too many unknown recipients, closing");
		smtp_finish(s);
		return false;
	}
	if (s->tx.recipients < s->o.limits.recipients)
		return true;
	/* RFC 5321 §4.5.3.1.10: 452, and those accepted so far stay. */
	if (++s->tx.over > s->o.limits.recipients)
		SMTP_REFUSE(s, 452, "4.5.3", "too many recipients, send them in another message");
	else
		SMTP_DECLINE(s, 452, "4.5.3", "too many recipients, send them in another message");
	return false;
}

void smtp_on_rcpt(struct smtp_session *s, str args)
{
	struct err err = { 0 };
	struct path path;

	if (!has_room(s))
		return;
	s->tx.refused++; /* until it is accepted */
	s->event.rcpt = (struct smtp_rcpt){ 0 };
	if (take_path(s, &args, STR("TO:"), MAILBOX_POSTMASTER, &path, &err) < 0) {
		smtp_refuse(s, 501, STR("5.1.3"), str_c(err.text));
		return;
	}
	struct smtp_reply why = take_params(s, rcpt_params, args);
	if (why.code) {
		refuse_with(s, why);
	} else if (path.is_utf8 && !s->tx.utf8) {
		SMTP_REFUSE(s, 553, "5.6.7", "an address outside ASCII needs SMTPUTF8");
	} else {
		s->event.rcpt.recipient = path.text;
		smtp_ask(s, SMTP_EVENT_RCPT, SMTP_WAIT_RCPT);
	}
}

void smtp_answer_rcpt(struct smtp_session *s, struct smtp_reply r)
{
	if (smtp_is_ok(r)) {
		s->tx.recipients++;
		s->tx.refused--;
		s->state = SMTP_RCPT;
	} else if (r.code >= 500) {
		s->refused_recipients++;
	}
	smtp_say(s, r.code, r.enhanced, r.text);
	smtp_resume(s);
}
