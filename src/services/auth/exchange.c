/* exchange.c: one sign-in, from SASL_START to its outcome. Declared in auth.h. */
#include <stdlib.h>

#include "base/secret.h"
#include "base/table.h"
#include "base/time.h"
#include "formats/base64.h"
#include "protocols/sasl/precis.h"
#include "protocols/sasl/sasl.h"
#include "services/auth/auth_internal.h"
#include "services/auth/verifier.h"

struct auth_exchange {
	struct hash_job job; /* the password check; first, so that the job is the exchange */
	struct auth *auth;
	struct sasl_server *sasl;
	auth_reply_fn *fn; /* who waits for a reply; NULL: nobody */
	void *arg;
	uint32_t protocol;
	struct buf address; /* of the peer */
	struct buf name;    /* prepared */
	/* Once the name is known */
	uint64_t account_id;
	bool is_found;   /* there is such an account */
	bool is_refused; /* whatever the password: wants to act as somebody else */
	/* The password check */
	bool is_checking, is_ended;
	struct secret password; /* prepared */
	uint64_t epoch, fingerprint;
	char verifier[AUTH_VERIFIER_BYTES];
	enum verifier_result result;
};

static const str texts[] = {
	[SASL_CONTINUE] = STR_INIT(""),
	[SASL_OK] = STR_INIT("signed in"),
	[SASL_FAILED] = STR_INIT("wrong user name or password"),
	[SASL_MALFORMED] = STR_INIT("that is not a message of this sign-in mechanism"),
	[SASL_UNKNOWN_MECHANISM] = STR_INIT("this sign-in mechanism is not offered"),
	[SASL_NEEDS_TLS] = STR_INIT("switch to TLS before you sign in"),
	[SASL_UNAVAILABLE] = STR_INIT("signing in is not possible right now, try again later"),
};

static void exchange_free(struct auth_exchange *x)
{
	sasl_server_free(x->sasl);
	secret_fini(&x->password);
	buf_fini(&x->address);
	buf_fini(&x->name);
	free(x);
}

static void reply(struct auth_exchange *x, struct auth_reply r)
{
	auth_reply_fn *fn = x->fn;

	if (str_empty(r.text))
		r.text = texts[r.outcome];
	x->fn = NULL;
	if (fn)
		fn(x->arg, &r);
}

static void reply_outcome(struct auth_exchange *x, enum sasl_outcome outcome)
{
	reply(x, (struct auth_reply){ .outcome = outcome });
}

static void log_outcome(struct auth_exchange *x, const char *event, const char *why)
{
	log_event(x->auth->o.log, event, F_STR("user", buf_str(&x->name)),
	    F_STR("peer", buf_str(&x->address)),
	    F_STR("mechanism", sasl_server_mechanism(x->sasl)->name),
	    F_INT("protocol", x->protocol), F_CSTR("why", why));
}

/* ---- outcomes ---- */

static void succeed(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	AUTO_BUF ticket = BUF_INIT(TICKET_MAX);
	struct ticket t = { .account = x->account_id,
		.address = buf_str(&x->name),
		.rights = TICKET_RIGHT(x->protocol),
		.expires_at = (int64_t)time_mono_ms() + ticket_lifetime_s(x->protocol) * 1000 };
	struct err err = { 0 };
	uint64_t wait_ms =
	    throttle_passed(a->throttle, buf_str(&x->address), buf_str(&x->name), auth_now(a));

	/* The time for the ticket's use starts when it goes out. */
	t.expires_at += (int64_t)wait_ms;
	if (ticket_make(a->ticket_key, &t, &ticket, &err) < 0) {
		log_outcome(x, "sign-in failed", err.text);
		reply_outcome(x, SASL_UNAVAILABLE);
		return;
	}
	log_outcome(x, "signed in", "credentials are right");
	reply(x, (struct auth_reply){ .outcome = SASL_OK,
	             .account = buf_str(&x->name),
	             .ticket = buf_str(&ticket),
	             .wait_ms = wait_ms });
}

static void fail(struct auth_exchange *x)
{
	struct auth *a = x->auth;
	uint64_t wait_ms = throttle_failed(
	    a->throttle, buf_str(&x->address), buf_str(&x->name), x->fingerprint, auth_now(a));

	log_outcome(x, "sign-in failed",
	    x->is_refused  ? "asks to act as another user"
	    : !x->is_found ? "no such user"
	                   : "wrong credentials");
	reply(x, (struct auth_reply){ .outcome = SASL_FAILED, .wait_ms = wait_ms });
}

