/* SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: the exchange. RFC 5802 §5, grammar in §7; RFC 7677. */
#include <sodium.h>

#include "formats/base64.h"
#include "protocols/sasl/sasl_internal.h"

static str key_str(const unsigned char key[SCRAM_KEY_BYTES])
{
	return str_new(key, SCRAM_KEY_BYTES);
}

static bool is_nonce(str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7f || s.ptr[i] == ',')
			return false;
	return s.len > 0 && s.len <= SASL_NONCE_MAX;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, and no other use of '='. */
static int take_saslname(str *in, struct buf *out)
{
	str name;

	if (take_until(in, ',', 3 * SASL_USERNAME_MAX, &name) < 0 || str_empty(name) ||
	    !str_is_utf8(name) || str_chr(name, '\0') != STR_NPOS)
		return -1;
	while (name.len > 0) {
		if (take_lit(&name, STR("=2C")) == 0) {
			buf_addc(out, ',');
		} else if (take_lit(&name, STR("=3D")) == 0) {
			buf_addc(out, '=');
		} else if (name.ptr[0] == '=') {
			return -1;
		} else {
			buf_addc(out, name.ptr[0]);
			name = str_skip(name, 1);
		}
	}
	return buf_ok(out) ? 0 : -1;
}

enum gs2_flag { GS2_NONE, GS2_COULD, GS2_BOUND };

static int take_gs2_flag(str *in, enum gs2_flag *flag, str *binding)
{
	if (take_lit(in, STR("n,")) == 0) {
		*flag = GS2_NONE;
	} else if (take_lit(in, STR("y,")) == 0) {
		*flag = GS2_COULD;
	} else if (take_lit(in, STR("p=")) == 0) {
		*flag = GS2_BOUND;
		return take_until(in, ',', 64, binding) < 0 ? -1 : take_char(in, ',');
	} else {
		return -1;
	}
	return 0;
}

/* Channel binding data of a type that this connection has; empty when there is none. */
static str binding_data(const struct sasl_server *s, str type)
{
	if (str_eq(type, STR("tls-exporter"))) /* RFC 9266 */
		return buf_str(&s->exporter);
	if (str_eq(type, STR("tls-server-end-point"))) /* RFC 5929 §4 */
		return buf_str(&s->end_point);
	return STR_NONE;
}

/* RFC 5802 §6: what the flag means depends on what we offered. */
static enum sasl_event check_binding(struct sasl_server *s, enum gs2_flag flag, str type)
{
	bool plus = s->mechanism->flags & SASL_NEEDS_BINDING;
	bool offered = s->exporter.len > 0 || s->end_point.len > 0;

	if (plus != (flag == GS2_BOUND))
		return SASL_EVENT_MALFORMED;
	/* The client could bind and believes that we cannot, but we said that we can: somebody in
	 * between has changed our list of mechanisms. */
	if (flag == GS2_COULD && offered)
		return SASL_EVENT_FAILED;
	buf_add(&s->bound, buf_str(&s->gs2));
	if (flag != GS2_BOUND)
		return SASL_EVENT_DONE;
	str data = binding_data(s, type);
	if (str_empty(data))
		return SASL_EVENT_MALFORMED;
	buf_add(&s->bound, data);
	return SASL_EVENT_DONE;
}

static enum sasl_event client_first(struct sasl_server *s, str message)
{
	enum gs2_flag flag;
	str in = message, type = STR_NONE, nonce;

	if (take_gs2_flag(&in, &flag, &type) < 0)
		return SASL_EVENT_MALFORMED;
	if (take_lit(&in, STR("a=")) == 0 && take_saslname(&in, &s->authzid) < 0)
		return SASL_EVENT_MALFORMED;
	if (take_char(&in, ',') < 0)
		return SASL_EVENT_MALFORMED;
	buf_add(&s->gs2, str_sub(message, 0, message.len - in.len));
	str bare = in;
	/* "m=" would be an extension that must be understood (RFC 5802 §5.1); we know none, and it
	 * fails here like anything else that is not "n=". */
	if (take_lit(&in, STR("n=")) < 0 || take_saslname(&in, &s->user) < 0 ||
	    take_lit(&in, STR(",r=")) < 0)
		return SASL_EVENT_MALFORMED;
	size_t end = str_chr(in, ',');
	nonce = str_sub(in, 0, end == STR_NPOS ? in.len : end);
	if (!is_nonce(nonce) || !str_is_utf8(in) || str_chr(in, '\0') != STR_NPOS)
		return SASL_EVENT_MALFORMED;
	enum sasl_event binding = check_binding(s, flag, type);
	if (binding != SASL_EVENT_DONE)
		return binding;
	buf_add(&s->auth, bare);
	buf_addc(&s->auth, ',');
	buf_add(&s->full_nonce, nonce);
	buf_add(&s->full_nonce, buf_str(&s->nonce));
	return buf_ok(&s->full_nonce) && buf_ok(&s->auth) && buf_ok(&s->gs2) && buf_ok(&s->bound)
	           ? SASL_EVENT_KEYS
	           : SASL_EVENT_MALFORMED;
}

