#include "protocols/dkim/verify.h"

#include "protocols/dkim/internal.h"
#include "protocols/dkim/key.h"
#include "protocols/dkim/signature.h"

enum { ARENA_MAX = 64 << 20 }; /* far above what the limits allow */

struct one {
	struct dkim_signature sig;
	unsigned char header_digest[DKIM_HASH_BYTES];
	bool has_from_added;
	int body;     /* number of the body hash */
	bool is_open; /* no reason yet */
	bool is_asked, is_answered;
};

struct dkim_verify {
	struct arena *arena;
	struct dkim_verify_options options;
	struct one list[DKIM_SIGNATURES_MAX];
	struct dkim_result items[DKIM_SIGNATURES_MAX];
	struct dkim_results results;
	struct dkim_body_hash *body;
	size_t next_question, waiting;
	bool is_body_ended, is_done;
};

static void decide(struct dkim_verify *v, size_t i, enum dkim_reason reason)
{
	v->list[i].is_open = false;
	v->items[i].reason = reason;
	v->items[i].status = dkim_reason_status(reason);
}

/* --- the header --- */

/* RFC 6376 §3.7: the fields of h=, then the signature itself without b=. */
static void hash_header(struct dkim_verify *v, struct dkim_fields *fields,
    const struct header_field *field, struct one *one)
{
	const struct dkim_signature *sig = &one->sig;
	struct dkim_sha256 *sha = dkim_sha256_new(v->arena);
	const struct header_field *f;

	dkim_fields_reset(fields);
	for (size_t i = 0; i < sig->name_count; i++) {
		if ((f = dkim_fields_take(fields, sig->names[i])))
			dkim_header_canon(sig->header_canon, f, STR_NONE, dkim_sha256_sink, sha);
	}
	dkim_header_canon(sig->header_canon, field, sig->signature_raw, dkim_sha256_sink, sha);
	dkim_sha256_end(sha, one->header_digest);
	one->has_from_added = dkim_fields_left(fields, STR("From"));
}

static size_t count_name(const struct dkim_signature *sig, str name)
{
	size_t count = 0;

	for (size_t i = 0; i < sig->name_count; i++)
		count += str_ieq(sig->names[i], name);
	return count;
}

static size_t count_fields(const struct dkim_fields *fields, str name)
{
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++)
		count += str_ieq(fields->list[i].name, name);
	return count;
}

static str join_names(struct arena *a, const struct dkim_signature *sig)
{
	AUTO_BUF out = BUF_INIT(DKIM_SIGNATURE_FIELD_MAX);

	for (size_t i = 0; i < sig->name_count; i++) {
		if (i)
			buf_addc(&out, ':');
		for (size_t k = 0; k < sig->names[i].len; k++)
			buf_addc(&out, ascii_lower(sig->names[i].ptr[k]));
	}
	return arena_str(a, buf_str(&out));
}

static void describe(struct dkim_verify *v, const struct dkim_signature *sig, struct dkim_result *r)
{
	*r = (struct dkim_result){
		.algorithm = sig->algorithm,
		.domain = sig->domain,
		.selector = sig->selector,
		.identity = sig->identity,
		.signature = sig->signature_text,
		.names = join_names(v->arena, sig),
		.has_body_limit = sig->body_limit != DKIM_WHOLE_BODY,
		.has_signed_at = sig->has_signed_at,
		.has_expires_at = sig->has_expires_at,
		.signed_at = sig->signed_at,
		.expires_at = sig->expires_at,
	};
}

static void add_signature(
    struct dkim_verify *v, struct dkim_fields *fields, const struct header_field *field)
{
	size_t i = v->results.count++;
	struct one *one = &v->list[i];
	enum dkim_reason reason = dkim_signature_parse(field, v->arena, &one->sig);

	describe(v, &one->sig, &v->items[i]);
	one->is_open = true;
	if (reason == DKIM_OK && fields->is_cut)
		reason = DKIM_TOO_MANY_FIELDS;
	if (reason == DKIM_OK && one->sig.has_expires_at && one->sig.expires_at < v->options.now_s)
		reason = DKIM_EXPIRED;
	if (reason != DKIM_OK) {
		decide(v, i, reason);
		return;
	}
	v->items[i].is_oversigned =
	    count_name(&one->sig, STR("From")) > count_fields(fields, STR("From"));
	hash_header(v, fields, field, one);
	one->body = dkim_body_hash_add(v->body, one->sig.body_canon, one->sig.body_limit);
	v->waiting++;
}

struct dkim_verify *dkim_verify_start(
    struct arena *parent, str header, const struct dkim_verify_options *options)
{
	struct arena *a = arena_new(parent, "dkim verify", ARENA_MAX);
	struct dkim_verify *v = arena_one(a, struct dkim_verify);
	struct dkim_fields fields;

	*v = (struct dkim_verify){ .arena = a, .options = *options, .body = dkim_body_hash_new(a) };
	if (!v->options.crypto)
		v->options.crypto = &dkim_crypto_openssl;
	v->results.items = v->items;
	dkim_fields_read(a, header, &fields);
	for (size_t i = 0; i < fields.count; i++) {
		if (!str_ieq(fields.list[i].name, STR("DKIM-Signature")))
			continue;
		if (v->results.count == DKIM_SIGNATURES_MAX) {
			v->results.is_cut = true;
			break;
		}
		add_signature(v, &fields, &fields.list[i]);
	}
	return v;
}

/* --- the body --- */

