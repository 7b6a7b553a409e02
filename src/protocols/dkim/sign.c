#include "protocols/dkim/sign.h"

#include "formats/mailbox.h"
#include "protocols/dkim/internal.h"
#include "protocols/dkim/signature.h"

enum { ARENA_MAX = 64 << 20, FIELDS_TEXT_MAX = 65536 };

/* RFC 6376 §5.4.1: what recipients see or what decides how they see it. Oversigned fields stand in h= once more
 * than in the header, so that none can be added (§8.15). Not signed: what others add or change on the way. */
static const struct {
	str name;
	bool is_oversigned;
} signed_fields[] = {
	/* clang-format off */
	{ STR_INIT("From"),                      true },
	{ STR_INIT("Reply-To"),                  true },
	{ STR_INIT("To"),                        true },
	{ STR_INIT("Cc"),                        true },
	{ STR_INIT("Subject"),                   true },
	{ STR_INIT("Date"),                      true },
	{ STR_INIT("Message-ID"),                true },
	{ STR_INIT("In-Reply-To"),               true },
	{ STR_INIT("References"),                true },
	{ STR_INIT("MIME-Version"),              true },
	{ STR_INIT("Content-Type"),              true },
	{ STR_INIT("Content-Transfer-Encoding"), true },
	{ STR_INIT("Sender"),                    false },
	{ STR_INIT("Content-ID"),                false },
	{ STR_INIT("Content-Description"),       false },
	{ STR_INIT("Autocrypt"),                 false },
	{ STR_INIT("Auto-Submitted"),            false },
	{ STR_INIT("Feedback-ID"),               false },
	{ STR_INIT("List-Id"),                   false },
	{ STR_INIT("List-Help"),                 false },
	{ STR_INIT("List-Unsubscribe"),          false },
	{ STR_INIT("List-Unsubscribe-Post"),     false },
	{ STR_INIT("List-Subscribe"),            false },
	{ STR_INIT("List-Post"),                 false },
	{ STR_INIT("List-Owner"),                false },
	{ STR_INIT("List-Archive"),              false },
	{ STR_INIT("TLS-Required"),              false },
	/* clang-format on */
};

struct one {
	struct dkim_sign_key key;
	struct buf field; /* up to "b=" */
	unsigned char digest[DKIM_HASH_BYTES];
	str signature;
	bool is_answered;
};

struct dkim_sign {
	struct arena *arena;
	struct dkim_signature common;
	struct dkim_body_hash *body;
	int body_number;
	struct buf header; /* the signed fields in canonical form */
	struct one list[DKIM_SIGN_KEYS_MAX];
	size_t count, next_question, answered;
	bool is_body_ended, is_done;
	str result;
};

static void release(void *arg)
{
	struct dkim_sign *s = arg;

	buf_fini(&s->header);
	for (size_t i = 0; i < s->count; i++)
		buf_fini(&s->list[i].field);
}

static void add_piece(void *arg, str piece)
{
	buf_add(arg, piece);
}

/* All fields of the name, last first, and the name once more when it is oversigned. */
static int take_name(struct dkim_sign *s, struct dkim_fields *fields, str name, bool is_oversigned)
{
	const struct header_field *f;
	bool is_there = true;

	while (is_there) {
		f = dkim_fields_take(fields, name);
		is_there = f != NULL;
		if (!f && !is_oversigned)
			break;
		if (s->common.name_count == DKIM_NAMES_MAX)
			return -1;
		s->common.names[s->common.name_count++] = name;
		if (f)
			dkim_header_canon(DKIM_RELAXED, f, STR_NONE, add_piece, &s->header);
	}
	return 0;
}

static int take_fields(struct dkim_sign *s, str header, struct err *err)
{
	struct dkim_fields fields;

	dkim_fields_read(s->arena, header, &fields);
	if (fields.is_cut)
		return err_set(err, ERR_LIMIT,
		    "cannot sign the message: it has more than %d header fields", DKIM_FIELDS_MAX);
	if (!dkim_fields_left(&fields, STR("From")))
		return err_set(err, ERR_INPUT, "cannot sign the message: it has no From field");
	for (size_t i = 0; i < sizeof(signed_fields) / sizeof(signed_fields[0]); i++) {
		if (take_name(s, &fields, signed_fields[i].name, signed_fields[i].is_oversigned) <
		    0)
			return err_set(
			    err, ERR_LIMIT, "cannot sign the message: too many fields of one name");
	}
	if (!buf_ok(&s->header))
		return err_set(err, ERR_LIMIT, "cannot sign the message: its header is too long");
	return 0;
}

static int normal_name(struct dkim_sign *s, str name, str *out, struct err *err)
{
	AUTO_BUF text = BUF_INIT(DOMAIN_MAX);

	if (domain_normalise(name, true, &text, err) < 0)
		return err_wrap(
		    err, "cannot sign for '" STR_FMT "'", STR_ARG(str_sub(name, 0, 80)));
	*out = arena_str(s->arena, buf_str(&text));
	return 0;
}

