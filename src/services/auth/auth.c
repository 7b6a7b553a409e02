#include "services/auth/auth.h"

#include <stdlib.h>

#include "base/secret.h"
#include "base/time.h"
#include "services/auth/auth_internal.h"
#include "services/auth/verifier.h"

uint64_t auth_now(const struct auth *a)
{
	return a->o.now_ms ? a->o.now_ms() : time_mono_ms();
}

struct auth *auth_new(const struct auth_options *o, struct err *err)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->o = *o;
	memcpy(a->ticket_key, o->ticket_key, sizeof(a->ticket_key));
	if (verifier_make_unusable(a->unusable, err) < 0) {
		auth_free(a);
		return NULL;
	}
	a->cache = verify_cache_new();
	a->throttle = throttle_new(o->limits ? o->limits : &throttle_limits_default);
	a->pool = hash_pool_new(o->wake, o->wake_arg, err);
	if (!a->pool) {
		auth_free(a);
		return NULL;
	}
	return a;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	hash_pool_free(a->pool);
	verify_cache_free(a->cache);
	throttle_free(a->throttle);
	secret_wipe(a->ticket_key, sizeof(a->ticket_key));
	free(a);
}

void auth_collect(struct auth *a)
{
	hash_pool_collect(a->pool);
}

void auth_set_allow_plain(struct auth *a, bool allow_plain)
{
	a->o.allow_plain = allow_plain;
}

/* ---- credentials: hashing and SQL on a pool thread, the rest on the owner's ---- */

struct credential_job {
	struct hash_job job;
	struct auth *auth;
	struct secret account, password; /* password empty: remove */
	uint64_t account_id;
	auth_credential_fn *fn;
	void *arg;
	int rc;
	struct err err;
};

static void credential_run(struct hash_job *job)
{
	struct credential_job *c = (struct credential_job *)job;
	str account = secret_str(&c->account);

	if (c->password.len > 0)
		c->rc = auth_store_set(
		    c->auth->o.store, account, c->account_id, secret_str(&c->password), &c->err);
	else
		c->rc = auth_store_remove(c->auth->o.store, account, &c->err);
	if (c->rc < 0 && c->password.len == 0 && c->err.kind == ERR_DENIED)
		c->rc = 0;
}

static void credential_done(struct hash_job *job)
{
	struct credential_job *c = (struct credential_job *)job;
	AUTO_BUF name = BUF_INIT(AUTH_ACCOUNT_MAX);

	if (c->job.cancelled)
		c->rc = err_set(&c->err, ERR_RETRY, "the server is stopping");
	/* Also after a failure: what is on disk is not sure then. */
	if (auth_name(secret_str(&c->account), &name, NULL) == 0)
		verify_cache_drop(c->auth->cache, buf_str(&name));
	log_event(c->auth->o.log, c->rc == 0 ? "credential changed" : "credential not changed",
	    F_STR("account", secret_str(&c->account)),
	    F_CSTR("why", c->rc == 0 ? "asked for" : c->err.text));
	c->fn(c->arg, c->rc == 0, c->rc == 0 ? STR_NONE : str_c(c->err.text));
	secret_fini(&c->account);
	secret_fini(&c->password);
	free(c);
}

static void credential_submit(struct auth *a, str account, uint64_t account_id, str password,
    auth_credential_fn *fn, void *arg)
{
	struct credential_job *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct credential_job){ .job = { .run = credential_run, .done = credential_done },
		.auth = a,
		.account_id = account_id,
		.fn = fn,
		.arg = arg };
	secret_set(&c->account, account);
	secret_set(&c->password, password);
	if (hash_pool_submit(a->pool, &c->job, &c->err) < 0) {
		c->rc = -1;
		credential_done(&c->job);
	}
}

void auth_credential_set(struct auth *a, str account, uint64_t account_id, str password,
    auth_credential_fn *fn, void *arg)
{
	if (str_empty(password))
		fn(arg, false, STR("the password is empty"));
	else
		credential_submit(a, account, account_id, password, fn, arg);
}

void auth_credential_remove(struct auth *a, str account, auth_credential_fn *fn, void *arg)
{
	credential_submit(a, account, 0, STR_NONE, fn, arg);
}