size_t dkim_verify_open(const struct dkim_verify *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->results.count; i++)
		count += v->list[i].is_open;
	return count;
}

void dkim_verify_body(struct dkim_verify *v, str piece)
{
	if (!v->is_body_ended)
		dkim_body_hash_feed(v->body, piece);
}

/* RFC 6376 §6.1.3, and §8.2 for l=. */
static enum dkim_reason judge_body(
    const struct dkim_verify *v, const struct one *one, struct dkim_result *r)
{
	uint64_t bytes = dkim_body_hash_bytes(v->body, one->body);
	uint64_t limit = one->sig.body_limit;

	if (limit != DKIM_WHOLE_BODY && limit > bytes)
		return DKIM_BODY_SHORT;
	if (!str_eq(dkim_body_hash_digest(v->body, one->body), one->sig.body_hash))
		return DKIM_BODY_CHANGED;
	r->uncovered_bytes = limit == DKIM_WHOLE_BODY ? 0 : bytes - limit;
	if (r->uncovered_bytes && !v->options.accept_partial_body)
		return DKIM_BODY_NOT_COVERED;
	return one->has_from_added ? DKIM_FROM_ADDED : DKIM_OK;
}

static void finish(struct dkim_verify *v)
{
	if (!v->is_body_ended || v->waiting)
		return;
	for (size_t i = 0; i < v->results.count; i++) {
		if (v->list[i].is_open)
			decide(v, i, judge_body(v, &v->list[i], &v->items[i]));
	}
	v->is_done = true;
}

void dkim_verify_body_end(struct dkim_verify *v)
{
	if (v->is_body_ended)
		return;
	v->is_body_ended = true;
	dkim_body_hash_end(v->body);
	finish(v);
}

/* --- the keys --- */

bool dkim_verify_next_question(struct dkim_verify *v, struct dns_question *out)
{
	for (; v->next_question < v->results.count; v->next_question++) {
		struct one *one = &v->list[v->next_question];
		if (!one->is_open)
			continue;
		one->is_asked = true;
		*out = (struct dns_question){ (uint32_t)v->next_question, DNS_TXT,
			dns_name_copy(v->arena, one->sig.key_name) };
		v->next_question++;
		return true;
	}
	return false;
}

/* RFC 6376 §6.1.2, steps 4 to 9. */
static enum dkim_reason check_key(const struct dkim_key *key, const struct dkim_signature *sig)
{
	bool is_ed25519 = sig->algorithm == DKIM_ED25519_SHA256;

	if (key->is_ed25519 != is_ed25519)
		return DKIM_KEY_TYPE;
	if (!key->allows_sha256)
		return DKIM_KEY_HASH;
	if (!key->allows_mail)
		return DKIM_KEY_SERVICE;
	if (key->is_strict && !str_eq(sig->identity_domain, sig->domain))
		return DKIM_KEY_STRICT;
	return DKIM_OK;
}

static enum dkim_reason try_key(
    struct dkim_verify *v, struct one *one, str text, struct dkim_result *r)
{
	struct dkim_key key;
	unsigned bits = 0;
	enum dkim_reason reason = dkim_key_parse(text, v->arena, &key);

	if (reason == DKIM_OK)
		reason = check_key(&key, &one->sig);
	if (reason != DKIM_OK)
		return reason;
	enum dkim_check check = v->options.crypto->verify(one->sig.algorithm, key.bytes,
	    str_new(one->header_digest, DKIM_HASH_BYTES), one->sig.signature, &bits);
	if (check == DKIM_CHECK_UNUSABLE)
		return DKIM_KEY_UNUSABLE;
	r->key_bits = bits;
	r->is_testing = key.is_testing;
	/* RFC 8301 §3.2 */
	if (one->sig.algorithm == DKIM_RSA_SHA256 && bits < DKIM_RSA_BITS_MIN)
		return DKIM_KEY_SHORT;
	return check == DKIM_CHECK_GOOD ? DKIM_OK : DKIM_HEADER_CHANGED;
}

/* RFC 6376 §6.1.2: with several records at one name we may go through them. The most telling reason stays: that
 * of the first record that is a key at all. */
static enum dkim_reason try_keys(
    struct dkim_verify *v, struct one *one, const struct dns_answer *answer, struct dkim_result *r)
{
	enum dkim_reason first = DKIM_KEY_MISSING;
	size_t tried = 0;

	if (dns_is_failure(answer->status))
		return DKIM_KEY_UNAVAILABLE;
	for (size_t i = 0; i < answer->count && i < DNS_RECORDS_MAX && tried < DKIM_KEYS_MAX; i++) {
		enum dkim_reason reason = try_key(v, one, answer->records[i].data, r);
		if (reason == DKIM_OK)
			return DKIM_OK;
		tried += reason != DKIM_KEY_MISSING;
		if (first == DKIM_KEY_MISSING)
			first = reason;
	}
	return first;
}

void dkim_verify_answer(struct dkim_verify *v, uint32_t id, const struct dns_answer *answer)
{
	if (id >= v->results.count || !v->list[id].is_asked || v->list[id].is_answered)
		return;
	struct one *one = &v->list[id];
	one->is_answered = true;
	v->waiting--;
	enum dkim_reason reason = try_keys(v, one, answer, &v->items[id]);
	if (reason != DKIM_OK)
		decide(v, id, reason);
	finish(v);
}

const struct dkim_results *dkim_verify_result(const struct dkim_verify *v)
{
	return v->is_done ? &v->results : NULL;
}