static int take_options(struct dkim_sign *s, const struct dkim_sign_options *o, struct err *err)
{
	if (o->key_count > DKIM_SIGN_KEYS_MAX)
		return err_set(
		    err, ERR_LIMIT, "cannot sign with more than %d keys", DKIM_SIGN_KEYS_MAX);
	if (normal_name(s, o->domain, &s->common.domain, err) < 0)
		return -1;
	for (size_t i = 0; i < o->key_count; i++) {
		s->list[i].key.algorithm = o->keys[i].algorithm;
		if (normal_name(s, o->keys[i].selector, &s->list[i].key.selector, err) < 0)
			return -1;
	}
	s->common.identity = arena_str(s->arena, o->identity);
	s->common.has_signed_at = true;
	s->common.signed_at = o->now_s;
	s->common.has_expires_at = o->lifetime_s > 0;
	s->common.expires_at = o->now_s + o->lifetime_s;
	return 0;
}

struct dkim_sign *dkim_sign_start(
    struct arena *parent, str header, const struct dkim_sign_options *options, struct err *err)
{
	struct arena *a = arena_new(parent, "dkim sign", ARENA_MAX);
	struct dkim_sign *s = arena_one(a, struct dkim_sign);

	*s = (struct dkim_sign){ .arena = a, .header = BUF_INIT(2 * HEADER_MAX_BYTES) };
	s->common.header_canon = s->common.body_canon = DKIM_RELAXED;
	arena_defer(a, release, s);
	if (take_options(s, options, err) < 0 || take_fields(s, header, err) < 0) {
		arena_free(a);
		return NULL;
	}
	s->count = options->key_count;
	for (size_t i = 0; i < s->count; i++)
		buf_init(&s->list[i].field, FIELDS_TEXT_MAX);
	s->body = dkim_body_hash_new(a);
	s->body_number = dkim_body_hash_add(s->body, DKIM_RELAXED, DKIM_WHOLE_BODY);
	return s;
}

void dkim_sign_body(struct dkim_sign *s, str piece)
{
	if (!s->is_body_ended)
		dkim_body_hash_feed(s->body, piece);
}

/* RFC 6376 §3.7: what is signed ends with the signature field itself, b= empty, without its CRLF. */
static void digest_one(struct dkim_sign *s, struct one *one)
{
	struct dkim_sha256 *sha = dkim_sha256_new(s->arena);
	struct header_field field;

	s->common.algorithm = one->key.algorithm;
	s->common.selector = one->key.selector;
	dkim_signature_write(&s->common, &one->field);
	str rest = buf_str(&one->field);
	dkim_sha256_add(sha, buf_str(&s->header));
	if (header_next(&rest, &field)) {
		str end = str_skip(field.value, field.value.len);
		dkim_header_canon(DKIM_RELAXED, &field, end, dkim_sha256_sink, sha);
	}
	dkim_sha256_end(sha, one->digest);
}

static void finish(struct dkim_sign *s)
{
	AUTO_BUF out = BUF_INIT(DKIM_SIGN_KEYS_MAX * FIELDS_TEXT_MAX);

	if (!s->is_body_ended || s->answered < s->count)
		return;
	for (size_t i = 0; i < s->count; i++) {
		struct one *one = &s->list[i];
		if (one->signature.len == 0 || !buf_ok(&one->field))
			continue;
		buf_add(&out, buf_str(&one->field));
		dkim_signature_finish(one->signature, &out);
	}
	s->result = arena_str(s->arena, buf_str(&out));
	s->is_done = true;
}

void dkim_sign_body_end(struct dkim_sign *s)
{
	if (s->is_body_ended)
		return;
	s->is_body_ended = true;
	dkim_body_hash_end(s->body);
	s->common.body_hash = dkim_body_hash_digest(s->body, s->body_number);
	for (size_t i = 0; i < s->count; i++)
		digest_one(s, &s->list[i]);
	finish(s);
}

bool dkim_sign_next_question(struct dkim_sign *s, struct dkim_sign_question *out)
{
	if (!s->is_body_ended || s->next_question == s->count)
		return false;
	struct one *one = &s->list[s->next_question];
	*out = (struct dkim_sign_question){
		.id = (uint32_t)s->next_question++,
		.algorithm = one->key.algorithm,
		.scheme = one->key.algorithm == DKIM_RSA_SHA256 ? 0x0401 : 0x0807,
		.selector = one->key.selector,
		.digest = str_new(one->digest, DKIM_HASH_BYTES),
	};
	return true;
}

void dkim_sign_answer(struct dkim_sign *s, uint32_t id, str signature)
{
	if (id >= s->next_question || s->list[id].is_answered)
		return;
	s->list[id].is_answered = true;
	s->list[id].signature = arena_str(s->arena, signature);
	s->answered++;
	finish(s);
}

const str *dkim_sign_result(const struct dkim_sign *s)
{
	return s->is_done ? &s->result : NULL;
}
