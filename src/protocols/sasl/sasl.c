#include "protocols/sasl/sasl.h"

#include <stdlib.h>

#include "protocols/sasl/sasl_internal.h"

const struct sasl_mechanism *const sasl_mechanisms[] = {
	&sasl_scram_sha256_plus,
	&sasl_scram_sha256,
	&sasl_plain,
	&sasl_login,
	NULL,
};

const struct sasl_mechanism *sasl_mechanism_find(str name)
{
	for (size_t i = 0; sasl_mechanisms[i]; i++)
		if (str_ieq(sasl_mechanisms[i]->name, name))
			return sasl_mechanisms[i];
	return NULL;
}

static bool is_offered(const struct sasl_mechanism *m, const struct sasl_offer *offer)
{
	if ((m->flags & SASL_SAYS_PASSWORD) && !offer->passwords)
		return false;
	if ((m->flags & SASL_NEEDS_BINDING) && !offer->binding)
		return false;
	return !(m->flags & SASL_IS_LEGACY) || offer->legacy;
}

void sasl_list(struct buf *out, const struct sasl_offer *offer, str prefix)
{
	for (size_t i = 0; sasl_mechanisms[i]; i++) {
		if (!is_offered(sasl_mechanisms[i], offer))
			continue;
		buf_add(out, prefix);
		buf_add(out, sasl_mechanisms[i]->name);
	}
}

struct sasl_server *sasl_server_new(const struct sasl_options *o)
{
	const struct sasl_mechanism *mechanism = sasl_mechanism_find(o->mechanism);

	if (!mechanism)
		return NULL;
	struct sasl_server *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->mechanism = mechanism;
	buf_init(&s->out, SASL_MESSAGE_MAX);
	buf_init(&s->user, SASL_USERNAME_MAX);
	buf_init(&s->authzid, SASL_USERNAME_MAX);
	buf_init(&s->exporter, 256);
	buf_init(&s->end_point, 256);
	buf_init(&s->nonce, SASL_NONCE_MAX);
	buf_init(&s->gs2, SASL_MESSAGE_MAX);
	buf_init(&s->bound, SASL_MESSAGE_MAX + 256);
	buf_init(&s->auth, 4 * SASL_MESSAGE_MAX);
	buf_init(&s->full_nonce, 2 * SASL_NONCE_MAX);
	buf_add(&s->exporter, o->exporter);
	buf_add(&s->end_point, o->end_point);
	buf_add(&s->nonce, o->nonce);
	return s;
}

void sasl_server_free(struct sasl_server *s)
{
	if (!s)
		return;
	secret_fini(&s->password);
	buf_fini(&s->out);
	buf_fini(&s->user);
	buf_fini(&s->authzid);
	buf_fini(&s->exporter);
	buf_fini(&s->end_point);
	buf_fini(&s->nonce);
	buf_fini(&s->gs2);
	buf_fini(&s->bound);
	buf_fini(&s->auth);
	buf_fini(&s->full_nonce);
	secret_wipe(&s->keys, sizeof(s->keys));
	free(s);
}

/* What the event means for what may be called next. */
static enum sasl_event settle(struct sasl_server *s, enum sasl_event e)
{
	if (e == SASL_EVENT_CHALLENGE)
		s->wait = SASL_WAIT_RESPONSE;
	else if (e == SASL_EVENT_KEYS || e == SASL_EVENT_PASSWORD)
		s->wait = SASL_WAIT_ANSWER;
	else
		s->wait = SASL_WAIT_NOTHING;
	return e;
}

enum sasl_event sasl_server_start(struct sasl_server *s, bool has_initial, str initial)
{
	if (s->round > 0 || s->wait != SASL_WAIT_RESPONSE)
		return settle(s, SASL_EVENT_MALFORMED);
	if (has_initial)
		return sasl_server_step(s, initial);
	if (s->mechanism->server_first)
		return settle(s, s->mechanism->step(s, STR_NONE));
	/* RFC 4422 §3: an empty challenge asks for the initial response. */
	return settle(s, SASL_EVENT_CHALLENGE);
}

enum sasl_event sasl_server_step(struct sasl_server *s, str response)
{
	if (s->wait != SASL_WAIT_RESPONSE || response.len > SASL_MESSAGE_MAX ||
	    s->round >= SASL_STEPS_MAX)
		return settle(s, SASL_EVENT_MALFORMED);
	s->round++;
	buf_reset(&s->out);
	return settle(s, s->mechanism->step(s, response));
}

enum sasl_event sasl_server_keys(struct sasl_server *s, const struct scram_keys *keys, bool real)
{
	if (s->wait != SASL_WAIT_ANSWER || !s->mechanism->keys)
		return settle(s, SASL_EVENT_MALFORMED);
	return settle(s, s->mechanism->keys(s, keys, real));
}

enum sasl_event sasl_server_checked(struct sasl_server *s, bool ok)
{
	if (s->wait != SASL_WAIT_ANSWER || !s->mechanism->checked)
		return settle(s, SASL_EVENT_MALFORMED);
	return settle(s, s->mechanism->checked(s, ok));
}

str sasl_server_challenge(const struct sasl_server *s)
{
	return buf_str(&s->out);
}

str sasl_server_username(const struct sasl_server *s)
{
	return buf_str(&s->user);
}

str sasl_server_authzid(const struct sasl_server *s)
{
	return buf_str(&s->authzid);
}

str sasl_server_password(const struct sasl_server *s)
{
	return secret_str(&s->password);
}

const struct sasl_mechanism *sasl_server_mechanism(const struct sasl_server *s)
{
	return s->mechanism;
}
