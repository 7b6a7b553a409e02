/* PLAIN and LOGIN: the client says name and password. RFC 4616. */
#include "protocols/sasl/sasl_internal.h"

static enum sasl_event check_password(struct sasl_server *s, str password)
{
	if (str_empty(password) || password.len > SASL_PASSWORD_MAX || str_empty(buf_str(&s->user)))
		return SASL_EVENT_MALFORMED;
	secret_set(&s->password, password);
	return SASL_EVENT_PASSWORD;
}

/* [authzid] NUL authcid NUL passwd, none of them with a NUL inside. RFC 4616 §2 */
static enum sasl_event plain_step(struct sasl_server *s, str response)
{
	size_t first = str_chr(response, '\0');

	if (first == STR_NPOS)
		return SASL_EVENT_MALFORMED;
	str rest = str_skip(response, first + 1);
	size_t second = str_chr(rest, '\0');
	if (second == STR_NPOS)
		return SASL_EVENT_MALFORMED;
	str password = str_skip(rest, second + 1);
	if (str_chr(password, '\0') != STR_NPOS || !str_is_utf8(response))
		return SASL_EVENT_MALFORMED;
	buf_add(&s->authzid, str_sub(response, 0, first));
	buf_add(&s->user, str_sub(rest, 0, second));
	if (!buf_ok(&s->authzid) || !buf_ok(&s->user))
		return SASL_EVENT_MALFORMED;
	return check_password(s, password);
}

/* Two questions. A client that sends an initial response means the name by it. */
static enum sasl_event login_step(struct sasl_server *s, str response)
{
	if (!response.ptr && s->round == 0) {
		buf_add(&s->out, STR("Username:"));
		return SASL_EVENT_CHALLENGE;
	}
	if (str_chr(response, '\0') != STR_NPOS || !str_is_utf8(response))
		return SASL_EVENT_MALFORMED;
	if (s->round > 1)
		return check_password(s, response);
	buf_add(&s->user, response);
	if (!buf_ok(&s->user) || str_empty(response))
		return SASL_EVENT_MALFORMED;
	buf_add(&s->out, STR("Password:"));
	return SASL_EVENT_CHALLENGE;
}

static enum sasl_event password_checked(struct sasl_server *s, bool ok)
{
	secret_fini(&s->password);
	return ok ? SASL_EVENT_DONE : SASL_EVENT_FAILED;
}

const struct sasl_mechanism sasl_plain = {
	.name = STR_INIT("PLAIN"),
	.flags = SASL_SAYS_PASSWORD,
	.step = plain_step,
	.checked = password_checked,
};

const struct sasl_mechanism sasl_login = {
	.name = STR_INIT("LOGIN"),
	.flags = SASL_SAYS_PASSWORD | SASL_IS_LEGACY,
	.server_first = true,
	.step = login_step,
	.checked = password_checked,
};