static enum sasl_event server_first(
    struct sasl_server *s, const struct scram_keys *keys, bool is_real)
{
	if (!keys || keys->salt_bytes > SCRAM_SALT_MAX)
		return SASL_EVENT_FAILED;
	s->keys = *keys;
	s->is_real = is_real;
	buf_add(&s->out, STR("r="));
	buf_add(&s->out, buf_str(&s->full_nonce));
	buf_add(&s->out, STR(",s="));
	base64_encode(str_new(keys->salt, keys->salt_bytes), &s->out);
	buf_add(&s->out, STR(",i="));
	buf_addu(&s->out, keys->iterations);
	buf_add(&s->auth, buf_str(&s->out));
	buf_addc(&s->auth, ',');
	return buf_ok(&s->out) && buf_ok(&s->auth) ? SASL_EVENT_CHALLENGE : SASL_EVENT_FAILED;
}

struct client_final {
	str binding, nonce, proof; /* binding and proof in base64 */
	str without_proof;
};

static int take_client_final(str message, struct client_final *out)
{
	str in = message;
	size_t at = str_rchr(message, ',');

	if (at == STR_NPOS || !str_is_utf8(message))
		return -1;
	out->without_proof = str_sub(message, 0, at);
	out->proof = str_skip(message, at + 1);
	if (take_lit(&out->proof, STR("p=")) < 0 || take_lit(&in, STR("c=")) < 0 ||
	    take_until(&in, ',', SASL_MESSAGE_MAX, &out->binding) < 0 ||
	    take_lit(&in, STR(",r=")) < 0 ||
	    take_until(&in, ',', 2 * SASL_NONCE_MAX, &out->nonce) < 0)
		return -1;
	/* Extensions may stand between nonce and proof; those we do not know are ignored. */
	return 0;
}

/* RFC 5802 §3: ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage); its hash is StoredKey. */
static bool proof_is_right(const struct sasl_server *s, str proof)
{
	unsigned char signature[SCRAM_KEY_BYTES], hash[SCRAM_KEY_BYTES];

	if (proof.len != SCRAM_KEY_BYTES)
		return false;
	scram_hmac(key_str(s->keys.stored_key), buf_str(&s->auth), signature);
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		signature[i] = (unsigned char)(signature[i] ^ (unsigned char)proof.ptr[i]);
	crypto_hash_sha256(hash, signature, sizeof(signature));
	secret_wipe(signature, sizeof(signature));
	return secret_eq(key_str(hash), key_str(s->keys.stored_key));
}

static void add_server_final(struct sasl_server *s)
{
	unsigned char signature[SCRAM_KEY_BYTES];

	scram_hmac(key_str(s->keys.server_key), buf_str(&s->auth), signature);
	buf_add(&s->out, STR("v="));
	base64_encode(key_str(signature), &s->out);
}

static enum sasl_event client_final(struct sasl_server *s, str message)
{
	AUTO_BUF binding = BUF_INIT(SASL_MESSAGE_MAX + 256);
	AUTO_BUF proof = BUF_INIT(SCRAM_KEY_BYTES + 4);
	struct client_final f;

	if (take_client_final(message, &f) < 0 || base64_decode(f.binding, &binding, NULL) < 0 ||
	    base64_decode(f.proof, &proof, NULL) < 0)
		return SASL_EVENT_MALFORMED;
	buf_add(&s->auth, f.without_proof);
	if (!buf_ok(&s->auth))
		return SASL_EVENT_MALFORMED;
	/* All of it is looked at, whatever the first of them says. Why it failed is not told: RFC
	 * 5802 §7 leaves "e=" out to the server, and the protocol's own refusal says enough. */
	bool is_bound = secret_eq(buf_str(&binding), buf_str(&s->bound));
	bool is_ours = secret_eq(f.nonce, buf_str(&s->full_nonce));
	bool is_right = proof_is_right(s, buf_str(&proof));
	if (!(is_bound & is_ours & is_right & s->is_real))
		return SASL_EVENT_FAILED;
	add_server_final(s);
	return buf_ok(&s->out) ? SASL_EVENT_CHALLENGE : SASL_EVENT_FAILED;
}

static enum sasl_event scram_step(struct sasl_server *s, str response)
{
	switch (s->round) {
	case 1:
		return client_first(s, response);
	case 2:
		return client_final(s, response);
	default:
		/* The server's signature went out as a challenge; nothing is left to say. */
		return str_empty(response) ? SASL_EVENT_DONE : SASL_EVENT_MALFORMED;
	}
}

const struct sasl_mechanism sasl_scram_sha256 = {
	.name = STR_INIT("SCRAM-SHA-256"),
	.step = scram_step,
	.keys = server_first,
};

const struct sasl_mechanism sasl_scram_sha256_plus = {
	.name = STR_INIT("SCRAM-SHA-256-PLUS"),
	.flags = SASL_NEEDS_BINDING,
	.step = scram_step,
	.keys = server_first,
};