static void refuse_banned(struct auth_exchange *x)
{
	log_outcome(x, "sign-in refused", "too many failures from this address");
	reply(x, (struct auth_reply){ .outcome = SASL_UNAVAILABLE,
	             .text = STR("too many failed sign-ins from your address,"
	                         " try again in 15 minutes") });
}

static void handle(struct auth_exchange *x, enum sasl_event e);

/* ---- the name is known ---- */

/* What the name means; an unusable one is kept as it was said, so that it counts as one. */
static void take_name(struct auth_exchange *x)
{
	str said = sasl_server_username(x->sasl), authzid = sasl_server_authzid(x->sasl);
	AUTO_BUF as = BUF_INIT(AUTH_ACCOUNT_MAX);

	buf_reset(&x->name);
	if (auth_name(said, &x->name, NULL) < 0) {
		buf_reset(&x->name);
		buf_add(&x->name, said);
	}
	if (str_empty(authzid))
		return;
	if (auth_name(authzid, &as, NULL) < 0 || !str_eq(buf_str(&as), buf_str(&x->name)))
		x->is_refused = true;
}

static bool is_banned(struct auth_exchange *x)
{
	return throttle_is_banned(
	    x->auth->throttle, buf_str(&x->address), buf_str(&x->name), auth_now(x->auth));
}

static int look_up(struct auth_exchange *x, struct auth_credential *out)
{
	struct err err = { 0 };
	int rc = auth_store_get(x->auth->o.store, buf_str(&x->name), out, &err);

	if (rc < 0) {
		log_outcome(x, "sign-in failed", err.text);
		reply_outcome(x, SASL_UNAVAILABLE);
		return -1;
	}
	x->is_found = rc == 1;
	x->account_id = x->is_found ? out->account_id : 0;
	return 0;
}

static void give_keys(struct auth_exchange *x)
{
	struct auth_credential c = { 0 };
	struct scram_keys fake;

	take_name(x);
	if (is_banned(x)) {
		refuse_banned(x);
		return;
	}
	if (look_up(x, &c) < 0)
		return;
	/* Made in any case: the work is the same for a name that exists. */
	scram_fake(str_new(auth_store_secret(x->auth->o.store), AUTH_SECRET_BYTES),
	    buf_str(&x->name), &fake);
	handle(x, sasl_server_keys(
	              x->sasl, x->is_found ? &c.scram : &fake, x->is_found && !x->is_refused));
	secret_wipe(&c, sizeof(c));
}

/* ---- a password is to be checked ---- */

static void check_run(struct hash_job *job)
{
	struct auth_exchange *x = (struct auth_exchange *)job;

	x->result = verifier_check(x->verifier, secret_str(&x->password));
}

static void check_done(struct hash_job *job)
{
	struct auth_exchange *x = (struct auth_exchange *)job;
	bool ok = x->result == VERIFIER_RIGHT && x->is_found && !x->is_refused;

	x->is_checking = false;
	secret_wipe(x->verifier, sizeof(x->verifier));
	if (x->is_ended) {
		/* The client has gone; its guess counts all the same. */
		if (!x->job.cancelled && x->result == VERIFIER_WRONG)
			throttle_failed(x->auth->throttle, buf_str(&x->address), buf_str(&x->name),
			    x->fingerprint, auth_now(x->auth));
		exchange_free(x);
		return;
	}
	if (x->job.cancelled || x->result == VERIFIER_UNAVAILABLE) {
		reply_outcome(x, SASL_UNAVAILABLE);
		return;
	}
	if (ok)
		verify_cache_add(x->auth->cache, buf_str(&x->name), secret_str(&x->password),
		    x->account_id, x->epoch, auth_now(x->auth));
	secret_fini(&x->password);
	handle(x, sasl_server_checked(x->sasl, ok));
}

/* A password that nobody can have is checked as it was said, for the time it takes. */
static void take_password(struct auth_exchange *x)
{
	AUTO_BUF prepared = BUF_INIT(AUTH_PASSWORD_MAX);
	AUTO_BUF both = BUF_INIT(AUTH_PASSWORD_MAX + SASL_USERNAME_MAX + 1);
	str said = sasl_server_password(x->sasl);

	bool fits =
	    buf_space(&prepared, AUTH_PASSWORD_MAX) && precis_password(said, &prepared, NULL) == 0;
	secret_set(&x->password, fits ? buf_str(&prepared) : said);
	x->is_refused |= !fits;
	buf_space(&both, both.max);
	buf_add(&both, buf_str(&x->name));
	buf_addc(&both, '\0');
	buf_add(&both, secret_str(&x->password));
	x->fingerprint = hash_bytes(buf_str(&both));
	secret_wipe(prepared.ptr, prepared.len);
	secret_wipe(both.ptr, both.len);
}

