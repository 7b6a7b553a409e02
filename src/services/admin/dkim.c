/* Keys for DKIM: their rows. Files are written and removed by the command, which core could not reach. */
#include "base/time.h"
#include "formats/base64.h"
#include "protocols/dkim/key.h"
#include "services/admin/internal.h"
#include "services/keys/dkim_files.h"
#include "services/sign/state.h"

enum { KEYS_AT_ONCE = 8, PUBLIC_MAX = 4096 };

struct dkim_change {
	struct store_dkim_key *keys;
	size_t count;
	int64_t active_from;
};

struct dkim_list {
	struct store_dkim_key *keys;
	size_t count;
};

static int reload(const struct admin_call *c, struct err *err)
{
	return c->env->dkim_changed ? c->env->dkim_changed(c->env->owner, err) : 0;
}

static int read_list(struct admin_call *c, struct dkim_list *out, struct err *err)
{
	return store_dkim_list(c->env->store, c->arena, &out->keys, &out->count, err);
}

/* ---- adding ---- */

static int dkim_add_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct dkim_change *ch = arg;

	for (size_t i = 0; i < ch->count; i++) {
		if (txn_dkim_add(t, &ch->keys[i], err) < 0)
			return -1;
	}
	return 0;
}

static bool has_any(const struct dkim_list *l, const struct store_dkim_key *like)
{
	for (size_t i = 0; i < l->count; i++) {
		if (str_eq(l->keys[i].domain, like->domain) &&
		    str_eq(l->keys[i].algorithm, like->algorithm))
			return true;
	}
	return false;
}

static int require_key(const struct store_dkim_key *k, struct err *err)
{
	AUTO_BUF raw = BUF_INIT(PUBLIC_MAX);
	char name[DKIM_NAME_BYTES];

	if (!str_eq(k->algorithm, STR("rsa")) && !str_eq(k->algorithm, STR("ed25519")))
		return err_set(err, ERR_INPUT, "the algorithm of a key is \"rsa\" or \"ed25519\"");
	if (str_empty(k->public_key) || base64_decode(k->public_key, &raw, err) < 0)
		return err_set(err, ERR_INPUT, "the public half of a key is not base64");
	return dkim_key_name(k->selector, k->domain, name, err);
}

/* The first key of a domain signs at once: a signature whose record is not there yet counts as none, and none is
 * what the mail had before. One that follows another waits until its record is published. */
static int take_keys(struct admin_call *c, str domain, struct dkim_change *ch, struct err *err)
{
	int64_t now = time_wall_s(), from = (int64_t)admin_number(c, "active_from");
	struct dkim_list there;
	const json_t *one;
	size_t i;

	if (read_list(c, &there, err) < 0)
		return -1;
	ch->keys = arena_array(c->arena, struct store_dkim_key, KEYS_AT_ONCE);
	json_array_foreach(json_object_get(c->request, "keys"), i, one)
	{
		struct store_dkim_key *k = &ch->keys[ch->count++];
		*k = (struct store_dkim_key){
			.domain = domain,
			.selector = str_c(json_string_value(json_object_get(one, "selector"))),
			.algorithm = str_c(json_string_value(json_object_get(one, "algorithm"))),
			.public_key = str_c(json_string_value(json_object_get(one, "public"))),
		};
		k->active_from = from || has_any(&there, k) ? from : now;
		if (require_key(k, err) < 0)
			return -1;
	}
	return 0;
}

int admin_dkim_add(struct admin_call *c, struct err *err)
{
	size_t count = json_array_size(json_object_get(c->request, "keys"));
	struct dkim_change ch = { .count = 0 };
	str domain;

	if (admin_domain(c, "domain", &domain, err) < 0)
		return -1;
	if (count == 0 || count > KEYS_AT_ONCE)
		return err_set(err, ERR_INPUT, "give one key to %d keys", KEYS_AT_ONCE);
	if (take_keys(c, domain, &ch, err) < 0 || reload(c, err) < 0)
		return -1;
	return store_write(c->env->store, dkim_add_job, &ch, err);
}

/* ---- listing ---- */

static void emit_key(struct admin_call *c, const struct dkim_list *l, size_t i, int64_t now)
{
	AUTO_BUF raw = BUF_INIT(PUBLIC_MAX), record = BUF_INIT(DKIM_KEY_RECORD_MAX);
	const struct store_dkim_key *k = &l->keys[i];
	enum dkim_state state = dkim_state_of(l->keys, l->count, i, now);
	char name[DKIM_NAME_BYTES] = "";

	base64_decode(k->public_key, &raw, NULL);
	dkim_key_write(&(struct dkim_key){ .is_ed25519 = str_eq(k->algorithm, STR("ed25519")),
	                   .allows_sha256 = true,
	                   .allows_mail = true,
	                   .bytes = buf_str(&raw) },
	    &record);
	dkim_key_name(k->selector, k->domain, name, NULL);
	admin_emit(c, json_pack("{ss so so so ss ss so sI sI sI}", "kind", "dkim", "domain",
	                  admin_json(k->domain), "selector", admin_json(k->selector), "algorithm",
	                  admin_json(k->algorithm), "state", dkim_state_name(state), "name", name,
	                  "record", admin_json(buf_str(&record)), "created_at",
	                  (json_int_t)k->created_at, "active_from", (json_int_t)k->active_from,
	                  "retired_at", (json_int_t)dkim_retired_at(l->keys, l->count, i, now)));
}

