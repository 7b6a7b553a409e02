/* Domains, accounts, aliases. */
#include "services/admin/internal.h"

struct change {
	str name, other;
	uint64_t number, id;
};

/* ---- domains ---------------------------------------------------------------------------------- */

static int domain_add_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_domain_add(t, ((struct change *)arg)->name, err);
}

static int domain_remove_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_domain_remove(t, ((struct change *)arg)->name, err);
}

static int domain_catch_all_job(struct store_txn *t, void *arg, struct err *err)
{
	struct change *ch = arg;

	return txn_domain_catch_all(t, ch->name, ch->other, err);
}

static int change_domain(struct admin_call *c, store_job_fn *job, str other, struct err *err)
{
	struct change ch = { .other = other };

	if (admin_domain(c, "domain", &ch.name, err) < 0)
		return -1;
	return store_write(c->env->store, job, &ch, err);
}

int admin_domain_add(struct admin_call *c, struct err *err)
{
	return change_domain(c, domain_add_job, STR_NONE, err);
}

int admin_domain_remove(struct admin_call *c, struct err *err)
{
	return change_domain(c, domain_remove_job, STR_NONE, err);
}

int admin_domain_catch_all(struct admin_call *c, struct err *err)
{
	str address = STR_NONE;

	/* No address: the domain has no catch-all any more. */
	if (!str_empty(admin_text(c, "address")) && admin_address(c, "address", &address, err) < 0)
		return -1;
	return change_domain(c, domain_catch_all_job, address, err);
}

