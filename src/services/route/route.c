#include "services/route/route.h"

#include <stdlib.h>

#include "base/table.h"
#include "formats/mailbox.h"

struct directory {
	struct arena *arena;
	struct table *domains;  /* name -> struct store_domain */
	struct table *accounts; /* address, lower case -> struct store_account */
	struct table *aliases;  /* address, lower case -> struct store_alias */
	struct store_account *first;
	str postmaster;
	char separator; /* '\0': no sub-addresses */
	uint64_t version;
};

/* One expansion at work. */
struct walk {
	const struct directory *d;
	struct arena *arena;
	struct route_result *result;
	struct table *seen; /* lower-case addresses already taken */
	size_t capacity;
};

/* "Local@Domain" in lower case throughout: how accounts and aliases are keyed. Accounts here do not differ
 * by the case of the local part; RFC 5321 §2.4 leaves that to the receiving host. */
static str key_of(struct arena *a, const struct mailbox *m)
{
	char *key = arena_alloc(a, m->local.len + m->domain.len + 2);
	size_t n = 0;

	for (size_t i = 0; i < m->local.len; i++)
		key[n++] = ascii_lower(m->local.ptr[i]);
	key[n++] = '@';
	if (m->domain.len)
		memcpy(key + n, m->domain.ptr, m->domain.len);
	return str_new(key, n + m->domain.len);
}

static int parse(struct arena *a, str address, struct mailbox *out)
{
	return mailbox_parse(address, MAILBOX_UTF8 | MAILBOX_LONG_LOCAL, a, out, NULL);
}

/* ---- resolving -------------------------------------------------------------------------------- */

static void add_target(struct walk *w, const struct route_target *t)
{
	struct route_result *r = w->result;

	if (r->target_count >= ROUTE_TARGETS_MAX || table_get(w->seen, t->address))
		return;
	table_set(w->seen, t->address, w);
	*(struct route_target *)arena_push(
	    w->arena, &r->targets, &r->target_count, &w->capacity, sizeof(*t)) = *t;
}

static void add_account(struct walk *w, const struct store_account *account, str tag)
{
	add_target(w, &(struct route_target){
	                  .account = account->id,
	                  .inbox = account->inbox_id,
	                  .address = account->address,
	                  .tag = tag,
	              });
}

static bool resolve_local(struct walk *w, const struct mailbox *m, unsigned depth);

static void add_alias_target(struct walk *w, str address, unsigned depth)
{
	struct mailbox m;

	if (parse(w->arena, address, &m) < 0)
		return;
	if (!route_domain_is_local(w->d, m.domain)) {
		add_target(w, &(struct route_target){ .address = arena_str(w->arena, address) });
		return;
	}
	resolve_local(w, &m, depth + 1);
}

static bool resolve_alias(struct walk *w, const struct store_alias *alias, unsigned depth)
{
	str rest = alias->targets, line;

	/* Marking the alias itself ends loops of aliases. */
	if (depth >= ROUTE_DEPTH_MAX || table_get(w->seen, alias->address))
		return true;
	table_set(w->seen, alias->address, w);
	while (str_split(&rest, '\n', &line)) {
		if (!str_empty(line))
			add_alias_target(w, line, depth);
	}
	return true;
}

static bool resolve_key(struct walk *w, str key, str tag, unsigned depth)
{
	const struct store_account *account = table_get(w->d->accounts, key);
	const struct store_alias *alias = table_get(w->d->aliases, key);

	if (account) {
		w->result->rule = depth ? "alias" : str_empty(tag) ? "account" : "sub-address";
		add_account(w, account, tag);
		return true;
	}
	if (alias) {
		w->result->rule = "alias";
		return resolve_alias(w, alias, depth);
	}
	return false;
}

static bool resolve_subaddress(struct walk *w, const struct mailbox *m, unsigned depth)
{
	size_t at = w->d->separator ? str_chr(m->local, w->d->separator) : STR_NPOS;

	if (at == STR_NPOS || at == 0)
		return false;
	struct mailbox base = { .local = str_sub(m->local, 0, at), .domain = m->domain };
	return resolve_key(w, key_of(w->arena, &base), str_skip(m->local, at + 1), depth);
}

/* RFC 5321 §4.5.1: mail for postmaster always has somewhere to go. */
static bool resolve_postmaster(struct walk *w, const struct mailbox *m)
{
	const struct directory *d = w->d;
	const struct store_account *account = table_get(d->accounts, d->postmaster);

	if (!str_ieq(m->local, STR("postmaster")))
		return false;
	if (!account)
		account = d->first;
	if (!account)
		return false;
	w->result->rule = "postmaster";
	add_account(w, account, STR_NONE);
	return true;
}