static int require_domain(struct admin_call *c, str domain, struct err *err)
{
	struct store_domain *list;
	size_t n;

	if (store_domain_list(c->env->store, c->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i].name, domain))
			return 0;
	}
	return err_set(err, ERR_DENIED, "domain '" STR_FMT "' is not served here: add it first",
	    STR_ARG(domain));
}

int admin_dkim_list(struct admin_call *c, struct err *err)
{
	bool is_one = !str_empty(admin_text(c, "domain"));
	int64_t now = time_wall_s();
	struct dkim_list l;
	str domain = STR_NONE;

	if (is_one &&
	    (admin_domain(c, "domain", &domain, err) < 0 || require_domain(c, domain, err) < 0))
		return -1;
	if (read_list(c, &l, err) < 0)
		return -1;
	for (size_t i = 0; i < l.count; i++) {
		if (!is_one || str_eq(l.keys[i].domain, domain))
			emit_key(c, &l, i, now);
	}
	return 0;
}

/* ---- activating ---- */

static int dkim_activate_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct dkim_change *ch = arg;

	for (size_t i = 0; i < ch->count; i++) {
		if (txn_dkim_activate(
		        t, ch->keys[i].domain, ch->keys[i].selector, ch->active_from, err) < 0)
			return -1;
	}
	return 0;
}

/* Without a selector: all that are new. */
int admin_dkim_activate(struct admin_call *c, struct err *err)
{
	struct dkim_change ch = { .active_from = time_wall_s() };
	str domain, selector = admin_text(c, "selector");
	struct dkim_list l;

	if (admin_domain(c, "domain", &domain, err) < 0 || read_list(c, &l, err) < 0)
		return -1;
	ch.keys = arena_array(c->arena, struct store_dkim_key, l.count + 1);
	for (size_t i = 0; i < l.count; i++) {
		bool is_named = str_empty(selector)
		                    ? dkim_state_of(l.keys, l.count, i, ch.active_from) == DKIM_NEW
		                    : str_ieq(l.keys[i].selector, selector);
		if (is_named && str_eq(l.keys[i].domain, domain))
			ch.keys[ch.count++] = l.keys[i];
	}
	if (ch.count == 0)
		return err_set(err, ERR_DENIED,
		    "domain '" STR_FMT
		    "' has no such key that could be activated; see: buzon dkim list",
		    STR_ARG(domain));
	return reload(c, err) < 0 ? -1 : store_write(c->env->store, dkim_activate_job, &ch, err);
}

/* ---- removing ---- */

static int dkim_remove_job(struct store_txn *t, void *arg, struct err *err)
{
	const struct dkim_change *ch = arg;

	return txn_dkim_remove(t, ch->keys[0].domain, ch->keys[0].selector, err);
}

static int may_go(const struct dkim_list *l, size_t i, struct err *err)
{
	int64_t now = time_wall_s(), retired = dkim_retired_at(l->keys, l->count, i, now);

	switch (dkim_state_of(l->keys, l->count, i, now)) {
	case DKIM_ACTIVE:
		return err_set(err, ERR_DENIED,
		    "the key signs mail: activate another one first, or remove it with --force, "
		    "and mail "
		    "leaves without its signature");
	case DKIM_RETIRED:
		return retired + DKIM_RETIRED_S <= now
		           ? 0
		           : err_set(err, ERR_DENIED,
		                 "the key was in use until %lld hours ago, and mail under way may "
		                 "need it; "
		                 "wait %d days, or remove it with --force",
		                 (long long)(now - retired) / 3600, DKIM_RETIRED_S / 86400);
	case DKIM_NEW:
		break;
	}
	return 0;
}

int admin_dkim_remove(struct admin_call *c, struct err *err)
{
	struct store_dkim_key key = { .selector = admin_text(c, "selector") };
	struct dkim_change ch = { .keys = &key, .count = 1 };
	struct dkim_list l;

	if (admin_domain(c, "domain", &key.domain, err) < 0 || read_list(c, &l, err) < 0)
		return -1;
	for (size_t i = 0; i < l.count; i++) {
		if (str_eq(l.keys[i].domain, key.domain) &&
		    str_eq(l.keys[i].selector, key.selector) && !admin_flag(c, "force") &&
		    may_go(&l, i, err) < 0)
			return -1;
	}
	return store_write(c->env->store, dkim_remove_job, &ch, err);
}

int admin_dkim_reload(struct admin_call *c, struct err *err)
{
	return reload(c, err);
}