static void submit_check(struct auth_exchange *x)
{
	struct auth_credential c = { 0 };
	struct err err = { 0 };

	if (look_up(x, &c) < 0)
		return;
	memcpy(x->verifier, x->is_found ? c.verifier : x->auth->unusable, sizeof(x->verifier));
	secret_wipe(&c, sizeof(c));
	x->epoch = verify_cache_epoch(x->auth->cache);
	x->job = (struct hash_job){ .run = check_run, .done = check_done };
	x->is_checking = true;
	if (hash_pool_submit(x->auth->pool, &x->job, &err) < 0) {
		x->is_checking = false;
		log_outcome(x, "sign-in refused", err.text);
		reply_outcome(x, SASL_UNAVAILABLE);
	}
}

static void check_password(struct auth_exchange *x)
{
	take_name(x);
	if (is_banned(x)) {
		refuse_banned(x);
		return;
	}
	take_password(x);
	if (!x->is_refused && verify_cache_check(x->auth->cache, buf_str(&x->name),
	                          secret_str(&x->password), auth_now(x->auth), &x->account_id)) {
		x->is_found = true;
		secret_fini(&x->password);
		handle(x, sasl_server_checked(x->sasl, true));
		return;
	}
	submit_check(x);
}

/* ---- the exchange ---- */

/* The last challenge of SCRAM says that the proof was right: it waits like success does. */
static void challenge(struct auth_exchange *x)
{
	uint64_t wait_ms = 0;

	if (x->name.len > 0)
		wait_ms = throttle_wait(
		    x->auth->throttle, buf_str(&x->address), buf_str(&x->name), auth_now(x->auth));
	reply(x, (struct auth_reply){ .outcome = SASL_CONTINUE,
	             .data = sasl_server_challenge(x->sasl),
	             .wait_ms = wait_ms });
}

static void handle(struct auth_exchange *x, enum sasl_event e)
{
	switch (e) {
	case SASL_EVENT_CHALLENGE:
		challenge(x);
		break;
	case SASL_EVENT_KEYS:
		give_keys(x);
		break;
	case SASL_EVENT_PASSWORD:
		check_password(x);
		break;
	case SASL_EVENT_DONE:
		succeed(x);
		break;
	case SASL_EVENT_FAILED:
		fail(x);
		break;
	case SASL_EVENT_MALFORMED:
		reply_outcome(x, SASL_MALFORMED);
		break;
	}
}

bool auth_peer_is_local(str address)
{
	return str_starts(address, STR("127.")) || str_eq(address, STR("::1")) ||
	       str_eq(address, STR("local"));
}

static struct sasl_server *make_sasl(const struct frame_sasl_start *f)
{
	AUTO_BUF nonce = BUF_INIT(64);
	unsigned char random[24];

	random_bytes(random, sizeof(random));
	base64_encode(str_new(random, sizeof(random)), &nonce);
	return sasl_server_new(&(struct sasl_options){ .mechanism = f->mechanism,
	    .exporter = f->cb_exporter,
	    .end_point = f->cb_end_point,
	    .nonce = buf_str(&nonce) });
}

struct auth_exchange *auth_start(
    struct auth *a, const struct frame_sasl_start *f, auth_reply_fn *fn, void *arg)
{
	struct auth_exchange *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	*x = (struct auth_exchange){ .auth = a,
		.fn = fn,
		.arg = arg,
		.protocol = f->protocol,
		.address = BUF_INIT(64),
		.name = BUF_INIT(AUTH_ACCOUNT_MAX) };
	buf_add(&x->address, f->peer_address);
	x->sasl = make_sasl(f);
	if (!x->sasl || f->protocol > PROTOCOL_POP3)
		reply_outcome(x, SASL_UNKNOWN_MECHANISM);
	else if (!f->tls && !(a->o.allow_plain && auth_peer_is_local(f->peer_address)))
		/* SCRAM would keep the password secret without TLS, but not the mail that follows.
		 * RFC 8314 §3 */
		reply_outcome(x, SASL_NEEDS_TLS);
	else
		handle(x, sasl_server_start(x->sasl, f->has_initial, f->initial));
	return x;
}

void auth_step(struct auth_exchange *x, str response, auth_reply_fn *fn, void *arg)
{
	x->fn = fn;
	x->arg = arg;
	if (!x->sasl || x->is_checking)
		reply_outcome(x, SASL_MALFORMED);
	else
		handle(x, sasl_server_step(x->sasl, response));
}

void auth_end(struct auth_exchange *x)
{
	if (!x)
		return;
	x->fn = NULL;
	if (x->is_checking)
		x->is_ended = true;
	else
		exchange_free(x);
}