int admin_domain_list(struct admin_call *c, struct err *err)
{
	struct store_domain *list;
	size_t n;

	if (store_domain_list(c->env->store, c->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		admin_emit(
		    c, json_pack("{ss so so sI}", "kind", "domain", "domain",
		           admin_json(list[i].name), "catch_all", admin_json(list[i].catch_all),
		           "created_at", (json_int_t)list[i].created_at));
	return 0;
}

/* ---- accounts --------------------------------------------------------------------------------- */

static int account_add_job(struct store_txn *t, void *arg, struct err *err)
{
	struct change *ch = arg;

	return txn_account_add(t, ch->name, ch->number, &ch->id, err);
}

static int account_remove_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_account_remove(t, ((struct change *)arg)->name, err);
}

static int account_quota_job(struct store_txn *t, void *arg, struct err *err)
{
	struct change *ch = arg;

	return txn_account_quota(t, ch->name, ch->number, err);
}

static void tell_changed(const struct admin_call *c, uint64_t account)
{
	if (c->env->account_changed)
		c->env->account_changed(c->env->owner, account);
}

static int require_password(const struct admin_call *c, str *out, struct err *err)
{
	*out = admin_text(c, "password");
	if (out->len >= 8)
		return 0;
	return err_set(
	    err, ERR_INPUT, "a password needs at least eight characters; a few words are fine");
}

int admin_account_add(struct admin_call *c, struct err *err)
{
	struct change ch = { .number = admin_number(c, "quota") };
	str password;

	if (admin_address(c, "address", &ch.name, err) < 0 ||
	    require_password(c, &password, err) < 0 ||
	    store_write(c->env->store, account_add_job, &ch, err) < 0)
		return -1;
	if (c->env->credential_set(c->env->owner, ch.name, ch.id, password, err) == 0)
		return 0;
	/* An account nobody can sign in to helps no one: it goes again, so that the command can be repeated. */
	struct err ignored;
	store_write(c->env->store, account_remove_job, &ch, &ignored);
	return err_wrap(err, "setting the password of '" STR_FMT "'", STR_ARG(ch.name));
}

int admin_account_remove(struct admin_call *c, struct err *err)
{
	struct change ch = { 0 };
	struct err ignored;

	struct store_account account;

	if (admin_address(c, "address", &ch.name, err) < 0 ||
	    store_account_find(c->env->store, ch.name, c->arena, &account, err) < 0 ||
	    store_write(c->env->store, account_remove_job, &ch, err) < 0)
		return -1;
	tell_changed(c, account.id);
	/* The account is gone either way; a left-over credential opens nothing. */
	if (c->env->credential_remove(c->env->owner, ch.name, &ignored) < 0 &&
	    ignored.kind != ERR_DENIED)
		admin_emit(c, json_pack("{ss ss}", "kind", "warning", "text", ignored.text));
	return 0;
}

int admin_account_password(struct admin_call *c, struct err *err)
{
	struct store_account account;
	str address, password;

	if (admin_address(c, "address", &address, err) < 0 ||
	    require_password(c, &password, err) < 0 ||
	    store_account_find(c->env->store, address, c->arena, &account, err) < 0)
		return -1;
	if (c->env->credential_set(c->env->owner, address, account.id, password, err) < 0)
		return -1;
	tell_changed(c, account.id);
	return 0;
}

int admin_account_quota(struct admin_call *c, struct err *err)
{
	struct change ch = { .number = admin_number(c, "quota") };

	if (admin_address(c, "address", &ch.name, err) < 0)
		return -1;
	return store_write(c->env->store, account_quota_job, &ch, err);
}

int admin_account_list(struct admin_call *c, struct err *err)
{
	struct store_account *list;
	size_t n;

	if (store_account_list(c->env->store, c->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t quota =
		    list[i].quota_bytes ? list[i].quota_bytes : c->env->config->limits.quota_bytes;
		admin_emit(c, json_pack("{ss so sI sI sI sI}", "kind", "account", "account",
		                  admin_json(list[i].address), "quota_bytes", (json_int_t)quota,
		                  "used_bytes", (json_int_t)list[i].used_bytes, "messages",
		                  (json_int_t)list[i].message_count, "created_at",
		                  (json_int_t)list[i].created_at));
	}
	return 0;
}

/* ---- aliases ---------------------------------------------------------------------------------- */

static int alias_add_job(struct store_txn *t, void *arg, struct err *err)
{
	struct change *ch = arg;

	return txn_alias_add(t, ch->name, ch->other, err);
}

static int alias_remove_job(struct store_txn *t, void *arg, struct err *err)
{
	return txn_alias_remove(t, ((struct change *)arg)->name, err);
}

int admin_alias_add(struct admin_call *c, struct err *err)
{
	AUTO_BUF targets = BUF_INIT(64 * 1024);
	struct change ch = { 0 };
	size_t i;
	json_t *target;

	if (admin_address(c, "address", &ch.name, err) < 0)
		return -1;
	json_array_foreach(json_object_get(c->request, "targets"), i, target)
	{
		str one;
		if (admin_normalise(c, str_c(json_string_value(target)), &one, err) < 0)
			return -1;
		buf_add(&targets, one);
		buf_addc(&targets, '\n');
	}
	if (targets.len == 0 || !buf_ok(&targets))
		return err_set(err, ERR_INPUT,
		    "an alias needs one target address or more, up to 64 KiB of them");
	ch.other = str_sub(buf_str(&targets), 0, targets.len - 1);
	return store_write(c->env->store, alias_add_job, &ch, err);
}

int admin_alias_remove(struct admin_call *c, struct err *err)
{
	struct change ch = { 0 };

	if (admin_address(c, "address", &ch.name, err) < 0)
		return -1;
	return store_write(c->env->store, alias_remove_job, &ch, err);
}

int admin_alias_list(struct admin_call *c, struct err *err)
{
	struct store_alias *list;
	size_t n;

	if (store_alias_list(c->env->store, c->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		json_t *targets = json_array();
		str rest = list[i].targets, one;
		while (str_split(&rest, '\n', &one)) {
			if (!str_empty(one))
				json_array_append_new(targets, admin_json(one));
		}
		admin_emit(c, json_pack("{ss so so}", "kind", "alias", "alias",
		                  admin_json(list[i].address), "targets", targets));
	}
	return 0;
}
