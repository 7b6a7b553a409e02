#include "protocols/sasl/sasl_client.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/num.h"
#include "formats/base64.h"
#include "protocols/sasl/precis.h"
#include "protocols/sasl/sasl_internal.h"

enum { EXPORTER_MAX = 256 };

typedef enum sasl_client_result step_fn(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err);

struct client_mechanism {
	const struct sasl_mechanism *mechanism;
	bool has_initial;
	step_fn *step;
};

struct sasl_client {
	const struct client_mechanism *mechanism;
	unsigned round; /* steps taken */
	bool is_done;
	struct buf user, nonce, exporter;
	struct secret password;
	/* SCRAM */
	struct buf gs2, auth; /* AuthMessage, growing */
	unsigned char server_key[SCRAM_KEY_BYTES];
};

static enum sasl_client_result fail(struct err *err, const char *why)
{
	err_set(err, ERR_INPUT, "signing in failed: %s", why);
	return SASL_CLIENT_FAILED;
}

/* ---- PLAIN, LOGIN ---- */

static enum sasl_client_result plain_step(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err)
{
	(void)challenge;
	/* Some servers do not read the initial response and ask for it: it is said once more. */
	if (s->round > 2)
		return fail(err, "the server asks for more than PLAIN has");
	buf_addc(out, '\0');
	buf_add(out, buf_str(&s->user));
	buf_addc(out, '\0');
	buf_add(out, secret_str(&s->password));
	s->is_done = true;
	return SASL_CLIENT_SEND;
}

/* What the challenges say differs from server to server; only their order counts. */
static enum sasl_client_result login_step(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err)
{
	(void)challenge;
	if (s->round > 2)
		return fail(err, "the server asks for more than LOGIN has");
	buf_add(out, s->round == 1 ? buf_str(&s->user) : secret_str(&s->password));
	s->is_done = s->round == 2;
	return SASL_CLIENT_SEND;
}

/* ---- SCRAM: RFC 5802 §5, §7 ---- */

static str key_str(const unsigned char key[SCRAM_KEY_BYTES])
{
	return str_new(key, SCRAM_KEY_BYTES);
}

static void add_saslname(struct buf *out, str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == ',')
			buf_addz(out, "=2C");
		else if (name.ptr[i] == '=')
			buf_addz(out, "=3D");
		else
			buf_addc(out, name.ptr[i]);
	}
}

static bool is_plus(const struct sasl_client *s)
{
	return s->mechanism->mechanism->flags & SASL_NEEDS_BINDING;
}

static enum sasl_client_result scram_first(struct sasl_client *s, struct buf *out)
{
	/* RFC 5802 §6: "y" says that we could bind and saw no -PLUS on offer; a server that did offer
	 * it then knows that somebody has changed its list. */
	buf_addz(&s->gs2, is_plus(s) ? "p=tls-exporter,," : s->exporter.len ? "y,," : "n,,");
	buf_addz(&s->auth, "n=");
	add_saslname(&s->auth, buf_str(&s->user));
	buf_addz(&s->auth, ",r=");
	buf_add(&s->auth, buf_str(&s->nonce));
	buf_add(out, buf_str(&s->gs2));
	buf_add(out, buf_str(&s->auth));
	return SASL_CLIENT_SEND;
}

struct server_first {
	str nonce, salt;
	uint32_t iterations;
};

/* "r=NONCE,s=SALT,i=COUNT"; salt still in base64. */
static int take_server_first(str in, struct server_first *out)
{
	struct server_first f;

	if (take_lit(&in, STR("r=")) < 0 ||
	    take_until(&in, ',', 2 * SASL_NONCE_MAX, &f.nonce) < 0 ||
	    take_lit(&in, STR(",s=")) < 0 || take_until(&in, ',', SASL_NONCE_MAX, &f.salt) < 0 ||
	    take_lit(&in, STR(",i=")) < 0 || num_take_u32(&in, UINT32_MAX, &f.iterations) < 0 ||
	    (in.len && in.ptr[0] != ','))
		return -1;
	*out = f;
	return 0;
}

/* RFC 5802 §3. */
static void add_proof(
    struct sasl_client *s, unsigned char client_key[SCRAM_KEY_BYTES], struct buf *out)
{
	unsigned char stored_key[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES];

	crypto_hash_sha256(stored_key, client_key, SCRAM_KEY_BYTES);
	scram_hmac(key_str(stored_key), buf_str(&s->auth), proof);
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		proof[i] = (unsigned char)(proof[i] ^ client_key[i]);
	base64_encode(key_str(proof), out);
	secret_wipe(stored_key, sizeof(stored_key));
	secret_wipe(proof, sizeof(proof));
}

/* A password that the profile refuses is used as it is: the server may know no profile either. */
static void prepared_password(const struct sasl_client *s, struct buf *out)
{
	if (precis_password(secret_str(&s->password), out, NULL) < 0)
		buf_add(out, secret_str(&s->password));
}

static int derive(
    struct sasl_client *s, const struct server_first *f, unsigned char client_key[SCRAM_KEY_BYTES])
{
	AUTO_BUF salt = BUF_INIT(SCRAM_SALT_MAX);
	AUTO_BUF password = BUF_INIT(4 * SASL_PASSWORD_MAX);

	if (base64_decode(f->salt, &salt, NULL) < 0)
		return -1;
	prepared_password(s, &password);
	int result = scram_client_keys(
	    buf_str(&password), buf_str(&salt), f->iterations, client_key, s->server_key);
	secret_wipe(password.ptr, password.len);
	return result;
}

