/* Role keys: private keys, and nothing but fixed frames that ask for a signature. */
#include "services/keys/keys.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "roles/role.h"
#include "roles/start.h"

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

static int keys_start(struct role *r, struct err *err)
{
	struct keys *k;
	AUTO_BUF scratch = BUF_INIT(2048);
	char digest[32] = { 0 };

	if (load(r, &k, err) < 0)
		return -1;
	/* One signature with each key makes OpenSSL fetch all it needs before the walls are up. */
	for (uint32_t i = 0; i < keys_count(k); i++) {
		buf_reset(&scratch);
		if (keys_sign(k, i, 0x0804, str_new(digest, 32), &scratch) < 0 &&
		    keys_sign(k, i, 0x0403, str_new(digest, 32), &scratch) < 0)
			keys_sign(k, i, 0x0807, str_new(digest, 32), &scratch);
	}
	/* Allowed to root and to small limits only; without it the keys could reach a swap device. */
	if (mlockall(MCL_CURRENT) < 0)
		log_debug(&r->log, "memory not locked");
	r->state = k;
	return 0;
}

static int keys_frame(
    struct role *r, enum role_id from, unsigned index, struct link *link, struct link_frame *in)
{
	AUTO_BUF signature = BUF_INIT(1024);
	struct frame_key_sign f;
	struct frame_key_signature out = { 0 };

	(void)from, (void)index;
	if (frame_decode(in->def, in->payload, &f, NULL) < 0 || f.scheme > UINT16_MAX)
		return -1;
	out.ok = keys_sign(r->state, f.key, (uint16_t)f.scheme, f.digest, &signature) == 0;
	out.signature = buf_str(&signature);
	return link_reply(link, in->request, &frame_def_key_signature, &out, NULL, 0, NULL);
}

/* The new keys were checked by the supervisor; if they do not load all the same, the old ones stay. */
static void keys_reload(struct role *r)
{
	struct keys *fresh;
	struct err err;

	if (r->certificates < 0)
		return;
	if (load(r, &fresh, &err) < 0) {
		log_alert(&r->log, "new keys not taken", F_CSTR("why", err.text));
		return;
	}
	keys_free(r->state);
	r->state = fresh;
}

static void keys_stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	role_exit(r, 0);
}

static const struct frame_def *const from_fronts[] = { &frame_def_key_sign, NULL };

const struct role_kind role_keys = {
	.name = "keys",
	.accepts = { [ROLE_FRONT_MX] = from_fronts, [ROLE_FRONT_USER] = from_fronts },
	.start = keys_start,
	.frame = keys_frame,
	.reload = keys_reload,
	.stop = keys_stop,
};