static bool resolve_catch_all(struct walk *w, const struct mailbox *m, unsigned depth)
{
	const struct store_domain *domain = table_get(w->d->domains, m->domain);

	if (!domain || str_empty(domain->catch_all) || depth >= ROUTE_DEPTH_MAX)
		return false;
	add_alias_target(w, domain->catch_all, depth);
	w->result->rule = "catch-all";
	return w->result->target_count > 0;
}

static bool resolve_local(struct walk *w, const struct mailbox *m, unsigned depth)
{
	return resolve_key(w, key_of(w->arena, m), STR_NONE, depth) ||
	       resolve_subaddress(w, m, depth) || resolve_postmaster(w, m) ||
	       resolve_catch_all(w, m, depth);
}

static bool is_postmaster_alone(str recipient)
{
	return str_ieq(recipient, STR("postmaster"));
}

void route_resolve(
    const struct directory *d, str recipient, struct arena *a, struct route_result *out)
{
	struct mailbox m = { .local = recipient };
	struct walk w = { .d = d, .arena = a, .result = out };

	*out = (struct route_result){ .kind = ROUTE_MALFORMED, .rule = "malformed address" };
	if (!is_postmaster_alone(recipient) && parse(a, recipient, &m) < 0)
		return;
	if (!is_postmaster_alone(recipient) && !route_domain_is_local(d, m.domain)) {
		*out =
		    (struct route_result){ .kind = ROUTE_NOT_LOCAL, .rule = "domain is not ours" };
		return;
	}
	w.seen = table_new();
	bool found = resolve_local(&w, &m, 0);
	table_free(w.seen);
	out->kind = found && out->target_count ? ROUTE_OK : ROUTE_NO_USER;
	if (out->kind == ROUTE_NO_USER)
		out->rule = found ? "alias leads nowhere" : "no such user";
}

bool route_domain_is_local(const struct directory *d, str domain)
{
	return table_get(d->domains, domain) != NULL;
}

bool route_may_send_as(const struct directory *d, uint64_t account, str address)
{
	AUTO_ARENA scratch = arena_new(NULL, "may send as", 4 << 20);
	struct route_result r;
	struct mailbox m;

	if (parse(scratch, address, &m) < 0)
		return false;
	/* A catch-all and postmaster lead to an account as well, but are no name of its own. */
	const struct store_account *own = table_get(d->accounts, key_of(scratch, &m));
	if (own)
		return own->id == account;
	route_resolve(d, address, scratch, &r);
	if (r.kind != ROUTE_OK || strcmp(r.rule, "catch-all") == 0 ||
	    strcmp(r.rule, "postmaster") == 0)
		return false;
	for (size_t i = 0; i < r.target_count; i++) {
		if (r.targets[i].account == account)
			return true;
	}
	return false;
}

/* ---- loading ---------------------------------------------------------------------------------- */

static int load_domains(struct directory *d, struct store *s, struct err *err)
{
	struct store_domain *list;
	size_t n;

	if (store_domain_list(s, d->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		table_set(d->domains, list[i].name, &list[i]);
	return 0;
}

static int load_accounts(struct directory *d, struct store *s, struct err *err)
{
	struct store_account *list;
	size_t n;

	if (store_account_list(s, d->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		table_set(d->accounts, list[i].address, &list[i]);
		if (!d->first || list[i].id < d->first->id)
			d->first = &list[i];
	}
	return 0;
}

static int load_aliases(struct directory *d, struct store *s, struct err *err)
{
	struct store_alias *list;
	size_t n;

	if (store_alias_list(s, d->arena, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		table_set(d->aliases, list[i].address, &list[i]);
	return 0;
}

int route_load(
    struct store *s, const struct config *config, struct directory **out, struct err *err)
{
	struct arena *arena = arena_new(NULL, "directory", (size_t)1 << 30);
	struct directory *d = arena_one(arena, struct directory);
	struct mailbox postmaster;

	d->arena = arena;
	d->domains = table_new();
	d->accounts = table_new();
	d->aliases = table_new();
	d->separator =
	    config->subaddress_separator.len ? config->subaddress_separator.ptr[0] : '\0';
	d->version = store_directory_version(s);
	if (parse(arena, config->postmaster, &postmaster) == 0)
		d->postmaster = key_of(arena, &postmaster);
	if (load_domains(d, s, err) < 0 || load_accounts(d, s, err) < 0 ||
	    load_aliases(d, s, err) < 0) {
		route_free(d);
		return -1;
	}
	*out = d;
	return 0;
}

void route_free(struct directory *d)
{
	if (!d)
		return;
	table_free(d->domains);
	table_free(d->accounts);
	table_free(d->aliases);
	arena_free(d->arena);
}

uint64_t route_version(const struct directory *d)
{
	return d->version;
}