static enum sasl_client_result scram_final(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err)
{
	AUTO_BUF bound = BUF_INIT(EXPORTER_MAX + 64);
	AUTO_BUF final = BUF_INIT(SASL_MESSAGE_MAX);
	unsigned char client_key[SCRAM_KEY_BYTES];
	struct server_first f;

	if (take_server_first(challenge, &f) < 0)
		return fail(err, "the server's first message is not SCRAM");
	if (!str_starts(f.nonce, buf_str(&s->nonce)) || f.nonce.len == s->nonce.len)
		return fail(err, "the server did not repeat our nonce");
	if (f.iterations < SASL_CLIENT_ITERATIONS_MIN || f.iterations > SASL_CLIENT_ITERATIONS)
		return fail(err, "the server's iteration count is out of range");
	if (derive(s, &f, client_key) < 0)
		return fail(err, "the server's salt cannot be used");
	buf_add(&bound, buf_str(&s->gs2));
	buf_add(&bound, is_plus(s) ? buf_str(&s->exporter) : STR_NONE);
	buf_addz(&final, "c=");
	base64_encode(buf_str(&bound), &final);
	buf_addz(&final, ",r=");
	buf_add(&final, f.nonce);
	buf_addc(&s->auth, ',');
	buf_add(&s->auth, challenge);
	buf_addc(&s->auth, ',');
	buf_add(&s->auth, buf_str(&final));
	buf_add(out, buf_str(&final));
	buf_addz(out, ",p=");
	add_proof(s, client_key, out);
	secret_wipe(client_key, sizeof(client_key));
	return SASL_CLIENT_SEND;
}

static enum sasl_client_result scram_verify(struct sasl_client *s, str challenge, struct err *err)
{
	unsigned char want[SCRAM_KEY_BYTES];
	AUTO_BUF got = BUF_INIT(SCRAM_KEY_BYTES + 4);
	str in = challenge, value;

	if (take_lit(&in, STR("v=")) < 0)
		return fail(err, "the server says that name or password are wrong");
	size_t end = str_chr(in, ',');
	value = str_sub(in, 0, end == STR_NPOS ? in.len : end);
	scram_hmac(key_str(s->server_key), buf_str(&s->auth), want);
	if (base64_decode(value, &got, NULL) < 0 || !secret_eq(buf_str(&got), key_str(want)))
		return fail(err, "the server could not prove that it knows the password");
	s->is_done = true;
	return SASL_CLIENT_SEND;
}

static enum sasl_client_result scram_client_step(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err)
{
	switch (s->round) {
	case 1:
		return scram_first(s, out);
	case 2:
		return scram_final(s, challenge, out, err);
	case 3:
		return scram_verify(s, challenge, err);
	default:
		return fail(err, "the server asks for more than SCRAM has");
	}
}

static const struct client_mechanism client_mechanisms[] = {
	{ &sasl_scram_sha256_plus, true, scram_client_step },
	{ &sasl_scram_sha256, true, scram_client_step },
	{ &sasl_plain, true, plain_step },
	{ &sasl_login, false, login_step },
};

static const struct client_mechanism *find_mechanism(str name)
{
	for (size_t i = 0; i < sizeof(client_mechanisms) / sizeof(client_mechanisms[0]); i++)
		if (str_ieq(client_mechanisms[i].mechanism->name, name))
			return &client_mechanisms[i];
	return NULL;
}

struct sasl_client *sasl_client_new(const struct sasl_client_options *o)
{
	const struct client_mechanism *mechanism = find_mechanism(o->mechanism);

	if (!mechanism ||
	    ((mechanism->mechanism->flags & SASL_NEEDS_BINDING) && str_empty(o->exporter)))
		return NULL;
	struct sasl_client *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->mechanism = mechanism;
	buf_init(&s->user, SASL_USERNAME_MAX);
	buf_init(&s->nonce, SASL_NONCE_MAX);
	buf_init(&s->exporter, EXPORTER_MAX);
	buf_init(&s->gs2, 64);
	buf_init(&s->auth, 4 * SASL_MESSAGE_MAX);
	buf_add(&s->user, o->user);
	buf_add(&s->nonce, o->nonce);
	buf_add(&s->exporter, o->exporter);
	secret_set(&s->password, o->password);
	return s;
}

void sasl_client_free(struct sasl_client *s)
{
	if (!s)
		return;
	secret_fini(&s->password);
	secret_wipe(s->server_key, sizeof(s->server_key));
	buf_fini(&s->user);
	buf_fini(&s->nonce);
	buf_fini(&s->exporter);
	buf_fini(&s->gs2);
	buf_fini(&s->auth);
	free(s);
}

bool sasl_client_has_initial(const struct sasl_client *s)
{
	return s->mechanism->has_initial;
}

enum sasl_client_result sasl_client_step(
    struct sasl_client *s, str challenge, struct buf *out, struct err *err)
{
	if (challenge.len > SASL_MESSAGE_MAX || s->round >= SASL_STEPS_MAX)
		return fail(err, "the server's challenge is too long");
	if (!buf_ok(&s->user) || s->password.len > SASL_PASSWORD_MAX)
		return fail(err, "the user name or the password in our configuration is too long");
	s->round++;
	return s->mechanism->step(s, challenge, out, err);
}

bool sasl_client_is_done(const struct sasl_client *s)
{
	return s->is_done;
}
