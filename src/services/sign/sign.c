#include "services/sign/sign.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "formats/address.h"
#include "formats/header.h"
#include "formats/mailbox.h"
#include "protocols/dkim/sign.h"
#include "services/keys/dkim_files.h"
#include "services/sign/state.h"

enum { SHA256_BYTES = 32, KEYS_ARENA_MAX = 16 << 20, SIGNATURE_MAX = 1024 };

struct kept {
	unsigned char sha256[SHA256_BYTES];
	int64_t accepted_at, until;
	char *fields;
	size_t bytes;
};

struct signer {
	struct store *store;
	const struct log *log;
	struct signer_env env;
	pthread_mutex_t lock;
	/* All keys, as of that version of the directory. */
	struct arena *arena;
	struct store_dkim_key *keys;
	size_t count;
	uint64_t version;
	bool is_loaded;
	struct kept kept[SIGNER_KEPT];
	size_t next; /* of kept, to be overwritten */
};

struct signer *signer_new(struct store *s, const struct log *log, const struct signer_env *env)
{
	struct signer *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	*g = (struct signer){ .store = s, .log = log, .env = *env };
	g->arena = arena_new(NULL, "keys of domains", KEYS_ARENA_MAX);
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

static void forget_all(struct signer *g)
{
	for (size_t i = 0; i < SIGNER_KEPT; i++) {
		free(g->kept[i].fields);
		g->kept[i] = (struct kept){ .fields = NULL };
	}
}

void signer_free(struct signer *g)
{
	if (!g)
		return;
	forget_all(g);
	pthread_mutex_destroy(&g->lock);
	arena_free(g->arena);
	free(g);
}

/* ---- keys ---- */

/* [locked] */
static int load(struct signer *g, struct err *err)
{
	uint64_t version = store_directory_version(g->store);

	if (g->is_loaded && g->version == version)
		return 0;
	arena_reset(g->arena);
	g->is_loaded = false;
	if (store_dkim_list(g->store, g->arena, &g->keys, &g->count, err) < 0)
		return -1;
	forget_all(g);
	g->version = version;
	g->is_loaded = true;
	return 0;
}

/* [locked] Copied: the list may be read anew while role keys is asked. */
static size_t active_keys(struct signer *g, str domain, int64_t now, struct arena *a,
    struct dkim_sign_key out[DKIM_SIGN_KEYS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < g->count && n < DKIM_SIGN_KEYS_MAX; i++) {
		if (!str_ieq(g->keys[i].domain, domain) ||
		    dkim_state_of(g->keys, g->count, i, now) != DKIM_ACTIVE)
			continue;
		out[n++] = (struct dkim_sign_key){
			.algorithm = str_eq(g->keys[i].algorithm, STR("ed25519"))
			                 ? DKIM_ED25519_SHA256
			                 : DKIM_RSA_SHA256,
			.selector = arena_str(a, g->keys[i].selector),
		};
	}
	return n;
}

/* ---- what was signed already ---- */

/* [locked] */
static bool find_kept(
    struct signer *g, const struct signer_mail *m, int64_t now, struct arena *a, str *out)
{
	for (size_t i = 0; i < SIGNER_KEPT; i++) {
		const struct kept *k = &g->kept[i];
		if (!k->fields || k->until < now || k->accepted_at != m->accepted_at ||
		    memcmp(k->sha256, m->sha256, SHA256_BYTES) != 0)
			continue;
		*out = arena_str(a, str_new(k->fields, k->bytes));
		return true;
	}
	return false;
}

/* [locked] */
static void keep(struct signer *g, const struct signer_mail *m, str fields, int64_t now)
{
	struct kept *k = &g->kept[g->next++ % SIGNER_KEPT];

	free(k->fields);
	*k = (struct kept){ .accepted_at = m->accepted_at,
		.until = now + SIGNER_KEPT_S,
		.fields = malloc(fields.len + 1),
		.bytes = fields.len };
	if (!k->fields)
		abort();
	if (fields.len)
		memcpy(k->fields, fields.ptr, fields.len);
	memcpy(k->sha256, m->sha256, SHA256_BYTES);
}

/* ---- signing ---- */

/* Of the first address in From, as the store spells domains; empty: none. */
static str author_domain(str header, struct arena *a)
{
	AUTO_BUF normal = BUF_INIT(DOMAIN_MAX);
	struct header_field field;
	struct address_list list;

	if (!header_find(header, STR("From"), &field))
		return STR_NONE;
	address_list_parse(field.value, a, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct address *one = &list.items[i];
		if (one->kind != ADDRESS_MAILBOX || str_empty(one->domain))
			continue;
		if (domain_normalise(one->domain, true, &normal, NULL) < 0)
			return STR_NONE;
		return arena_str(a, buf_str(&normal));
	}
	return STR_NONE;
}

/* One key that does not work is enough to wait: which of them a receiver trusts is not ours to guess. */
static int ask_all(struct signer *g, struct dkim_sign *s, str domain, struct err *err)
{
	struct dkim_sign_question q;

	while (dkim_sign_next_question(s, &q)) {
		AUTO_BUF signature = BUF_INIT(SIGNATURE_MAX);
		char name[DKIM_NAME_BYTES];
		if (dkim_key_name(q.selector, domain, name, err) < 0 ||
		    g->env.sign(g->env.owner, str_c(name), q.scheme, q.digest, &signature, err) < 0)
			return -1;
		dkim_sign_answer(s, q.id, buf_str(&signature));
	}
	return 0;
}

static int make_fields(struct signer *g, const struct signer_mail *m,
    const struct dkim_sign_options *o, struct arena *a, str *out, struct err *err)
{
	str header = header_block(m->message);
	struct err why;
	struct dkim_sign *s = dkim_sign_start(a, header, o, &why);

	if (!s) {
		log_warn(g->log, "mail leaves without a DKIM signature", F_STR("domain", o->domain),
		    F_CSTR("why", why.text));
		*out = STR_NONE;
		return 0;
	}
	dkim_sign_body(s, str_skip(m->message, header.len));
	dkim_sign_body_end(s);
	if (ask_all(g, s, o->domain, err) < 0)
		return -1;
	const str *fields = dkim_sign_result(s);
	if (!fields || str_empty(*fields))
		return err_set(err, ERR_RETRY, "no signature came out");
	*out = arena_str(a, *fields);
	return 0;
}

int signer_sign(struct signer *g, const struct signer_mail *m, int64_t now, struct arena *a,
    str *out_fields, struct err *err)
{
	struct dkim_sign_key keys[DKIM_SIGN_KEYS_MAX];
	str domain = author_domain(header_block(m->message), a);
	struct dkim_sign_options o = { .domain = domain, .now_s = m->accepted_at, .keys = keys };
	bool is_kept = false;
	str fields;

	pthread_mutex_lock(&g->lock);
	int result = load(g, err);
	if (result == 0) {
		o.key_count = str_empty(domain) ? 0 : active_keys(g, domain, now, a, keys);
		is_kept = o.key_count && find_kept(g, m, now, a, out_fields);
	}
	pthread_mutex_unlock(&g->lock);
	if (result < 0 || is_kept)
		return result;
	if (o.key_count == 0) {
		*out_fields = STR_NONE;
		return 0;
	}
	if (make_fields(g, m, &o, a, &fields, err) < 0) {
		err->kind = ERR_RETRY;
		return err_wrap(err, "not signed for '" STR_FMT "'", STR_ARG(domain));
	}
	pthread_mutex_lock(&g->lock);
	keep(g, m, fields, now);
	pthread_mutex_unlock(&g->lock);
	*out_fields = fields;
	return 0;
}
