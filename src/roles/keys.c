/* Role keys: private keys, and nothing but fixed frames that ask for a signature. Fronts can ask for signatures of
 * TLS handshakes only, core for those of DKIM only. */
#include "services/keys/keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/role.h"
#include "roles/start.h"
#include "services/keys/dkim_files.h"

struct rings {
	struct keys *certificates;
	struct keys *dkim; /* none until the supervisor sent them, right after the start */
};

static int load(struct role *r, struct keys **out, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "keys", 64 << 20);
	struct keys *k = keys_new();
	struct start_certificate *list;
	size_t count;
	str bytes;
	int result = -1;

	if (start_read_fd(r->certificates, a, &bytes, err) == 0 &&
	    start_certificates_read(bytes, a, &list, &count, err) == 0) {
		result = 0;
		for (size_t i = 0; result == 0 && i < count; i++)
			result = keys_add(k, list[i].server_name, list[i].chain, list[i].key, err);
		secret_wipe((void *)(uintptr_t)bytes.ptr, bytes.len);
	}
	/* The memory file is not needed any more; the keys live in this process only. */
	fd_close(&r->certificates);
	if (result < 0)
		keys_free(k);
	else
		*out = k;
	return result;
}

/* Keys for DKIM come when the walls are up: what OpenSSL fetches for them is fetched now. */
static void warm_up(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	unsigned char signature[64];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	if (key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) > 0)
		EVP_DigestSign(ctx, signature, &len, signature, 32);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

static int keys_start(struct role *r, struct err *err)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	struct keys *k;
	AUTO_BUF scratch = BUF_INIT(2048);
	char digest[32] = { 0 };

	if (!rings)
		abort();
	if (load(r, &k, err) < 0) {
		free(rings);
		return -1;
	}
	*rings = (struct rings){ .certificates = k, .dkim = keys_new() };
	/* One signature with each key makes OpenSSL fetch all it needs before the walls are up. */
	for (uint32_t i = 0; i < keys_count(k); i++) {
		buf_reset(&scratch);
		if (keys_sign(k, i, 0x0804, str_new(digest, 32), &scratch) < 0 &&
		    keys_sign(k, i, 0x0403, str_new(digest, 32), &scratch) < 0)
			keys_sign(k, i, 0x0807, str_new(digest, 32), &scratch);
	}
	warm_up();
	/* Allowed to root and to small limits only; without it the keys could reach a swap device. */
	/* What is touched, not the libraries that nobody reads. */
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) < 0)
		log_debug(&r->log, "memory not locked");
	r->state = rings;
	return 0;
}

static int reply(
    struct link *link, const struct link_frame *in, bool ok, const struct buf *signature)
{
	struct frame_key_signature out = { .ok = ok, .signature = buf_str(signature) };

	return link_reply(link, in->request, &frame_def_key_signature, &out, NULL, 0, NULL);
}

static int on_sign(struct role *r, struct link *link, struct link_frame *in)
{
	const struct rings *rings = r->state;
	AUTO_BUF signature = BUF_INIT(1024);
	struct frame_key_sign f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || f.scheme > UINT16_MAX)
		return -1;
	bool ok =
	    keys_sign(rings->certificates, f.key, (uint16_t)f.scheme, f.digest, &signature) == 0;
	return reply(link, in, ok, &signature);
}

static int on_dkim_sign(struct role *r, struct link *link, struct link_frame *in)
{
	const struct rings *rings = r->state;
	AUTO_BUF signature = BUF_INIT(1024);
	struct frame_dkim_sign f;
	uint32_t key = 0;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || f.scheme > UINT16_MAX)
		return -1;
	bool ok = keys_find(rings->dkim, f.name, &key) &&
	          keys_sign(rings->dkim, key, (uint16_t)f.scheme, f.digest, &signature) == 0;
	return reply(link, in, ok, &signature);
}

static int take_dkim(struct role *r, int fd, struct err *err)
{
	AUTO_ARENA a = arena_new(NULL, "dkim keys", 64 << 20);
	struct rings *rings = r->state;
	struct keys *fresh = keys_new();
	str bytes;

	if (start_read_fd(fd, a, &bytes, err) < 0) {
		keys_free(fresh);
		return -1;
	}
	int result = dkim_block_read(bytes, fresh, err);
	secret_wipe((void *)(uintptr_t)bytes.ptr, bytes.len);
	if (result < 0) {
		keys_free(fresh);
		return -1;
	}
	keys_free(rings->dkim);
	rings->dkim = fresh;
	log_debug(&r->log, "keys for DKIM taken", F_INT("count", (int64_t)keys_count(fresh)));
	return 0;
}

static int on_dkim_keys(struct role *r, struct link *link, struct link_frame *in)
{
	struct err err = { .kind = ERR_NONE };
	struct frame_dkim_keys f;

	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || in->fds[0] < 0)
		return -1;
	bool ok = take_dkim(r, in->fds[0], &err) == 0;
	if (!ok)
		log_alert(&r->log, "keys for DKIM not taken", F_CSTR("why", err.text));
	return link_reply(link, in->request, &frame_def_dkim_taken,
	    &(struct frame_dkim_taken){ .ok = ok, .why = str_c(err.text) }, NULL, 0, NULL);
}

static int keys_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	(void)from, (void)index;
	if (in->def == &frame_def_key_sign)
		return on_sign(r, link, in);
	return in->def == &frame_def_dkim_sign ? on_dkim_sign(r, link, in)
	                                       : on_dkim_keys(r, link, in);
}

/* The new keys were checked by the supervisor; if they do not load all the same, the old ones stay. */
static void keys_reload(struct role *r)
{
	struct rings *rings = r->state;
	struct keys *fresh;
	struct err err;

	if (r->certificates < 0)
		return;
	if (load(r, &fresh, &err) < 0) {
		log_alert(&r->log, "new keys not taken", F_CSTR("why", err.text));
		return;
	}
	keys_free(rings->certificates);
	rings->certificates = fresh;
}

static void keys_stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	role_exit(r, 0);
}

static const struct frame_def *const from_fronts[] = { &frame_def_key_sign, NULL };
static const struct frame_def *const from_core[] = { &frame_def_dkim_sign, NULL };
static const struct frame_def *const from_supervisor[] = { &frame_def_dkim_keys, NULL };

const struct role_kind role_keys = {
	.name = "keys",
	.accepts = {
	    [ROLE_SUPERVISOR] = from_supervisor,
	    [ROLE_FRONT_MX] = from_fronts,
	    [ROLE_FRONT_USER] = from_fronts,
	    [ROLE_CORE] = from_core,
	},
	.start = keys_start,
	.frame = keys_frame,
	.reload = keys_reload,
	.stop = keys_stop,
};
